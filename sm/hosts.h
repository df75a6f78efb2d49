/* The table of hosts that c2s is told (ARCHITECTURE §4): from the configuration, its version from the store. */
#ifndef SM_HOSTS_H
#define SM_HOSTS_H

#include "proto/control.h"
#include "sm/sm.h"

/* Its text without a version: what the store keeps, to tell whether it has changed. */
void hosts_write_content(const struct sm *sm, struct buf *out);

/* <hosts/> to one c2s, or to every c2s that can be reached. */
void hosts_send(struct sm *sm, struct link *l, struct str c2s);
void hosts_send_all(struct sm *sm);

/* Logs what is offered through connection managers that the world can reach and exposes passwords, and where nothing is left to offer. */
void hosts_warn(const struct sm *sm);

/* <slots/> to a router. */
void hosts_send_slots(struct sm *sm, struct link *l);
void hosts_send_slots_all(struct sm *sm);

#endif
