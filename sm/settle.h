/* Down frames that cannot become final because the gate of the session they follow from does not say its f: it is away, or it does not want to.
 * Their recipient must not suffer from that: the sender's counter is committed instead, which covers its up frames (LINK.md §6.1, Final). */
#ifndef SM_SETTLE_H
#define SM_SETTLE_H

struct session;

/* Cheap. Begins a commit when the room for frames that are not final runs out; when it is done, the session goes on by itself. */
void settle_help(struct session *s);

#endif
