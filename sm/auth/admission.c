/* Whether somebody who was proved otherwise may use an account; see the header. */
#include "sm/auth/admission.h"

#include "common/mem.h"
#include "sm/auth/chain.h"
#include "sm/directory/directory.h"

struct admission {
    struct auth *auth;
    const struct auth_facts *facts;
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
        by_directory_admit(ad->auth, ad->claim->account, ad->facts->order, found->key,
                           on_admitted, ad);
}

static void ask_directory(struct admission *ad)
{
    struct directory *d =
        ad->auth->directories ? directories_find(ad->auth->directories, ad->facts->directory)
                              : NULL;
    struct directory_name name = { .jid = ad->claim->account };
    struct str rest = ad->claim->account;

    name.user = str_cut(&rest, '@');
    name.host = rest;
    if (d)
        directory_lookup(d, &name, NULL, on_found, ad);
    else
        finish(ad, AUTH_TEMPORARY_AUTH_FAILURE, "no such directory");
}

/* On a host that has both, who is proved to be an account of the store gets that account. */
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

void admission_ask(struct auth *a, const struct auth_facts *facts, struct claim *claim,
                   by_directory_fn *done, void *owner)
{
    struct admission *ad = mem_new(struct admission);

    *ad = (struct admission){ a, facts, claim, done, owner };
    auth_ref(a);
    if (facts->directory)
        chain_find(a, claim->account, facts->order, SCRAM_SHA_256, on_home, ad);
    else
        ask_store(ad);
}
