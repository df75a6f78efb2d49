/* Who is there: answers to probes, and what a new resource is told without asking. RFC 6121 §4.3,
 * §4.6.6. */
#include "proto/ns.h"
#include "sm/block.h"
#include "sm/deliver.h"
#include "sm/presence_parts.h"
#include "sm/roster_walk.h"

/* A presence of one type from one of our JIDs, with the probe's id (§4.3.2.1). */
static void answer(struct account *a, const struct jid *from, const struct stanza *probe,
                   enum stanza_type type, struct origin *origin)
{
    struct stanza *s = stanza_new(STANZA_PRESENCE, type);
    struct jid to = probe->from;

    if (type == TYPE_UNSUBSCRIBED)
        jid_split(probe->from.bare, &to);
    stanza_set_from(s, from);
    stanza_set_to(s, &to);
    if (str_is_set(probe->id))
        xml_set(s->el, &s->arena, "id", probe->id);
    deliver(a->sm, s, origin);
    stanza_unref(s);
}

/* To the bare JID: all that each resource said (rule 4), or that there is none (rule 3). */
static void answer_bare(struct account *a, const struct stanza *probe, struct origin *origin)
{
    bool is_available = false;

    LIST_FOR_EACH(at, &a->sessions)
    is_available |= session_is_available(CONTAINER_OF(at, struct session, account_at));
    if (is_available)
        presence_send_current(a, &probe->from, origin);
    else
        answer(a, &a->jid, probe, TYPE_UNAVAILABLE, origin);
}

/* To a full JID: that resource alone, and no more than whether it is there. */
static void answer_full(struct account *a, const struct stanza *probe, struct origin *origin)
{
    const struct session *s = account_session(a, probe->to.resource);

    answer(a, &probe->to, probe, s && session_is_available(s) ? TYPE_NONE : TYPE_UNAVAILABLE,
           origin);
}

/* §4.6.6: who was sent directed presence hears of those resources, and only that they are there. */
static bool answer_directed(struct account *a, const struct stanza *probe, struct origin *origin)
{
    bool is_answered = false;

    LIST_FOR_EACH(at, &a->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (!presence_is_directed(s, &probe->from))
            continue;
        if (!jid_is_bare(&probe->to) && !str_eq(probe->to.resource, s->jid.resource))
            continue;
        answer(a, &s->jid, probe, TYPE_NONE, origin);
        is_answered = true;
    }
    return is_answered;
}

void presence_probe(struct account *a, const struct stanza *probe, struct origin *origin)
{
    if (roster_may_see(a, &probe->from)) {
        if (jid_is_bare(&probe->to))
            answer_bare(a, probe, origin);
        else
            answer_full(a, probe, origin);
    } else if (!answer_directed(a, probe, origin)) {
        answer(a, &a->jid, probe, TYPE_UNSUBSCRIBED, origin); /* rule 1 */
    }
}

/* --- a new resource --------------------------------------------------------------------------- */

/* What we know of an account on this cluster need not be asked for (§4.3.1, last paragraph): no
 * probe, no loading. */
static void tell_presence_of(struct session *s, const struct account *contact,
                             struct origin *origin)
{
    struct buf out = { 0 };

    LIST_FOR_EACH(at, &contact->sessions)
    {
        const struct session *other = CONTAINER_OF(at, struct session, account_at);

        if (other == s || !session_is_available(other) ||
            block_is_blocked(s->account, &other->jid))
            continue;
        buf_clear(&out);
        presence_write_to(&out, bytes_str(other->presence), s->jid.full);
        session_send(s, buf_str(&out), origin);
    }
    buf_fini(&out);
}

static void send_plain(struct session *s, const struct jid *contact, enum stanza_type type,
                       struct origin *origin)
{
    struct stanza *p = stanza_new(STANZA_PRESENCE, type);

    stanza_set_from(p, &s->account->jid);
    stanza_set_to(p, contact);
    deliver(s->sm, p, origin);
    stanza_unref(p);
}

static void introduce_contact(struct session *s, const struct roster_walk *w, struct origin *origin)
{
    bool is_local = str_is_set(w->jid.local) && sm_is_hosted(s->sm, w->jid.domain);
    uint8_t state = roster_look_state(&w->look);
    const struct account *contact;

    if (block_is_blocked(s->account, &w->jid)) /* XEP-0191 §3.3 */
        return;
    if (w->look.item && w->look.item->request) /* §3.1.3 (4): at each login until it is answered */
        session_send(s, bytes_str(w->look.item->request), origin);
    if (!is_local && (state & ROSTER_TO))
        send_plain(s, &w->jid, TYPE_PROBE, origin);
    if (!is_local &&
        (state &
         ROSTER_PENDING_OUT)) /* §3.1.2, last paragraph: sent again, for it may have been lost */
        send_plain(s, &w->jid, TYPE_SUBSCRIBE, origin);
    if (!is_local || !(state & ROSTER_TO))
        return;
    contact = account_in_memory(s->sm, w->jid.bare);
    if (contact && roster_may_see(contact, &s->jid) && !block_is_blocked(contact, &s->jid))
        tell_presence_of(s, contact, origin);
}

void presence_introduce(struct session *s, struct origin *origin)
{
    struct roster_walk w;

    tell_presence_of(s, s->account, origin);
    roster_walk_begin(&w, s->account, ROSTER_TO);
    while (roster_walk_next(&w))
        introduce_contact(s, &w, origin);
    roster_walk_end(&w);
}

/* Contacts on this cluster are known; others are asked, and their answers follow. */
static void refresh_contact(struct session *s, const struct roster_walk *w, struct origin *origin)
{
    bool is_local = str_is_set(w->jid.local) && sm_is_hosted(s->sm, w->jid.domain);
    const struct account *contact = is_local ? account_in_memory(s->sm, w->jid.bare) : NULL;
    struct buf gone = { 0 }, told = { 0 };

    if (!(roster_look_state(&w->look) & ROSTER_TO) || block_is_blocked(s->account, &w->jid))
        return;
    presence_write_unavailable(&gone, &w->jid);
    presence_write_to(&told, buf_str(&gone), s->jid.full);
    session_send(s, buf_str(&told), origin);
    buf_fini(&gone);
    buf_fini(&told);
    if (!is_local)
        send_plain(s, &w->jid, TYPE_PROBE, origin);
    else if (contact && roster_may_see(contact, &s->jid) && !block_is_blocked(contact, &s->jid))
        tell_presence_of(s, contact, origin);
}

void presence_refresh(struct session *s, struct origin *origin)
{
    struct roster_walk w;

    tell_presence_of(s, s->account, origin);
    roster_walk_begin(&w, s->account, ROSTER_TO);
    while (roster_walk_next(&w))
        refresh_contact(s, &w, origin);
    roster_walk_end(&w);
}
