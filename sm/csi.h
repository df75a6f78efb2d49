/* Client State Indication: XEP-0352. What a client that nobody looks at need not hear at once is
 * held back in memory, and only the last of its kind is: presence of each full JID, chat states of
 * each conversation. Nothing else ever waits: the next stanza that matters takes along what is
 * held, in its order, and so does <active/>. What is held belongs to no sender's acknowledgement,
 * for it may wait for hours; it may be lost with this process, and is then made up for
 * (presence_refresh). */
#ifndef SM_CSI_H
#define SM_CSI_H

#include "common/buf.h"
#include "common/list.h"
#include "common/table.h"
#include "proto/stanza.h"

struct bytes;
struct origin;
struct session;

/* Embedded in the session. */
struct csi {
    struct list held;  /* in the order in which it goes down */
    struct table keys; /* the same, by what replaces it */
    uint32_t bytes;
    bool is_inactive;
    bool is_incomplete; /* what was held is gone with an earlier owner */
};

void csi_init(struct csi *c);
/* Forgets what is held. */
void csi_clear(struct csi *c);
/* The same, for good. */
void csi_fini(struct csi *c);

/* Whether a stanza for the resource `own` can wait. Pure. Writes then what the next of its kind has
 * in common with it. Everything that is not known to be of no hurry is: IQs, messages with anything
 * but chat states (receipts and markers too: they are rare, none replaces another, and a marker of
 * the account's other client takes a notification away), errors, subscriptions, and presence that
 * answers the client itself: its own, and that of a room that it enters or leaves. */
bool csi_can_wait(const struct stanza *stanza, const struct jid *own, struct buf *out_key);

/* Of a stanza that is about to go down: true when it is held instead. Otherwise what was held goes
 * down ahead of it. Limits are csi_hold and csi_hold_bytes. */
bool csi_hold(struct session *s, struct bytes *payload);
/* What is held goes down. */
void csi_flush(struct session *s);

/* What the client says (§4.2). Noted in the session's row; <active/> has taken effect on return. */
void csi_set(struct session *s, bool is_inactive, struct origin *origin);

#endif
