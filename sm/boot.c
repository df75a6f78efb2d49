/* Start: one step after another, each a query or a transaction of the store. */
#include "sm/boot.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "sm/account.h"
#include "sm/archive_purge.h"
#include "sm/hosts.h"
#include "sm/offline.h"
#include "sm/session_parts.h"
#include "sm/shared.h"
#include "sm/store/store.h"

enum { MAX_VALUE = 8 };

struct boot {
    struct sm *sm;
    uint32_t pending;      /* what is under way */
    enum err e;
    uint64_t sessions;
    int64_t copied_us;     /* the store was made from a copy of that time; 0: it was not */
    struct buf *why;
    struct str value;      /* of the last meta_get; absent: none */
    struct arena arena;
};

static void wait_for(struct boot *b)
{
    while (b->pending > 0)
        uv_run(b->sm->service->loop, UV_RUN_ONCE);
}

static void done(struct boot *b, enum err e)
{
    b->pending--;
    if (e != ERR_OK && b->e == ERR_OK)
        b->e = e;
}

/* --- meta -------------------------------------------------------------------------------------------------------- */

static void on_value(void *owner, enum err e, struct store_rows *rows)
{
    struct boot *b = owner;

    b->value = e == ERR_OK && store_next(rows) ? arena_str(&b->arena, store_text(rows, 0)) : STR_NONE;
    done(b, e);
}

static struct str meta_get(struct boot *b, const char *name)
{
    struct store_tx *tx = store_begin(b->sm->store);

    store_add(tx, STORE_META_GET);
    store_bind_text(tx, str_from(name));
    b->pending++;
    store_query(tx, on_value, b);
    wait_for(b);
    return b->value;
}

static void on_put(void *owner, enum err e, int64_t changes)
{
    (void)changes;
    done(owner, e);
}

static void add_meta(struct store_tx *tx, const char *name, struct str value)
{
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, str_from(name));
    store_bind_blob(tx, value);
}

static void add_number(struct store_tx *tx, const char *name, uint64_t value)
{
    struct buf text = { 0 };

    buf_add_u64(&text, value);
    add_meta(tx, name, buf_str(&text));
    buf_fini(&text);
}

static uint64_t meta_number(struct boot *b, const char *name)
{
    uint64_t value = 0;
    struct str text = meta_get(b, name);

    if (str_is_set(text) && str_to_u64(text, &value) != ERR_OK)
        b->e = ERR_MALFORMED;
    return value;
}

/* Made at the first start, and the same for ever (but see leap). */
static void meta_key(struct boot *b, struct store_tx *tx, const char *name, uint8_t *out, size_t n)
{
    struct str value = meta_get(b, name);

    if (!str_is_set(value)) {
        sm_random(out, n);
        add_meta(tx, name, str_of(out, n));
    } else if (value.n == n) {
        memcpy(out, value.p, n);
    } else {
        b->e = ERR_MALFORMED;
    }
}

static void meta_hosts(struct boot *b, struct store_tx *tx)
{
    struct buf content = { 0 };
    struct str old;

    hosts_write_content(b->sm, &content);
    old = meta_get(b, "hosts");
    if (!str_is_set(old) || !str_eq(old, buf_str(&content)) || b->copied_us > 0) {
        b->sm->hosts_version++;
        add_number(tx, "hosts_version", b->sm->hosts_version);
        add_meta(tx, "hosts", buf_str(&content));
    }
    buf_fini(&content);
}

/* What clients of shared rosters know; where nothing is shared now it would be told late and wrong. */
static void load_shared(struct boot *b, struct store_tx *tx)
{
    const struct sm_host_conf *hosts = b->sm->conf->hosts.items;

    for (size_t i = 0; i < b->sm->conf->hosts.count; i++) {
        struct buf name = { 0 };
        struct str value;

        shared_write_meta_name(&name, hosts[i].name);
        if (shared_is_configured(&hosts[i])) {
            buf_add_char(&name, '\0');
            value = meta_get(b, name.p);
            if (str_is_set(value))
                shared_restore(b->sm, hosts[i].name, value);
        } else {
            store_add(tx, STORE_META_DELETE);
            store_bind_text(tx, buf_str(&name));
        }
        buf_fini(&name);
    }
}

/* --- a store that was restored ----------------------------------------------------------------------------------- */

