/* EXTERNAL, after the certificate was verified (authorities.c): whose account, and may it be used. */
#include "sm/auth/by_certificate.h"

#include "common/mem.h"
#include "sm/auth/admission.h"

struct check {
    struct auth *auth;
    const struct auth_facts *facts;
    struct arena *arena;
    struct claim *claim;
    by_directory_fn *done;
    void *owner;
};

/* done: NULL when somebody else calls it. */
static void finish(struct check *k, enum auth_failure failure, const char *detail)
{
    if (k->done)
        k->done(k->owner, failure, detail);
    auth_unref(k->auth);
    mem_free(k);
}

static enum auth_failure choose(struct check *k, const struct auth_certificate *c,
                                const char **out_detail)
{
    struct claim *claim = k->claim;
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
            claim->account = claim->first.user = arena_str(k->arena, c->accounts[i]);
            claim->is_account = true;
            return AUTH_OK;
        }
    *out_detail = "an account that the certificate is not for";
    return AUTH_INVALID_AUTHZID;
}

static void on_certificate(void *owner, const struct auth_certificate *c)
{
    struct check *k = owner;
    const char *detail;
    enum auth_failure failure = choose(k, c, &detail);

    if (failure == AUTH_OK && !k->auth->is_closed) {
        admission_ask(k->auth, k->facts, k->claim, k->done, k->owner);
        k->done = NULL;
    }
    finish(k, failure != AUTH_OK ? failure : AUTH_TEMPORARY_AUTH_FAILURE, detail);
}

void by_certificate_check(struct auth *a, const struct auth_facts *facts, struct arena *arena,
                          struct claim *claim, by_directory_fn *done, void *owner)
{
    struct check *k = mem_new(struct check);

    *k = (struct check){ a, facts, arena, claim, done, owner };
    auth_ref(a);
    if (!auth_certificate_check(a, facts->host, facts->chain, on_certificate, k))
        finish(k, AUTH_TEMPORARY_AUTH_FAILURE, "no certificate can be checked now");
}
