/* One look at this host: processes from /proc, sockets from sock_diag in each network namespace
 * that is involved. No process is asked, and none is stopped. */
#ifndef DEPLOY_CTL_BOUNDARY_LOOK_H
#define DEPLOY_CTL_BOUNDARY_LOOK_H

#include "deploy/ctl/boundary_plan.h"

enum { BOUNDARY_MAX_SPACES = 256, BOUNDARY_MAX_SOCKETS = 16 << 20 };

/* Needs root. out is to be ended with boundary_look_fini, on failure too. A socket that is held and
 * that no namespace lists is among the sockets with space 0 and what it is by its own options.
 * why: one sentence. Returns ERR_OK, ERR_DENIED, ERR_LIMIT, ERR_IO. */
NODISCARD enum err boundary_look(const struct boundary_plan *plan, struct boundary_look *out,
                                 struct buf *why);

#endif
