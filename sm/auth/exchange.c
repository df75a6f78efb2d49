/* One SASL exchange: what the client claims is decoded first, its keys are fetched, and only then
 * libsasl2 is asked, which never waits. Nobody learns from the answers who exists: unknown users
 * get the same challenges and cost the same work. RFC 6120 §6, RFC 5802. */
#include "sm/auth/exchange_parts.h"

#include "common/mem.h"
#include "proto/jid.h"
#include "sm/auth/by_certificate.h"
#include "sm/auth/by_directory.h"
#include "sm/auth/chain.h"
#include "sm/auth/gssapi.h"
#include "sm/auth/keys.h"

/* --- libsasl2 --------------------------------------------------------------------------------- */

/* refused: the condition for what libsasl2 does not accept at this point. */
static void answer_sasl(struct auth_exchange *x, enum auth_sasl_step step, struct str data,
                        enum auth_failure refused)
{
    switch (step) {
    case AUTH_SASL_CHALLENGE:
        exchange_challenge(x, WANTS_FINAL, data);
        break;
    case AUTH_SASL_SUCCESS:
        exchange_succeed(x, data);
        break;
    case AUTH_SASL_REFUSED:
        exchange_fail(x, refused);
        break;
    case AUTH_SASL_BROKEN:
        exchange_fail(x, AUTH_TEMPORARY_AUTH_FAILURE);
        break;
    }
}

static void start_sasl(struct auth_exchange *x)
{
    struct str data = STR_NONE;
    enum auth_sasl_step step = AUTH_SASL_BROKEN;

    x->answers.host = x->facts.host.p;
    x->answers.binding_name = x->claim.binding_name;
    x->answers.binding = x->claim.binding;
    x->answers.external = x->mechanism->is_external ? x->claim.account.p : NULL;
    x->sasl = auth_sasl_new(&x->answers);
    if (x->sasl)
        step = auth_sasl_start(x->sasl, x->mechanism->name, buf_str(&x->message), &data);
    answer_sasl(x, step, data,
                x->mechanism->is_plain || x->mechanism->is_external ? AUTH_NOT_AUTHORIZED
                                                                    : AUTH_MALFORMED_REQUEST);
}

static void on_admitted(void *owner, enum auth_failure failure, const char *detail)
{
    struct auth_exchange *x = owner;

    if (!exchange_wake(x))
        return;
    x->detail = detail;
    if (failure == AUTH_OK) {
        exchange_succeed(x, x->result.data);
    } else {
        exchange_settle(x, GUESSES_NOTHING); /* the proof was right */
        exchange_fail(x, failure);
    }
}

/* The keys were the directory's: what its entry says counts as if it had checked a password. data
 * is libsasl2's until it is asked again, which it is not. */
static void admit_entry(struct auth_exchange *x, struct str data)
{
    enum auth_failure failure = by_directory_failure(x->entry_state);

    if (failure != AUTH_OK) {
        x->detail = directory_verdict_name(x->entry_state);
        exchange_settle(x, GUESSES_NOTHING);
        exchange_fail(x, failure);
        return;
    }
    x->result.data = data;
    x->state = FETCHING;
    x->is_waiting = true;
    by_directory_admit(x->auth, x->claim.account, x->facts.order, x->entry_key, on_admitted, x);
}

/* A nonce that is not ours and a wrong proof are both not-authorized. */
void exchange_check_proof(struct auth_exchange *x)
{
    struct str data = STR_NONE;
    enum auth_sasl_step step = auth_sasl_step(x->sasl, x->response, &data);

    if (step == AUTH_SASL_CHALLENGE)
        step = AUTH_SASL_BROKEN; /* the proof is the last step */
    if (step == AUTH_SASL_SUCCESS && x->is_known && str_is_set(x->entry_key))
        admit_entry(x, data);
    else
        answer_sasl(x, step, data, AUTH_NOT_AUTHORIZED);
}

