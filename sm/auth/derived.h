/* SCRAM keys derived from a password that a directory has accepted: kept in the store with what the directory showed of the
 * password then (directory_password_mark), and good for nothing when it shows anything else. */
#ifndef SM_AUTH_DERIVED_H
#define SM_AUTH_DERIVED_H

#include "sm/auth/auth_private.h"

#include <time.h>

/* Whether another password would have another mark: not while the day or the second of which the
 * mark speaks is not over. Pure. */
bool derived_is_settled(struct str mark, time_t now);

/* Derives and keeps them, unless that was done. mark: absent is said once of each directory, and
 * nothing is kept. The texts are borrowed for the call; the password is copied, and wiped. */
void derived_keep(struct auth *a, const char *directory, struct str account, struct str key,
                  struct str mark, struct str password);

/* auth_drop_derived. */
void derived_drop(struct auth *a, struct str account, const char *why);

#endif
