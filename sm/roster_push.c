/* Writes results and pushes of rosters. RFC 6121 §2.1.2 to §2.1.6, §2.6. */
#include "proto/ns.h"
#include "sm/roster_parts.h"
#include "sm/roster_walk.h"
#include "sm/session.h"
#include "sm/shared.h"

static void write_attr(struct buf *out, const char *name, struct str value)
{
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    xml_escape(out, value);
    buf_add_char(out, '\'');
}

static void open_query(struct buf *out, const struct account *a)
{
    buf_add(out, STR("<query xmlns='" NS_ROSTER "' ver='"));
    roster_write_version(out, a);
    buf_add(out, STR("'>"));
}

void roster_write_version(struct buf *out, const struct account *a)
{
    buf_add_u64(out, a->roster->version);
    shared_write_version(out, a);
}

static const struct str query_end = { "</query>", 8 };

bool roster_write_query(struct buf *out, const struct account *a, size_t max)
{
    struct roster_walk w;
    bool is_whole = true;

    open_query(out, a);
    roster_walk_begin(&w, a, ROSTER_TO);
    while (roster_walk_next(&w)) {
        size_t before = out->n;

        if (w.look.is_shown)
            roster_write_item(out, w.x, &w.jid, &w.look);
        if (!w.look.item && out->n + query_end.n > max) {
            out->n = before;
            is_whole = false;
        }
    }
    roster_walk_end(&w);
    buf_add(out, query_end);
    return is_whole;
}

void roster_write_push(struct buf *out, const struct account *a, const struct jid *contact)
{
    const struct directory_index *x = shared_index(a);
    struct roster_look look = roster_look(a, x, contact);

    open_query(out, a);
    if (look.is_shown) {
        roster_write_item(out, x, contact, &look);
    } else {
        buf_add(out, STR("<item"));
        write_attr(out, "jid", contact->full);
        buf_add(out, STR(" subscription='remove'/>"));
    }
    buf_add(out, query_end);
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
