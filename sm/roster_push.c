/* Writes roster items, results and pushes. RFC 6121 §2.1.2 to §2.1.6, §2.6. */
#include "proto/ns.h"
#include "sm/roster_parts.h"
#include "sm/session.h"
#include "sm/subscribe.h"

static void write_attr(struct buf *out, const char *name, struct str value)
{
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    xml_escape(out, value);
    buf_add_char(out, '\'');
}

void roster_write_item(struct buf *out, const struct roster_item *item)
{
    buf_add(out, STR("<item"));
    write_attr(out, "jid", item->jid.full);
    if (item->name)
        write_attr(out, "name", str_from(item->name));
    write_attr(out, "subscription", str_from(subscribe_name(item->state)));
    if (item->state & ROSTER_PENDING_OUT)
        buf_add(out, STR(" ask='subscribe'"));
    if (item->state & ROSTER_APPROVED)
        buf_add(out, STR(" approved='true'"));
    if (!item->groups.count) {
        buf_add(out, STR("/>"));
        return;
    }
    buf_add_char(out, '>');
    for (size_t i = 0; i < item->groups.count; i++) {
        buf_add(out, STR("<group>"));
        xml_escape(out, str_from(item->groups.items[i]));
        buf_add(out, STR("</group>"));
    }
    buf_add(out, STR("</item>"));
}

static void open_query(struct buf *out, const struct roster *r)
{
    buf_add(out, STR("<query xmlns='" NS_ROSTER "' ver='"));
    buf_add_u64(out, r->version);
    buf_add(out, STR("'>"));
}

void roster_write_query(struct buf *out, const struct roster *r)
{
    const struct roster_item *item;

    open_query(out, r);
    for (size_t at = 0; (item = table_next(&r->items, &at));)
        if (item->is_listed)
            roster_write_item(out, item);
    buf_add(out, STR("</query>"));
}

void roster_write_push(struct buf *out, const struct roster *r, struct str jid)
{
    const struct roster_item *item = roster_find(r, jid);

    open_query(out, r);
    if (item && item->is_listed) {
        roster_write_item(out, item);
    } else {
        buf_add(out, STR("<item"));
        write_attr(out, "jid", jid);
        buf_add(out, STR(" subscription='remove'/>"));
    }
    buf_add(out, STR("</query>"));
}

void roster_push(struct account *a, struct str query, uint64_t id, struct origin *origin)
{
    struct buf out = { 0 };
    size_t common;

    buf_add(&out, STR("<iq xmlns='" NS_CLIENT "' type='set' id='push-"));
    buf_add_u64(&out, id);
    buf_add_char(&out, '\'');
    write_attr(&out, "from", a->jid.bare);
    common = out.n;
    LIST_FOR_EACH(at, &a->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (!s->is_interested || s->state == SESSION_ENDING)
            continue;
        out.n = common;
        write_attr(&out, "to", s->jid.full);
        buf_add_char(&out, '>');
        buf_add(&out, query);
        buf_add(&out, STR("</iq>"));
        session_send(s, buf_str(&out), origin);
    }
    buf_fini(&out);
}
