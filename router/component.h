/* Third-party components (XEP-0114, jabber:component:accept): a port of their own, where every
 * stanza is parsed, both ways. */
#ifndef ROUTER_COMPONENT_H
#define ROUTER_COMPONENT_H

#include "router/router.h"

struct component;  /* one connection */
struct components; /* all of the router */

/* Listens if the configuration says so. */
NODISCARD enum err components_open(struct router *r, struct components **out_components,
                                   struct buf *why);
/* New certificate, limits, secrets; components that are no longer listed end. */
NODISCARD enum err components_reload(struct components *cs, struct buf *why);
void components_close(struct components *cs); /* NULL is fine */
void components_drain(struct components *cs); /* no new ones */

/* Whether a domain is configured; whether it is attached (NULL). domain is normalised. */
bool components_is_known(const struct components *cs, struct str domain);
struct component *components_find(const struct components *cs, struct str domain);
size_t components_count(const struct components *cs);
/* Walks the domains attached; *at starts at 0. */
bool components_next(const struct components *cs, size_t *at, struct str *out_domain);

/* A frame from an sm. ERR_MALFORMED, ERR_DENIED: the payload is not one stanza with the frame's
 * addresses. */
NODISCARD enum err component_send(struct component *c, const struct frame *f);

/* For commands. */
struct component_status {
    struct str domain;
    char address[64];
    uint64_t since_ms, stanzas_in, stanzas_out, queued;
    bool is_tls;
};
bool components_status_next(const struct components *cs, size_t *at, struct component_status *out);

#endif
