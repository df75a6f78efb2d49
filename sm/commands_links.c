/* sallyportctl links: one row for each router of the configuration. */
#include "sm/commands.h"

#include "sm/sm.h"

static struct str number(struct arena *arena, uint64_t n)
{
    return arena_printf(arena, "%llu", (unsigned long long)n);
}

static void add_link(struct ctl_request *r, const struct sm *sm, const struct link_status *st)
{
    struct arena arena = { 0 };
    struct str cells[] = { st->name,
                           str_from(link_role_names[st->role]),
                           st->is_up ? STR("up") : STR("down"),
                           st->is_dialled ? STR("out") : STR("in"),
                           st->is_unix ? STR("unix") : STR("tls"),
                           st->is_up ? number(&arena, (sm_now_ms(sm) - st->since_ms) / 1000) : STR("-"),
                           number(&arena, st->frames_in),
                           number(&arena, st->frames_out),
                           number(&arena, st->queued),
                           str_from(st->last_error) };

    ctl_row(r, cells);
    arena_fini(&arena);
}

void commands_links(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "peer", "role", "state", "dialled", "transport", "seconds", "frames_in", "frames_out", "queued",
                                           "error", NULL };
    struct sm *sm = app;
    struct link_status st;

    ctl_columns(r, columns);
    for (size_t at = 0; links_status_next(sm->links, &at, &st);)
        add_link(r, sm, &st);
    ctl_finish(r, CTL_OK);
}
