/* Message Carbons: XEP-0280. Which messages are copied, what a copy looks like, and who gets it.
 * Whether a session wants copies is in its row (session.h: has_carbons). */
#ifndef SM_CARBONS_H
#define SM_CARBONS_H

#include "sm/session.h"

struct archive_item;

enum carbons_way { CARBONS_SENT, CARBONS_RECEIVED };

/* §6.1. Pure. An error is eligible when what it brings back shows that the message was (body or
 * payloads of instant messaging); one that brings nothing back is not: urn:xmpp:carbons:rules:0,
 * which promises that too, is not announced. */
bool carbons_is_eligible(const struct stanza *message, enum carbons_way way);

/* The copy (§7, §8) of a message that was written with its own xmlns, for the resource full of the
 * account bare. Holds nothing random and no time (sm/README.md, Ids). */
void carbons_write(struct buf *out, enum carbons_way way, const struct stanza *message,
                   struct str written, const struct jid *full);

/* Whether a stanza out of a session's queue is such a copy: from the account itself to its
 * resource. No client can make one, for what clients send is stamped with their full JID. */
bool carbons_is_copy(const struct stanza *stanza);

/* What the client of s said, to another account: copies for the account's other resources, with
 * the id in its archive (item; NULL: it is not there). A message to the own account is received
 * there, which is copy enough. */
void carbons_sent(struct session *s, const struct stanza *message, const struct archive_item *item,
                  struct origin *origin);

/* Those resources that have the message itself. */
struct carbons_got {
    const struct session *one; /* or NULL */
    int lowest; /* and all that are available with at least this priority; CARBONS_NOBODY: none */
};
enum { CARBONS_NOBODY = 1000 };

/* What the account took: copies for the resources that have not got it, but for its sender. */
void carbons_received(struct account *a, const struct stanza *message,
                      const struct carbons_got *got, struct origin *origin);

#endif
