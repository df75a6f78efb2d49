/* `ldap explain`: each step that a login of an account takes, and why it would end as it does. */
#ifndef SM_EXPLAIN_H
#define SM_EXPLAIN_H

#include "common/ctl.h"
#include "proto/jid.h"
#include "sm/sm.h"

/* Answers a table of steps, later; asks nothing that could count as a guess. CTL_OK: who gives the
 * right proof gets in, somewhere; CTL_FAILED: nobody does. jid: bare, borrowed for the call. */
void explain_run(struct sm *sm, struct ctl_request *r, const struct jid *jid);

#endif
