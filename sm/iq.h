/* IQs that the server answers: for itself and on behalf of its accounts (RFC 6120 §8.2.3, §10.3, RFC 6121 §8.5.2). */
#ifndef SM_IQ_H
#define SM_IQ_H

#include "sm/sm.h"

/* Of type get or set, to the server (host) or to an account's bare JID. session: the sender's, when it is a local client, else NULL.
 * Handlers answer through ext.h; without a handler <service-unavailable/> (§8.4), or <feature-not-implemented/> never. */
void iq_handle(struct sm *sm, struct stanza *stanza, struct session *session, struct origin *origin);

/* All extensions of sm/ext/list.c that are not disabled; once, at start. */
void iq_init(struct sm *sm);

#endif
