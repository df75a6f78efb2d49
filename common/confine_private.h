/* What confine.c describes and confine_files.c and confine_calls.c make rules of. */
#ifndef COMMON_CONFINE_PRIVATE_H
#define COMMON_CONFINE_PRIVATE_H

#include "common/confine.h"

#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONFINE_IS_SANITIZED 1
#endif
#endif
#ifndef CONFINE_IS_SANITIZED
#define CONFINE_IS_SANITIZED 0 /* the sanitizers' own needs are no part of a release */
#endif

/* Groups of system calls that follow from what is described; the lower bits are enum confine_may.
 */
enum {
    CONFINE_CALLS_TCP = 1 << 8,     /* dial addresses */
    CONFINE_CALLS_NAMES = 1 << 9,   /* dial hosts by name: DNS */
    CONFINE_CALLS_UNIX = 1 << 10,   /* dial Unix sockets */
    CONFINE_CALLS_LISTEN = 1 << 11, /* open Unix sockets to listen on, by reload */
    CONFINE_CALLS_KEEP = 1 << 12,   /* a store */
};

struct confine_path {
    char *path; /* absolute, no links in it if it was there to be resolved */
    enum confine_right right;
    enum confine_when when;
    bool is_file; /* this alone */
};

struct confine_port {
    uint16_t port;
    bool is_dialled; /* else listened on */
    enum confine_when when;
};

struct confine {
    struct confine_path *paths;
    struct confine_port *ports;
    size_t path_count, port_count;
    unsigned may; /* enum confine_may, CONFINE_CALLS_* */
};

#endif
