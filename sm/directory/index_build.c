/* An index out of what a directory said: names of entries are matched by their hashes under a key
 * of this run. Groups in groups are index_show.c's. */
#include "sm/directory/index.h"

#include "common/mem.h"
#include "common/table.h"
#include "proto/jid.h"
#include "proto/jid_escape.h"
#include "sm/directory/entry.h"
#include "sm/directory/index_parts.h"

#include <stdlib.h>
#include <sys/random.h>

enum { MAX_DN = 8192 };

/* --- names ------------------------------------------------------------------------------------- */

static int compare_named(const void *a, const void *b)
{
    uint64_t x = ((const struct index_named *)a)->hash, y = ((const struct index_named *)b)->hash;

    return x < y ? -1 : x > y;
}

static void names_add(struct index_names *t, uint64_t hash, uint32_t id)
{
    t->items[t->n++] = (struct index_named){ hash, id };
}

static void names_sort(struct index_names *t)
{
    qsort(t->items, t->n, sizeof *t->items, compare_named);
}

static uint32_t names_find(const struct index_names *t, uint64_t hash)
{
    const struct index_named wanted = { .hash = hash };
    const struct index_named *found =
        t->n > 0 ? bsearch(&wanted, t->items, t->n, sizeof wanted, compare_named) : NULL;

    return found ? found->id : DIRECTORY_NOBODY;
}

/* What is no DN is compared as it is. */
static uint64_t hash_folded(const struct index_build *b, struct str dn, struct buf *scratch)
{
    buf_clear(scratch);
    if (dn.n > MAX_DN || directory_dn_fold(dn, scratch) != ERR_OK) {
        buf_clear(scratch);
        buf_add(scratch, dn);
    }
    return table_siphash(b->key, buf_str(scratch));
}

/* --- people ------------------------------------------------------------------------------------ */

static int compare_people(const void *a, const void *b)
{
    return str_cmp((*(const struct directory_raw_person *const *)a)->local,
                   (*(const struct directory_raw_person *const *)b)->local);
}

/* In the order of local parts, without those that share one. */
static void sort_people(struct index_build *b)
{
    const struct directory_raw_person **p = mem_alloc((b->raw->person_count + 1) * sizeof *p);
    size_t n = 0, end;

    for (const struct directory_raw_person *r = b->raw->people; r; r = r->next)
        p[n++] = r;
    qsort(p, n, sizeof *p, compare_people);
    for (size_t i = 0; i < n; i = end) {
        for (end = i + 1; end < n && str_eq(p[i]->local, p[end]->local);)
            end++;
        if (end - i == 1)
            p[b->person_count++] = p[i];
        else
            b->ambiguous += (uint32_t)(end - i);
    }
    b->people = p;
    b->seen = mem_alloc((b->person_count + (size_t)1) * sizeof *b->seen);
    b->in = mem_alloc((b->person_count + (size_t)1) * sizeof *b->in);
}

static uint32_t find_local(const struct index_build *b, struct str local)
{
    const struct directory_raw_person wanted = { .local = local }, *key = &wanted, **found;

    found = b->person_count > 0
                ? bsearch(&key, b->people, b->person_count, sizeof key, compare_people)
                : NULL;
    return found ? (uint32_t)(found - b->people) : DIRECTORY_NOBODY;
}

static void name_people(struct index_build *b)
{
    struct buf scratch = { 0 };

    b->exact.items = mem_alloc((b->person_count + (size_t)1) * sizeof(struct index_named));
    b->folded.items = mem_alloc((b->person_count + (size_t)1) * sizeof(struct index_named));
    for (uint32_t i = 0; i < b->person_count; i++) {
        names_add(&b->exact, table_siphash(b->key, b->people[i]->dn), i);
        names_add(&b->folded, hash_folded(b, b->people[i]->dn, &scratch), i);
    }
    names_sort(&b->exact);
    names_sort(&b->folded);
    buf_fini(&scratch);
}

/* --- groups and their direct members ------------------------------------------------------------ */

