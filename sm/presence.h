/* Presence: RFC 6121 §4. */
#ifndef SM_PRESENCE_H
#define SM_PRESENCE_H

#include "sm/session.h"

/* Presence without to: initial, update, unavailable (§4.2 to §4.5). */
void presence_broadcast(struct session *s, struct stanza *presence, struct origin *origin);

/* Presence available or unavailable with a to: directed (§4.6). Remembers it and delivers. */
void presence_directed(struct session *s, struct stanza *presence, struct origin *origin);

/* Arriving for a local account's bare JID: available, unavailable (to its available resources), probe (§4.3). */
void presence_inbound(struct account *a, struct stanza *presence, struct origin *origin);

/* The session is over without having said so: unavailable to contacts and directed JIDs, when it was available (§4.5.2). Saves nothing. */
void presence_session_ended(struct session *s, struct origin *origin);

/* A subscription began or ended: sends our account's current presences to a contact (§3.1.5), or unavailable (§3.2.1, §3.3). */
void presence_send_current(struct account *a, const struct jid *contact, struct origin *origin);
void presence_send_unavailable(struct account *a, const struct jid *contact, struct origin *origin);

#endif
