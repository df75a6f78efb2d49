/* When a connection manager was in an attacker's hands: which accounts used it is written down here
 * (one row an account and c2s, to the minute), and `incident c2s NAME --since T` ends their
 * sessions and names whose passwords must change. deploy/INCIDENT.md. */
#ifndef SM_INCIDENT_H
#define SM_INCIDENT_H

#include "common/ctl.h"
#include "sm/sm.h"

struct session;
struct store_tx;

/* --- incident_use.c: the record --------------------------------------------------------------- */

/* A login, about to be committed: what is submitted in this turn of the loop is committed with it.
 * PLAIN shows c2s the password. */
void incident_note_login(const struct session *s, const char *mechanism);
/* A password of the account passed through this c2s in clear by other ways (XEP-0077). */
void incident_note_password(struct sm *sm, struct str account, struct str c2s);
/* The session is over now; a statement of the transaction that deletes its row. */
void incident_add_end(struct store_tx *tx, const struct session *s);
/* Deletes what is older than c2s_history, a piece at a time. */
void incident_sweep(struct sm *sm);

/* --- incident.c: the command ------------------------------------------------------------------ */

/* incident c2s NAME --since T [--dry-run] [--expire-passwords] */
void incident_run(void *app, struct ctl_request *r);
/* Before the store is closed: one that is under way is answered, and frees itself. */
void incident_stop(struct sm *sm);

#endif