/* So is a binding that differs. */
static void finish_scram(struct auth_exchange *x, struct str response)
{
    struct str binding;

    if (!first_message_is_scram_final(response, &binding)) {
        exchange_fail(x, AUTH_MALFORMED_REQUEST);
        return;
    }
    if (!claim_is_bound(&x->claim, binding)) { /* libsasl2 refuses it, too, and does not say why */
        exchange_fail(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    x->response = arena_str(&x->arena, response);
    exchange_try_guess(x);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* A callback came. false: nobody waits for it any more. */
bool exchange_wake(struct auth_exchange *x)
{
    x->is_waiting = false;
    if (x->is_freed)
        auth_exchange_free(x);
    else if (x->state == FETCHING)
        return true;
    return false;
}

static void on_password_checked(void *owner, bool is_right)
{
    struct auth_exchange *x = owner;

    if (!is_right || !x->is_known) /* also when the client does not wait for it */
        exchange_settle(x, GUESSES_WRONG);
    if (!exchange_wake(x))
        return;
    x->answers.is_password_right = is_right;
    start_sasl(x);
}

static void check_password(struct auth_exchange *x, const struct scram_keys *keys)
{
    struct str password = STR_NONE;

    if (jid_prepare_password(x->claim.first.password, &x->arena, &password) != ERR_OK)
        password = STR_NONE;
    if (!str_is_set(password) && !x->facts.directory) {
        exchange_fail(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    x->is_waiting = true;
    if (x->facts.directory)
        chain_check(x->auth, x->facts.directory, keys, password, on_password_checked, x);
    else
        internal_check(x->auth, keys, password, on_password_checked, x);
}

/* found: NULL when there are none. */
static void use_keys(struct auth_exchange *x, const struct scram_keys *found, bool is_expired)
{
    struct scram_keys keys = { .hash = x->mechanism->hash, .iterations = x->auth->iterations };

    /* Invented for those who exist as well: the time must not tell. */
    scram_invent(&keys, str_of(x->auth->server_secret, AUTH_SECRET_BYTES), x->claim.account);
    x->is_known = found && x->claim.is_account;
    x->is_expired = x->is_known && is_expired;
    if (x->is_known)
        keys = *found;
    if (x->mechanism->is_plain) {
        check_password(x, &keys);
    } else {
        scram_write(&x->secret, &keys);
        buf_add_char(&x->secret, '\0');
        x->answers.secret = x->secret.p;
        start_sasl(x);
    }
    mem_wipe(&keys, sizeof keys);
}

/* By a directory or a certificate. libsasl2 is asked as ever: that what it gets is whole, it says. */
static void on_checked(void *owner, enum auth_failure failure, const char *detail)
{
    struct auth_exchange *x = owner;

    if (!exchange_wake(x))
        return;
    x->detail = detail;
    x->result.claimed = x->claim.first.user; /* a certificate may say it */
    x->is_known = failure == AUTH_OK && x->claim.is_account;
    x->answers.is_password_right = x->is_known;
    if (!x->is_known)
        exchange_settle(x, GUESSES_NOTHING); /* the others ended with the bind */
    if (x->is_known)
        start_sasl(x);
    else
        exchange_fail(x, failure == AUTH_OK ? AUTH_NOT_AUTHORIZED : failure);
}

static void check_by_directory(struct auth_exchange *x)
{
    x->is_waiting = true;
    by_directory_check(x->auth, &x->facts, &x->claim, &x->guess, on_checked, x);
}

/* Whose account it is, is known now; its password goes nowhere else. */
static void on_keys(void *owner, const struct keys_found *k)
{
    struct auth_exchange *x = owner;

    if (!exchange_wake(x))
        return;
    x->claim.is_stores = k->is_stores;
    x->detail = k->detail;
    x->entry_state = k->entry_state;
    x->entry_key = arena_str(&x->arena, k->entry_key);
    if (k->failure != AUTH_OK)
        exchange_fail(x, k->failure);
    else if (x->mechanism->is_digest)
        exchange_digest_check(x, k->password);
    else if (x->mechanism->is_plain && !k->is_stores)
        check_by_directory(x);
    else
        use_keys(x, k->keys, k->is_expired);
}

static void fetch(struct auth_exchange *x)
{
    x->state = FETCHING;
    if (x->mechanism->is_plain && x->facts.directory && x->facts.order == AUTH_ALONE) {
        check_by_directory(x);
        return;
    }
    x->is_waiting = true;
    if (x->mechanism->is_external)
        by_certificate_check(x->auth, &x->facts, &x->arena, &x->claim, on_checked, x);
    else
        keys_find(x->auth, &x->facts, &x->claim, x->mechanism, on_keys, x);
}

/* --- guesses ---------------------------------------------------------------------------------- */

static void on_turn(struct guess *guess)
{
    struct auth_exchange *x = CONTAINER_OF(guess, struct auth_exchange, guess);

    auth_tell_later(x->auth, &x->ready_at);
}

static enum guesses_answer ask_budgets(struct auth_exchange *x)
{
    struct guesses_who who = { .account = x->claim.account,
                               .address = x->facts.address,
                               .c2s = x->facts.c2s };

    x->guess.wake = on_turn;
    return guesses_begin(x->auth->guesses, &x->guess, &who, uv_now(x->auth->loop));
}

/* The message of PLAIN, SCRAM's last and DIGEST-MD5's are guesses at a password. Refused before it is looked at,
 * with a condition on which clients keep theirs and try again later (RFC 6120 §6.5.10). */
void exchange_try_guess(struct auth_exchange *x)
{
    enum guesses_answer answer = ask_budgets(x);

    if (answer == GUESSES_WAIT) {
        x->state = QUEUED;
    } else if (answer != GUESSES_GO) {
        x->detail = answer == GUESSES_BUSY ? "too many guesses at once" : "too many wrong guesses";
        exchange_fail(x, AUTH_TEMPORARY_AUTH_FAILURE);
    } else if (x->mechanism->is_plain || x->mechanism->is_digest) {
        fetch(x);
    } else {
        exchange_check_proof(x);
    }
}

/* SCRAM's first message is no guess, but those whose guesses are used up need no challenge. */
static void begin_scram(struct auth_exchange *x)
{
    if (ask_budgets(x) == GUESSES_USED_UP) {
        x->detail = "too many wrong guesses";
        exchange_fail(x, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
    exchange_settle(x, GUESSES_NOTHING);
    fetch(x);
}

/* --- tickets ---------------------------------------------------------------------------------- */

static void on_gssapi(void *owner, const struct gssapi_answer *g)
{
    struct auth_exchange *x = owner;

    if (!exchange_wake(x))
        return;
    x->result.claimed = arena_str(&x->arena, g->principal);
    x->detail = g->detail ? arena_str(&x->arena, str_from(g->detail)).p : NULL;
    x->is_known = g->step == AUTH_SUCCESS;
    if (g->step == AUTH_CHALLENGE)
        exchange_challenge(x, WANTS_FINAL, g->data);
    else if (g->step == AUTH_FAILED)
        exchange_fail(x, g->failure);
    else
        exchange_succeed(x, STR_NONE);
}

static void step_gssapi(struct auth_exchange *x, struct str message)
{
    if (!x->gssapi)
        x->gssapi = gssapi_new(x->auth, &x->facts, &x->arena, &x->claim);
    x->state = FETCHING;
    x->is_waiting = true;
    gssapi_step(x->gssapi, message, on_gssapi, x);
}

/* --- the client's first message --------------------------------------------------------------- */

static void take_first(struct auth_exchange *x, struct str message)
{
    enum auth_failure failure = AUTH_MALFORMED_REQUEST;

    if (x->mechanism->is_gssapi) {
        step_gssapi(x, message);
        return;
    }
    if (message.n <= FIRST_MESSAGE_MAX_BYTES) {
        buf_add(&x->message, message);
        failure = claim_read(x->mechanism, &x->facts, buf_str(&x->message), &x->arena, &x->claim);
        x->result.claimed = x->claim.first.user;
    }
    if (failure == AUTH_OK && store_is_busy(x->auth->store))
        failure = AUTH_TEMPORARY_AUTH_FAILURE;
    if (failure != AUTH_OK)
        exchange_fail(x, failure);
    else if (x->mechanism->is_external)
        fetch(x);
    else if (x->mechanism->is_plain)
        exchange_try_guess(x);
    else
        begin_scram(x);
}

/* --- auth.h ----------------------------------------------------------------------------------- */

struct auth_exchange *auth_exchange_new(struct auth *a, const struct auth_facts *facts,
                                        auth_done_fn *done, void *owner)
{
    struct auth_exchange *x = mem_new(struct auth_exchange);

    x->auth = a;
    auth_ref(a);
    auth_facts_copy(&x->facts, facts, &x->arena);
    x->entry_key = STR_NONE;
    x->done = done;
    x->owner = owner;
    list_init(&x->ready_at);
    return x;
}

void auth_start(struct auth_exchange *x, struct str mechanism, struct str initial)
{
    enum auth_failure failure = AUTH_MALFORMED_REQUEST;

    x->is_in_call = true;
    if (x->state == WANTS_MECHANISM)
        failure = auth_mechanism_choose(mechanism, &x->facts, &x->mechanism, &x->result.mechanism);
    if (failure != AUTH_OK)
        exchange_fail(x, failure);
    else if (x->mechanism->is_digest)
        exchange_digest_begin(x);
    else if (!str_is_set(initial))
        exchange_challenge(x, WANTS_FIRST, STR(""));
    else
        take_first(x, initial);
    x->is_in_call = false;
}

void auth_respond(struct auth_exchange *x, struct str response)
{
    x->is_in_call = true;
    if (x->state == WANTS_FIRST)
        take_first(x, response);
    else if (x->state == WANTS_FINAL && x->gssapi)
        step_gssapi(x, response);
    else if (x->state == WANTS_FINAL && x->mechanism->is_digest)
        exchange_digest_read(x, response);
    else if (x->state == WANTS_FINAL)
        finish_scram(x, response);
    else
        exchange_fail(x, AUTH_MALFORMED_REQUEST);
    x->is_in_call = false;
}

void auth_exchange_free(struct auth_exchange *x)
{
    if (!x)
        return;
    list_remove(&x->ready_at);
    auth_sasl_free(x->sasl);
    x->sasl = NULL;
    x->is_freed = true;
    if (x->is_waiting)
        return; /* a guess that is under way counts, whoever waits for it */
    exchange_settle(x, GUESSES_NOTHING);
    gssapi_free(x->gssapi); /* not before: a thread may have it */
    mem_wipe(x->message.p, x->message.cap); /* the password of PLAIN */
    mem_wipe(x->secret.p, x->secret.cap);
    buf_fini(&x->message);
    buf_fini(&x->secret);
    arena_fini(&x->arena);
    auth_unref(x->auth);
    mem_free(x);
}
