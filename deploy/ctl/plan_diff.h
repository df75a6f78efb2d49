/* What a plan would change, before it is written: flows, and the files of each host. */
#ifndef DEPLOY_CTL_PLAN_DIFF_H
#define DEPLOY_CTL_PLAN_DIFF_H

#include "deploy/ctl/plan.h"

/* Compares with what was last written to folder (nothing there: all is new) and writes nothing. Of
 * flows the rows of flows.csv that go ("-") and come ("+"); of hosts the files that are new,
 * changed and removed. Keys, certificates and secrets are not looked at: only making them tells.
 * out: lines for people; out_differs: whether there are any. why: one sentence on failure. */
NODISCARD enum err plan_diff(struct plan *p, const char *folder, bool *out_differs, struct buf *out,
                             struct buf *why);

#endif
