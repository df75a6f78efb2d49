/* Where a stanza goes. What a client says is deliver_session.c's; the rules for local accounts are deliver_table.c's. */
#include "sm/deliver.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/block.h"
#include "sm/carbons.h"
#include "sm/deliver_table.h"
#include "sm/iq.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/peers.h"
#include "sm/presence.h"
#include "sm/roster.h"
#include "sm/subscribe.h"
#include "sm/wire.h"

/* A stanza on its way to an account that is being loaded, or has something older to show. */
struct job {
    struct list at;  /* in account.behind */
    uint64_t behind; /* … until so many inbound subscriptions are done */
    struct sm *sm;
    struct stanza *stanza;
    struct origin *origin;
    bool is_again; /* it was delivered before, and copied then */
};

void deliver_error(struct sm *sm, const struct stanza *stanza, enum stanza_error e, struct str text, struct origin *origin)
{
    struct stanza *reply = stanza_error_reply(stanza, e, text);

    if (!reply)
        return;
    deliver(sm, reply, origin);
    stanza_unref(reply);
}

/* --- resources --------------------------------------------------------------------------------------------------- */

static struct session *session_at(struct list *at)
{
    return CONTAINER_OF(at, struct session, account_at);
}

static enum deliver_resources resources_of(const struct account *a, int *out_highest)
{
    enum deliver_resources r = DELIVER_NO_RESOURCES;

    *out_highest = -1;
    LIST_FOR_EACH (at, &a->sessions) {
        const struct session *s = session_at(at);

        if (!session_is_available(s))
            continue;
        if (s->priority > *out_highest)
            *out_highest = s->priority;
        if (s->priority >= 0)
            r = DELIVER_NON_NEGATIVE;
        else if (r == DELIVER_NO_RESOURCES)
            r = DELIVER_NEGATIVE;
    }
    return r;
}

/* Once written, to each available resource of at least this priority. */
static void send_to(struct account *a, int lowest, const struct job *j)
{
    struct buf out = { 0 };
    struct bytes *payload;

    xml_write(&out, j->stanza->el, STR_NONE);
    payload = bytes_new(buf_str(&out));
    buf_fini(&out);
    LIST_FOR_EACH_SAFE (at, following, &a->sessions) {
        struct session *s = session_at(at);

        if (session_is_available(s) && s->priority >= lowest)
            session_send_bytes(s, payload, j->origin);
    }
    bytes_unref(payload);
}

static bool was_directed_to(const struct session *s, const struct jid *who)
{
    LIST_FOR_EACH (at, &s->directed) {
        const struct jid *to = &CONTAINER_OF(at, struct session_directed, at)->to;

        if (str_eq(to->full, who->full) || str_eq(to->full, who->bare))
            return true;
    }
    return false;
}

/* §8.5.3.1: nobody shall find out by asking that a resource is there. The servers of this cluster may. */
static bool shares_presence(const struct account *a, const struct session *s, const struct jid *who)
{
    return roster_may_see(a, who) || was_directed_to(s, who) || (jid_is_set(who) && !str_is_set(who->local) && sm_is_hosted(a->sm, who->domain));
}

/* --- a local account --------------------------------------------------------------------------------------------- */

/* While older messages are on their way out of the store, newer ones go behind them. */
static bool must_queue_offline(const struct account *a, const struct stanza *stanza)
{
    return a->offline_run && stanza->kind == STANZA_MESSAGE &&
           (stanza->type == TYPE_NORMAL || stanza->type == TYPE_CHAT) && offline_may_store(stanza);
}

static void answer_iq(const struct job *j)
{
    struct session *sender = table_get(&j->sm->bound, j->stanza->from.full);

    iq_handle(j->sm, j->stanza, sender, j->origin);
}

static void send_unsubscribed(const struct job *j)
{
    struct stanza *reply = stanza_new(STANZA_PRESENCE, TYPE_UNSUBSCRIBED);

    stanza_set_from(reply, &(struct jid){ .full = j->stanza->to.bare,
                                          .bare = j->stanza->to.bare,
                                          .local = j->stanza->to.local,
                                          .domain = j->stanza->to.domain });
    stanza_set_to(reply, &j->stanza->from);
    deliver(j->sm, reply, j->origin);
    stanza_unref(reply);
}

/* What is not worth keeping is lost without a word. */
static bool store_offline(struct account *a, const struct job *j)
{
    return !offline_may_store(j->stanza) || offline_store(a, j->stanza, j->origin);
}

