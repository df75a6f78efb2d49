/* One SASL exchange: what the client claims is decoded first, its keys are fetched, and only then
 * libsasl2 is asked, which never waits. Nobody learns from the answers who exists: unknown users
 * get the same challenges and cost the same work. RFC 6120 §6, RFC 5802. */
#include "sm/auth/claim.h"

#include "common/mem.h"
#include "proto/jid.h"
#include "sm/auth/by_certificate.h"
#include "sm/auth/guesses.h"
#include "sm/auth/sasl.h"

enum state {
    WANTS_MECHANISM,
    WANTS_FIRST, /* an empty challenge is out: all our mechanisms let the client begin */
    QUEUED,      /* others are at it: a budget has no room for one more guess at once */
    FETCHING,    /* the store or the thread pool is at it */
    WANTS_FINAL, /* the SCRAM challenge is out */
    OVER,
};

struct auth_exchange {
    struct auth *auth;
    enum state state;
    struct arena arena;
    struct auth_facts facts; /* a copy in the arena */
    auth_done_fn *done;
    void *owner;
    const struct auth_mechanism *mechanism;
    struct buf message; /* the client's first, which may hold a password */
    struct claim claim; /* what it says */
    struct guess guess;
    struct str response; /* SCRAM's last message, while it is to be looked at */
    bool is_known;      /* the keys are real */
    const char *detail; /* what the directory said of a refusal */
    bool is_barred;     /* it is who it claims to be, and may not log in (from here) */
    struct str success; /* what libsasl2 says with success */
    bool is_expired;    /* … and are good for nothing but to be changed */
    struct buf secret;  /* for libsasl2, NUL-terminated */
    struct auth_sasl_answers answers;
    struct auth_sasl *sasl;
    struct auth_result result;
    struct list ready_at;
    bool is_in_call; /* from auth_start or auth_respond: the answer must wait for the loop */
    bool is_waiting; /* a callback will come */
    bool is_freed;   /* … and then this goes */
};

/* The first outcome is the guess's; of what was none, nothing. */
static void settle(struct auth_exchange *x, enum guesses_outcome outcome)
{
    guesses_end(&x->guess, outcome, uv_now(x->auth->loop));
}

static void try_guess(struct auth_exchange *x);

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct auth_exchange *x)
{
    if (x->is_in_call)
        auth_tell_later(x->auth, &x->ready_at);
    else
        x->done(x->owner, &x->result);
}

void auth_exchange_tell(struct list *ready_at)
{
    struct auth_exchange *x = CONTAINER_OF(ready_at, struct auth_exchange, ready_at);

    list_remove(ready_at);
    if (x->state == QUEUED)
        try_guess(x);
    else
        x->done(x->owner, &x->result); /* may free x */
}

/* What is no guess at a password does not count as one: our own failures, the client's giving up,
 * a channel binding that does not fit, which is refused before any proof is looked at, groups,
 * which are asked for behind it, and a certificate. */
static bool is_counted(const struct auth_exchange *x, enum auth_failure f)
{
    bool is_external = x->mechanism && x->mechanism->is_external;

    return f != AUTH_TEMPORARY_AUTH_FAILURE && f != AUTH_ABORTED && !x->claim.misbound &&
           !x->is_barred && !is_external;
}

static void answer_failure(struct auth_exchange *x, enum auth_failure failure)
{
    settle(x, failure == AUTH_NOT_AUTHORIZED ? GUESSES_WRONG : GUESSES_NOTHING);
    x->state = OVER;
    x->result.step = AUTH_FAILED;
    x->result.failure = failure;
    x->result.data = STR_NONE;
    x->result.counts = is_counted(x, failure);
    x->result.detail = x->claim.misbound ? x->claim.misbound : x->detail;
    answer(x);
}

static void answer_challenge(struct auth_exchange *x, enum state next, struct str data)
{
    x->state = next;
    x->result.step = AUTH_CHALLENGE;
    x->result.data = data;
    answer(x);
}

static void let_in(struct auth_exchange *x)
{
    x->state = OVER;
    x->result.step = AUTH_SUCCESS;
    x->result.failure = AUTH_OK;
    x->result.data = x->success;
    x->result.account = x->claim.account;
    answer(x);
}

static bool wake(struct auth_exchange *x);

