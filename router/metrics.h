/* The router's metrics. */
#ifndef ROUTER_METRICS_H
#define ROUTER_METRICS_H

#include "common/metric.h"

struct router;

extern struct metric router_metric_frames, router_metric_bounces, router_metric_violations,
    router_metric_components, router_metric_component_stanzas;

/* Once; r is asked at each scrape. */
void router_metrics_register(struct router *r);

#endif
