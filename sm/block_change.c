/* Changes of a blocklist: XEP-0191 §3.2 to §3.5, for ext/xep0191_blocking.c. In this order: memory,
 * so that what the client says next is under the new list already; presence, which a request that
 * is handled again after a crash would send again; the store; then the answer and the pushes. */
#include "sm/block.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/deliver.h"
#include "sm/ext.h"
#include "sm/presence.h"
#include "sm/roster_walk.h"
#include "sm/roster.h"
#include "sm/session.h"
#include "sm/store/store.h"

/* A change that is being stored. */
struct change {
    struct iq *iq;
    struct account *account; /* pinned */
    enum ext_block what;
    struct jid *jids; /* in the arena of iq */
    size_t count;
    bool is_all; /* unblocked: pushed without naming them */
};

/* --- presence -------------------------------------------------------------------------------- */

/* Resources that were told of ours by directed presence (RFC 6121 §4.6) hear that they are gone;
 * and that is forgotten. */
static void end_directed(struct session *s, const struct jid *entry, struct origin *origin)
{
    struct buf gone = { 0 };
    bool is_changed = false;

    presence_write_unavailable(&gone, &s->jid);
    LIST_FOR_EACH_SAFE(at, following, &s->directed)
    {
        struct session_directed *d = CONTAINER_OF(at, struct session_directed, at);

        if (!block_covers(entry, &d->to) || jid_eq_bare(&d->to, &s->jid))
            continue;
        presence_send(s->sm, buf_str(&gone), &s->jid, &d->to, origin);
        presence_forget_one(s, d);
        is_changed = true;
    }
    if (is_changed)
        session_save(s, origin);
    buf_fini(&gone);
}

static void show_to(struct account *a, const struct jid *to, bool is_shown, struct origin *origin)
{
    if (is_shown && !block_is_blocked(a, to))
        presence_send_current(a, to, origin);
    else if (!is_shown && block_is_blocked(a, to))
        presence_send_unavailable(a, to, origin);
}

/* Who is unblocked is asked how he is: what he said meanwhile was not delivered. */
static void probe(struct account *a, const struct jid *to, struct origin *origin)
{
    struct stanza *p = stanza_new(STANZA_PRESENCE, TYPE_PROBE);

    stanza_set_from(p, &a->jid);
    stanza_set_to(p, to);
    deliver(a->sm, p, origin);
    stanza_unref(p);
}

/* Contacts that may see us (§3.3, §3.4). Of one resource of a contact that resource alone. */
static void show(struct account *a, const struct jid *entry, bool is_shown, struct origin *origin)
{
    struct roster_walk w;

    roster_walk_begin(&w, a, ROSTER_TO | ROSTER_FROM);
    while (roster_walk_next(&w)) {
        bool is_part = str_is_set(entry->resource) && str_eq(entry->bare, w.jid.full);
        uint8_t state = roster_look_state(&w.look);

        if (!is_part && !block_covers(entry, &w.jid))
            continue;
        if (state & ROSTER_FROM)
            show_to(a, is_part ? entry : &w.jid, is_shown, origin);
        if (is_shown && (state & ROSTER_TO) && !block_is_blocked(a, &w.jid))
            probe(a, &w.jid, origin);
    }
    roster_walk_end(&w);
}

static void show_all(const struct change *c, bool is_shown)
{
    for (size_t i = 0; i < c->count; i++) {
        show(c->account, &c->jids[i], is_shown, c->iq->origin);
        if (is_shown)
            continue;
        LIST_FOR_EACH(at, &c->account->sessions)
        end_directed(CONTAINER_OF(at, struct session, account_at), &c->jids[i], c->iq->origin);
    }
}

/* --- pushes ----------------------------------------------------------------------------------- */

static void write_items(struct buf *out, const struct change *c)
{
    const char *name = c->what == EXT_BLOCK ? "block" : "unblock";

    buf_printf(out, "<%s xmlns='" NS_BLOCKING "'>", name);
    for (size_t i = 0; i < c->count && !c->is_all; i++) {
        buf_add(out, STR("<item jid='"));
        xml_escape_attr(out, c->jids[i].full);
        buf_add(out, STR("'/>"));
    }
    buf_printf(out, "</%s>", name);
}

