/* <adopt/> (ARCHITECTURE §4): the session manager that authenticated says so to the owner of the account, under a key that only session
 * managers have; the owner takes each nonce once and opens the session. */
#ifndef SM_ADOPT_H
#define SM_ADOPT_H

#include "proto/control.h"
#include "sm/sm.h"

struct adopter *adopt_new(void);
void adopt_free(struct adopter *a);

/* Fills in epoch, nonce and expiry, signs and sends. via: the router by which the connection came. */
void adopt_send(struct sm *sm, struct link *via, struct control_adopt *adopt);

/* One that arrived, from another session manager or from ourselves. */
void adopt_on_control(struct sm *sm, struct link *via, const struct xml *el);

#endif