static void name_groups(struct index_build *b)
{
    struct buf scratch = { 0 };

    b->groups = mem_alloc((b->raw->group_count + 1) * sizeof *b->groups);
    b->group_names.items = mem_alloc((b->raw->group_count + 1) * sizeof(struct index_named));
    for (const struct directory_raw_group *r = b->raw->groups; r; r = r->next) {
        struct index_making *g = &b->groups[b->group_count];

        names_add(&b->group_names, hash_folded(b, r->dn, &scratch), b->group_count++);
        *g = (struct index_making){ .raw = r, .dn = str_dup(buf_str(&scratch)), .number = DIRECTORY_NOBODY };
    }
    names_sort(&b->group_names);
    buf_fini(&scratch);
}

static void add_user(const struct index_build *b, struct index_making *g, struct str value)
{
    struct arena arena = { 0 };
    struct buf escaped = { 0 };
    struct str local;
    uint32_t person = DIRECTORY_NOBODY;

    jid_escape(&escaped, value);
    if (jid_prepare_local(buf_str(&escaped), &arena, &local) == ERR_OK)
        person = find_local(b, local);
    if (person != DIRECTORY_NOBODY)
        ids_add(&g->direct, person);
    buf_fini(&escaped);
    arena_fini(&arena);
}

/* Most are written as the entry itself is; the others are folded. */
static void add_entry(const struct index_build *b, struct index_making *g, struct str dn, struct buf *scratch)
{
    uint32_t person = names_find(&b->exact, table_siphash(b->key, dn)), group;
    uint64_t hash;

    if (person == DIRECTORY_NOBODY) {
        hash = hash_folded(b, dn, scratch);
        person = names_find(&b->folded, hash);
        group = names_find(&b->group_names, hash);
        if (group != DIRECTORY_NOBODY && b->o->is_nested)
            ids_add(&g->sub, group);
    }
    if (person != DIRECTORY_NOBODY)
        ids_add(&g->direct, person);
}

static void add_members(struct index_build *b)
{
    struct buf scratch = { 0 };

    for (uint32_t i = 0; i < b->group_count; i++) {
        struct index_making *g = &b->groups[i];

        for (size_t m = 0; m < g->raw->member_count; m++)
            if (b->o->lists_users)
                add_user(b, g, g->raw->members[m]);
            else
                add_entry(b, g, g->raw->members[m], &scratch);
    }
    buf_fini(&scratch);
}

static void add_primary(struct index_build *b)
{
    struct index_names sids = { .items = mem_alloc((b->group_count + (size_t)1) * sizeof(struct index_named)) };

    for (uint32_t i = 0; i < b->group_count; i++)
        if (b->groups[i].raw->sid.n > 0)
            names_add(&sids, table_siphash(b->key, b->groups[i].raw->sid), i);
    names_sort(&sids);
    for (uint32_t p = 0; p < b->person_count; p++) {
        struct str sid = b->people[p]->sid;
        uint32_t g = sid.n > 0 ? names_find(&sids, table_siphash(b->key, sid)) : DIRECTORY_NOBODY;

        if (g != DIRECTORY_NOBODY)
            ids_add(&b->groups[g].direct, p);
    }
    mem_free(sids.items);
}

static void fini(struct index_build *b)
{
    for (uint32_t i = 0; i < b->group_count; i++) {
        buf_fini(&b->groups[i].direct);
        buf_fini(&b->groups[i].sub);
        buf_fini(&b->groups[i].members);
        mem_free(b->groups[i].dn);
    }
    for (uint32_t i = 0; i < b->person_count; i++)
        buf_fini(&b->in[i]);
    mem_free(b->in);
    mem_free(b->seen);
    mem_free(b->may);
    mem_free(b->groups);
    mem_free(b->shown);
    mem_free(b->exact.items);
    mem_free(b->folded.items);
    mem_free(b->group_names.items);
    mem_free(b->people);
}

struct directory_index *directory_index_build(const struct directory_raw *raw,
                                              const struct directory_index_options *o)
{
    struct index_build b = { .raw = raw, .o = o };
    struct directory_index *x;

    ASSERT(getrandom(b.key, sizeof b.key, 0) == (ssize_t)sizeof b.key);
    sort_people(&b);
    name_people(&b);
    name_groups(&b);
    add_members(&b);
    add_primary(&b);
    index_show(&b);
    x = index_bytes(&b);
    fini(&b);
    return x;
}
