/* What the files of presence share. */
#ifndef SM_PRESENCE_PARTS_H
#define SM_PRESENCE_PARTS_H

#include "sm/presence.h"

enum {
    PRESENCE_MAX_DIRECTED = 500
}; /* JIDs that one resource may have sent directed presence to (§4.6) */

/* Whether this JID, or its bare JID, is remembered as one that was sent directed presence. */
bool presence_is_directed(const struct session *s, const struct jid *to);
/* Forgets it. Returns whether it was there. */
bool presence_forget(struct session *s, const struct jid *to);

/* presence of an answer to a probe (§4.3.2, §4.6.6). */
void presence_probe(struct account *a, const struct stanza *probe, struct origin *origin);

/* What a resource that became available must be told: presence of contacts and own resources,
 * pending requests (§4.2.2, §4.3.1, §3.1.3). */
void presence_introduce(struct session *s, struct origin *origin);

#endif
