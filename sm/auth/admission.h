/* The last step for who was proved by no password, but by a certificate or a ticket: whose the
 * account is, and whether it may be used. Nobody binds as them, so a directory's entry says itself
 * whether it is disabled, expired or locked. */
#ifndef SM_AUTH_ADMISSION_H
#define SM_AUTH_ADMISSION_H

#include "sm/auth/by_directory.h"

/* AUTH_OK: the account is there, or was made as its directory's entry's, and has not expired.
 * claim->is_stores is written. Nobody else can have learned who exists: ask behind the proof.
 * facts and claim are borrowed until done, which comes once, later. */
void admission_ask(struct auth *a, const struct auth_facts *facts, struct claim *claim,
                   by_directory_fn *done, void *owner);

#endif
