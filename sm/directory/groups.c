/* See groups.h. Walking asks, level by level, for the groups that have one of those of the level
 * before as a member; what was found before is not asked again, so a circle ends. */
#include "sm/directory/groups.h"

#include "common/mem.h"
#include "proto/jid_escape.h"
#include "sm/directory/parts.h"
#include "sm/directory/person.h"
#include "sm/directory/query.h"

#include <string.h>

#define IN_CHAIN ":1.2.840.113556.1.4.1941:" /* MS-ADTS §3.1.1.3.4.4.3 */

enum { MEMBERS_A_FILTER = 20 };

struct directory_walk {
    struct directory *directory;
    struct directory_search *search; /* under way; NULL: none */
    struct arena arena;
    struct str user, dn; /* whose groups */
    struct directory_group groups[DIRECTORY_MAX_GROUPS];
    struct buf folded[DIRECTORY_MAX_GROUPS]; /* their names, for comparison */
    size_t count;
    size_t asked; /* of these the first so many were asked for as members */
    uint32_t depth;
    size_t level_end; /* groups of the present depth end here */
    bool is_cut;
    struct buf primary; /* the SID of the primary group */
    uint32_t searches;
    directory_groups_fn *done;
    void *owner;
};

static const struct directory_options *options_of(const struct directory_walk *w)
{
    return &w->directory->options;
}

static bool lists_users(const struct directory_options *o)
{
    return str_eq_nocase(str_from(o->group_member), STR("memberUid"));
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void free_walk(struct directory_walk *w)
{
    for (size_t i = 0; i < w->count; i++)
        buf_fini(&w->folded[i]);
    buf_fini(&w->primary);
    arena_fini(&w->arena);
    mem_free(w);
}

static void finish(struct directory_walk *w, enum directory_verdict v)
{
    struct directory_groups g = { .verdict = v,
                                  .count = w->count,
                                  .groups = w->groups,
                                  .is_cut = w->is_cut,
                                  .searches = w->searches };

    w->done(w->owner, &g);
    free_walk(w);
}

void directory_groups_cancel(struct directory_walk *w)
{
    if (!w)
        return;
    directory_query_cancel(w->search);
    free_walk(w);
}

bool directory_groups_have(const struct directory_groups *g, const char *name)
{
    struct buf wanted = { 0 }, folded = { 0 };
    bool is_dn = strchr(name, '=') && directory_dn_fold(str_from(name), &wanted) == ERR_OK;
    bool is_there = false;

    for (size_t i = 0; i < g->count && !is_there; i++) {
        buf_clear(&folded);
        is_there =
            str_is_set(g->groups[i].name) && str_eq_nocase(g->groups[i].name, str_from(name));
        if (!is_there && is_dn && directory_dn_fold(g->groups[i].dn, &folded) == ERR_OK)
            is_there = str_eq(buf_str(&folded), buf_str(&wanted));
    }
    buf_fini(&wanted);
    buf_fini(&folded);
    return is_there;
}

/* --- what is found -----------------------------------------------------------------------------
 */

static bool is_known(const struct directory_walk *w, struct str folded)
{
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(buf_str(&w->folded[i]), folded))
            return true;
    return false;
}

static void on_group(void *owner, const struct directory_entry *e)
{
    struct directory_walk *w = owner;
    struct buf folded = { 0 };

    if (directory_dn_fold(e->dn, &folded) != ERR_OK || is_known(w, buf_str(&folded))) {
        buf_fini(&folded);
    } else if (w->count == DIRECTORY_MAX_GROUPS) {
        buf_fini(&folded);
        w->is_cut = true;
    } else {
        w->folded[w->count] = folded;
        w->groups[w->count++] = (struct directory_group){
            arena_str(&w->arena, e->dn),
            arena_str(&w->arena, directory_entry_text(e, options_of(w)->group_name)), w->depth
        };
    }
}

/* --- questions ---------------------------------------------------------------------------------
 */

static void on_level(void *owner, const struct directory_end *end);

static void ask(struct directory_walk *w, struct buf *filter)
{
    const struct directory_options *o = options_of(w);
    const char *const attributes[] = { o->group_name, NULL };
    struct directory_query q = { .base = o->group_base ? o->group_base : o->base,
                                 .scope = DIRECTORY_SUBTREE,
                                 .attributes = attributes,
                                 .max_entries = DIRECTORY_MAX_GROUPS + 1 };

    buf_add_char(filter, '\0');
    q.filter = filter->p;
    w->searches++;
    w->search = directory_query_start(w->directory, &q, on_group, on_level, w);
    buf_fini(filter);
}

