/* For exchange.c: the keys that a login is checked against, wherever they are, and what else the backend of the account says. */
#ifndef SM_AUTH_KEYS_H
#define SM_AUTH_KEYS_H

#include "sm/auth/claim.h"
#include "sm/directory/verdict.h"

struct keys_found {
    enum auth_failure failure; /* AUTH_OK, or a temporary one */
    const char *detail;        /* for the audit log; NULL: nothing */
    bool is_stores;            /* the account is the store's; otherwise the directory's, or nobody's */
    const struct scram_keys *keys; /* NULL: none */
    struct str password;       /* of DIGEST-MD5, which wants no keys: in clear text; absent: none */
    bool is_expired;           /* an administrator demanded a new password */
    /* of keys and passwords that are the directory's: to be told to who has proved them */
    struct str entry_key;      /* absent: they are the store's */
    enum directory_verdict entry_state;
};
/* Borrowed for the call. */
typedef void keys_found_fn(void *owner, const struct keys_found *found);

/* facts and claim are borrowed until found, which comes once, later. Of PLAIN only the store is
 * asked. */
void keys_find(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
               const struct auth_mechanism *m, keys_found_fn *found, void *owner);

#endif
