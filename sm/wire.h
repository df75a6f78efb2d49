/* Frames of the links: to whom each goes in here, and the two forms that are sent besides those of sessions (LINK.md §4). */
#ifndef SM_WIRE_H
#define SM_WIRE_H

#include "sm/sm.h"

struct frame;
struct xml;

extern const struct link_events wire_events; /* owner: struct sm */

/* From our own name, without session: control elements, and what is said to a connection before its session. */
void wire_control(struct sm *sm, struct link *l, struct str to, struct str payload);

/* What no honest peer sends: dropped, counted, audited. */
void wire_refuse(const struct frame *f, const char *what);

/* Whether a frame can carry it, however often it is written anew on its way (all text escaped, a delay and addresses added).
 * el as it came, bytes its length then. */
bool wire_fits(const struct sm *sm, struct xml *el, size_t bytes);

/* A stanza with its own addresses, to a component. */
void wire_stanza(struct sm *sm, struct link *l, const struct stanza *stanza);

#endif
