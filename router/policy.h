/* The router's policy: which addresses a link may send as, and whom it may reach, by role. One
 * table (ARCHITECTURE §3). Pure. */
#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

#include "common/str.h"

/* From the router's configuration and the peer's certificate, never from what the peer claims. */
enum policy_role { POLICY_C2S, POLICY_S2S, POLICY_SM, POLICY_COMPONENT, POLICY_ROLE_COUNT };

/* What an address is, as a sender. */
enum policy_from {
    POLICY_FROM_SELF = 1,      /* the link's own name, or a connection of this instance of it; a
                                  component: its domain */
    POLICY_FROM_HOSTED = 2,    /* of a domain that this cluster serves */
    POLICY_FROM_COMPONENT = 4, /* of a component's domain */
    POLICY_FROM_REMOTE = 8,    /* of a domain elsewhere */
    POLICY_FROM_OTHER = 16,    /* of another process: nobody may */
};

/* What an address is, as a destination. */
enum policy_to {
    POLICY_TO_SM = 1,    /* a session manager by its name */
    POLICY_TO_OWNER = 2, /* a session manager because it owns the address's slot */
    POLICY_TO_C2S = 4,
    POLICY_TO_S2S = 8,
    POLICY_TO_COMPONENT = 16,
    POLICY_TO_ROUTER = 32,
    POLICY_TO_NOBODY = 64, /* to be bounced */
};

/* Which names there are. */
struct policy_world {
    const void *owner;
    bool (*is_process)(const void *owner,
                       struct str name); /* a configured process, or the router itself */
    bool (*is_component)(const void *owner, struct str domain);
    bool (*is_hosted)(const void *owner, struct str domain);
};

/* Who sends. */
struct policy_sender {
    enum policy_role role;
    struct str name;     /* a process's name or a component's domain */
    struct str instance; /* of a process */
};

enum policy_from policy_from(const struct policy_world *w, const struct policy_sender *sender,
                             struct str address);
bool policy_may_send(enum policy_role role, enum policy_from from, enum policy_to to);

/* The domain of an address: behind '@', in front of '/'. */
struct str policy_domain(struct str address);

#endif
