/* EXTERNAL, after the certificate was verified (authorities.c): whose account, and may it be used. */
#include "sm/auth/by_certificate.h"

#include "common/mem.h"
#include "sm/auth/chain.h"
#include "sm/directory/directory.h"

struct admission {
    struct auth *auth;
    const struct auth_facts *facts;
    struct arena *arena;
    struct claim *claim;
    by_directory_fn *done;
    void *owner;
};

static void finish(struct admission *ad, enum auth_failure failure, const char *detail)
{
    ad->done(ad->owner, failure, detail);
    auth_unref(ad->auth);
    mem_free(ad);
}

/* An account of the store. */
static void on_row(void *owner, enum err e, struct store_rows *rows)
{
    struct admission *ad = owner;

    if (e != ERR_OK)
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "the store failed");
    else if (!store_next(rows))
        finish(ad, AUTH_NOT_AUTHORIZED, "there is no such account");
    else if (store_int(rows, 1) != 0)
        finish(ad, AUTH_CREDENTIALS_EXPIRED, "an administrator demands a new password");
    else
        finish(ad, AUTH_OK, NULL);
}

static void ask_store(struct admission *ad)
{
    struct store_tx *tx = store_begin(ad->auth->store);

    store_add(tx, STORE_ACCOUNT_KEY);
    store_bind_text(tx, ad->claim->account);
    store_query(tx, on_row, ad);
}

static void on_admitted(void *owner, enum auth_failure failure, const char *detail)
{
    finish(owner, failure, detail);
}

/* An account of a directory: its entry is found by the host's filter, and says itself whether the
 * account is disabled, expired or locked, since nobody binds as it. */
static void on_found(void *owner, const struct directory_found *found)
{
    struct admission *ad = owner;
    enum directory_verdict verdict =
        found->verdict == DIRECTORY_OK ? found->state : found->verdict;
    enum auth_failure failure = by_directory_failure(verdict);

    if (failure != AUTH_OK)
        finish(ad, failure, directory_verdict_name(verdict));
    else if (ad->auth->is_closed)
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "the store failed");
    else
        by_directory_admit(ad->auth, ad->claim->account, ad->facts->order, found->key, on_admitted, ad);
}

static void ask_directory(struct admission *ad)
{
    struct directory *d =
        ad->auth->directories ? directories_find(ad->auth->directories, ad->facts->directory) : NULL;
    struct directory_name name = { .jid = ad->claim->account };
    struct str rest = ad->claim->account;

    name.user = str_cut(&rest, '@');
    name.host = rest;
    if (d)
        directory_lookup(d, &name, NULL, on_found, ad);
    else
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "no such directory");
}

/* On a host that has both, a certificate for an account of the store is for that account. */
static void on_home(void *owner, const struct chain_found *home)
{
    struct admission *ad = owner;

    ad->claim->is_stores = home->e == ERR_OK && !home->is_directorys;
    if (home->e != ERR_OK || ad->auth->is_closed)
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "the store failed");
    else if (ad->claim->is_stores)
        ask_store(ad);
    else
        ask_directory(ad);
}

static enum auth_failure choose(struct admission *ad, const struct auth_certificate *c,
                                const char **out_detail)
{
    struct claim *claim = ad->claim;
    bool is_named = str_is_set(claim->account);

    *out_detail = c->refusal;
    if (c->refusal)
        return AUTH_NOT_AUTHORIZED;
    if (!is_named && c->count != 1) {
        *out_detail = "several accounts, and no authorization identity";
        return AUTH_NOT_AUTHORIZED;
    }
    for (size_t i = 0; i < c->count; i++)
        if (!is_named || str_eq(claim->account, c->accounts[i])) {
            claim->account = claim->first.user = arena_str(ad->arena, c->accounts[i]);
            claim->is_account = true;
            return AUTH_OK;
        }
    *out_detail = "an account that the certificate is not for";
    return AUTH_INVALID_AUTHZID;
}

static void on_certificate(void *owner, const struct auth_certificate *c)
{
    struct admission *ad = owner;
    const char *detail;
    enum auth_failure failure = choose(ad, c, &detail);

    if (failure != AUTH_OK || ad->auth->is_closed)
        finish(ad, failure != AUTH_OK ? failure : AUTH_TEMPORARY_AUTH_FAILURE, detail);
    else if (ad->facts->directory)
        chain_find(ad->auth, ad->claim->account, ad->facts->order, SCRAM_SHA_256, on_home, ad);
    else
        ask_store(ad);
}

void by_certificate_check(struct auth *a, const struct auth_facts *facts, struct arena *arena,
                          struct claim *claim, by_directory_fn *done, void *owner)
{
    struct admission *ad = mem_new(struct admission);

    *ad = (struct admission){ a, facts, arena, claim, done, owner };
    auth_ref(a);
    if (!auth_certificate_check(a, facts->host, facts->chain, on_certificate, ad))
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "no certificate can be checked now");
}
