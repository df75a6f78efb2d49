/* Presence of our resources: initial, updates, the end; and what arrives for an account. RFC 6121
 * §4.2 to §4.5. Leaves offline messages, which wait for it, to deliver_session.c, writing to
 * presence_send.c, directed presence to presence_directed.c, probes to presence_probe.c. */
#include "sm/presence.h"

#include "common/bytes.h"
#include "proto/ns.h"
#include "sm/block.h"
#include "sm/deliver.h"
#include "sm/ext.h"
#include "sm/presence_parts.h"
#include "sm/roster_walk.h"

static enum err read_priority(struct str text, int8_t *out_priority)
{
    int64_t value;

    text = str_trim(text);
    if (text.n > 1 && text.p[0] == '+' && text.p[1] != '-') /* xs:byte allows a sign */
        text = str_of(text.p + 1, text.n - 1);
    if (str_to_i64(text, &value) != ERR_OK || value < INT8_MIN || value > INT8_MAX)
        return ERR_MALFORMED;
    *out_priority = (int8_t)value;
    return ERR_OK;
}

enum err presence_priority(const struct xml *presence, int8_t *out_priority)
{
    const struct xml *el = xml_child(presence, NS_CLIENT, "priority");
    struct arena arena = { 0 };
    enum err e;

    *out_priority = 0;
    if (!el)
        return ERR_OK;
    if (xml_next(el, NS_CLIENT, "priority") || xml_child_count(el))
        return ERR_MALFORMED;
    e = read_priority(xml_text(el, &arena), out_priority);
    arena_fini(&arena);
    return e;
}

/* --- broadcast -------------------------------------------------------------------------------- */

/* To all that are subscribed and not blocked (XEP-0191 §3.3), and to the account's own resources, which are subscribed to each
 * other (§4.2.2). */
static void broadcast(struct session *s, struct str presence, struct origin *origin)
{
    struct account *a = s->account;
    struct roster_walk w;

    presence_send(s->sm, presence, &s->jid, &a->jid, origin);
    roster_walk_begin(&w, a, ROSTER_FROM);
    while (roster_walk_next(&w))
        if ((roster_look_state(&w.look) & ROSTER_FROM) && !block_is_blocked(a, &w.jid))
            presence_send(s->sm, presence, &s->jid, &w.jid, origin);
    roster_walk_end(&w);
}

static void make_available(struct session *s, const struct stanza *presence, int8_t priority)
{
    struct buf out = { 0 };

    xml_write(&out, presence->el, STR_NONE);
    bytes_unref(s->presence);
    s->presence = bytes_new(buf_str(&out));
    s->priority = priority;
    buf_fini(&out);
}

/* Broadcast presence is answered with an error only by who should have sent it on: the account. */
static void refuse(struct session *s, struct stanza *presence, struct origin *origin)
{
    stanza_set_to(presence, &s->account->jid);
    deliver_error(s->sm, presence, STANZA_BAD_REQUEST,
                  STR("priority is one number from -128 to 127"), origin);
}

static void available(struct session *s, struct stanza *presence, struct origin *origin)
{
    bool is_initial = !session_is_available(s);
    int8_t priority;

    if (presence_priority(presence->el, &priority) != ERR_OK) {
        refuse(s, presence, origin);
        return;
    }
    make_available(s, presence, priority);
    session_save(s, origin);
    broadcast(s, bytes_str(s->presence), origin);
    if (is_initial)
        presence_introduce(s, origin);
}

static void tell_extensions(struct session *s, struct str status)
{
    for (const struct ext *const *e = ext_list; *e; e++)
        if ((*e)->on_unavailable && ext_is_enabled(s->sm, *e))
            (*e)->on_unavailable(s->sm, &s->jid, status);
}

/* To those who know of this resource and are not told by the broadcast (§4.6.3). */
static void end_directed(struct session *s, struct str presence, bool was_broadcast,
                         struct origin *origin)
{
    LIST_FOR_EACH(at, &s->directed)
    {
        const struct jid *to = &CONTAINER_OF(at, struct session_directed, at)->to;

        if (!was_broadcast || !roster_may_see(s->account, to))
            presence_send(s->sm, presence, &s->jid, to, origin);
    }
    presence_forget_all(s);
}

static void drop_presence(struct session *s)
{
    bytes_unref(s->presence);
    s->presence = NULL;
    s->priority = 0;
}

static void tell_all(struct session *s, struct str presence, bool was_available,
                     struct origin *origin)
{
    if (was_available)
        broadcast(s, presence, origin);
    end_directed(s, presence, was_available, origin);
}

static void unavailable(struct session *s, const struct stanza *presence, struct origin *origin)
{
    const struct xml *status = xml_child(presence->el, NS_CLIENT, "status");
    bool was_available = s->presence != NULL;
    struct arena arena = { 0 };
    struct buf out = { 0 };

    if (!was_available && !s->directed_count)
        return;
    xml_write(&out, presence->el, STR_NONE);
    tell_all(s, buf_str(&out), was_available,
             origin); /* while it still is available: it hears itself (§4.5.2) */
    drop_presence(s);
    if (was_available)
        tell_extensions(s, status ? xml_text(status, &arena) : STR_NONE);
    session_save(s, origin);
    buf_fini(&out);
    arena_fini(&arena);
}

void presence_broadcast(struct session *s, struct stanza *presence, struct origin *origin)
{
    if (presence->type == TYPE_NONE)
        available(s, presence, origin);
    else if (presence->type == TYPE_UNAVAILABLE)
        unavailable(s, presence, origin);
    else if (presence->type != TYPE_ERROR && presence->type != TYPE_PROBE)
        deliver_error(s->sm, presence, STANZA_BAD_REQUEST, STR_NONE, origin);
}

void presence_write_unavailable(struct buf *out, const struct jid *from)
{
    buf_add(out, STR("<presence xmlns='" NS_CLIENT "' type='unavailable' from='"));
    xml_escape(out, from->full);
    buf_add(out, STR("'/>"));
}

void presence_session_ended(struct session *s, struct origin *origin)
{
    bool was_available = s->presence != NULL;
    struct buf out = { 0 };

    drop_presence(s); /* first: nobody is there to hear it */
    presence_write_unavailable(&out, &s->jid);
    tell_all(s, buf_str(&out), was_available, origin);
    if (was_available)
        tell_extensions(s, STR_NONE);
    buf_fini(&out);
}

/* --- arriving for the account ----------------------------------------------------------------- */

/* §4.6.1: who says that it is gone need not hear that we are. */
static void forget_sender(struct account *a, const struct jid *from)
{
    LIST_FOR_EACH(at, &a->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (s->directed_count)
            presence_forget(s, from);
    }
}

void presence_inbound(struct account *a, struct stanza *presence, struct origin *origin)
{
    struct buf out = { 0 };
    struct bytes *payload;

    if (presence->type == TYPE_PROBE) {
        presence_probe(a, presence, origin);
        return;
    }
    if (presence->type == TYPE_UNAVAILABLE)
        forget_sender(a, &presence->from);
    xml_write(&out, presence->el, STR_NONE);
    payload = bytes_new(buf_str(&out));
    LIST_FOR_EACH(at, &a->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (session_is_available(s))
            session_send_bytes(s, payload, origin);
    }
    bytes_unref(payload);
    buf_fini(&out);
}
