/* The first two steps of a connection, in a thread that may wait: the name's addresses, and a
 * socket to one of them. */
#ifndef SM_DIRECTORY_DIAL_H
#define SM_DIRECTORY_DIAL_H

#include "common/buf.h"

struct dir_dialling {
    const char *uri;      /* as uri.h reads it */
    int64_t timeout_ms;   /* for the name, and again for all of its addresses together */
    int64_t keepalive_ms; /* idle for so long, the kernel asks whether the host is there; 0: never */
    int64_t unacked_ms;   /* TCP_USER_TIMEOUT; 0: the kernel's */
};
struct dir_dialled {
    int fd;              /* does not block; -1: failed */
    bool is_resolved;    /* of a failure: the name has addresses */
    struct buf address;  /* "192.0.2.1:636", "unix:…"; ends in NUL when there is one */
    uint64_t resolve_ms, connect_ms;
};
/* out's fd and address are the caller's. why: of a failure, one sentence. */
NODISCARD bool dir_dial(const struct dir_dialling *in, struct dir_dialled *out, struct buf *why);

/* For a thread that looks names up: its resolver waits a bounded time. */
void dir_dial_limit_resolver(int64_t timeout_ms);

#endif
