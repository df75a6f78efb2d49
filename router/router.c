/* The router's process: start, reload, end, and what happens when links come and go. ARCHITECTURE
 * §2, §3. */
#include "router/router.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"
#include "router/announce.h"
#include "router/component.h"
#include "router/forward.h"
#include "router/metrics.h"
#include "router/share.h"

void router_say(struct router *r, struct link *to)
{
    struct frame f = { .to = link_name(to),
                       .from = router_name(r),
                       .payload = buf_str(&r->scratch) };

    link_send(to, &f);
}

static void on_up(void *owner, struct link *l)
{
    share_begin(l);
    announce_link_up(owner, l);
}

static void on_frame(void *owner, struct link *l, const struct frame *f, struct str raw)
{
    forward_frame(owner, l, f, raw);
}

static void on_down(void *owner, struct link *l)
{
    claims_drop(&((struct router *)owner)->claims, link_name(l));
    announce_link_down(owner, l);
    share_end(l);
}

static const struct link_events link_events = { .on_up = on_up,
                                                .on_frame = on_frame,
                                                .on_down = on_down };

static void free_router(struct router *r)
{
    components_close(r->components);
    r->components = NULL;
    xml_parser_free(r->parser);
    metric_forget(r);
    metric_forget(&r->claims);
    claims_fini(&r->claims);
    slots_fini(&r->slots);
    arena_fini(&r->arena);
    buf_fini(&r->scratch);
    mem_free(r);
}

enum err router_start(struct service *s, void **out_app, struct buf *why)
{
    struct router *r = mem_new(struct router);
    enum err e;

    r->service = s;
    r->conf = s->conf;
    r->parser = xml_parser_new();
    slots_init(&r->slots);
    claims_init(&r->claims);
    if ((e = components_open(r, &r->components, why)) != ERR_OK)
        goto fail;
    if ((e = links_open(s->net, s->timers, LINK_ROLE_ROUTER, &r->conf->link, &link_events, r,
                        &r->links, why)) != ERR_OK)
        goto fail;
    router_metrics_register(r);
    *out_app = r;
    service_ready(s);
    return ERR_OK;
fail:
    free_router(r);
    return e;
}

enum err router_reload(struct service *s, const void *old_conf, struct buf *why)
{
    struct router *r = s->app;
    enum err e;

    (void)old_conf;
    r->conf = s->conf;
    if ((e = links_reload(r->links, &r->conf->link, why)) != ERR_OK)
        return e;
    return components_reload(r->components, why);
}

/* Routers keep nothing: what was written leaves with the flush of links_close. */
void router_drain(struct service *s)
{
    struct router *r = s->app;

    components_drain(r->components);
    service_drained(s);
}

void router_stop(struct service *s)
{
    struct router *r = s->app;

    components_close(r->components);
    r->components = NULL;
    links_close(r->links);
    free_router(r);
}

enum ctl_exit router_status(struct service *s, struct ctl_request *request)
{
    struct router *r = s->app;
    struct link_status st;
    uint64_t up = 0, down = 0, sms = 0, gates = 0;
    enum ctl_exit health;

    for (size_t at = 0; links_status_next(r->links, &at, &st);) {
        up += st.is_up;
        down += !st.is_up;
        sms += st.is_up && st.role == LINK_ROLE_SM;
        gates += st.is_up && st.role == LINK_ROLE_C2S;
    }
    ctl_field_u64(request, "links_up", up);
    ctl_field_u64(request, "links_down", down);
    ctl_field_u64(request, "components", components_count(r->components));
    health = service_certificate_health(request, "link_certificate_days",
                                        links_cert_expiry(r->links));
    if (sms == 0 || gates == 0)
        return CTL_CRITICAL;
    return down > 0 && health == CTL_OK ? CTL_WARNING : health;
}
