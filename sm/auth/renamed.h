/* For by_directory.c: people whom a directory has renamed. Who has no account by the new name has one
 * by the old, if the host lets accounts move (struct auth_renaming). */
#ifndef SM_AUTH_RENAMED_H
#define SM_AUTH_RENAMED_H

#include "sm/auth/auth.h"

enum renamed_outcome {
    RENAMED_NOBODY, /* nothing moved: not wanted, no other account of this entry, several, or the old
                     * name is the entry's still */
    RENAMED_MOVED,  /* by us or another login meanwhile: the account's row is there, unless it went again */
    RENAMED_FAILED, /* not known, or not done: the login is to be tried again */
};
/* detail: of RENAMED_FAILED, a constant for the audit log. */
typedef void renamed_fn(void *owner, enum renamed_outcome outcome, const char *detail);
/* Whoever has the entry of this key is proved, and there is no account of this name. An account of the
 * host that belongs to the entry gets the name, if the directory does not find the entry by that
 * account's own. An account of the store never does. account, a bare JID, and key are borrowed for
 * the call; order: of its host. done comes once, maybe from inside. */
void renamed_find(struct auth *a, struct str account, enum auth_order order, struct str key,
                  renamed_fn *done, void *owner);

#endif
