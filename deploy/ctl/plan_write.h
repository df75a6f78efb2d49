/* The files of a bundle, each from the plan alone. */
#ifndef DEPLOY_CTL_PLAN_WRITE_H
#define DEPLOY_CTL_PLAN_WRITE_H

#include "deploy/ctl/plan.h"
#include "deploy/ctl/plan_bundle.h"

/* The configuration file of a process; plan_process.c. */
void plan_write_process(struct plan *p, const struct plan_node *n, struct buf *out);

/* The table `inet sallyport` of a host; plan_nft.c. */
void plan_write_nft(struct plan *p, const struct plan_host_conf *host, struct buf *out);

/* Units, sockets, drop-ins, the target, users and groups of a host; plan_unit.c, plan_socket.c. */
void plan_write_units(struct plan *p, const struct plan_host_conf *host, struct plan_bundle *b);
/* The socket units of a process; returns their names, space before each. */
struct str plan_write_sockets(struct plan *p, const struct plan_node *n, struct plan_bundle *b);

/* "starttls", "tls-2": the title of c2s's listen section and the name of its socket, for an address
 * of its host. */
struct str plan_listen_name(struct plan *p, bool is_direct, size_t address_index);

#endif
