/* Where a frame goes: by process name, by component domain, by the owner of a slot. The router
 * looks at a frame's addresses and sends the rest on as it came. */
#ifndef ROUTER_FORWARD_H
#define ROUTER_FORWARD_H

#include "router/router.h"

/* A frame from a link. raw is the whole of it. */
void forward_frame(struct router *r, struct link *from, const struct frame *f, struct str raw);

/* A stanza of a component, on its way to the owner of its destination's slot. from and to are clean
 * frame addresses. Returns ERR_OK, ERR_NOT_FOUND (nobody owns it, or its owner is not linked),
 * ERR_DENIED (policy; counted and audited). out_via: the link it took. */
NODISCARD enum err forward_from_component(struct router *r, struct str domain,
                                          const struct frame *f, struct link **out_via);

#endif
