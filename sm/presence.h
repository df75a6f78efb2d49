/* Presence: RFC 6121 §4. */
#ifndef SM_PRESENCE_H
#define SM_PRESENCE_H

#include "sm/roster.h"
#include "sm/session.h"

/* Presence without to: initial, update, unavailable (§4.2 to §4.5). */
void presence_broadcast(struct session *s, struct stanza *presence, struct origin *origin);

/* Presence available or unavailable with a to: directed (§4.6). Remembers it and delivers. */
void presence_directed(struct session *s, struct stanza *presence, struct origin *origin);

/* Arriving for a local account's bare JID: available, unavailable, error (to its available
 * resources), probe (§4.3). A probe comes here for a full JID too (§4.3.2, §4.6.6); everything else
 * for a full JID is the resource's own. */
void presence_inbound(struct account *a, struct stanza *presence, struct origin *origin);

/* The session is over without having said so: unavailable to contacts and directed JIDs, when it
 * was available (§4.5.2). Saves nothing. */
void presence_session_ended(struct session *s, struct origin *origin);

/* Directed presence of a session (§4.6): remembered (false: the list is full), and all of it
 * forgotten (a session that is freed). */
bool presence_remember(struct session *s, struct str full);
void presence_forget_one(struct session *s, struct session_directed *d);
void presence_forget_all(struct session *s);

/* The value of <priority/>: 0 without one. ERR_MALFORMED outside of -128 to 127, or for more than
 * one (§4.7.2.3). */
NODISCARD enum err presence_priority(const struct xml *presence, int8_t *out_priority);

/* A presence that was written without to, with this one: "<presence to='…'" and the rest. */
void presence_write_to(struct buf *out, struct str presence, struct str to);

/* "<presence … type='unavailable' from=…/>", without to. */
void presence_write_unavailable(struct buf *out, const struct jid *from);

/* Presence of ours (written, without to) for one JID: at no cost when that is an account without
 * sessions, or one that has blocked from. */
void presence_send(struct sm *sm, struct str presence, const struct jid *from, const struct jid *to,
                   struct origin *origin);

/* A resource that may have missed presence of its contacts is told how they are now: that each is gone,
 * and then who is there. */
void presence_refresh(struct session *s, struct origin *origin);

/* A subscription began or ended: sends our account's current presences to a contact (§3.1.5), or
 * unavailable (§3.2.1, §3.3). */
void presence_send_current(struct account *a, const struct jid *contact, struct origin *origin);
void presence_send_unavailable(struct account *a, const struct jid *contact, struct origin *origin);

#endif
