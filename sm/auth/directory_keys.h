/* SCRAM where a directory holds what it needs: RFC 5803 values, or a password in clear text; or keys that were derived from one
 * that it accepted (derived.h). One search a login, whoever is claimed. */
#ifndef SM_AUTH_DIRECTORY_KEYS_H
#define SM_AUTH_DIRECTORY_KEYS_H

#include "sm/auth/chain.h"
#include "sm/directory/verdict.h"

enum { DIRECTORY_KEYS_MIN_ITERATIONS = 4096, DIRECTORY_KEYS_MAX_ITERATIONS = 10000000 };

/* A value of authPassword: RFC 5803 §3 in the form of RFC 3112 §2.2, spaces around its signs
 * allowed. ERR_MALFORMED: another scheme, no such value, or a count that is not between the limits:
 * out_keys is as it was. Pure. */
NODISCARD enum err directory_keys_read(struct str value, struct scram_keys *out_keys);
/* A value of userPassword that is the password itself: without a {SCHEME} (RFC 2307 §5.3), or
 * {CLEARTEXT}. Borrowed. false: a digest, or nothing. Pure. */
bool directory_keys_read_clear(struct str value, struct str *out_password);

struct directory_keys {
    enum auth_failure failure;      /* AUTH_OK, or a temporary one */
    const char *detail;             /* for the audit log, why there are no keys; NULL */
    const struct scram_keys *keys;  /* NULL: none; the answer must not show it */
    struct str password;            /* in clear text and prepared, where it was asked for; absent: none */
    /* with keys or password: to be told to who has proved that they know it */
    enum directory_verdict state;
    struct str key; /* of the entry: the account must be its */
};
/* Borrowed for the call, and wiped behind it. */
typedef void directory_keys_fn(void *owner, const struct directory_keys *k);

/* Asks the directory once. home: what the store has of the account; of one that is the store's the
 * directory is asked all the same, and what it says is ignored. m: one of SCRAM, which wants keys,
 * or DIGEST-MD5, which wants the password. done comes once, maybe from inside. */
void directory_keys_find(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
                         const struct auth_mechanism *m, const struct chain_found *home,
                         directory_keys_fn *done, void *owner);

#endif