static void on_access(void *owner, const struct access *a)
{
    struct auth_exchange *x = owner;
    bool may = x->facts.is_inside ? a->may_log_in : a->may_log_in_dmz;

    if (!wake(x))
        return;
    x->result.may_outside = a->may_outside;
    x->is_barred = a->verdict == DIRECTORY_OK && !may;
    if (a->verdict != DIRECTORY_OK) {
        x->detail = directory_verdict_name(a->verdict);
        answer_failure(x, by_directory_failure(a->verdict));
    } else if (x->is_barred) {
        x->detail = a->may_log_in ? "not in a group that may log in through the dmz"
                                  : "not in a group that may log in";
        answer_failure(x, AUTH_NOT_AUTHORIZED);
    } else {
        let_in(x);
    }
}

/* Groups are asked for when the proof is there: not before, for they tell who exists. */
static void ask_groups(struct auth_exchange *x)
{
    struct directory *d = directories_find(x->auth->directories, x->facts.directory);
    struct directory_name name = { .jid = x->claim.account };
    struct str rest = x->claim.account;

    if (!d) {
        answer_failure(x, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
    name.user = str_cut(&rest, '@');
    name.host = rest;
    x->state = FETCHING;
    x->is_waiting = true;
    access_ask(d, &name, &x->facts.access, false, on_access, x);
}

/* The last check of all, against a slip in any other: invented keys open nothing. */
static void answer_success(struct auth_exchange *x, struct str data)
{
    if (!x->is_known || !x->claim.is_account) {
        answer_failure(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    if (x->is_expired) { /* told only to who knows it */
        answer_failure(x, AUTH_CREDENTIALS_EXPIRED);
        return;
    }
    settle(x, GUESSES_RIGHT); /* whatever the groups say */
    x->success = data;
    x->result.may_outside = true;
    if (x->facts.directory && x->auth->directories && access_has_rules(&x->facts.access))
        ask_groups(x);
    else
        let_in(x);
}

/* --- libsasl2 --------------------------------------------------------------------------------- */

/* refused: the condition for what libsasl2 does not accept at this point. */
static void answer_sasl(struct auth_exchange *x, enum auth_sasl_step step, struct str data,
                        enum auth_failure refused)
{
    switch (step) {
    case AUTH_SASL_CHALLENGE:
        answer_challenge(x, WANTS_FINAL, data);
        break;
    case AUTH_SASL_SUCCESS:
        answer_success(x, data);
        break;
    case AUTH_SASL_REFUSED:
        answer_failure(x, refused);
        break;
    case AUTH_SASL_BROKEN:
        answer_failure(x, AUTH_TEMPORARY_AUTH_FAILURE);
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

/* A nonce that is not ours and a wrong proof are both not-authorized. */
static void check_proof(struct auth_exchange *x)
{
    struct str data = STR_NONE;
    enum auth_sasl_step step = auth_sasl_step(x->sasl, x->response, &data);

    if (step == AUTH_SASL_CHALLENGE)
        step = AUTH_SASL_BROKEN; /* SCRAM has no third step */
    answer_sasl(x, step, data, AUTH_NOT_AUTHORIZED);
}

/* So is a binding that differs. */
static void finish_scram(struct auth_exchange *x, struct str response)
{
    struct str binding;

    if (!first_message_is_scram_final(response, &binding)) {
        answer_failure(x, AUTH_MALFORMED_REQUEST);
        return;
    }
    if (!claim_is_bound(&x->claim, binding)) { /* libsasl2 refuses it, too, and does not say why */
        answer_failure(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    x->response = arena_str(&x->arena, response);
    try_guess(x);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* A callback came. false: nobody waits for it any more. */
static bool wake(struct auth_exchange *x)
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
        settle(x, GUESSES_WRONG);
    if (!wake(x))
        return;
    x->answers.is_password_right = is_right;
    start_sasl(x);
}

static void check_password(struct auth_exchange *x, const struct scram_keys *keys)
{
    struct str password = STR_NONE;

    if (jid_prepare_password(x->claim.first.password, &x->arena, &password) != ERR_OK) {
        answer_failure(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    x->is_waiting = true;
    internal_check(x->auth, keys, password, on_password_checked, x);
}

static void on_keys(void *owner, enum err e, const struct scram_keys *found, bool is_expired)
{
    struct auth_exchange *x = owner;
    struct scram_keys keys = { .hash = x->mechanism->hash, .iterations = x->auth->iterations };

    if (!wake(x))
        return;
    if (e != ERR_OK) {
        answer_failure(x, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
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

    if (!wake(x))
        return;
    x->detail = detail;
    x->result.claimed = x->claim.first.user; /* a certificate may say it */
    x->is_known = failure == AUTH_OK && x->claim.is_account;
    x->answers.is_password_right = x->is_known;
    if (!x->is_known)
        settle(x, GUESSES_NOTHING); /* the others ended with the bind */
    if (x->is_known)
        start_sasl(x);
    else
        answer_failure(x, failure == AUTH_OK ? AUTH_NOT_AUTHORIZED : failure);
}

static void fetch(struct auth_exchange *x)
{
    x->state = FETCHING;
    x->is_waiting = true;
    if (x->mechanism->is_external)
        by_certificate_check(x->auth, &x->facts, &x->arena, &x->claim, on_checked, x);
    else if (x->facts.directory)
        by_directory_check(x->auth, x->facts.directory, &x->claim, &x->guess, on_checked, x);
    else
        internal_find(x->auth, x->claim.account, x->mechanism->hash, on_keys, x);
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

/* The message of PLAIN, and SCRAM's last, are guesses at a password. Refused before it is looked at,
 * with a condition on which clients keep theirs and try again later (RFC 6120 §6.5.10). */
static void try_guess(struct auth_exchange *x)
{
    enum guesses_answer answer = ask_budgets(x);

    if (answer == GUESSES_WAIT) {
        x->state = QUEUED;
    } else if (answer != GUESSES_GO) {
        x->detail = answer == GUESSES_BUSY ? "too many guesses at once" : "too many wrong guesses";
        answer_failure(x, AUTH_TEMPORARY_AUTH_FAILURE);
    } else if (x->mechanism->is_plain) {
        fetch(x);
    } else {
        check_proof(x);
    }
}

/* SCRAM's first message is no guess, but those whose guesses are used up need no challenge. */
static void begin_scram(struct auth_exchange *x)
{
    if (ask_budgets(x) == GUESSES_USED_UP) {
        x->detail = "too many wrong guesses";
        answer_failure(x, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
    settle(x, GUESSES_NOTHING);
    fetch(x);
}

/* --- the client's first message --------------------------------------------------------------- */

static void take_first(struct auth_exchange *x, struct str message)
{
    enum auth_failure failure = AUTH_MALFORMED_REQUEST;

    if (message.n <= FIRST_MESSAGE_MAX_BYTES) {
        buf_add(&x->message, message);
        failure = claim_read(x->mechanism, &x->facts, buf_str(&x->message), &x->arena, &x->claim);
        x->result.claimed = x->claim.first.user;
    }
    if (failure == AUTH_OK && store_is_busy(x->auth->store))
        failure = AUTH_TEMPORARY_AUTH_FAILURE;
    if (failure != AUTH_OK)
        answer_failure(x, failure);
    else if (x->mechanism->is_external)
        fetch(x);
    else if (x->mechanism->is_plain)
        try_guess(x);
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
    x->done = done;
    x->owner = owner;
    list_init(&x->ready_at);
    return x;
}

/* Not offered here: because of the missing TLS (§6.5.4), or at all (§6.5.7). */
static enum auth_failure choose_mechanism(struct auth_exchange *x, struct str name)
{
    const struct auth_mechanism *m = auth_mechanism_find(name);

    if (!m)
        return AUTH_INVALID_MECHANISM;
    x->result.mechanism = m->name;
    if (!auth_mechanism_is_allowed(m, &x->facts))
        return AUTH_INVALID_MECHANISM;
    x->mechanism = m;
    if (m->is_plain && !x->facts.is_tls)
        return AUTH_ENCRYPTION_REQUIRED;
    return auth_mechanism_is_offered(m, &x->facts) ? AUTH_OK : AUTH_INVALID_MECHANISM;
}

void auth_start(struct auth_exchange *x, struct str mechanism, struct str initial)
{
    enum auth_failure failure = AUTH_MALFORMED_REQUEST;

    x->is_in_call = true;
    if (x->state == WANTS_MECHANISM)
        failure = choose_mechanism(x, mechanism);
    if (failure != AUTH_OK)
        answer_failure(x, failure);
    else if (!str_is_set(initial))
        answer_challenge(x, WANTS_FIRST, STR(""));
    else
        take_first(x, initial);
    x->is_in_call = false;
}

void auth_respond(struct auth_exchange *x, struct str response)
{
    x->is_in_call = true;
    if (x->state == WANTS_FIRST)
        take_first(x, response);
    else if (x->state == WANTS_FINAL)
        finish_scram(x, response);
    else
        answer_failure(x, AUTH_MALFORMED_REQUEST);
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
    settle(x, GUESSES_NOTHING);
    mem_wipe(x->message.p, x->message.cap); /* the password of PLAIN */
    mem_wipe(x->secret.p, x->secret.cap);
    buf_fini(&x->message);
    buf_fini(&x->secret);
    arena_fini(&x->arena);
    auth_unref(x->auth);
    mem_free(x);
}
