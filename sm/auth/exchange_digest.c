/* DIGEST-MD5: the server speaks first, and the client's one answer names the account and proves the
 * password, which is the only thing that it can be checked against. So the name is read here, the
 * directory is asked, and libsasl2 then finds the password in memory. RFC 2831, RFC 6331. */
#include "sm/auth/exchange_parts.h"

#include "common/mem.h"
#include "sm/auth/digest_md5.h"

/* What the client sends with its choice would be an answer to an older challenge (§2.2), of which
 * none is kept: it gets a new one. */
void exchange_digest_begin(struct auth_exchange *x)
{
    struct str data = STR_NONE;
    enum auth_sasl_step step = AUTH_SASL_BROKEN;

    x->answers.host = x->facts.host.p; /* the realm, too */
    x->answers.is_digest = true;
    x->sasl = auth_sasl_new(&x->answers);
    if (x->sasl)
        step = auth_sasl_start(x->sasl, x->mechanism->name, STR_NONE, &data);
    if (step == AUTH_SASL_CHALLENGE)
        exchange_challenge(x, WANTS_FINAL, data);
    else
        exchange_fail(x, AUTH_TEMPORARY_AUTH_FAILURE);
}

static enum auth_failure refuse(struct auth_exchange *x, const char *why)
{
    x->detail = why;
    return AUTH_NOT_AUTHORIZED;
}

/* All that can be said before a password is looked at, so that none of it is a guess. */
static enum auth_failure judge(struct auth_exchange *x, struct str response)
{
    struct digest_md5 d;
    enum auth_failure failure;

    if (digest_md5_read(response, &x->arena, &d) != ERR_OK)
        return AUTH_MALFORMED_REQUEST;
    failure = claim_make(&x->facts, d.username, d.authzid, &x->arena, &x->claim);
    x->result.claimed = x->claim.first.user;
    if (!d.is_auth) /* no other was offered (§2.1.2) */
        return AUTH_MALFORMED_REQUEST;
    if (failure != AUTH_OK)
        return failure;
    if (!str_is_set(d.realm) || !str_eq(d.realm, x->facts.host))
        return refuse(x, "another realm");
    if (!digest_md5_is_for(&d, x->facts.host))
        return refuse(x, "another service");
    if (d.count != 1)
        return refuse(x, "not the first use of a nonce");
    return AUTH_OK;
}

void exchange_digest_read(struct auth_exchange *x, struct str response)
{
    enum auth_failure failure = judge(x, response);

    if (failure == AUTH_OK && store_is_busy(x->auth->store))
        failure = AUTH_TEMPORARY_AUTH_FAILURE;
    if (failure != AUTH_OK) {
        exchange_fail(x, failure);
        return;
    }
    x->response = arena_str(&x->arena, response);
    exchange_try_guess(x);
}

/* Nobody's password is the server's secret: what is known of no account costs the same work. */
void exchange_digest_check(struct auth_exchange *x, struct str password)
{
    x->is_known = str_is_set(password) && x->claim.is_account;
    buf_reserve(&x->secret, password.n + 2 * AUTH_SECRET_BYTES + 1); /* no copy is left behind */
    if (x->is_known)
        buf_add(&x->secret, password);
    else
        buf_add_hex(&x->secret, str_of(x->auth->server_secret, AUTH_SECRET_BYTES));
    buf_add_char(&x->secret, '\0');
    auth_sasl_tell_password(x->sasl, x->secret.p);
    exchange_check_proof(x);
}
