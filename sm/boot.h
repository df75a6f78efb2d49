/* What is read from the store before links are opened: the epoch, the cluster's keys, the version of the host table, the sessions. */
#ifndef SM_BOOT_H
#define SM_BOOT_H

#include "sm/sm.h"

/* Runs the loop until it is done: only at start. why: one sentence. */
NODISCARD enum err boot_load(struct sm *sm, struct buf *why);

/* After a reload: when the hosts have changed, their version grows and c2s are told once that is stored. */
void boot_hosts_changed(struct sm *sm);

#endif
