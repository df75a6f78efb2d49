/* From a plan and its keys to the folder that an administrator carries to the hosts. */
#ifndef DEPLOY_CTL_PLAN_MAKE_H
#define DEPLOY_CTL_PLAN_MAKE_H

#include "deploy/ctl/plan_bundle.h"
#include "deploy/ctl/plan_keys.h"

/* Writes FOLDER/hosts/HOST for each host, and the tables beside them. Lines about what changed go
 * to k->report. ERR_AGAIN: the company's CA has requests to answer; nothing was written but those.
 */
NODISCARD enum err plan_make(struct plan *p, struct plan_keys *k, struct buf *why);

/* The files of a host that follow from the plan alone: no keys, certificates and secrets. Nothing
 * where no process is planned. */
void plan_make_public(struct plan *p, const struct plan_host_conf *h, struct plan_bundle *b);

#endif