/* Returns whether the account has taken it: a message that was refused is not copied (XEP-0280 §7). */
static bool act(struct account *a, struct session *s, enum deliver_action action, const struct job *j)
{
    int highest;

    switch (action) {
    case DELIVER_IGNORE:
        break;
    case DELIVER_ERROR:
        deliver_error(j->sm, j->stanza, STANZA_SERVICE_UNAVAILABLE, STR_NONE, j->origin);
        break;
    case DELIVER_OFFLINE:
        return store_offline(a, j);
    case DELIVER_RESOURCE:
        session_send_stanza(s, j->stanza, j->origin);
        return true;
    case DELIVER_IF_SHARED:
        if (shares_presence(a, s, &j->stanza->from))
            session_send_stanza(s, j->stanza, j->origin);
        else
            deliver_error(j->sm, j->stanza, STANZA_SERVICE_UNAVAILABLE, STR_NONE, j->origin);
        break;
    case DELIVER_BEST:
        resources_of(a, &highest);
        send_to(a, highest, j);
        return true;
    case DELIVER_ALL:
        send_to(a, 0, j);
        return true;
    case DELIVER_ANSWER:
        answer_iq(j);
        break;
    case DELIVER_PRESENCE:
        presence_inbound(a, j->stanza, j->origin);
        break;
    case DELIVER_SUBSCRIPTION:
        roster_inbound(a, j->stanza, j->origin);
        break;
    case DELIVER_UNSUBSCRIBED:
        send_unsubscribed(j);
        break;
    }
    return false;
}

/* To those whom the action leaves out. */
static void copy(struct account *a, const struct session *s, enum deliver_action action, const struct job *j)
{
    struct carbons_got got = { .lowest = CARBONS_NOBODY };

    if (action == DELIVER_BEST)
        resources_of(a, &got.lowest);
    else if (action == DELIVER_ALL)
        got.lowest = 0;
    else
        got.one = action == DELIVER_RESOURCE ? s : offline_recipient(a);
    carbons_received(a, j->stanza, &got, j->origin);
}

/* XEP-0191 §3.3: presence is not even answered; all else is, as if nobody were there. */
static bool is_refused(const struct account *a, const struct job *j)
{
    if (!a || !block_is_blocked(a, &j->stanza->from))
        return false;
    if (j->stanza->kind != STANZA_PRESENCE)
        deliver_error(j->sm, j->stanza, STANZA_SERVICE_UNAVAILABLE, STR_NONE, j->origin);
    return true;
}

static void to_account(struct account *a, const struct job *j)
{
    const struct stanza *st = j->stanza;
    struct session *s = a && str_is_set(st->to.resource) ? account_session(a, st->to.resource) : NULL;
    struct deliver_case c = { .kind = st->kind, .type = st->type };
    enum deliver_action action;
    int highest;

    if (is_refused(a, j))
        return;
    c.target = !str_is_set(st->to.resource) ? DELIVER_TO_BARE : s ? DELIVER_TO_MATCH : DELIVER_TO_NO_MATCH;
    c.resources = a ? resources_of(a, &highest) : DELIVER_NO_ACCOUNT;
    action = a && must_queue_offline(a, st) ? DELIVER_OFFLINE : deliver_decide(&c);
    if (act(a, s, action, j) && st->kind == STANZA_MESSAGE && !j->is_again)
        copy(a, s, action, j);
}

static struct job *job_new(struct sm *sm, struct stanza *stanza, struct origin *origin)
{
    struct job *j = mem_new(struct job);

    j->sm = sm;
    j->stanza = stanza_ref(stanza);
    j->origin = origin_ref(origin);
    return j;
}

static void job_free(struct job *j)
{
    origin_unref(j->origin);
    stanza_unref(j->stanza);
    mem_free(j);
}

static void on_found(void *owner, struct account *a, enum err e)
{
    struct job *j = owner;

    if (a || e == ERR_NOT_FOUND)
        to_account(a, j);
    else if (e != ERR_CLOSED)
        deliver_error(j->sm, j->stanza, STANZA_INTERNAL_SERVER_ERROR, STR_NONE, j->origin);
    job_free(j);
}

/* --- behind a subscription that is being stored, or a queue that is delivered again -------------------------------- */

/* Subscriptions themselves are stored one behind the other; and a change on the sender's side counts on the contact's being submitted first
 * (roster_commit.c). */
static bool must_wait(const struct account *a, const struct stanza *stanza)
{
    bool is_subscription = stanza->kind == STANZA_PRESENCE && subscribe_is_type(stanza->type);

    return !is_subscription && (a->stops > 0 || a->inbound_begun > a->inbound_done || !list_is_empty(&a->behind));
}

/* It may be deleted meanwhile. */
static void go_on(struct account *a)
{
    account_pin(a);
    while (!list_is_empty(&a->behind) && a->stops == 0) {
        struct job *j = CONTAINER_OF(list_first(&a->behind), struct job, at);

        if (j->behind > a->inbound_done)
            break;
        list_remove(&j->at);
        if (!j->sm->is_stopping)
            to_account(account_in_memory(j->sm, a->jid.bare) == a ? a : NULL, j);
        job_free(j);
    }
    account_unpin(a);
}

void deliver_stop(struct account *a)
{
    a->stops++;
}

void deliver_go(struct account *a)
{
    ASSERT(a->stops > 0);
    a->stops--;
    go_on(a);
}

