/* EXTERNAL, after the certificate was verified (authorities.c): whose account, and may it be used. */
#include "sm/auth/by_certificate.h"

#include "common/mem.h"
#include "sm/directory/directory.h"

enum auth_failure by_certificate_choose(const struct auth_certificate *c, struct arena *arena,
                                        struct claim *claim, const char **out_detail)
{
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
            claim->account = arena_str(arena, c->accounts[i]);
            claim->is_account = true;
            return AUTH_OK;
        }
    *out_detail = "an account that the certificate is not for";
    return AUTH_INVALID_AUTHZID;
}

struct admission {
    struct auth *auth;
    char *account;
    by_directory_fn *done;
    void *owner;
};

static void finish(struct admission *ad, enum auth_failure failure, const char *detail)
{
    ad->done(ad->owner, failure, detail);
    auth_unref(ad->auth);
    mem_free(ad->account);
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
    store_bind_text(tx, str_from(ad->account));
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
        by_directory_admit(ad->auth, str_from(ad->account), found->key, on_admitted, ad);
}

void by_certificate_admit(struct auth *a, const char *directory, struct str account,
                          by_directory_fn *done, void *owner)
{
    struct admission *ad = mem_new(struct admission);
    struct directory *d =
        directory && a->directories ? directories_find(a->directories, directory) : NULL;
    struct directory_name name;
    struct str rest = account;

    *ad = (struct admission){ a, str_dup(account), done, owner };
    auth_ref(a);
    name.jid = account;
    name.user = str_cut(&rest, '@');
    name.host = rest;
    if (!directory)
        ask_store(ad);
    else if (d)
        directory_lookup(d, &name, NULL, on_found, ad);
    else
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "no such directory");
}
