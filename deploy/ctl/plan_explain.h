/* The plan told to people: the table of flows, for the team that owns the perimeter, and the table
 * of secrets. */
#ifndef DEPLOY_CTL_PLAN_EXPLAIN_H
#define DEPLOY_CTL_PLAN_EXPLAIN_H

#include "deploy/ctl/plan.h"
#include "deploy/ctl/plan_table.h"

/* host: only the flows that begin or end on it; NULL: all. */
void plan_explain_flows(struct plan *p, const char *host, enum plan_format format, struct buf *out);

/* Every secret by host: owner, mode, rotation, what its theft permits. The planning machine's are
 * among them. */
void plan_explain_secrets(struct plan *p, enum plan_format format, struct buf *out);

#endif
