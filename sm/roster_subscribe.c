/* Subscriptions: applies the tables of subscribe.h to a roster, and says what must be sent, shown
 * and pushed. RFC 6121 §3. */
#include "common/log.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/presence.h"
#include "sm/roster_parts.h"
#include "sm/roster_walk.h"
#include "sm/session.h"
#include "sm/shared.h"
#include "sm/subscribe.h"

/* Of stored requests: more is a stranger's way to fill our disk (§3.1.3, security warning). */
enum { MAX_REQUESTS = 200, MAX_REQUEST_BYTES = 4096 };

/* The stanza between the two bare JIDs, as it is routed and shown (§3, implementation note). */
static struct stanza *between(const struct stanza *presence, struct str from, struct str to)
{
    struct stanza *s = stanza_new(STANZA_PRESENCE, presence->type);
    struct jid jid;

    s->el = xml_copy(presence->el, &s->arena);
    s->id = arena_str(&s->arena, presence->id);
    s->lang = arena_str(&s->arena, presence->lang);
    jid_split(from, &jid);
    stanza_set_from(s, &jid);
    jid_split(to, &jid);
    stanza_set_to(s, &jid);
    return s;
}

/* On the user's behalf; mirrors the id of what it answers (§3.1.3, example). */
static struct stanza *answer_to(const struct stanza *presence, enum stanza_type type)
{
    struct stanza *s = stanza_new(STANZA_PRESENCE, type);
    struct jid jid;

    jid_split(presence->to.bare, &jid);
    stanza_set_from(s, &jid);
    jid_split(presence->from.bare, &jid);
    stanza_set_to(s, &jid);
    if (str_is_set(presence->id)) {
        s->id = arena_str(&s->arena, presence->id);
        xml_set(s->el, &s->arena, "id", s->id);
    }
    return s;
}

static void keep_request(struct roster_item *item, const struct stanza *request)
{
    struct buf out = { 0 };

    xml_write(&out, request->el, STR_NONE);
    if (out.n > MAX_REQUEST_BYTES) {
        struct stanza *plain = answer_to(request, TYPE_SUBSCRIBE);

        stanza_set_from(plain, &request->from);
        stanza_set_to(plain, &request->to);
        buf_clear(&out);
        xml_write(&out, plain->el, STR_NONE);
        stanza_unref(plain);
    }
    roster_item_set_request(item, buf_str(&out));
    buf_fini(&out);
}

/* Puts the new state into memory. Returns whether anything is to be stored. */
static bool apply(struct roster *r, struct roster_item *item, uint8_t state, bool makes_item)
{
    bool was_listed = item->is_listed;
    bool is_visible = subscribe_is_visible(item->state, state);
    bool is_changed = item->state != state;

    item->state = state;
    if (!(state & ROSTER_PENDING_IN))
        roster_item_set_request(item, STR_NONE);
    if (makes_item && is_visible)
        item->is_listed = true;
    if (is_visible && (was_listed || item->is_listed))
        roster_touch(r, item);
    if (!item->is_listed && state == 0)
        roster_drop(r, item); /* only a pending request was known of it (§3.3.3) */
    return is_changed;
}

/* --- from our client (A.2) -------------------------------------------------------------------- */

static void commit_outbound(struct session *s, struct stanza *presence, struct roster_item *item,
                            struct subscribe_outcome o, struct origin *origin)
{
    struct account *a = s->account;
    uint8_t before = item->state;
    struct roster_change *c = roster_change_new(a, presence, presence->to.bare, origin);

    if (o.is_passed)
        c->route[0] = between(presence, a->jid.bare, presence->to.bare);
    c->is_pushed = subscribe_is_visible(before, o.state);
    c->tells_current = !(before & ROSTER_FROM) && (o.state & ROSTER_FROM);
    /* §3.2.2: while the contact still is subscribed */
    if ((before & ROSTER_FROM) && !(o.state & ROSTER_FROM) &&
        !shared_may_see(a, &c->route[0]->to))
        presence_send_unavailable(a, &c->route[0]->to, origin);
    apply(a->roster, item, o.state, true);
    roster_commit(c);
}

static void route_only(struct session *s, const struct stanza *presence, struct origin *origin)
{
    struct stanza *routed = between(presence, s->account->jid.bare, presence->to.bare);

    deliver(s->sm, routed, origin);
    stanza_unref(routed);
}

/* What groups grant can neither be asked for nor taken back by a stanza: the client is told how it
 * is, and nothing is stored. Returns whether this was such a stanza. */
static bool is_shared_already(struct session *s, const struct stanza *presence,
                              struct origin *origin)
{
    struct account *a = s->account;
    struct jid contact;
    struct roster_look l;
    struct buf query = { 0 };
    bool is_to = presence->type == TYPE_SUBSCRIBE || presence->type == TYPE_UNSUBSCRIBE;

