/* Hosts with both backends: whose account a name is. An account belongs to the backend that made it, whatever the other one has
 * under its name, so that no password and no proof for one opens what is the other's. */
#ifndef SM_AUTH_CHAIN_H
#define SM_AUTH_CHAIN_H

#include "sm/auth/auth_private.h"
#include "sm/auth/claim.h"

/* Pure. has_own_keys: the account has keys of the store's own (adduser made it); has_entry: it
 * belongs to an entry of the directory. Who has neither is the directory's to know. */
bool chain_is_directorys(enum auth_order order, bool has_own_keys, bool has_entry);

struct chain_found {
    enum err e; /* ERR_OK, or the store failed and nothing else is known */
    bool is_there, is_expired;
    bool is_directorys;
    bool has_own_keys;
    struct str key;                 /* of the entry that it belongs to; '': none */
    const struct scram_keys *own;   /* for the hash that was asked for; NULL: none */
    const struct scram_keys *derived; /* … from a password of the directory; NULL: none */
    struct str mark;                /* of derived */
};
/* Borrowed for the call. */
typedef void chain_found_fn(void *owner, const struct chain_found *found);

/* Whose the account is, and what the store has of it. One question to the store, whoever it is.
 * found comes once, later. */
void chain_find(struct auth *a, struct str account, enum auth_order order, enum scram_hash hash,
                chain_found_fn *found, void *owner);

/* internal_check for an account of the store, on a host that has a directory, too: a right password
 * is told at once, a wrong one (absent: one that cannot be anybody's) when the directory would tell
 * that it is wrong. checked comes once, maybe from inside the call. */
void chain_check(struct auth *a, const char *directory, const struct scram_keys *keys,
                 struct str password, void (*checked)(void *owner, bool is_right), void *owner);

#endif
