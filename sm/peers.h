/* Who can be reached, as the routers tell: c2s, components, other session managers. One struct a name, for as long as the process runs:
 * names are configured in the routers. */
#ifndef SM_PEERS_H
#define SM_PEERS_H

#include "proto/control.h"

struct sm;

enum { PEERS_MAX_PATHS = 16 };

struct peer {
    char *name;
    char role[16];
    char instance[FRAME_SESSION_BYTES + 1]; /* 16 hexadecimal digits; "" when it has none or is not known */
    struct link *paths[PEERS_MAX_PATHS]; /* routers that say that it is linked to them */
    size_t path_count;
    struct sm *sm;
    /* Of a c2s: */
    struct list sessions;    /* struct session, by peer_at */
    struct timer lost;       /* fires when it did not come back */
    struct buf acks;         /* acks.c collects here … */
    struct link *acks_via;   /* … what leaves by this link */
    struct list acks_at;
    uint32_t logins;         /* connections that are not logged in */
};

void peers_init(struct sm *sm);
void peers_fini(struct sm *sm);

/* NULL when nobody has ever spoken of it. */
struct peer *peers_find(const struct sm *sm, struct str name);
/* Made when there is none: a c2s of loaded sessions, or of a session that is opened. Its timer runs until it can be reached. */
struct peer *peers_c2s(struct sm *sm, struct str name);
bool peers_is_role(const struct peer *p, const char *role);

/* A link by which it can be reached now: preferred, if that is one; NULL: none. */
struct link *peers_path(const struct peer *p, struct link *preferred);
bool peers_has_path(const struct peer *p, const struct link *l);

/* The component whose domain this is, linked now; or NULL. */
struct peer *peers_component(const struct sm *sm, struct str domain);

/* <peers> of a router, and the end of a link to one. */
void peers_on_control(struct sm *sm, struct link *router, const struct control_peers *told);
void peers_on_link_down(struct sm *sm, struct link *router);

#endif
