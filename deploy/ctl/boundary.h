/* What `sallyportctl boundary` sees and what it compares it with: the sockets and processes of one
 * host as the kernel tells of them, and the flows that are declared for it. Here are the words that
 * its parts share; nothing in here reads or writes anything. */
#ifndef DEPLOY_CTL_BOUNDARY_H
#define DEPLOY_CTL_BOUNDARY_H

#include "common/arena.h"
#include "common/buf.h"

#include <sys/types.h>

/* What is none of the named ones is BOUNDARY_OTHER. */
enum boundary_kind {
    BOUNDARY_TCP,
    BOUNDARY_UDP,
    BOUNDARY_UNIX,
    BOUNDARY_SCTP,
    BOUNDARY_RAW,
    BOUNDARY_PACKET,
    BOUNDARY_NETLINK,
    BOUNDARY_OTHER
};
extern const char *const boundary_kind_names[];

enum boundary_state {
    BOUNDARY_LISTENING,
    BOUNDARY_CONNECTING, /* has sent a SYN */
    BOUNDARY_CONNECTED,
    BOUNDARY_CLOSING, /* one side has ended it */
    BOUNDARY_OPEN,    /* there, and neither of these: may send to anybody */
    BOUNDARY_CLOSED   /* of TCP: not bound, or over; nothing goes through it */
};
extern const char *const boundary_state_names[];

/* An IPv4-mapped IPv6 address is its IPv4 address. */
struct boundary_address {
    uint8_t bytes[16];
    uint8_t size; /* 4, 16; 0: none */
    uint16_t port;
};

struct boundary_network {
    struct boundary_address address;
    uint8_t bits;
};

struct boundary_networks {
    struct boundary_network *items;
    size_t count; /* 0: any */
};

/* size: 4 or 16. */
struct boundary_address boundary_address_of(const void *bytes, size_t size, uint16_t port);
bool boundary_address_eq(const struct boundary_address *a, const struct boundary_address *b);
/* "192.0.2.1:5222", "[2001:db8::1]:5222", "" for none. */
struct str boundary_address_text(struct arena *arena, const struct boundary_address *a);
/* Its opposite, and "*" is none. ERR_MALFORMED. */
NODISCARD enum err boundary_address_parse(struct str text, struct boundary_address *out);

/* "any", or addresses and networks ("10.0.0.0/8") with spaces between them. ERR_MALFORMED. */
NODISCARD enum err boundary_networks_parse(struct arena *arena, struct str text,
                                           struct boundary_networks *out);
bool boundary_networks_have(const struct boundary_networks *n, const struct boundary_address *a);

/* What others have named, for a terminal: printable ASCII stays, all else is \xNN. */
struct str boundary_printable(struct arena *arena, struct str bytes);

struct boundary_socket {
    uint64_t inode;
    enum boundary_kind kind;
    enum boundary_state state;
    struct boundary_address local, remote;
    struct str path; /* Unix: its name, "@" before an abstract one, printable; absent: none */
    uint64_t peer;   /* Unix: the inode at the other end; 0: none */
    uint32_t uid;    /* of who made it */
    uint64_t space;  /* its network namespace; 0: the kernel lists it in none that was asked */
    struct str what; /* of BOUNDARY_OTHER, and of what is in no list: family, type, protocol */
};

struct boundary_process {
    pid_t pid;
    struct str program; /* printable; without " (deleted)" */
    struct str user;    /* of its effective uid; the number when it has no name */
    uint32_t uids[4];   /* real, effective, saved, of the file system */
    uint64_t space;
    uint64_t cap_effective, cap_bounding;
    struct str core_limit; /* "0", "unlimited" */
    int seccomp;           /* 0 none, 1 strict, 2 filter */
    bool no_new_privs, is_dumpable;
    bool is_replaced; /* the file that it runs is no longer there */
};

/* Who has a socket open. */
struct boundary_holding {
    uint64_t inode;
    pid_t pid;
    int fd;
};

/* All that was seen at one time. */
struct boundary_look {
    struct arena arena;
    struct boundary_process *processes; /* ours and those that run as our users; by pid */
    size_t process_count;
    struct boundary_holding *holdings; /* of these; by inode, then pid; each once */
    size_t holding_count;
    struct boundary_socket *sockets; /* held by these, of our users, and all Unix ones; by inode */
    size_t socket_count;
    struct boundary_holding
        *others; /* who else holds what they talk to, or what they made; by inode */
    size_t other_count;
    bool is_whole_host; /* false: in a PID namespace of its own, it cannot see all processes */
};

void boundary_look_fini(struct boundary_look *l);
/* NULL: none. */
const struct boundary_socket *boundary_find_socket(const struct boundary_look *l, uint64_t inode);
/* The first of those that hold it; NULL: none of ours. */
const struct boundary_holding *boundary_find_holding(const struct boundary_look *l, uint64_t inode);
const struct boundary_process *boundary_find_process(const struct boundary_look *l, pid_t pid);
/* The process of the first holding; NULL: none of ours. */
const struct boundary_process *boundary_find_holder(const struct boundary_look *l, uint64_t inode);

#endif