static void add_member(const struct directory_walk *w, struct buf *filter, const char *rule,
                       struct str value)
{
    buf_printf(filter, "(%s%s=", options_of(w)->group_member, rule);
    directory_filter_add_value(filter, value);
    buf_add_char(filter, ')');
}

static void add_primary(const struct directory_walk *w, struct buf *filter)
{
    if (w->primary.n == 0)
        return;
    buf_add(filter, STR("(objectSid="));
    directory_filter_add_value(filter, buf_str(&w->primary));
    buf_add_char(filter, ')');
}

/* The groups of the entry itself. */
static void ask_first(struct directory_walk *w)
{
    const struct directory_options *o = options_of(w);
    struct buf filter = { 0 };
    const char *rule = o->group_nesting == DIRECTORY_NEST_CHAIN && !lists_users(o) ? IN_CHAIN : "";

    buf_printf(&filter, "(&%s(|", o->group_filter);
    add_member(w, &filter, rule, lists_users(o) ? w->user : w->dn);
    add_primary(w, &filter);
    buf_add(&filter, STR("))"));
    ask(w, &filter);
}

/* The groups that have some of those found so far as members. */
static void ask_next(struct directory_walk *w)
{
    const struct directory_options *o = options_of(w);
    struct buf filter = { 0 };

    buf_printf(&filter, "(&%s(|", o->group_filter);
    for (int n = 0; n < MEMBERS_A_FILTER && w->asked < w->level_end; n++)
        add_member(w, &filter, o->group_nesting == DIRECTORY_NEST_CHAIN ? IN_CHAIN : "",
                   w->groups[w->asked++].dn);
    buf_add(&filter, STR("))"));
    ask(w, &filter);
}

/* With the matching rule only the primary group's own groups are missing after the first answer. */
static bool needs_more(const struct directory_walk *w)
{
    switch (options_of(w)->group_nesting) {
    case DIRECTORY_NEST_NONE:
        return false;
    case DIRECTORY_NEST_CHAIN:
        return w->primary.n > 0 && w->depth == 0;
    default:
        return !lists_users(options_of(w));
    }
}

static void on_level(void *owner, const struct directory_end *end)
{
    struct directory_walk *w = owner;

    w->search = NULL;
    w->is_cut |= end->is_cut;
    if (end->verdict != DIRECTORY_OK) {
        finish(w, end->verdict);
        return;
    }
    if (w->asked == w->level_end) { /* all of this level were asked for: the next one */
        if (!needs_more(w) || w->count == w->level_end) {
            finish(w, DIRECTORY_OK);
            return;
        }
        if (++w->depth > DIRECTORY_MAX_NESTING) {
            w->is_cut = true;
            finish(w, DIRECTORY_OK);
            return;
        }
        w->level_end = w->count;
    }
    ask_next(w);
}

/* --- the primary group -------------------------------------------------------------------------
 */

static void on_person(void *owner, const struct directory_entry *e)
{
    struct directory_walk *w = owner;

    if (w->primary.n == 0)
        directory_person_add_primary_group(e, &w->primary);
}

static void on_person_end(void *owner, const struct directory_end *end)
{
    struct directory_walk *w = owner;

    w->search = NULL;
    if (end->verdict != DIRECTORY_OK)
        finish(w, end->verdict);
    else
        ask_first(w);
}

static void ask_person(struct directory_walk *w)
{
    static const char *const attributes[] = { "objectSid", "primaryGroupID", NULL };
    struct directory_query q = { .base = w->dn.p,
                                 .scope = DIRECTORY_BASE,
                                 .filter = "(objectClass=*)",
                                 .attributes = attributes };

    w->searches++;
    w->search = directory_query_start(w->directory, &q, on_person, on_person_end, w);
}

static void keep_user(struct directory_walk *w, struct str local)
{
    struct buf name = { 0 };

    jid_unescape(&name, local);
    w->user = arena_str(&w->arena, buf_str(&name));
    buf_fini(&name);
}

struct directory_walk *directory_groups_find(struct directory *d, struct str dn, struct str user,
                                             directory_groups_fn *done, void *owner)
{
    struct directory_walk *w = mem_new(struct directory_walk);

    w->directory = d;
    keep_user(w, user);
    w->done = done;
    w->owner = owner;
    w->dn = arena_str(&w->arena, dn);
    if (d->options.has_primary_group)
        ask_person(w);
    else
        ask_first(w);
    return w;
}
