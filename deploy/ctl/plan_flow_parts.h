/* Shared by the makers of flows, plan_flow.c and plan_perimeter.c, for nobody else. */
#ifndef DEPLOY_CTL_PLAN_FLOW_PARTS_H
#define DEPLOY_CTL_PLAN_FLOW_PARTS_H

#include "deploy/ctl/plan.h"

struct plan_flow_maker {
    struct plan *p;
    size_t cap;
    struct buf *why; /* sentences of plan_check's form */
    bool is_good;
};

/* Appends a flow whose port, identity, carries and why are to be filled in at once: the next call
 * may move it. */
struct plan_flow *plan_flow_add(struct plan_flow_maker *m, struct plan_end from, struct plan_end to,
                                enum plan_protocol protocol);
const struct str *plan_flow_texts(struct plan_flow_maker *m, const struct conf_list *list);

/* A process as a source: any address of its host, for the kernel picks one by its routes. */
struct plan_end plan_flow_dialler(struct plan_flow_maker *m, const struct plan_node *n);
/* What is not a host of ours; no addresses: any. */
struct plan_end plan_flow_outside(struct str name, struct str zone, const struct str *addresses,
                                  size_t count);

/* Whether a connection would be opened from a dmz into a private zone. */
bool plan_flow_is_inward(const struct plan_conf *conf, struct str from_zone, const char *to_zone);

/* Flows with the services of the perimeter; plan_perimeter.c. */
void plan_add_services(struct plan_flow_maker *m);

#endif
