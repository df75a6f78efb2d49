/* What a client says (RFC 6120 §8.1, §10.3; RFC 6121 §4, §8.1): from is stamped, and each stanza goes to presence, roster, iq or deliver. */
#include "sm/deliver.h"

#include "proto/ns.h"
#include "sm/block.h"
#include "sm/iq.h"
#include "sm/offline.h"
#include "sm/presence.h"
#include "sm/roster.h"
#include "sm/session.h"
#include "sm/subscribe.h"

static bool takes_offline(const struct session *s)
{
    return session_is_available(s) && s->priority >= 0;
}

/* Without to (RFC 6121 §4): broadcast. With the first presence that is not negative, what waited is delivered (XEP-0160 §2). */
static void broadcast(struct session *s, struct stanza *stanza, struct origin *origin)
{
    bool did_take = takes_offline(s);

    presence_broadcast(s, stanza, origin);
    if (!did_take && takes_offline(s))
        offline_deliver(s);
    else if (did_take && !takes_offline(s) && s->account)
        offline_session_left(s->account);
}

static void presence(struct session *s, struct stanza *stanza, struct origin *origin)
{
    bool has_to = jid_is_set(&stanza->to);

    if (subscribe_is_type(stanza->type) && has_to)
        roster_outbound(s, stanza, origin);
    else if (stanza->type == TYPE_NONE || stanza->type == TYPE_UNAVAILABLE)
        has_to ? presence_directed(s, stanza, origin) : broadcast(s, stanza, origin);
    else if (has_to)
        deliver(s->sm, stanza, origin);
    else
        deliver_error(s->sm, stanza, STANZA_BAD_REQUEST, STR_NONE, origin);
}

/* RFC 3921 §3, for old clients: nothing to be done. */
static void old_session(struct session *s, const struct stanza *stanza, struct origin *origin)
{
    struct stanza *reply = stanza_reply(stanza, TYPE_RESULT);

    session_send_stanza(s, reply, origin);
    stanza_unref(reply);
}

static bool is_own_account(const struct session *s, const struct stanza *stanza)
{
    return !jid_is_set(&stanza->to) || str_eq(stanza->to.full, s->jid.bare);
}

/* §10.3.3: without to it is for the account; the server answers. */
static void iq(struct session *s, struct stanza *stanza, struct origin *origin)
{
    bool asks = stanza->type == TYPE_GET || stanza->type == TYPE_SET;
    bool is_server = jid_is_set(&stanza->to) && !str_is_set(stanza->to.local) && sm_is_hosted(s->sm, stanza->to.domain);

    if (!asks) {
        if (!is_own_account(s, stanza))
            deliver(s->sm, stanza, origin);
    } else if (is_own_account(s, stanza) && xml_child(stanza->el, NS_ROSTER, "query")) {
        roster_iq(s, stanza, origin);
    } else if (xml_child(stanza->el, NS_SESSION, "session") && (is_own_account(s, stanza) || is_server)) {
        old_session(s, stanza, origin);
    } else if (is_own_account(s, stanza) || is_server) {
        iq_handle(s->sm, stanza, s, origin);
    } else {
        deliver(s->sm, stanza, origin);
    }
}

/* XEP-0191 §3.3, to the client itself: what is delivered from the blocked JID would be refused. */
static void refuse_blocked(struct session *s, const struct stanza *stanza, struct origin *origin)
{
    struct stanza *reply = stanza_error_reply(stanza, STANZA_NOT_ACCEPTABLE, STR_NONE);
    struct xml *error;

    if (!reply)
        return;
    error = xml_child(reply->el, NULL, "error");
    xml_set(error, &reply->arena, "type", STR("cancel"));
    xml_add(error, &reply->arena, NS_BLOCKING_ERRORS, "blocked");
    session_send_stanza(s, reply, origin);
    stanza_unref(reply);
}

void deliver_from_session(struct session *s, struct stanza *stanza, struct origin *origin)
{
    struct jid own;

    stanza_set_from(stanza, &s->jid);
    if (jid_is_set(&stanza->to) && !str_eq(xml_attr(stanza->el, "to"), stanza->to.full))
        stanza_set_to(stanza, &stanza->to); /* normalised, as everybody else will see it */
    if (block_is_blocked(s->account, &stanza->to)) {
        refuse_blocked(s, stanza, origin);
        return;
    }
    switch (stanza->kind) {
    case STANZA_PRESENCE:
        presence(s, stanza, origin);
        break;
    case STANZA_IQ:
        iq(s, stanza, origin);
        break;
    case STANZA_MESSAGE:
        if (!jid_is_set(&stanza->to)) { /* §10.3.1: as if to the sender's bare JID */
            jid_split(s->jid.bare, &own);
            stanza_set_to(stanza, &own);
        }
        deliver_message(s, stanza, origin);
        break;
    }
}
