/* Presence on its way out: written once, made another's by its to alone. RFC 6121 §4.2.2, §4.4.2,
 * §4.5.2. */
#include "common/bytes.h"
#include "common/log.h"
#include "sm/block.h"
#include "sm/deliver.h"
#include "sm/presence_parts.h"

static const struct str start = { "<presence", 9 };

void presence_write_to(struct buf *out, struct str presence, struct str to)
{
    ASSERT(str_starts_with(presence, start));
    buf_add(out, start);
    buf_add(out, STR(" to='"));
    xml_escape(out, to);
    buf_add_char(out, '\'');
    buf_add(out, str_of(presence.p + start.n, presence.n - start.n));
}

/* A component's, or another server's: a stanza of its own. */
static void send_away(struct sm *sm, struct str presence, const struct jid *to,
                      struct origin *origin)
{
    struct stanza *s = stanza_new(STANZA_PRESENCE, TYPE_NONE);

    if (xml_parse(sm->parser, XML_ALONE, &xml_default_limits, presence, &s->arena, &s->el) !=
            XML_OK ||
        stanza_read(s) != STANZA_OK) {
        log_warn("presence that cannot be read again", kv_str("to", to->full));
    } else {
        stanza_set_to(s, to);
        deliver(sm, s, origin);
    }
    stanza_unref(s);
}

static void send_here(const struct account *a, struct str presence, const struct jid *to,
                      struct origin *origin)
{
    struct buf out = { 0 };
    struct bytes *payload;

    presence_write_to(&out, presence, to->full);
    payload = bytes_new(buf_str(&out)); /* shared by all resources of the account */
    LIST_FOR_EACH(at, &a->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (jid_is_bare(to) ? session_is_available(s) : str_eq(s->jid.resource, to->resource))
            session_send_bytes(s, payload, origin);
    }
    bytes_unref(payload);
    buf_fini(&out);
}

void presence_send(struct sm *sm, struct str presence, const struct jid *from, const struct jid *to,
                   struct origin *origin)
{
    const struct account *a;

    if (!str_is_set(to->local) || !sm_is_hosted(sm, to->domain)) {
        send_away(sm, presence, to, origin);
        return;
    }
    a = account_in_memory(
        sm, to->bare); /* otherwise it has no sessions, and presence is not kept (§8.5.2.2.2) */
    if (a && !block_is_blocked(a, from))
        send_here(a, presence, to, origin);
}

void presence_send_current(struct account *a, const struct jid *contact, struct origin *origin)
{
    LIST_FOR_EACH(at, &a->sessions)
    {
        const struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (session_is_available(s))
            presence_send(a->sm, bytes_str(s->presence), &s->jid, contact, origin);
    }
}

void presence_send_unavailable(struct account *a, const struct jid *contact, struct origin *origin)
{
    struct buf out = { 0 };

    LIST_FOR_EACH(at, &a->sessions)
    {
        const struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (!session_is_available(s))
            continue;
        buf_clear(&out);
        presence_write_unavailable(&out, &s->jid);
        presence_send(a->sm, buf_str(&out), &s->jid, contact, origin);
    }
    buf_fini(&out);
}
