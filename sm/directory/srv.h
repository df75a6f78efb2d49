/* Servers from DNS: RFC 2782. The records of _ldaps._tcp, or, where there are none, those of
 * _ldap._tcp, whose servers must then do StartTLS. */
#ifndef SM_DIRECTORY_SRV_H
#define SM_DIRECTORY_SRV_H

#include "common/buf.h"

enum { DIR_SRV_MAX = 16 };

struct dir_srv {
    char target[256]; /* a host name, without its last dot */
    uint16_t priority, weight, port;
};
struct dir_srv_answer {
    struct dir_srv records[DIR_SRV_MAX]; /* more are left out */
    size_t count;
    uint32_t ttl_s;  /* the shortest */
    bool is_none;    /* the one record ".": there is no such service */
    size_t left_out; /* records that are malformed, or too many */
};
/* Reads the answer section of a DNS message. Pure. ERR_MALFORMED: no message. */
NODISCARD enum err dir_srv_read(struct str message, struct dir_srv_answer *out);

/* What a server's place among its priority is: the smaller, the earlier. Sorting by it is RFC
 * 2782's choice by weight, but one server's place does not depend on the others': so a list that
 * is looked up again keeps its order. luck: random, 0 < luck < 1. */
double dir_srv_place(uint16_t weight, double luck);

/* In a thread; asks both names. false: why; no name server said anything that could be used. */
struct dir_srv_found {
    struct dir_srv_answer answer;
    bool is_ldaps;
};
NODISCARD bool dir_srv_look_up(const char *domain, int64_t timeout_ms, struct dir_srv_found *out,
                               struct buf *why);

#endif