void deliver_forget(struct account *a)
{
    while (!list_is_empty(&a->behind)) {
        struct job *j = CONTAINER_OF(list_first(&a->behind), struct job, at);

        list_remove(&j->at);
        job_free(j);
    }
}

void deliver_hold(struct account *a)
{
    a->inbound_begun++;
}

void deliver_release(struct account *a)
{
    ASSERT(a->inbound_done < a->inbound_begun);
    a->inbound_done++;
    go_on(a);
}

static void local_account(struct sm *sm, struct stanza *stanza, struct origin *origin)
{
    struct account *a = account_in_memory(sm, stanza->to.bare);
    struct job *j;

    if (a && must_wait(a, stanza)) {
        j = job_new(sm, stanza, origin);
        j->behind = a->inbound_begun;
        list_push_back(&a->behind, &j->at);
        return;
    }
    if (a && list_is_empty(&a->waiters)) { /* the usual case costs no memory */
        account_pin(a);
        to_account(a, &(struct job){ .sm = sm, .stanza = stanza, .origin = origin });
        account_unpin(a);
        return;
    }
    account_with(sm, &stanza->to, on_found, job_new(sm, stanza, origin));
}

/* --- the server itself (RFC 6120 §10.3, §10.5.2) ----------------------------------------------------------------- */

static void local_server(const struct job *j)
{
    const struct stanza *st = j->stanza;

    if (st->kind == STANZA_IQ && (st->type == TYPE_GET || st->type == TYPE_SET))
        answer_iq(j);
    else if (st->kind == STANZA_MESSAGE && st->type != TYPE_HEADLINE)
        deliver_error(j->sm, st, STANZA_SERVICE_UNAVAILABLE, STR_NONE, j->origin);
}

/* --- elsewhere --------------------------------------------------------------------------------------------------- */

/* Who sends is in memory: it has a session, or a pin. */
static bool may_outside(const struct job *j)
{
    const struct account *a = account_in_memory(j->sm, j->stanza->from.bare);

    return !a || a->may_outside;
}

static void elsewhere(const struct job *j)
{
    struct peer *p = peers_component(j->sm, j->stanza->to.domain);

    if (p) {
        metric_inc(&sm_metric_component_out);
        wire_stanza(j->sm, peers_path(p, NULL), j->stanza);
        return;
    }
    deliver_error(j->sm, j->stanza, may_outside(j) ? STANZA_REMOTE_SERVER_NOT_FOUND : STANZA_FORBIDDEN,
                  STR_NONE, j->origin);
}

void deliver(struct sm *sm, struct stanza *stanza, struct origin *origin)
{
    struct job j = { .sm = sm, .stanza = stanza, .origin = origin };

    if (!jid_is_set(&stanza->to))
        return; /* an answer to what had no sender */
    if (!sm_is_hosted(sm, stanza->to.domain))
        elsewhere(&j);
    else if (!str_is_set(stanza->to.local))
        local_server(&j);
    else
        local_account(sm, stanza, origin);
}

/* --- again ------------------------------------------------------------------------------------------------------- */

/* Of a message of type normal the rule for a resource that is gone is an error; but this one was accepted, and the next resource will do. */
static void again(struct account *a, const struct job *j)
{
    struct deliver_case c = { .kind = STANZA_MESSAGE, .type = TYPE_CHAT, .target = DELIVER_TO_NO_MATCH };
    int highest;

    if (is_refused(a, j))
        return;
    if (!a || j->stanza->type != TYPE_NORMAL || account_session(a, j->stanza->to.resource) || must_queue_offline(a, j->stanza)) {
        to_account(a, j);
        return;
    }
    c.resources = resources_of(a, &highest);
    act(a, NULL, deliver_decide(&c), j);
}

static void on_found_again(void *owner, struct account *a, enum err e)
{
    struct job *j = owner;

    if (a || e == ERR_NOT_FOUND)
        again(a, j);
    else if (e != ERR_CLOSED)
        deliver_error(j->sm, j->stanza, STANZA_INTERNAL_SERVER_ERROR, STR_NONE, j->origin);
    job_free(j);
}

/* What was sent to a session: to a local account. Presence is of no use any more; a copy was for that client alone. */
void deliver_again(struct sm *sm, struct str payload, struct origin *origin)
{
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    struct job *j;

    if (xml_parse(sm->parser, XML_ALONE, &xml_default_limits, payload, &st->arena, &st->el) == XML_OK &&
        stanza_read(st) == STANZA_OK && st->kind != STANZA_PRESENCE && jid_is_set(&st->to) && jid_is_set(&st->from) &&
        str_is_set(st->to.local) && sm_is_hosted(sm, st->to.domain) && !carbons_is_copy(st)) {
        j = job_new(sm, st, origin);
        j->is_again = true;
        account_with(sm, &st->to, on_found_again, j);
    }
    stanza_unref(st);
}