    jid_split(presence->to.bare, &contact);
    l = roster_look(a, shared_index(a), &contact);
    if (!(l.shared & (is_to ? ROSTER_TO : ROSTER_FROM)) || l.own)
        return false;
    if (presence->type == TYPE_SUBSCRIBE) {
        struct stanza *granted = answer_to(presence, TYPE_SUBSCRIBED);

        session_send_stanza(s, granted, origin);
        stanza_unref(granted);
    }
    roster_write_push(&query, a, &contact);
    roster_push(a, buf_str(&query), a->roster->version, origin);
    buf_fini(&query);
    return true;
}

void roster_outbound(struct session *s, struct stanza *presence, struct origin *origin)
{
    struct roster *r = s->account->roster;
    struct roster_item *item;
    struct subscribe_outcome o;
    enum stanza_error e;

    if (!jid_is_set(&presence->to)) {
        deliver_error(s->sm, presence, STANZA_BAD_REQUEST, STR_NONE, origin);
        return;
    }
    if (str_eq(presence->to.bare, s->account->jid.bare))
        return; /* everybody sees himself (§4.2.2): there is nothing to change */
    if (!s->account->is_loaded) {
        deliver_error(s->sm, presence, STANZA_RESOURCE_CONSTRAINT, STR_NONE, origin);
        return;
    }
    if (is_shared_already(s, presence, origin))
        return;
    item = roster_find(r, presence->to.bare);
    o = subscribe_outbound(item ? item->state : 0, presence->type);
    if (o.state == (item ? item->state : 0)) {
        if (o.is_passed)
            route_only(s, presence, origin);
        return;
    }
    e = roster_may_change(s->account);
    if (e == STANZA_OK && !item && roster_count(r, true) >= (size_t)s->sm->conf->max_roster_items)
        e = STANZA_RESOURCE_CONSTRAINT;
    if (e != STANZA_OK) {
        deliver_error(s->sm, presence, e, STR_NONE, origin);
        return;
    }
    if (!item) {
        struct jid bare;

        jid_split(presence->to.bare, &bare);
        item = roster_add(r, &bare);
    }
    commit_outbound(s, presence, item, o, origin);
}

/* --- for our account (A.3) -------------------------------------------------------------------- */

static void commit_inbound(struct account *a, struct stanza *presence, struct roster_item *item,
                           struct subscribe_outcome o, struct origin *origin)
{
    uint8_t before = item->state;
    struct roster_change *c = roster_change_new(a, presence, presence->from.bare, origin);

    if (o.is_passed)
        c->shown = between(presence, presence->from.bare, a->jid.bare);
    if (o.reply != TYPE_NONE)
        c->answer = answer_to(presence, o.reply);
    c->is_inbound = true;
    c->is_request = presence->type == TYPE_SUBSCRIBE;
    c->is_pushed = item->is_listed && subscribe_is_visible(before, o.state);
    c->tells_current = !(before & ROSTER_FROM) && (o.state & ROSTER_FROM); /* approved in advance */
    c->tells_unavailable = (before & ROSTER_FROM) && !(o.state & ROSTER_FROM); /* §3.3.3 */
    if (c->is_request && o.is_passed)
        keep_request(item, c->shown);
    apply(a->roster, item, o.state, false);
    roster_commit(c);
}

void roster_inbound(struct account *a, struct stanza *presence, struct origin *origin)
{
    struct roster_item *item = roster_find(a->roster, presence->from.bare);
    struct subscribe_outcome o = subscribe_inbound(item ? item->state : 0, presence->type);
    enum stanza_error e;

    if (str_eq(presence->from.bare, a->jid.bare))
        return;
    if (o.state == (item ? item->state : 0)) {
        if (o.reply != TYPE_NONE) {
            struct stanza *answer = answer_to(presence, o.reply);

            deliver(a->sm, answer, origin);
            stanza_unref(answer);
        }
        return;
    }
    e = roster_may_change(a);
    if (e == STANZA_OK && !item && roster_count(a->roster, false) >= MAX_REQUESTS)
        e = STANZA_RESOURCE_CONSTRAINT;
    if (e != STANZA_OK) {
        deliver_error(a->sm, presence, e, STR_NONE, origin);
        return;
    }
    if (!item) {
        struct jid bare;

        jid_split(presence->from.bare, &bare);
        item = roster_add(a->roster, &bare);
    }
    commit_inbound(a, presence, item, o, origin);
}

/* --- the account goes (XEP-0077 §3.2) --------------------------------------------------------- */

static void tell(struct account *a, const struct roster_item *item, enum stanza_type type)
{
    struct stanza *p = stanza_new(STANZA_PRESENCE, type);
    struct jid bare;

    jid_split(item->jid.bare, &bare);
    stanza_set_from(p, &a->jid);
    stanza_set_to(p, &bare);
    deliver(a->sm, p, NULL);
    stanza_unref(p);
}

void roster_tell_gone(struct account *a)
{
    const struct roster_item *item;

    for (size_t at = 0; (item = table_next(&a->roster->items, &at));) {
        if (item->state & (ROSTER_TO | ROSTER_PENDING_OUT))
            tell(a, item, TYPE_UNSUBSCRIBE);
        if (item->state & (ROSTER_FROM | ROSTER_PENDING_IN))
            tell(a, item, TYPE_UNSUBSCRIBED);
    }
}
