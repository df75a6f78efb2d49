/* sallyportctl ldap groups and ldap shared: what is shown to whom, how old it is, and why not. */
#include "common/arena.h"
#include "common/mem.h"
#include "sm/directory/entry.h"
#include "sm/shared_parts.h"

enum { MAX_SHOWN = 10000 };

static const char *state_of(const struct directory_index_group *g)
{
    if (g->is_too_large)
        return "too large: shown to nobody";
    return g->is_to_all ? "shown to all" : "shown to its members";
}

static void add_group(struct ctl_request *r, const struct shared_host *h, uint32_t group)
{
    struct directory_index_group g = directory_index_group(h->index, group);
    struct arena arena = { 0 };
    struct str cells[] = { str_from(h->name),
                           g.name,
                           arena_printf(&arena, "%u", g.members),
                           str_from(state_of(&g)),
                           arena_printf(&arena, "%u", g.not_viewed_by),
                           g.dn };

    ctl_row(r, cells);
    arena_fini(&arena);
}

static bool is_meant(const struct directory_index_group *g, struct str name)
{
    struct buf folded = { 0 };
    bool is = str_eq_nocase(g->name, name) ||
              (directory_dn_fold(name, &folded) == ERR_OK && str_eq(buf_str(&folded), g->dn));

    buf_fini(&folded);
    return is;
}

static void add_members(struct ctl_request *r, const struct shared_host *h, uint32_t group)
{
    uint32_t person;

    for (uint32_t i = 0; i < MAX_SHOWN; i++) {
        struct arena arena = { 0 };
        struct str local, name;

        person = directory_index_member(h->index, group, i);
        if (person == DIRECTORY_NOBODY)
            break;
        local = directory_index_local(h->index, person);
        name = directory_index_name(h->index, person);
        ctl_row(r, (struct str[]){ directory_index_group(h->index, group).name,
                                   arena_printf(&arena, "%.*s@%s", STR_ARG(local), h->name),
                                   str_is_set(name) ? name : STR("-") });
        arena_fini(&arena);
    }
}

/* Members of the groups of this name. */
static void show_members(struct sm *sm, struct ctl_request *r, struct str name)
{
    static const char *const columns[] = { "group", "member", "name", NULL };
    bool is_there = false;

    ctl_columns(r, columns);
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        const struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        for (uint32_t g = 0; g < directory_index_group_count(h->index); g++) {
            struct directory_index_group group = directory_index_group(h->index, g);

            if (!is_meant(&group, name))
                continue;
            is_there = true;
            add_members(r, h, g);
        }
    }
    ctl_finish(r, is_there ? CTL_OK : CTL_NO_SUCH);
}

static void show_groups(struct sm *sm, struct ctl_request *r)
{
    static const char *const columns[] = { "host", "group", "members", "state", "not_viewed_by", "dn", NULL };

    ctl_columns(r, columns);
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        const struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        for (uint32_t g = 0; g < directory_index_group_count(h->index); g++)
            add_group(r, h, g);
    }
    ctl_finish(r, CTL_OK);
}

static void add_host(struct ctl_request *r, const struct shared_host *h)
{
    const struct directory_people *p = &h->last;
    struct arena arena = { 0 };
    uint64_t age = h->done_ms ? (sm_now_ms(h->sm) - h->done_ms) / 1000 : 0;
    struct str cells[] = { str_from(h->name),
                           str_from(h->directory ? h->directory : "-"),
                           arena_printf(&arena, "%u", directory_index_people(h->index)),
                           arena_printf(&arena, "%u", directory_index_group_count(h->index)),
                           arena_printf(&arena, "%u", p->groups),
                           arena_printf(&arena, "%u", p->disabled),
                           arena_printf(&arena, "%u", p->unfit),
                           arena_printf(&arena, "%u", directory_index_ambiguous(h->index)),
                           arena_printf(&arena, "%zu", directory_index_bytes(h->index)),
                           h->done_ms ? arena_printf(&arena, "%llu", (unsigned long long)age) : STR("-"),
                           arena_printf(&arena, "%llu", (unsigned long long)p->took_ms),
                           h->last_error ? str_from(h->last_error) : STR("-") };

    ctl_row(r, cells);
    arena_fini(&arena);
}

/* A warning while a refresh fails; shared rosters are as old as they are. */
static void show_hosts(struct sm *sm, struct ctl_request *r)
{
    static const char *const columns[] = { "host",   "directory", "people",    "shown_groups", "groups",       "disabled",
                                           "no_address", "ambiguous", "bytes", "age_seconds", "milliseconds", "last_error",
                                           NULL };
    bool is_failing = false;

    ctl_columns(r, columns);
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        const struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        if (!h->conf)
            continue;
        add_host(r, h);
        is_failing |= h->last_error != NULL;
    }
    ctl_finish(r, is_failing ? CTL_WARNING : CTL_OK);
}

static bool is_shared_anywhere(const struct sm *sm, struct ctl_request *r)
{
    if (sm->shared)
        return true;
    ctl_say(r, "no host has shared_groups");
    ctl_finish(r, CTL_NO_SUCH);
    return false;
}

void shared_run_groups(struct sm *sm, struct ctl_request *r)
{
    struct str name = ctl_arg(r, 1);

    if (!is_shared_anywhere(sm, r))
        return;
    if (str_is_set(name))
        show_members(sm, r, name);
    else
        show_groups(sm, r);
}

void shared_run_status(struct sm *sm, struct ctl_request *r)
{
    if (is_shared_anywhere(sm, r))
        show_hosts(sm, r);
}