/* Its id is made of the request's, so that it is the same when that is handled again. */
static void push(const struct change *c)
{
    struct buf items = { 0 }, out = { 0 };
    struct frame_id id;

    write_items(&items, c);
    id = origin_derive(c->account->sm, c->iq->origin, buf_str(&items));
    LIST_FOR_EACH_SAFE(at, following, &c->account->sessions)
    {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (!s->wants_blocklist)
            continue;
        buf_clear(&out);
        buf_printf(&out, "<iq xmlns='" NS_CLIENT "' type='set' id='block-%llx-%x' from='",
                   (unsigned long long)id.count, id.part);
        xml_escape_attr(&out, c->account->jid.bare);
        buf_add(&out, STR("' to='"));
        xml_escape_attr(&out, s->jid.full);
        buf_add(&out, STR("'>"));
        buf_add(&out, buf_str(&items));
        buf_add(&out, STR("</iq>"));
        session_send(s, buf_str(&out), c->iq->origin);
    }
    buf_fini(&items);
    buf_fini(&out);
}

/* --- the store -------------------------------------------------------------------------------- */

static void on_committed(void *owner, enum err e, int64_t changes)
{
    struct change *c = owner;

    (void)changes;
    if (e == ERR_OK) {
        push(c);
        iq_reply(c->iq, NULL);
    } else {
        log_error("blocklist not stored", kv_str("account", c->account->jid.bare), kv_err(e));
        account_reload(c->account);
        iq_error(c->iq, STANZA_RESOURCE_CONSTRAINT, NULL);
    }
    account_unpin(c->account);
    mem_free(c);
}

static void commit(struct change *c)
{
    struct sm *sm = c->account->sm;
    struct store_tx *tx = store_begin(sm->store);

    for (size_t i = 0; i < c->count && !c->is_all; i++) {
        store_add(tx, c->what == EXT_BLOCK ? STORE_BLOCK_PUT : STORE_BLOCK_DELETE);
        if (c->what == EXT_BLOCK)
            store_bind_int(tx, sm_slot_of(sm, c->account->jid.bare));
        store_bind_text(tx, c->account->jid.bare);
        store_bind_text(tx, c->jids[i].full);
    }
    if (c->is_all) {
        store_add(tx, STORE_BLOCK_CLEAR);
        store_bind_text(tx, c->account->jid.bare);
    }
    store_submit(tx, on_committed, c);
}

/* --- what the extension asks for -------------------------------------------------------------- */

/* It must fit into one answer, however much escaping makes of it. */
static bool has_room(const struct account *a, const struct jid *jids, size_t count)
{
    size_t bytes = block_bytes(&a->blocked), added = 0;

    for (size_t i = 0; i < count; i++) {
        if (table_get(&a->blocked, jids[i].full))
            continue;
        bytes += jids[i].full.n + 32;
        added++;
    }
    return a->blocked.count + added <= (size_t)a->sm->conf->max_blocked &&
           bytes <= (size_t)a->sm->conf->link.max_payload / 4;
}

static void copy_all(struct change *c)
{
    const struct jid *jid;

    c->is_all = true;
    c->jids = arena_alloc(iq_arena(c->iq), (c->account->blocked.count + 1) * sizeof *c->jids);
    for (size_t at = 0; (jid = block_next(&c->account->blocked, &at));)
        jid_split(arena_str(iq_arena(c->iq), jid->full), &c->jids[c->count++]);
}

size_t ext_blocked(struct iq *iq, struct str **out_jids)
{
    struct session *s = iq->session;
    const struct jid *jid;
    size_t n = 0;

    *out_jids = NULL;
    if (!s || !s->account)
        return 0;
    if (!s->wants_blocklist) {
        s->wants_blocklist = true;
        session_save(s, iq->origin);
    }
    *out_jids = arena_alloc(iq_arena(iq), (s->account->blocked.count + 1) * sizeof(struct str));
    for (size_t at = 0; (jid = block_next(&s->account->blocked, &at));)
        (*out_jids)[n++] = arena_str(iq_arena(iq), jid->full);
    return n;
}

enum stanza_error ext_block(struct iq *iq, enum ext_block what, struct jid *jids, size_t count)
{
    struct account *a = iq->session ? iq->session->account : NULL;
    struct change *c;

    if (!a)
        return STANZA_NOT_ALLOWED;
    if (!a->is_loaded || store_is_busy(a->sm->store) ||
        (what == EXT_BLOCK && !has_room(a, jids, count)))
        return STANZA_RESOURCE_CONSTRAINT;
    c = mem_new(struct change);
    *c = (struct change){ .iq = iq, .account = a, .what = what, .jids = jids, .count = count };
    account_pin(a);
    if (what == EXT_UNBLOCK_ALL)
        copy_all(c);
    for (size_t i = 0; i < c->count; i++)
        what == EXT_BLOCK ? block_add(&a->blocked, &c->jids[i])
                          : block_remove(&a->blocked, &c->jids[i]);
    iq->session = NULL; /* may be gone when the answer comes */
    show_all(c, what != EXT_BLOCK);
    commit(c);
    return STANZA_OK;
}
