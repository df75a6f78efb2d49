/* Where a stanza goes: RFC 6120 §10 and the table of RFC 6121 §8. */
#ifndef SM_DELIVER_H
#define SM_DELIVER_H

#include "sm/sm.h"

/* Routes a stanza whose from and to are stamped: a local account (its resources, its bare JID, offline storage), the server itself (iq
 * handlers), a component, or nobody: then the error of §10.5 goes back to from. Takes no reference; keeps its own while something is under way.
 * origin: what it follows from; it is taken over when all that this leads to is delivered or stored. */
void deliver(struct sm *sm, struct stanza *stanza, struct origin *origin);

/* A message of the client of s, from and to stamped: the same, with what its account keeps of it (sm/archive.h, sm/carbons.h). */
void deliver_message(struct session *s, struct stanza *message, struct origin *origin);

/* Answers with an error, where one may be sent, by delivering it to stanza->from. text may be absent. */
void deliver_error(struct sm *sm, const struct stanza *stanza, enum stanza_error e, struct str text, struct origin *origin);

/* What a client sent: stamps from (RFC 6120 §8.1.2.1), checks, and hands to presence, iq or deliver. */
void deliver_from_session(struct session *s, struct stanza *stanza, struct origin *origin);

/* A subscription that came in for the account begins to be stored, and is done: shown, or refused. What is delivered to the account in between
 * waits, so that stanzas of one sender arrive in the order in which he sent them (RFC 6120 §10.1). They come in pairs, in order. */
void deliver_hold(struct account *a);
void deliver_release(struct account *a);

/* A session of the account ended and the rows of its queue are read to be delivered again: all that is delivered to the account in between waits
 * behind them. In pairs, in any order. */
void deliver_stop(struct account *a);
void deliver_go(struct account *a);
/* The account is freed. */
void deliver_forget(struct account *a);

/* A message to a session that ended before it was written (or of a repeated delivery): the rules of §8.5.3 for a resource that is gone. */
void deliver_again(struct sm *sm, struct str payload, struct origin *origin);

#endif
