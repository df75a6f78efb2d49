/* The router's metrics. */
#include "router/metrics.h"

#include "router/router.h"

struct metric router_metric_frames = METRIC("sallyport_router_frames_total", METRIC_COUNTER,
                                            "Frames that came from links and components.");
struct metric router_metric_bounces =
    METRIC("sallyport_router_bounces_total", METRIC_COUNTER,
           "Frames that went back because nobody was linked under their address.");
struct metric router_metric_violations = METRIC("sallyport_router_violations_total", METRIC_COUNTER,
                                                "Frames and stanzas refused by the policy.");
struct metric router_metric_components =
    METRIC("sallyport_router_components", METRIC_GAUGE, "Third-party components attached.");
struct metric router_metric_component_stanzas =
    METRIC("sallyport_router_component_stanzas_total", METRIC_COUNTER,
           "Stanzas from and to third-party components.");

static struct metric links_up =
    METRIC("sallyport_router_links", METRIC_GAUGE, "Links that are up.");
static struct metric links_configured =
    METRIC("sallyport_router_links_configured", METRIC_GAUGE, "Peers that are configured.");
static struct metric queued = METRIC("sallyport_router_queued_bytes", METRIC_GAUGE,
                                     "Bytes that wait to be written to links.");

static void on_collect(void *owner, struct buf *out)
{
    const struct router *r = owner;
    struct link_status st;
    uint64_t up = 0, configured = 0, bytes = 0;

    (void)out;
    for (size_t at = 0; links_status_next(r->links, &at, &st);) {
        configured++;
        up += st.is_up;
        bytes += st.queued;
    }
    metric_set(&links_up, up);
    metric_set(&links_configured, configured);
    metric_set(&queued, bytes);
}

void router_metrics_register(struct router *r)
{
    metric_register(&router_metric_frames);
    metric_register(&router_metric_bounces);
    metric_register(&router_metric_violations);
    metric_register(&router_metric_components);
    metric_register(&router_metric_component_stanzas);
    metric_register(&links_up);
    metric_register(&links_configured);
    metric_register(&queued);
    metric_on_collect(on_collect, r);
    metric_on_more(claims_write, &r->claims);
}
