/* Where the keys of a login are; see the header. On a host with a directory everybody costs the same: one question to the store, and
 * for SCRAM and DIGEST-MD5 one to the directory, also of accounts that are not its own. */
#include "sm/auth/keys.h"

#include "common/mem.h"
#include "sm/auth/chain.h"
#include "sm/auth/directory_keys.h"

struct search {
    struct auth *auth;
    const struct auth_facts *facts;
    const struct claim *claim;
    const struct auth_mechanism *mechanism;
    struct keys_found result;
    struct scram_keys own;
    keys_found_fn *found;
    void *owner;
};

static void finish(struct search *s)
{
    s->found(s->owner, &s->result);
    auth_unref(s->auth);
    mem_wipe(s, sizeof *s);
    mem_free(s);
}

static void take_own(struct search *s, enum err e, const struct scram_keys *keys, bool is_expired)
{
    if (e != ERR_OK)
        s->result.failure = AUTH_TEMPORARY_AUTH_FAILURE;
    if (e != ERR_OK || !keys)
        return;
    s->own = *keys;
    s->result.keys = &s->own;
    s->result.is_expired = is_expired;
}

static void on_own(void *owner, enum err e, const struct scram_keys *keys, bool is_expired)
{
    struct search *s = owner;

    s->result.is_stores = true;
    take_own(s, e, keys, is_expired);
    finish(s);
}

static void on_directory(void *owner, const struct directory_keys *k)
{
    struct search *s = owner;

    s->result.failure = k->failure;
    s->result.detail = k->detail;
    s->result.password = k->password;
    if (k->keys || str_is_set(k->password)) {
        if (k->keys)
            s->result.keys = k->keys;
        s->result.entry_key = k->key;
        s->result.entry_state = k->state;
    }
    finish(s);
}

static void on_home(void *owner, const struct chain_found *home)
{
    struct search *s = owner;

    s->result.is_stores = home->e == ERR_OK && !home->is_directorys;
    if (home->e != ERR_OK || s->result.is_stores)
        take_own(s, home->e, home->own, home->is_expired);
    if (home->e == ERR_OK && (s->mechanism->is_scram || s->mechanism->is_digest))
        directory_keys_find(s->auth, s->facts, s->claim, s->mechanism, home, on_directory, s);
    else
        finish(s);
}

void keys_find(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
               const struct auth_mechanism *m, keys_found_fn *found, void *owner)
{
    struct search *s = mem_new(struct search);

    *s = (struct search){ .auth = a, .facts = facts, .claim = claim, .mechanism = m, .found = found, .owner = owner };
    s->result.entry_key = s->result.password = STR_NONE;
    auth_ref(a);
    if (facts->directory)
        chain_find(a, claim->account, facts->order, m->hash, on_home, s);
    else
        internal_find(a, claim->account, m->hash, on_own, s);
}
