/* What sallyportctl may ask a router. */
#include "router/component.h"
#include "router/router.h"

#include <inttypes.h>
#include <stdio.h>

struct cell {
    char text[24];
};

static struct str cell_u64(struct cell *cell, uint64_t value)
{
    snprintf(cell->text, sizeof cell->text, "%" PRIu64, value);
    return str_from(cell->text);
}

static struct str cell_since(struct cell *cell, const struct router *r, uint64_t since_ms)
{
    return cell_u64(cell, (uv_now(r->service->loop) - since_ms) / 1000);
}

static void run_links(void *app, struct ctl_request *request)
{
    const struct router *r = app;

    links_answer(r->links, request);
}

static void run_slots(void *app, struct ctl_request *request)
{
    static const char *const columns[] = { "sm", "state", "epoch", "slots", "hosts", NULL };
    struct router *r = app;

    ctl_columns(request, columns);
    for (size_t i = 0; i < r->slots.sm_count; i++) {
        const struct slots_sm *sm = r->slots.sms[i];
        struct cell c[3];

        ctl_row(request,
                (struct str[]){ str_from(sm->name),
                                links_find(r->links, str_from(sm->name)) ? STR("up") : STR("down"),
                                cell_u64(&c[0], sm->epoch), cell_u64(&c[1], sm->owned),
                                cell_u64(&c[2], sm->host_count) });
    }
    ctl_finish(request, CTL_OK);
}

static void run_components(void *app, struct ctl_request *request)
{
    static const char *const columns[] = { "component",  "address",     "tls",    "seconds",
                                           "stanzas_in", "stanzas_out", "queued", NULL };
    struct router *r = app;
    struct component_status st;

    ctl_columns(request, columns);
    for (size_t at = 0; components_status_next(r->components, &at, &st);) {
        struct cell c[4];

        ctl_row(request,
                (struct str[]){ st.domain, str_from(st.address), st.is_tls ? STR("yes") : STR("no"),
                                cell_since(&c[0], r, st.since_ms), cell_u64(&c[1], st.stanzas_in),
                                cell_u64(&c[2], st.stanzas_out), cell_u64(&c[3], st.queued) });
    }
    ctl_finish(request, CTL_OK);
}

const struct ctl_command router_commands[] = {
    { "links", CTL_READ, 0, 0, "links", "Every configured peer and the state of its link.",
      run_links },
    { "slots", CTL_READ, 0, 0, "slots", "The session managers and how many slots each owns.",
      run_slots },
    { "components", CTL_READ, 0, 0, "components", "The third-party components that are attached.",
      run_components },
    { 0 },
};
