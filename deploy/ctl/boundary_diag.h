/* The kernel's lists of sockets, sock_diag(7): the questions and their answers as bytes. Pure: no
 * socket is opened here. */
#ifndef DEPLOY_CTL_BOUNDARY_DIAG_H
#define DEPLOY_CTL_BOUNDARY_DIAG_H

#include "deploy/ctl/boundary.h"

/* One list. */
struct boundary_diag {
    enum boundary_kind kind;
    uint8_t family, protocol; /* AF_INET, IPPROTO_TCP */
    bool is_needed;           /* every kernel has it; of the others some have no list */
};

extern const struct boundary_diag boundary_diags[];
extern const size_t boundary_diag_count;

/* The request for all sockets of a list, as it is sent on a NETLINK_SOCK_DIAG socket. */
void boundary_diag_ask(const struct boundary_diag *d, struct buf *out);

/* What an answer's messages are given to. s is borrowed for the call; its path lives in the arena
 * of the reader. Sockets that no process can hold (inode 0) are left out. */
struct boundary_diag_reader {
    const struct boundary_diag *diag;
    struct arena *arena;
    void (*on_socket)(void *owner, const struct boundary_socket *s);
    /* A Unix socket that has connected to listener, which has not accepted it yet: the kernel gives
     * it no other end. */
    void (*on_pending)(void *owner, uint64_t inode, uint64_t listener);
    void *owner;
    bool is_done;
    int error; /* of the kernel, an errno; 0: none. Known when is_done. */
};

/* One datagram of the answer. ERR_MALFORMED: it is not what a kernel would send. */
NODISCARD enum err boundary_diag_read(struct boundary_diag_reader *r, struct str datagram);

#endif