/* What the lost time may have given out must not be given out again, and what it promised is not kept. Epochs, the version of the hosts'
 * table and rosters' versions go on from the clock: whatever they were in the lost time, they began at less than it, and grew by less than one
 * a millisecond (rosters: a microsecond). So the clock must not be behind that time. Ids need nothing: they are random, or made of session ids,
 * which are. */
static bool check_clock(struct boot *b)
{
    struct arena arena = { 0 };
    bool is_good = sm_time_us() >= b->copied_us;

    if (!is_good)
        buf_printf(b->why, "the store was restored from a copy of %.*s, and the clock says %.*s: set the clock",
                   STR_ARG(datetime_text(b->copied_us, &arena)), STR_ARG(datetime_text(sm_time_us(), &arena)));
    arena_fini(&arena);
    return is_good;
}

/* Sessions are on a connection that no c2s has from now on: what their clients did not get is dealt with as for any that are gone. c2s
 * ends, with <reset/>, what it is not asked for by the new owner (LINK.md §6.5). */
static void leap(struct boot *b, struct store_tx *tx)
{
    uint64_t now_ms = (uint64_t)(sm_time_us() / 1000);
    struct sm *sm = b->sm;

    sm->epoch = sm->epoch > now_ms ? sm->epoch : now_ms;
    sm->hosts_version = sm->hosts_version > now_ms ? sm->hosts_version + 1 : now_ms;
    sm_random(sm->adopt_key, sizeof sm->adopt_key); /* copies lie in more places than the store */
    add_meta(tx, "adopt_key", str_of(sm->adopt_key, sizeof sm->adopt_key));
    store_add(tx, STORE_SESSION_ORPHAN);
    store_bind_text(tx, STR("-"));
    store_add(tx, STORE_ROSTER_LEAP);
    store_bind_int(tx, sm_time_us());
    store_add(tx, STORE_META_DELETE);
    store_bind_text(tx, STR(STORE_COPY_MARK));
}

static void tell_restored(struct boot *b)
{
    struct arena arena = { 0 };
    struct str made = datetime_text(b->copied_us, &arena);

    audit_warning("store-restored", kv_str("made", made), kv_u64("epoch", b->sm->epoch), kv_u64("sessions", b->sessions));
    log_warn("the store was restored from a copy: what came after it is lost, and all sessions end", kv_str("made", made),
             kv_u64("epoch", b->sm->epoch), kv_u64("sessions", b->sessions));
    arena_fini(&arena);
}

/* The clock may have gone back; the stamps of what was stored must not. */
static void load_stamp(struct boot *b)
{
    int64_t stamp_us = (int64_t)meta_number(b, ARCHIVE_STAMP_META);

    if (stamp_us > sm_time_us())
        b->sm->last_stamp_us = stamp_us + 2LL * ARCHIVE_STAMP_MS * 1000;
}

