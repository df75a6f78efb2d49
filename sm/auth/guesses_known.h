/* For guesses.c: where accounts logged in lately. Pure; bounded: of an account GUESSES_PLACES
 * places, the oldest gives way; of accounts GUESSES_MAX_KNOWN, the one that has not logged in for
 * the longest time gives way. */
#ifndef SM_AUTH_GUESSES_KNOWN_H
#define SM_AUTH_GUESSES_KNOWN_H

#include "sm/auth/guesses.h"

struct guesses_known;

struct guesses_known *guesses_known_new(void);
void guesses_known_free(struct guesses_known *k); /* NULL is fine */
/* address: as guesses_address has it. */
void guesses_known_add(struct guesses_known *k, struct str account, struct str address,
                       struct str c2s, uint64_t now_ms);
/* within_ms: no longer ago than this. */
bool guesses_known_has(const struct guesses_known *k, struct str account, struct str address,
                       struct str c2s, uint64_t now_ms, uint64_t within_ms);
/* Nobody is known any more through this c2s. Returns how many places that were. Looks at all
 * accounts: for administrators, not for logins. */
size_t guesses_known_forget_c2s(struct guesses_known *k, struct str c2s);

#endif
