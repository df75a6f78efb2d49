/* Who is linked to this router, and who owns which slots, told to those who may know: c2s and s2s
 * hear of session managers alone. */
#ifndef ROUTER_ANNOUNCE_H
#define ROUTER_ANNOUNCE_H

#include "router/router.h"

/* A link came up: it hears of all, all of it. */
void announce_link_up(struct router *r, struct link *l);
void announce_link_down(struct router *r, struct link *l);
void announce_component(struct router *r, struct str domain, bool is_up);

/* An sm's <slots/> to every other link that may know. */
void announce_slots(struct router *r, struct str sm, struct str payload);

#endif
