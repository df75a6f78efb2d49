/* Which groups are shown, who is in them, groups in groups included, and who views them: it must not
 * become more than max_shared for anybody. */
#include "common/mem.h"
#include "sm/directory/entry.h"
#include "sm/directory/index_parts.h"

#include <stdlib.h>

enum { TWO = 2 };

/* --- which are shown, and all of their members -------------------------------------------------- */

static bool is_meant(const struct index_making *g, const char *const *names)
{
    struct buf folded = { 0 };
    bool is = false;

    for (; *names && !is; names++) {
        buf_clear(&folded);
        is = strcmp(*names, "*") == 0 ||
             (str_is_set(g->raw->name) && str_eq_nocase(g->raw->name, str_from(*names))) ||
             (strchr(*names, '=') && directory_dn_fold(str_from(*names), &folded) == ERR_OK &&
              str_is(buf_str(&folded), g->dn));
    }
    buf_fini(&folded);
    return is;
}

/* Everybody in it and in the groups below, each once. A circle ends where it meets itself. */
static void walk(struct index_build *b, struct index_making *top, struct buf *out)
{
    struct buf ahead = { 0 };

    top->walked = ++b->walk;
    ids_add(&ahead, (uint32_t)(top - b->groups));
    for (size_t at = 0; at < ids_count(&ahead); at++) {
        const struct index_making *g = &b->groups[ids_of(&ahead)[at]];

        for (size_t i = 0; i < ids_count(&g->direct); i++) {
            uint32_t person = ids_of(&g->direct)[i];

            if (b->seen[person] != b->walk && (!b->may || b->may[person]))
                ids_add(out, person);
            b->seen[person] = b->walk;
        }
        for (size_t i = 0; i < ids_count(&g->sub); i++) {
            struct index_making *sub = &b->groups[ids_of(&g->sub)[i]];

            if (sub->walked != b->walk)
                ids_add(&ahead, ids_of(&g->sub)[i]);
            sub->walked = b->walk;
        }
    }
    buf_fini(&ahead);
}

static void fill(struct index_build *b, struct index_making *g)
{
    walk(b, g, &g->members);
    g->count = (uint32_t)ids_count(&g->members);
    if (g->count > b->o->max_shared) {
        g->flags |= INDEX_TOO_LARGE;
        buf_fini(&g->members);
    } else if (g->count > 0) {
        qsort(g->members.p, g->count, sizeof(uint32_t), index_compare_u32);
    }
}

static void find_allowed(struct index_build *b)
{
    struct buf all = { 0 };
    bool *may;

    if (!b->o->allowed || !*b->o->allowed)
        return;
    may = mem_alloc((b->person_count + (size_t)1) * sizeof *may);
    for (uint32_t i = 0; i < b->group_count; i++)
        if (is_meant(&b->groups[i], b->o->allowed))
            walk(b, &b->groups[i], &all);
    for (size_t i = 0; i < ids_count(&all); i++)
        may[ids_of(&all)[i]] = true;
    b->may = may;
    buf_fini(&all);
}

int index_compare_shown(const void *a, const void *b)
{
    return strcmp((*(struct index_making *const *)a)->dn, (*(struct index_making *const *)b)->dn);
}

static int compare_sizes(const void *a, const void *b)
{
    const struct index_making *x = *(struct index_making *const *)a, *y = *(struct index_making *const *)b;

    return x->count != y->count ? (x->count < y->count ? -1 : 1) : index_compare_shown(a, b);
}

static void find_shown(struct index_build *b)
{
    b->shown = mem_alloc((b->group_count + (size_t)1) * sizeof *b->shown);
    for (uint32_t i = 0; i < b->group_count; i++) {
        struct index_making *g = &b->groups[i];
        bool is_to_all = is_meant(g, b->o->to_all);

        if (!is_to_all && !is_meant(g, b->o->shared))
            continue;
        g->flags = is_to_all ? INDEX_TO_ALL : 0;
        fill(b, g);
        b->shown[b->shown_count++] = g;
    }
}

/* --- who views what ----------------------------------------------------------------------------- */

/* The smallest first: groups that are shown to all, as long as they are not too many people for
 * anybody; then each person's own, as long as they are not for this one. */
static void view(struct index_build *b)
{
    uint32_t *left = mem_alloc((b->person_count + (size_t)1) * sizeof *left);
    uint64_t to_all = 0;

    qsort(b->shown, b->shown_count, sizeof *b->shown, compare_sizes);
    for (uint32_t i = 0; i < b->shown_count; i++) {
        struct index_making *g = b->shown[i];

        if (!(g->flags & INDEX_TO_ALL) || (g->flags & INDEX_TOO_LARGE))
            continue;
        if (to_all + g->count > b->o->max_shared) {
            g->flags |= INDEX_TOO_LARGE;
            buf_fini(&g->members);
        } else {
            to_all += g->count;
        }
    }
    for (uint32_t p = 0; p < b->person_count; p++)
        left[p] = b->o->max_shared - (uint32_t)to_all;
    for (uint32_t i = 0; i < b->shown_count; i++) {
        struct index_making *g = b->shown[i];
        uint32_t *members = (uint32_t *)(void *)g->members.p;

        for (size_t m = 0; m < ids_count(&g->members); m++) {
            uint32_t p = members[m];
            bool is_viewed = (g->flags & INDEX_TO_ALL) || left[p] >= g->count;

            if (is_viewed && !(g->flags & INDEX_TO_ALL))
                left[p] -= g->count;
            g->not_viewed_by += !is_viewed;
            members[m] = p * TWO + is_viewed;
        }
    }
    mem_free(left);
}

void index_show(struct index_build *b)
{
    find_allowed(b);
    find_shown(b);
    view(b);
}
