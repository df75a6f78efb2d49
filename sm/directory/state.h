/* What an entry says of its account by itself, without a bind: disabled, expired, locked. For
 * logins by other proofs than a password given to the directory, and for sessions that are open.
 * Pure. */
#ifndef SM_DIRECTORY_STATE_H
#define SM_DIRECTORY_STATE_H

#include "sm/directory/entry.h"
#include "sm/directory/verdict.h"

#include <time.h>

/* To be asked for; NULL-terminated. Some are constructed, and shown only to who names them. */
extern const char *const directory_state_attributes[];

/* These behind the key attribute and before extra ones (NULL: none). The list is in the arena. */
const char *const *directory_state_wanted(const char *key_attribute, const char *const *extra,
                                          struct arena *arena);

/* DIRECTORY_OK, _DISABLED, _LOCKED, _EXPIRED (the password) or _MUST_CHANGE; of several the first
 * of these. What the entry does not show counts as good. lockout_s: a lock that the entry shows
 * only as the time when it began is over after so many seconds. */
enum directory_verdict directory_state(const struct directory_entry *e, time_t now,
                                       int64_t lockout_s);

/* Changes when the password does; absent: the entry does not tell. In the arena. */
void directory_password_mark(const struct directory_entry *e, struct arena *arena,
                             struct str *out_mark);

/* "20260131235959Z", with or without a fraction (RFC 4517 §3.3.13, in UTC). false: not such. */
bool directory_time_read(struct str text, time_t *out);

#endif
