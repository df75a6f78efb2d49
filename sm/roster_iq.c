/* jabber:iq:roster: get and set of a session. RFC 6121 §2.2 to §2.6. */
#include "common/log.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/roster_parts.h"
#include "sm/roster_walk.h"
#include "sm/session.h"
#include "sm/shared.h"

enum { PAYLOAD_SLACK = 8192 }; /* of a frame, for what is around the query */

static size_t max_result(const struct session *s)
{
    return (size_t)s->sm->conf->link.max_payload - PAYLOAD_SLACK;
}

/* --- get (§2.1.3, §2.1.4, §2.6.2) ------------------------------------------------------------- */

static bool is_current(const struct account *a, struct str version)
{
    struct buf now = { 0 };
    bool is;

    roster_write_version(&now, a);
    is = version.n && str_eq(version, buf_str(&now));
    buf_fini(&now);
    return is;
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
    if (!is_empty && !roster_write_query(out, s->account, max_result(s) - strlen("</iq>")))
        log_warn("a roster is too long: contacts that groups give are missing",
                 kv_str("account", s->account->jid.bare));
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
    write_result(&out, s, iq, is_current(s->account, version));
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

/* Only what is the account's own can go. What groups give stays, and the push says so. */
static enum stanza_error remove_item(struct session *s, struct stanza *iq,
                                     const struct roster_set *set, struct origin *origin)
{
    struct roster *r = s->account->roster;
    struct roster_item *item = roster_find(r, set->jid.full);
    struct roster_change *c;

    if (!item || !item->is_listed)
        return roster_look(s->account, shared_index(s->account), &set->jid).is_shown
                   ? STANZA_NOT_ALLOWED
                   : STANZA_ITEM_NOT_FOUND;
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

/* Clients send back what they were shown. What groups say of this contact is not the account's own,
 * and must not stay when they no longer say it. Returns whether nothing else is left. */
static bool take_shared_away(const struct account *a, struct roster_set *set)
{
    const struct directory_index *x = shared_index(a);
    struct roster_look look = roster_look(a, x, &set->jid);
    struct str shared[ROSTER_MAX_GROUPS];
    size_t n, kept = 0;

    if (!(look.shared & ROSTER_TO))
        return false;
    n = directory_index_groups_of(x, look.self, look.other, shared, ROSTER_MAX_GROUPS);
    for (size_t i = 0; i < set->groups.count; i++) {
        bool is_shared = false;

        for (size_t j = 0; j < n; j++)
            is_shared |= str_is(shared[j], set->groups.items[i]);
        if (!is_shared)
            set->groups.items[kept++] = set->groups.items[i];
    }
    set->groups.count = kept;
    if (str_is_set(set->name) && str_eq(set->name, directory_index_name(x, look.other)))
        set->name = STR_NONE;
    return kept == 0 && !str_is_set(set->name);
}

/* Nothing of it is the account's own, and nothing shall be: the push says what it is. */
static void answer_shared(struct session *s, struct stanza *iq, const struct jid *contact,
                          struct origin *origin)
{
    struct roster_item *item = roster_find(s->account->roster, contact->full);
    struct roster_change *c = roster_change_new(s->account, iq, contact->full, origin);

    if (item && item->is_listed && item->state == 0) {
        roster_drop(s->account->roster, item);
        roster_touch(s->account->roster, NULL);
    }
    c->is_pushed = true;
    c->reply = stanza_reply(iq, TYPE_RESULT);
    roster_commit(c);
}

static enum stanza_error put_item(struct session *s, struct stanza *iq, struct roster_set *set,
                                  struct origin *origin)
{
    struct roster *r = s->account->roster;
    struct roster_item *item = roster_find(r, set->jid.full);
    bool is_nothing_own = take_shared_away(s->account, set);
    struct roster_change *c;

    if (is_nothing_own && (!item || item->state == 0)) {
        answer_shared(s, iq, &set->jid, origin);
        return STANZA_OK;
    }
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
