/* The session manager's directories: from configuration to sm/directory, and what is told of them. */
#ifndef SM_DIRECTORIES_H
#define SM_DIRECTORIES_H

#include "common/ctl.h"
#include "sm/sm.h"

/* Before the store and libsasl2. */
void directories_prepare(struct sm *sm);
/* At start and at a reload. A password that cannot be read: why, and the old ones stay. */
NODISCARD enum err directories_apply(struct sm *sm, struct buf *why);
void directories_stop(struct sm *sm);

struct auth_renaming;
/* For auth_new: accounts follow their entries to other names where a host says so. */
struct auth_renaming directories_renaming(struct sm *sm);

/* Fields for status; the health that they mean. */
enum ctl_exit directories_health(const struct sm *sm, struct ctl_request *r);
enum ctl_exit directories_state(const struct sm *sm); /* the health alone */

#endif
