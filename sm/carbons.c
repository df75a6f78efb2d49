/* Message Carbons: the rules of XEP-0280 §6.1 and the copies of §7 and §8. When they are made is
 * said by deliver.c and deliver_session.c; turning them on and off by ext/xep0280_carbons.c. */
#include "sm/carbons.h"

#include "common/bytes.h"
#include "proto/ns.h"
#include "sm/archive.h"

/* --- which (§6.1) ------------------------------------------------------------------------------ */

/* §9, XEP-0334 §4.4: either is enough. */
static bool is_private(const struct xml *el)
{
    return xml_child(el, NS_CARBONS, "private") || xml_child(el, NS_HINTS, "no-copy");
}

static bool has_im_payload(const struct xml *el)
{
    static const char *const namespaces[] = { NS_RECEIPTS, NS_CHAT_STATES, NS_MARKERS };

    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        if (xml_child(el, namespaces[i], NULL))
            return true;
    }
    return false;
}

static bool has_body(const struct xml *el)
{
    return xml_child(el, NS_CLIENT, "body") != NULL;
}

/* Its private messages come from and go to full JIDs; what the service itself says is none. */
static bool is_muc_private(const struct stanza *message, enum carbons_way way)
{
    const struct jid *occupant = way == CARBONS_SENT ? &message->to : &message->from;

    return xml_child(message->el, NS_MUC_USER, "x") && str_is_set(occupant->resource);
}

static bool is_invitation(const struct xml *el)
{
    const struct xml *x = xml_child(el, NS_MUC_USER, "x");

    return xml_child(el, NS_CONFERENCE, "x") || (x && xml_child(x, NS_MUC_USER, "invite"));
}

bool carbons_is_eligible(const struct stanza *message, enum carbons_way way)
{
    const struct xml *el = message->el;

    if (message->kind != STANZA_MESSAGE || message->type == TYPE_GROUPCHAT || is_private(el))
        return false;
    if (message->type == TYPE_ERROR)
        return has_body(el) || has_im_payload(el);
    if (is_invitation(el))
        return true;
    if (is_muc_private(message, way)) /* those that come are replicated by the room */
        return way == CARBONS_SENT;
    return message->type == TYPE_CHAT || (message->type == TYPE_NORMAL && has_body(el)) ||
           has_im_payload(el);
}

/* --- what -------------------------------------------------------------------------------------- */

static const char *name_of(enum carbons_way way)
{
    return way == CARBONS_SENT ? "sent" : "received";
}

void carbons_write(struct buf *out, enum carbons_way way, const struct stanza *message,
                   struct str written, const struct jid *full)
{
    const char *type = stanza_type_name(message->type);

    buf_add(out, STR("<message xmlns='" NS_CLIENT "' from='"));
    xml_escape_attr(out, full->bare);
    buf_add(out, STR("' to='"));
    xml_escape_attr(out, full->full);
    buf_printf(out, "' type='%s'><%s xmlns='" NS_CARBONS "'><forwarded xmlns='" NS_FORWARD "'>",
               type ? type : "normal", name_of(way));
    buf_add(out, written);
    buf_printf(out, "</forwarded></%s></message>", name_of(way));
}

bool carbons_is_copy(const struct stanza *stanza)
{
    return stanza->kind == STANZA_MESSAGE && jid_is_bare(&stanza->from) &&
           str_is_set(stanza->to.resource) && jid_eq_bare(&stanza->from, &stanza->to) &&
           (xml_child(stanza->el, NS_CARBONS, "sent") ||
            xml_child(stanza->el, NS_CARBONS, "received"));
}

/* --- who --------------------------------------------------------------------------------------- */

static struct session *session_at(struct list *at)
{
    return CONTAINER_OF(at, struct session, account_at);
}

/* Most accounts have none: then nothing is written. */
static bool wants_any(const struct account *a)
{
    LIST_FOR_EACH(at, &a->sessions)
    {
        if (session_at(at)->has_carbons)
            return true;
    }
    return false;
}

static bool has_got(const struct session *s, const struct carbons_got *got)
{
    return s == got->one || (session_is_available(s) && s->priority >= got->lowest);
}

/* A copy that is too large for a frame is left out (session_send_bytes): wire_fits keeps room for
 * it wherever addresses are of a usual length, and the message itself is not touched. */
static void send_copies(struct account *a, const struct stanza *message, enum carbons_way way,
                        const struct carbons_got *got, struct str written, struct origin *origin)
{
    struct buf copy = { 0 };

    LIST_FOR_EACH_SAFE(at, following, &a->sessions)
    {
        struct session *s = session_at(at);

        if (!s->has_carbons || has_got(s, got) || str_eq(s->jid.full, message->from.full))
            continue;
        buf_clear(&copy);
        carbons_write(&copy, way, message, written, &s->jid);
        session_send(s, buf_str(&copy), origin);
    }
    buf_fini(&copy);
}

/* XEP-0313 §3.5: with the id, which the message itself must not have. */
void carbons_sent(struct session *s, const struct stanza *message, const struct archive_item *item,
                  struct origin *origin)
{
    const struct carbons_got nobody = { .lowest = CARBONS_NOBODY };
    struct buf written = { 0 };

    if (!wants_any(s->account) || jid_eq_bare(&message->to, &s->jid) ||
        !carbons_is_eligible(message, CARBONS_SENT))
        return;
    if (item)
        archive_write(&written, bytes_str(item->written),
                      str_of(item->id_text, ARCHIVE_ID_TEXT), s->jid.bare, STR_NONE, 0);
    else
        xml_write(&written, message->el, STR_NONE);
    send_copies(s->account, message, CARBONS_SENT, &nobody, buf_str(&written), origin);
    buf_fini(&written);
}

void carbons_received(struct account *a, const struct stanza *message,
                      const struct carbons_got *got, struct origin *origin)
{
    struct buf written = { 0 };

    if (!wants_any(a) || !carbons_is_eligible(message, CARBONS_RECEIVED))
        return;
    xml_write(&written, message->el, STR_NONE);
    send_copies(a, message, CARBONS_RECEIVED, got, buf_str(&written), origin);
    buf_fini(&written);
}
