/* What an exchange tells its owner: challenges, failures, success, and before that what the groups of
 * the directory say. RFC 6120 §6.5. */
#include "sm/auth/exchange_parts.h"

#include "sm/auth/by_directory.h"
#include "sm/directory/access.h"
#include "sm/directory/directory.h"

void exchange_settle(struct auth_exchange *x, enum guesses_outcome outcome)
{
    guesses_end(&x->guess, outcome, uv_now(x->auth->loop));
}

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
        exchange_try_guess(x);
    else
        x->done(x->owner, &x->result); /* may free x */
}

/* What is no guess at a password does not count as one: our own failures, the client's giving up,
 * a channel binding that does not fit, which is refused before any proof is looked at, groups,
 * which are asked for behind it, a certificate and a ticket. */
static bool is_counted(const struct auth_exchange *x, enum auth_failure f)
{
    if (x->mechanism && (x->mechanism->is_external || x->mechanism->is_gssapi))
        return false;
    return f != AUTH_TEMPORARY_AUTH_FAILURE && f != AUTH_ABORTED && !x->claim.misbound &&
           !x->is_barred;
}

void exchange_fail(struct auth_exchange *x, enum auth_failure failure)
{
    exchange_settle(x, failure == AUTH_NOT_AUTHORIZED ? GUESSES_WRONG : GUESSES_NOTHING);
    x->state = OVER;
    x->result.step = AUTH_FAILED;
    x->result.failure = failure;
    x->result.data = STR_NONE;
    x->result.counts = is_counted(x, failure);
    x->result.detail = x->claim.misbound ? x->claim.misbound : x->detail;
    answer(x);
}

void exchange_challenge(struct auth_exchange *x, enum state next, struct str data)
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

static void on_access(void *owner, const struct access *a)
{
    struct auth_exchange *x = owner;
    bool may = x->facts.is_inside ? a->may_log_in : a->may_log_in_dmz;

    if (!exchange_wake(x))
        return;
    x->result.may_outside = a->may_outside;
    x->is_barred = a->verdict == DIRECTORY_OK && !may;
    if (a->verdict != DIRECTORY_OK) {
        x->detail = directory_verdict_name(a->verdict);
        exchange_fail(x, by_directory_failure(a->verdict));
    } else if (x->is_barred) {
        x->detail = a->may_log_in ? "not in a group that may log in through the dmz"
                                  : "not in a group that may log in";
        exchange_fail(x, AUTH_NOT_AUTHORIZED);
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
        exchange_fail(x, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
    name.user = str_cut(&rest, '@');
    name.host = rest;
    x->state = FETCHING;
    x->is_waiting = true;
    access_ask(d, &name, &x->facts.access, false, on_access, x);
}

/* A proof that was no guess tells as well as a password that this is the account's place. */
static void know_place(struct auth_exchange *x)
{
    struct guesses_who who = { .account = x->claim.account,
                               .address = x->facts.address,
                               .c2s = x->facts.c2s };

    if (x->mechanism->is_external || x->mechanism->is_gssapi)
        guesses_know(x->auth->guesses, &who, uv_now(x->auth->loop));
}

/* The last check of all, against a slip in any other: invented keys open nothing. */
void exchange_succeed(struct auth_exchange *x, struct str data)
{
    if (!x->is_known || !x->claim.is_account) {
        exchange_fail(x, AUTH_NOT_AUTHORIZED);
        return;
    }
    if (x->is_expired) { /* told only to who knows it */
        exchange_fail(x, AUTH_CREDENTIALS_EXPIRED);
        return;
    }
    exchange_settle(x, GUESSES_RIGHT); /* whatever the groups say */
    know_place(x);
    x->success = data;
    x->result.may_outside = true;
    if (x->facts.directory && !x->claim.is_stores && x->auth->directories &&
        access_has_rules(&x->facts.access))
        ask_groups(x);
    else
        let_in(x);
}
