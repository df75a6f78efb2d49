/* Shared rosters: people of a directory's groups are contacts of each other without any row of the
 * store. An account's roster is its own items and these, joined where they meet (roster_walk.h);
 * they are read again now and then, and what has changed is pushed (RFC 6121 §2.1.6). */
#ifndef SM_SHARED_H
#define SM_SHARED_H

#include "common/ctl.h"
#include "sm/account.h"
#include "sm/directory/index.h"

/* At start, after directories_apply, and at each reload: what is configured now. */
void shared_configure(struct sm *sm);
/* Before directories_stop. */
void shared_stop(struct sm *sm);

/* At start, before sessions are loaded: whether this host has shared groups, and what its clients
 * were told when the last life ended (the value that was kept under shared_write_meta_name). */
bool shared_is_configured(const struct sm_host_conf *host);
void shared_write_meta_name(struct buf *out, const char *host);
void shared_restore(struct sm *sm, const char *host, struct str value);

/* Something of this directory changed: read again at once, but not before two seconds, or ten times
 * what the last reading took, have passed since it began. */
void shared_refresh_soon(struct sm *sm, const char *directory);
/* A server of it is up again: only if the last refresh failed. */
void shared_retry(struct sm *sm, const char *directory);

/* What holds for the account's host now; NULL: nothing is shared there. Borrowed. */
struct directory_index *shared_index(const struct account *a);
/* The account's number in it, or DIRECTORY_NOBODY. */
uint32_t shared_self(const struct account *a, const struct directory_index *x);

/* What groups make of this contact (a bare or full JID): ROSTER_TO, it is in the account's roster;
 * ROSTER_FROM, the account is in its. */
uint8_t shared_state(const struct account *a, const struct directory_index *x,
                     const struct jid *contact);
/* Whether groups let who see the account's presence. */
bool shared_may_see(const struct account *a, const struct jid *who);

/* Behind the number of a roster's version: "-" and a hash while groups contribute; with more behind
 * it while clients have not been told of all that has changed, so that nobody takes it for current
 * (RFC 6121 §2.6). */
void shared_write_version(struct buf *out, const struct account *a);

/* The account is freed. */
void shared_forget(struct account *a);

/* sallyportctl ldap groups [GROUP], ldap shared */
void shared_run_groups(struct sm *sm, struct ctl_request *r);
void shared_run_status(struct sm *sm, struct ctl_request *r);

#endif
