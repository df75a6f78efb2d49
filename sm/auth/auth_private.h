/* Shared by the files of this folder, for nobody else: auth.c (the process), exchange.c (one
 * login), internal.c (keys in the store). */
#ifndef SM_AUTH_AUTH_PRIVATE_H
#define SM_AUTH_AUTH_PRIVATE_H

#include "common/list.h"
#include "sm/auth/auth.h"
#include "sm/auth/scram.h"
#include "sm/store/store.h"

#include <uv.h>

enum { AUTH_SECRET_BYTES = 32 };

struct authorities; /* authorities.h */

struct auth {
    struct store *store;
    struct directories *directories;
    struct auth_renaming renaming;
    struct guesses *guesses;
    struct authorities *authorities; /* NULL: none yet */
    uv_loop_t *loop;
    uint32_t iterations;
    const uint8_t *slot_key;
    bool is_closed;          /* auth_free was called: the store may be gone */
    uint32_t refs;                            /* the caller's, and one for all that is under way */
    struct buf unmarked;                      /* directories of which was said that they show no mark */
    uint8_t server_secret[AUTH_SECRET_BYTES]; /* salts of those who do not exist are made from it */
    size_t gssapi_under_way;                  /* bytes that wait for a thread */
    uv_idle_t turn;                           /* runs while something is ready */
    struct list
        ready; /* exchanges whose answer came at once, and is told on the loop's next turn */
};

void auth_ref(struct auth *a);
void auth_unref(struct auth *a);

/* One row a name that clients may choose. */
struct auth_mechanism {
    const char *name;     /* "SCRAM-SHA-256-PLUS" */
    const char *base;     /* "SCRAM-SHA-256": what configuration names */
    enum scram_hash hash; /* whose keys it needs */
    bool is_scram;
    bool is_plus;
    bool is_plain;
    bool is_external;
    bool is_gssapi;
    bool is_digest; /* DIGEST-MD5: needs the password itself */
};

/* NULL: no such name. */
const struct auth_mechanism *auth_mechanism_find(struct str name);
/* Those that are never begun without TLS. */
bool auth_mechanism_needs_tls(const struct auth_mechanism *m);
/* Whether this connection is offered it. */
bool auth_mechanism_is_offered(const struct auth_mechanism *m, const struct auth_facts *facts);
bool auth_mechanism_is_allowed(const struct auth_mechanism *m,
                               const struct auth_facts *facts); /* by the host */
bool auth_has_binding(const struct auth_facts *facts);
/* AUTH_OK and *out_m: it is offered here; else the condition. *out_known: its name, when we know it
 * at all. */
enum auth_failure auth_mechanism_choose(struct str name, const struct auth_facts *facts,
                                        const struct auth_mechanism **out_m,
                                        const char **out_known);

/* A deep copy in the arena (facts.c). */
void auth_facts_copy(struct auth_facts *out, const struct auth_facts *facts, struct arena *arena);

/* This exchange's answer is told on the loop's next turn, with auth_exchange_tell (exchange.c). */
void auth_tell_later(struct auth *a, struct list *ready_at);
void auth_exchange_tell(struct list *ready_at);

/* --- internal.c ------------------------------------------------------------------------------- */

/* The account's keys for this hash; keys NULL when it has none or there is no such account.
 * is_expired: an administrator demanded a new password. ERR_IO: the store failed. */
typedef void internal_found_fn(void *owner, enum err e, const struct scram_keys *keys,
                               bool is_expired);
void internal_find(struct auth *a, struct str account, enum scram_hash hash,
                   internal_found_fn *found, void *owner);

/* Whether the prepared password belongs to the keys; derives them in the thread pool. */
void internal_check(struct auth *a, const struct scram_keys *keys, struct str password,
                    void (*checked)(void *owner, bool is_right), void *owner);

/* Fills count of them (at most SCRAM_HASH_COUNT) from the prepared password, in the thread pool;
 * derived gets as many, borrowed for the call. */
void internal_derive(struct auth *a, const struct scram_keys *keys, size_t count,
                     struct str password,
                     void (*derived)(void *owner, const struct scram_keys *keys), void *owner);
#endif
