/* From a plan and its keys to the folder that an administrator carries to the hosts. */
#ifndef DEPLOY_CTL_PLAN_MAKE_H
#define DEPLOY_CTL_PLAN_MAKE_H

#include "deploy/ctl/plan_keys.h"

/* Writes FOLDER/hosts/HOST for each host, and the tables beside them. Lines about what changed go
 * to k->report. ERR_AGAIN: the company's CA has requests to answer; nothing was written but those.
 */
NODISCARD enum err plan_make(struct plan *p, struct plan_keys *k, struct buf *why);

#endif
