/* Connections that are not logged in: from <open/> to <success/> (RFC 6120 §6; LINK.md §5). Nothing here outlives the link by which it came. */
#ifndef SM_LOGIN_H
#define SM_LOGIN_H

#include "sm/auth/auth.h"
#include "sm/sm.h"

void login_init(struct sm *sm);
void login_fini(struct sm *sm);

/* A frame of a c2s without session: <open/>, SASL elements, an iq of registration, <end/>. */
void login_on_frame(struct sm *sm, struct link *l, const struct frame *f);

/* Whether the connection still waits for its session. */
bool login_is_waiting(const struct sm *sm, struct str address);
/* Its session is open: it is no login any more. */
void login_succeeded(struct sm *sm, struct str address);
/* It authenticated, but no session can be opened: it may try again. */
void login_failed(struct sm *sm, struct str address, enum auth_failure failure);

/* A router's link, or a c2s (its instance), is gone: and with it what was under way there. */
void login_link_lost(struct sm *sm, const struct link *l);
void login_peer_lost(struct sm *sm, struct str c2s);

/* A reload: hosts that are gone end their logins. */
void login_hosts_changed(struct sm *sm);

#endif
