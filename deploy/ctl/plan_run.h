/* sallyportctl plan: its own command line, since it asks no process. */
#ifndef DEPLOY_CTL_PLAN_RUN_H
#define DEPLOY_CTL_PLAN_RUN_H

/* words: what stands behind "plan". Returns the tool's exit code: those of common/ctl.h, and 78 for
 * a cluster.conf with errors. */
int plan_run(int count, char **words);

#endif