/* All that is new in one transaction: the epoch is taken when this has been committed. */
static void load_meta(struct boot *b)
{
    struct store_tx *tx = store_begin(b->sm->store);

    b->copied_us = (int64_t)meta_number(b, STORE_COPY_MARK);
    if (b->copied_us > 0 && !check_clock(b))
        b->e = ERR_DENIED;
    b->sm->epoch = meta_number(b, "epoch") + 1;
    b->sm->hosts_version = meta_number(b, "hosts_version");
    load_stamp(b);
    meta_key(b, tx, "slot_key", b->sm->slot_key, sizeof b->sm->slot_key);
    meta_key(b, tx, "adopt_key", b->sm->adopt_key, sizeof b->sm->adopt_key);
    if (b->copied_us > 0)
        leap(b, tx);
    add_number(tx, "epoch", b->sm->epoch);
    meta_hosts(b, tx);
    load_shared(b, tx);
    if (b->e != ERR_OK) { /* nothing is changed */
        store_discard(tx);
        return;
    }
    b->pending++;
    store_submit(tx, on_put, b);
    wait_for(b);
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

/* A row whose account is being loaded. */
struct loading {
    struct boot *boot;
    struct buf text; /* the row's texts, one behind the other */
    struct session_row row;
};

static void move(struct loading *l, struct str *field, size_t *at)
{
    if (!str_is_set(*field))
        return;
    *field = str_of(l->text.p + *at, field->n);
    *at += field->n;
}

/* The row's texts live only as long as the query: they are copied. */
static void keep_texts(struct loading *l)
{
    struct str *const fields[] = { &l->row.id, &l->row.account, &l->row.c2s, &l->row.conn, &l->row.addr, &l->row.resource, &l->row.presence,
                                   &l->row.directed };
    size_t at = 0;

    _Static_assert(ARRAY_LEN(fields) == MAX_VALUE, "all texts of a row");
    buf_reserve(&l->text, 1);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        buf_add(&l->text, *fields[i]);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        move(l, fields[i], &at);
}

static void on_account(void *owner, struct account *a, enum err e)
{
    struct loading *l = owner;
    struct boot *b = l->boot;

    if (a && a->host && session_load(b->sm, a, &l->row))
        b->sessions++;
    else
        log_warn("a session's account is gone", kv_str("account", l->row.account));
    done(b, e == ERR_NOT_FOUND ? ERR_OK : e);
    buf_fini(&l->text);
    mem_free(l);
}

static void on_sessions(void *owner, enum err e, struct store_rows *rows)
{
    struct boot *b = owner;

    while (e == ERR_OK && store_next(rows)) {
        struct loading *l = mem_new(struct loading);
        struct jid jid;

        l->boot = b;
        session_row_read(rows, &l->row);
        keep_texts(l);
        jid_split(l->row.account, &jid);
        b->pending++;
        account_with(b->sm, &jid, on_account, l);
    }
    done(b, e);
}

static void on_queues(void *owner, enum err e, struct store_rows *rows)
{
    struct boot *b = owner;

    while (e == ERR_OK && store_next(rows)) {
        struct session *s = table_get(&b->sm->sessions, store_text(rows, 0));

        if (s)
            s->queue.has_rows = true;
    }
    done(b, e);
}

/* Messages that were on their way out of the offline store when the last life ended. */
static void resume_offline(struct sm *sm)
{
    struct session *s;

    for (size_t at = 0; (s = table_next(&sm->sessions, &at));) {
        if (session_is_available(s) && s->priority >= 0)
            offline_deliver(s);
    }
}

static void load_sessions(struct boot *b)
{
    struct store_tx *tx = store_begin(b->sm->store);

    store_add(tx, STORE_SESSION_ALL);
    b->pending++;
    store_query(tx, on_sessions, b);
    wait_for(b);
    tx = store_begin(b->sm->store);
    store_add(tx, STORE_QUEUE_SESSIONS);
    b->pending++;
    store_query(tx, on_queues, b);
    wait_for(b);
    resume_offline(b->sm);
}

enum err boot_load(struct sm *sm, struct buf *why)
{
    struct boot b = { .sm = sm, .why = why };

    load_meta(&b);
    if (b.e == ERR_OK)
        load_sessions(&b);
    arena_fini(&b.arena);
    if (b.e == ERR_OK && b.copied_us > 0)
        tell_restored(&b);
    if (b.e != ERR_OK && why->n == 0)
        buf_printf(why, "the store cannot be read at start: %s", err_text(b.e));
    else if (b.e == ERR_OK)
        log_info("state is loaded", kv_u64("epoch", sm->epoch), kv_u64("sessions", b.sessions), kv_u64("hosts_version", sm->hosts_version));
    return b.e;
}

/* --- reload ------------------------------------------------------------------------------------------------------ */

struct change {
    struct sm *sm;
    struct buf content;
};

static void on_hosts_stored(void *owner, enum err e, int64_t changes)
{
    struct sm *sm = owner;

    (void)changes;
    if (e != ERR_OK)
        log_error("the host table is not stored", kv_err(e));
    if (sm->is_stopping)
        return;
    hosts_send_all(sm);
    hosts_send_slots_all(sm);
}

static void on_old_hosts(void *owner, enum err e, struct store_rows *rows)
{
    struct change *c = owner;
    bool is_same = e == ERR_OK && store_next(rows) && str_eq(store_text(rows, 0), buf_str(&c->content));

    if (!is_same && !c->sm->is_stopping) {
        struct store_tx *tx = store_begin(c->sm->store);

        c->sm->hosts_version++;
        add_number(tx, "hosts_version", c->sm->hosts_version);
        add_meta(tx, "hosts", buf_str(&c->content));
        store_submit(tx, on_hosts_stored, c->sm);
    }
    buf_fini(&c->content);
    mem_free(c);
}

void boot_hosts_changed(struct sm *sm)
{
    struct store_tx *tx = store_begin(sm->store);
    struct change *c = mem_new(struct change);

    c->sm = sm;
    hosts_write_content(sm, &c->content);
    store_add(tx, STORE_META_GET);
    store_bind_text(tx, STR("hosts"));
    store_query(tx, on_old_hosts, c);
}
