/* Where a stanza goes. What a client says is deliver_session.c's; the rules for local accounts are deliver_table.c's. */
#include "sm/deliver.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/archive.h"
#include "sm/block.h"
#include "sm/carbons.h"
#include "sm/deliver_table.h"
#include "sm/iq.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/peers.h"
#include "sm/presence.h"
#include "sm/roster.h"
#include "sm/search.h"
#include "sm/store/store.h"
#include "sm/subscribe.h"
#include "sm/wire.h"

/* A stanza on its way to an account that is being loaded, or has something older to show. */
struct job {
    struct list at;  /* in account.behind */
    uint64_t behind; /* … until so many inbound subscriptions are done */
    struct sm *sm;
    struct stanza *stanza;
    struct origin *origin;
    struct archive_item *item; /* NULL: its sender's archive does not hold it */
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

/* What is not worth keeping is lost without a word; what must not be kept, with one. */
static bool store_offline(struct account *a, const struct job *j)
{
    if (offline_may_store(j->stanza))
        return offline_store(a, j->stanza, j->origin);
    if (!archive_forbids_store(j->stanza) || !xml_child(j->stanza->el, NS_CLIENT, "body"))
        return true;
    deliver_error(j->sm, j->stanza, STANZA_SERVICE_UNAVAILABLE, STR_NONE, j->origin);
    return false;
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

/* Whether the account has it from here on, so that its archive may. */
static bool will_take(const struct account *a, enum deliver_action action, const struct stanza *message)
{
    if (action == DELIVER_OFFLINE)
        return offline_may_store(message) && !offline_is_full(a);
    return action == DELIVER_RESOURCE || action == DELIVER_BEST;
}

/* Its archive first: an offline message is a mark of the row. */
static void take_message(struct account *a, struct session *s, enum deliver_action action, const struct job *j)
{
    bool is_taken = will_take(a, action, j->stanza);
    struct archive_item *item;

    archive_strip(j->stanza, a->jid.bare);
    item = is_taken ? archive_received(a, j->stanza, j->item, j->origin) : archive_item_ref(j->item);
    archive_put(j->sm, item, j->origin);
    archive_item_unref(item);
    if (act(a, s, action, j))
        copy(a, s, action, j);
}

static void to_account(struct account *a, const struct job *j)
{
    const struct stanza *st = j->stanza;
    struct session *s = a && str_is_set(st->to.resource) ? account_session(a, st->to.resource) : NULL;
    struct deliver_case c = { .kind = st->kind, .type = st->type };
    enum deliver_action action;
    int highest;

    if (is_refused(a, j)) {
        archive_put(j->sm, j->item, j->origin); /* it was sent, for all that */
        return;
    }
    c.target = !str_is_set(st->to.resource) ? DELIVER_TO_BARE : s ? DELIVER_TO_MATCH : DELIVER_TO_NO_MATCH;
    c.resources = a ? resources_of(a, &highest) : DELIVER_NO_ACCOUNT;
    action = a && must_queue_offline(a, st) ? DELIVER_OFFLINE : deliver_decide(&c);
    if (a && st->kind == STANZA_MESSAGE && !j->is_again) {
        take_message(a, s, action, j);
        return;
    }
    archive_put(j->sm, j->item, j->origin);
    act(a, s, action, j);
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
    archive_item_unref(j->item);
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

static struct job *job_copy(const struct job *j)
{
    struct job *copy = job_new(j->sm, j->stanza, j->origin);

    copy->item = archive_item_ref(j->item);
    return copy;
}

static void local_account(const struct job *j)
{
    struct account *a = account_in_memory(j->sm, j->stanza->to.bare);
    struct job *later;

    if (a && must_wait(a, j->stanza)) {
        later = job_copy(j);
        later->behind = a->inbound_begun;
        list_push_back(&a->behind, &later->at);
        return;
    }
    if (a && list_is_empty(&a->waiters)) { /* the usual case costs no memory */
        account_pin(a);
        to_account(a, j);
        account_unpin(a);
        return;
    }
    account_with(j->sm, &j->stanza->to, on_found, job_copy(j));
}

/* --- the server itself (RFC 6120 §10.3, §10.5.2) ----------------------------------------------------------------- */

static void local_server(const struct job *j)
{
    const struct stanza *st = j->stanza;

    archive_put(j->sm, j->item, j->origin);
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

    archive_put(j->sm, j->item, j->origin);
    if (p) {
        metric_inc(&sm_metric_component_out);
        wire_stanza(j->sm, peers_path(p, NULL), j->stanza);
        return;
    }
    deliver_error(j->sm, j->stanza, may_outside(j) ? STANZA_REMOTE_SERVER_NOT_FOUND : STANZA_FORBIDDEN,
                  STR_NONE, j->origin);
}

static void route(const struct job *j)
{
    const struct jid *to = &j->stanza->to;

    if (!jid_is_set(to))
        return; /* an answer to what had no sender */
    if (!sm_is_hosted(j->sm, to->domain) && !search_host(j->sm, to->domain))
        elsewhere(j);
    else if (!str_is_set(to->local) || !sm_is_hosted(j->sm, to->domain))
        local_server(j);
    else
        local_account(j);
}

void deliver(struct sm *sm, struct stanza *stanza, struct origin *origin)
{
    route(&(struct job){ .sm = sm, .stanza = stanza, .origin = origin });
}

/* What could not be kept is not begun: nothing grows while the store is away. */
void deliver_message(struct session *s, struct stanza *message, struct origin *origin)
{
    struct job j = { .sm = s->sm, .stanza = message, .origin = origin };

    j.item = archive_sent(s, message, origin);
    if (j.item && store_is_busy(s->sm->store)) {
        metric_inc(&sm_metric_archive_failed);
        deliver_error(s->sm, message, STANZA_RESOURCE_CONSTRAINT, STR_NONE, origin);
    } else {
        carbons_sent(s, message, j.item, origin);
        route(&j);
    }
    archive_item_unref(j.item);
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
        str_is_set(st->to.local) && sm_is_hosted(sm, st->to.domain) && !carbons_is_copy(st) &&
        !archive_is_result(st)) {
        j = job_new(sm, st, origin);
        j->is_again = true;
        account_with(sm, &st->to, on_found_again, j);
    }
    stanza_unref(st);
}
