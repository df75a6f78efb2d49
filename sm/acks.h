/* Acknowledgements: what sessions owe their gates is collected and said once a turn (h), or within a second (f). LINK.md §5, §6. */
#ifndef SM_ACKS_H
#define SM_ACKS_H

#include "proto/frame.h"

struct link;
struct session;
struct sm;

/* Begins to run at the end of each turn: after the network was made, so that it comes before the network's own flush (libuv runs what
 * was started last first). */
void acks_open(struct sm *sm);
/* Ends; freed by the loop. */
void acks_close(struct sm *sm);

/* h has grown, or the gate has to hear it again: said before this turn ends. */
void acks_owe(struct session *s);
/* A frame that goes down says it. */
void acks_said(struct session *s);
/* It has down frames that are not final: looked at once a second. */
void acks_unsettled(struct session *s);
/* The session is freed: forgets it. */
void acks_forget(struct session *s);

/* <acks> of a c2s. */
void acks_on_frame(struct sm *sm, const struct frame *f);

#endif
