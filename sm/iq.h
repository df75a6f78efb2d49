/* IQs that the server answers: for itself and on behalf of its accounts (RFC 6120 §8.2.3, §10.3,
 * RFC 6121 §8.5.2). */
#ifndef SM_IQ_H
#define SM_IQ_H

#include "sm/ext.h"
#include "sm/sm.h"

/* Of type get or set, to the server (host) or to an account's bare JID. session: the sender's, when
 * it is a local client, else NULL. Handlers answer through ext.h; without a handler
 * <service-unavailable/> (§8.4), or <feature-not-implemented/> never. */
void iq_handle(struct sm *sm, struct stanza *stanza, struct session *session,
               struct origin *origin);

/* The answer comes when somebody outside of this process gives it: what the client sends next does
 * not wait for it, and the sender's session may be gone by then. A get, or what changes nothing. */
void iq_let_go(struct iq *iq);

/* Of a connection that is not logged in, to this host (XEP-0077 §3.1.1). answer is called once, now
 * or later, with the result or the error; key (copied) is given back to it: the connection may be
 * gone by then. */
void iq_before_login(struct sm *sm, struct str host, struct stanza *stanza, iq_answer_fn *answer,
                     struct str key);

/* Says in the log which names of the key disabled are unknown. All extensions of sm/ext/list.c that
 * are not disabled take part; once, at start. */
void iq_init(struct sm *sm);

#endif
