/* One address on which clients are accepted. */
#ifndef C2S_DOOR_H
#define C2S_DOOR_H

#include "c2s/c2s.h"
#include "common/net_network.h"

struct door {
    struct list at; /* c2s->doors */
    struct c2s *c2s;
    char *name;
    struct listener *listener; /* NULL: closed */
    int64_t max_connections;
    int64_t count;             /* open */
    uint8_t kind;              /* enum c2s_door_kind */
    struct net_network *proxies; /* only these may connect, by the PROXY protocol */
    size_t proxy_count;          /* 0: anybody, without it */
    bool is_paused;
};

/* Opens all that the file lists; they are paused until there is somebody to serve clients. */
NODISCARD enum err doors_open(struct c2s *c2s, struct buf *why);
/* Nobody comes in any more. */
void doors_close(struct c2s *c2s);
void doors_free(struct c2s *c2s);

/* Lets clients in, or leaves them in the listen queue. */
void doors_pause(struct c2s *c2s, bool is_paused);

/* A client of this door is gone. */
void door_leave(struct door *d);

#endif
