/* Datagrams to a daemon on this host that may be slow, be away and come back. Nothing blocks: what
 * the kernel does not take waits in a queue of at most AUDIT_FORWARD_MAX_BYTES. For audit.c. */
#ifndef COMMON_AUDIT_FORWARD_H
#define COMMON_AUDIT_FORWARD_H

#include "common/str.h"

#include <uv.h>

enum { AUDIT_FORWARD_MAX_BYTES = 4 << 20 };

struct audit_forward;

/* path: of a Unix datagram socket, copied. */
struct audit_forward *audit_forward_new(const char *path);
/* Sends what can be sent at once; the rest is lost. Not while attached. NULL is fine. */
void audit_forward_free(struct audit_forward *f);

void audit_forward_attach(struct audit_forward *f, uv_loop_t *loop);
void audit_forward_detach(struct audit_forward *f);

/* Returns false when there is no room: this one is lost. */
bool audit_forward_send(struct audit_forward *f, struct str datagram);

/* Once a second: connects again, sends what waits. */
void audit_forward_tick(struct audit_forward *f);

/* Whether nothing waits: what is said now arrives. */
bool audit_forward_is_clear(const struct audit_forward *f);

#endif
