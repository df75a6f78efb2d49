/* Commits changes of rosters: what goes to the contact first, then the store, then what may leave
 * only when the change is safe.
 *
 * Why this order: a change lives in two accounts, ours and the contact's, and each is stored by
 * itself. When we die between the two, the client's frame was not taken over and is handled again.
 * With the contact's stored first, our side is in its old state then, does the same again, and the
 * contact's side finds nothing to change. The other way round our side would find nothing to change
 * and the contact would never hear of it. */
#include "common/log.h"
#include "common/mem.h"
#include "sm/deliver.h"
#include "sm/presence.h"
#include "sm/roster_parts.h"
#include "sm/store/store.h"

enum stanza_error roster_may_change(const struct account *a)
{
    if (!a->is_loaded || store_is_busy(a->sm->store))
        return STANZA_RESOURCE_CONSTRAINT;
    return STANZA_OK;
}

struct roster_change *roster_change_new(struct account *a, struct stanza *cause, struct str contact,
                                        struct origin *origin)
{
    struct roster_change *c = mem_new(struct roster_change);

    account_pin(a);
    c->account = a;
    c->cause = stanza_ref(cause);
    c->contact = str_dup(contact);
    c->origin = origin_ref(origin);
    return c;
}

static void change_free(struct roster_change *c)
{
    account_unpin(c->account);
    stanza_unref(c->cause);
    for (size_t i = 0; i < ARRAY_LEN(c->route); i++)
        stanza_unref(c->route[i]);
    stanza_unref(c->shown);
    stanza_unref(c->reply);
    stanza_unref(c->answer);
    mem_free(c->contact);
    buf_fini(&c->push);
    origin_unref(c->origin); /* last: from here on the client's frame may count as taken over */
    mem_free(c);
}

/* --- after the commit ------------------------------------------------------------------------- */

static void show(const struct roster_change *c)
{
    struct buf out = { 0 };
    struct bytes *payload;

    xml_write(&out, c->shown->el, STR_NONE);
    payload = bytes_new(buf_str(&out));
    LIST_FOR_EACH(at, &c->account->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (c->is_request ? session_is_available(s)
                          : s->is_interested && s->state != SESSION_ENDING)
            session_send_bytes(s, payload, c->origin);
    }
    bytes_unref(payload);
    buf_fini(&out);
}

/* §3.1.5, §3.1.6, §3.3.3: the stanza, then the push, then presence. */
static void finish(struct roster_change *c)
{
    struct sm *sm = c->account->sm;
    struct jid contact;

    jid_split(str_from(c->contact), &contact);
    if (c->reply)
        deliver(sm, c->reply, c->origin);
    if (c->shown)
        show(c);
    if (c->is_pushed)
        roster_push(c->account, buf_str(&c->push), c->push_id, c->origin);
    if (c->answer)
        deliver(sm, c->answer, c->origin);
    if (c->tells_current)
        presence_send_current(c->account, &contact, c->origin);
    if (c->tells_unavailable && !roster_may_see(c->account, &contact)) /* groups may still let it */
        presence_send_unavailable(c->account, &contact, c->origin);
}

static void on_committed(void *owner, enum err e, int64_t changes)
{
    struct roster_change *c = owner;

    (void)changes;
    if (e == ERR_OK) {
        finish(c);
    } else {
        log_error("roster not stored", kv_str("account", c->account->jid.bare), kv_err(e));
        deliver_error(c->account->sm, c->cause, STANZA_RESOURCE_CONSTRAINT, STR_NONE, c->origin);
        account_reload(c->account);
    }
    if (c->is_inbound)
        deliver_release(c->account);
    change_free(c);
}

/* --- the commit ------------------------------------------------------------------------------- */

/* STORE_ROSTER_PUT: slot, account, contact, name, groups, state, listed, request, version */
static void bind_item(struct store_tx *tx, const struct account *a, const struct roster_item *item)
{
    struct buf groups = { 0 };

    roster_write_groups(&groups, &item->groups);
    store_add(tx, STORE_ROSTER_PUT);
    store_bind_int(tx, sm_slot_of(a->sm, a->jid.bare));
    store_bind_text(tx, a->jid.bare);
    store_bind_text(tx, item->jid.full);
    store_bind_text(tx, str_from(item->name ? item->name : ""));
    store_bind_text(tx, groups.n ? buf_str(&groups) : STR(""));
    store_bind_int(tx, item->state);
    store_bind_int(tx, item->is_listed);
    store_bind_blob(tx, item->request ? bytes_str(item->request) : STR_NONE);
    store_bind_int(tx, (int64_t)item->version);
    buf_fini(&groups);
}

/* Writes what memory holds now, which may be more than this change alone: so the last one stored is
 * always the whole truth. */
static void commit(struct roster_change *c)
{
    struct account *a = c->account;
    const struct roster_item *item = roster_find(a->roster, str_from(c->contact));
    struct store_tx *tx = store_begin(a->sm->store);

    if (item) {
        bind_item(tx, a, item);
    } else {
        store_add(tx, STORE_ROSTER_DELETE);
        store_bind_text(tx, a->jid.bare);
        store_bind_text(tx, str_from(c->contact));
    }
    store_add(tx, STORE_ROSTER_VERSION);
    store_bind_int(tx, (int64_t)a->roster->version);
    store_bind_text(tx, a->jid.bare);
    if (c->is_pushed) {
        struct jid contact;

        jid_split(str_from(c->contact), &contact);
        roster_write_push(&c->push, a, &contact);
        c->push_id = a->roster->version;
    }
    store_submit(tx, on_committed, c);
}

static void on_contact(void *owner, struct account *contact, enum err e)
{
    struct roster_change *c = owner;

    (void)contact; /* whether it exists is deliver's to find out; it is in memory now, so its change
                      is submitted before ours */
    (void)e;
    for (size_t i = 0; i < ARRAY_LEN(c->route); i++)
        if (c->route[i])
            deliver(c->account->sm, c->route[i], c->origin);
    if (c->account->is_loaded)
        commit(c);
    else
        on_committed(
            c, ERR_AGAIN,
            0); /* another's write failed meanwhile: what memory held of ours is gone with it */
}

void roster_commit(struct roster_change *take_change)
{
    struct sm *sm = take_change->account->sm;
    struct jid contact;

    if (take_change->is_inbound)
        deliver_hold(take_change->account);
    jid_split(str_from(take_change->contact), &contact);
    if (take_change->route[0] && str_is_set(contact.local) && sm_is_hosted(sm, contact.domain))
        account_with(sm, &contact, on_contact, take_change);
    else
        on_contact(take_change, NULL, ERR_OK);
}
