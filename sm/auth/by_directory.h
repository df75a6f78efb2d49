/* For exchange.c: the backend whose passwords are in a directory (sm/directory). */
#ifndef SM_AUTH_BY_DIRECTORY_H
#define SM_AUTH_BY_DIRECTORY_H

#include "sm/auth/claim.h"
#include "sm/auth/guesses.h"
#include "sm/directory/verdict.h"

#define BY_DIRECTORY_OTHER_ENTRY "another entry of the directory has this name now"

/* AUTH_OK: the password is right, and the account is there and is the entry's. detail: a constant,
 * for the audit log; NULL: nothing. */
typedef void by_directory_fn(void *owner, enum auth_failure failure, const char *detail);
/* Checks the password of a PLAIN message; keys are derived from a right one where that is allowed
 * (derived.h). facts and claim are borrowed for the call, guess until done: the entry is taken before
 * it is bound, and a wrong password ends it. done comes once, maybe from inside. */
void by_directory_check(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
                        struct guess *guess, by_directory_fn *done, void *owner);

/* Whoever it is was proved otherwise (a ticket, a certificate, keys), and the directory has this entry
 * for the account: the account is there, or is made, and is the entry's. AUTH_OK, or why not.
 * account: a bare JID; order: of its host. The texts are borrowed for the call; done comes once, later. */
void by_directory_admit(struct auth *a, struct str account, enum auth_order order, struct str key,
                        by_directory_fn *done, void *owner);

/* What a client is told of this verdict. */
enum auth_failure by_directory_failure(enum directory_verdict verdict);

#endif
