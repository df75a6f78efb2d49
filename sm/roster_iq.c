/* jabber:iq:roster: get and set of a session. RFC 6121 §2.2 to §2.6. */
#include "common/log.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/roster_parts.h"
#include "sm/session.h"

enum { PAYLOAD_SLACK = 8192 }; /* of a frame, for what is around the query */

static size_t max_result(const struct session *s)
{
    return (size_t)s->sm->conf->link.max_payload - PAYLOAD_SLACK;
}

/* --- get (§2.1.3, §2.1.4, §2.6.2) ------------------------------------------------------------- */

static bool is_current(const struct roster *r, struct str version)
{
    uint64_t v;

    return version.n && str_to_u64(version, &v) == ERR_OK && v == r->version;
}

static void write_result(struct buf *out, const struct session *s, const struct stanza *iq,
                         bool is_empty)
{
    buf_add(out, STR("<iq xmlns='" NS_CLIENT "' type='result' id='"));
    xml_escape(out, iq->id);
    buf_add(out, STR("' from='"));
    xml_escape(out, s->account->jid.bare);
    buf_add(out, STR("' to='"));
    xml_escape(out, s->jid.full);
    buf_add(out, STR("'>"));
    if (!is_empty)
        roster_write_query(out, s->account->roster);
    buf_add(out, STR("</iq>"));
}

static enum stanza_error get(struct session *s, struct stanza *iq, const struct xml *query,
                             struct origin *origin)
{
    struct str version = xml_attr(query, "ver");
    struct buf out = { 0 };
    enum stanza_error e = STANZA_OK;

    if (xml_child_count(query) != 0)
        return STANZA_BAD_REQUEST;
    write_result(&out, s, iq, is_current(s->account->roster, version));
    if (out.n > max_result(s))
        e = STANZA_RESOURCE_CONSTRAINT;
    else
        session_send(s, buf_str(&out), origin);
    buf_fini(&out);
    if (e == STANZA_OK && (!s->is_interested || (str_is_set(version) && !s->has_roster_version))) {
        s->is_interested = true;
        s->has_roster_version = str_is_set(version);
        session_save(s, origin);
    }
    return e;
}

/* --- set (§2.3 to §2.5) ----------------------------------------------------------------------- */

static struct stanza *to_contact(const struct account *a, const struct jid *contact,
                                 enum stanza_type type)
{
    struct stanza *p = stanza_new(STANZA_PRESENCE, type);
    struct jid bare;

    jid_split(contact->bare, &bare);
    stanza_set_from(p, &a->jid);
    stanza_set_to(p, &bare);
    return p;
}

/* §2.5.2. What is pending is ended like what was granted: nothing of it would be left in the roster
 * to end it later. */
static void cancel_subscriptions(struct roster_change *c, const struct roster_item *item)
{
    size_t n = 0;

    if (item->state & (ROSTER_TO | ROSTER_PENDING_OUT))
        c->route[n++] = to_contact(c->account, &item->jid, TYPE_UNSUBSCRIBE);
    if (item->state & (ROSTER_FROM | ROSTER_PENDING_IN))
        c->route[n++] = to_contact(c->account, &item->jid, TYPE_UNSUBSCRIBED);
    c->tells_unavailable = item->state & ROSTER_FROM;
}

static enum stanza_error remove_item(struct session *s, struct stanza *iq,
                                     const struct roster_set *set, struct origin *origin)
{
    struct roster *r = s->account->roster;
    struct roster_item *item = roster_find(r, set->jid.full);
    struct roster_change *c;

    if (!item || !item->is_listed)
        return STANZA_ITEM_NOT_FOUND;
    c = roster_change_new(s->account, iq, set->jid.full, origin);
    cancel_subscriptions(c, item);
    roster_drop(r, item);
    roster_touch(r, NULL);
    c->is_pushed = true;
    c->reply = stanza_reply(iq, TYPE_RESULT);
    roster_commit(c);
    return STANZA_OK;
}

static enum stanza_error has_room(const struct session *s, const struct roster *r)
{
    /* what is stored must also fit into one result; escaping can make it longer, hence half */
    if (roster_count(r, true) >= (size_t)s->sm->conf->max_roster_items ||
        roster_bytes(r) > max_result(s) / 2)
        return STANZA_RESOURCE_CONSTRAINT;
    return STANZA_OK;
}

static enum stanza_error put_item(struct session *s, struct stanza *iq,
                                  const struct roster_set *set, struct origin *origin)
{
    struct roster *r = s->account->roster;
    struct roster_item *item = roster_find(r, set->jid.full);
    struct roster_change *c;

    if (!item || !item->is_listed) {
        enum stanza_error e = has_room(s, r);

        if (e != STANZA_OK)
            return e;
    }
    if (!item)
        item = roster_add(r, &set->jid);
    /* Handled again after a crash it changes nothing, keeps its version and makes the very same
     * push. */
    if (!item->is_listed || !roster_item_is_named(item, set->name, &set->groups)) {
        roster_item_set_name(item, set->name, &set->groups);
        item->is_listed = true;
        roster_touch(r, item);
    }
    c = roster_change_new(s->account, iq, set->jid.full, origin);
    c->is_pushed = true;
    c->reply = stanza_reply(iq, TYPE_RESULT);
    roster_commit(c);
    return STANZA_OK;
}

static enum stanza_error set(struct session *s, struct stanza *iq, const struct xml *query,
                             struct origin *origin)
{
    struct roster_set read;
    enum stanza_error e = roster_set_read(query, s->account->jid.bare, &iq->arena, &read);

    if (e == STANZA_OK)
        e = roster_may_change(s->account);
    if (e != STANZA_OK)
        return e;
    return read.is_remove ? remove_item(s, iq, &read, origin) : put_item(s, iq, &read, origin);
}

void roster_iq(struct session *s, struct stanza *iq, struct origin *origin)
{
    const struct xml *query = xml_child(iq->el, NULL, NULL);
    enum stanza_error e =
        iq->type == TYPE_GET ? get(s, iq, query, origin) : set(s, iq, query, origin);

    if (e != STANZA_OK)
        deliver_error(s->sm, iq, e, STR_NONE, origin);
}
