/* The session managers, as the routers tell of them, and the paths to them: one path is one router
 * link on which one session manager is reached. A client uses one path until that is lost (LINK.md
 * §5), so that order is kept. */
#ifndef C2S_UPSTREAM_H
#define C2S_UPSTREAM_H

#include "c2s/c2s.h"

struct client;

struct upstream {
    struct c2s *c2s;
    char *name;
    uint64_t epoch;      /* the highest that a <sync/> of it had: older ones open no session */
    struct list paths;   /* struct path; empty: away */
    struct list parked;  /* struct client, path_at: their owner, and away */
    struct list waiting; /* struct client, waiting_at: for room in the window */
    uint64_t under_way;  /* bytes kept for it by all its gates */
    struct timer away;   /* runs out when it stays away for park_timeout */
};

struct path {
    struct list at;      /* upstream->paths */
    struct list router_at;
    struct upstream *upstream;
    struct link *link;
    char instance[17];
    struct list clients; /* struct client, path_at */
    struct list owing;   /* struct client, owing_at: they owe an h, at the end of this turn */
    struct list lazy;    /* struct client, owing_at: they owe an f, within a second */
};

/* What is kept for one router that is linked; link_data of its link. */
struct router {
    struct list paths; /* router_at */
};

struct control_peers;

void upstream_router_up(struct c2s *c2s, struct link *l);
/* All its paths are lost. */
void upstream_router_down(struct c2s *c2s, struct link *l);
/* The router's <peers/>. */
void upstream_peers(struct c2s *c2s, struct link *l, const struct control_peers *peers);

/* The session manager of that name that this link reaches, or NULL. */
struct path *upstream_path(struct c2s *c2s, struct link *l, struct str name);
/* Any: a different one each time. NULL when there is none. */
struct path *upstream_any(struct c2s *c2s);
struct upstream *upstream_find(struct c2s *c2s, struct str name);

/* Puts a client onto a path, or, with path NULL, among those that are parked at its upstream. A
 * gate's kept bytes move with it. */
void upstream_attach(struct client *c, struct upstream *u, struct path *path);
void upstream_detach(struct client *c);

/* How many bytes are under way has changed by this much; wakes those that wait for room. */
void upstream_account(struct upstream *u, int64_t bytes);
bool upstream_is_full(const struct upstream *u);

/* Writes the acknowledgements that are owed: h, and with it f; is_lazy: f alone, too. */
void upstream_flush(struct c2s *c2s, bool is_lazy);

void upstream_free_all(struct c2s *c2s);

#endif
