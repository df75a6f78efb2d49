/* Offline messages. One delivery (run) an account at a time: it reads some rows, gives them to its session's queue, and reads on when that has room.
 * While it lasts new messages go behind what is in the store (deliver.c), so that order holds. */
#include "sm/offline.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/archive.h"
#include "sm/block.h"
#include "sm/deliver.h"
#include "sm/metrics.h"
#include "sm/session_parts.h"
#include "sm/store/store.h"

#include <time.h>

enum { READ_AT_ONCE = 64 };
static const int64_t DAY_US = 86400000000;

struct offline_run {
    struct account *account;  /* pinned */
    uint8_t session[FRAME_SESSION_BYTES];
    uint64_t puts;            /* of the account when the reading began */
    bool is_reading, is_due;  /* is_due: there may be more, when the queue has room */
    bool is_first;            /* of the rows: what the client said behind its presence waits for them */
};

/* --- storing ----------------------------------------------------------------------------------------------------- */

bool offline_may_store(const struct stanza *stanza)
{
    bool has_more = false;

    if (stanza->kind != STANZA_MESSAGE || (stanza->type != TYPE_NORMAL && stanza->type != TYPE_CHAT) || archive_forbids_store(stanza))
        return false;
    for (const struct xml *x = stanza->el->first; x; x = x->next) {
        if (!xml_is_text(x) && !str_is(x->ns, NS_CHAT_STATES) && !str_is(x->name, "thread"))
            has_more = true;
    }
    return has_more;
}

struct put {
    struct sm *sm;
    struct account *account; /* pinned */
    struct stanza *stanza;
    struct origin *origin;
};

static void on_put(void *owner, enum err e, int64_t changes)
{
    struct put *p = owner;

    if (e == ERR_OK && changes > 0)
        metric_inc(&sm_metric_offline_stored);
    else
        p->account->offline_count--; /* it was there already, or is not */
    if (e != ERR_OK) {
        log_error("offline message not stored", kv_err(e));
        archive_strip(p->stanza, p->account->jid.bare);
        deliver_error(p->sm, p->stanza, STANZA_RESOURCE_CONSTRAINT, STR_NONE, p->origin);
    }
    origin_unref(p->origin);
    stanza_unref(p->stanza);
    account_unpin(p->account);
    mem_free(p);
}

/* XEP-0203: when it was stored, said by the account's server. */
static void add_delay(struct stanza *st, struct str host, int64_t stamp_us)
{
    time_t seconds = (time_t)(stamp_us / 1000000);
    char text[40];
    struct tm tm;
    struct xml *delay = xml_add(st->el, &st->arena, NS_DELAY, "delay");
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    xml_set(delay, &st->arena, "from", host);
    xml_set(delay, &st->arena, "stamp",
            arena_printf(&st->arena, "%.*s.%03dZ", (int)n, text, (int)(stamp_us / 1000 % 1000)));
}

static struct stanza *copy_of(const struct stanza *stanza)
{
    struct stanza *copy = stanza_new(stanza->kind, stanza->type);

    copy->el = xml_copy(stanza->el, &copy->arena);
    return copy;
}

/* Made of the stanza as it came: the same when its frame is handled again. What no frame started gets one at random. */
static struct frame_id id_of(struct sm *sm, const struct origin *origin, struct str payload)
{
    static const struct frame_id none;
    struct frame_id id = origin_derive(sm, origin, payload);

    if (frame_id_eq(&id, &none)) {
        sm_random(id.session, sizeof id.session);
        id.count = 1;
    }
    return id;
}

/* What the archive holds is not stored again. */
static void bind_stanza(struct store_tx *tx, const struct put *p, int64_t stamp_us)
{
    struct stanza *copy;
    struct buf out = { 0 };
    uint8_t archived[ARCHIVE_ID_BYTES];

    if (archive_id_of(p->stanza, p->account->jid.bare, archived)) {
        store_bind_blob(tx, STR(""));
        store_bind_blob(tx, str_of(archived, sizeof archived));
        return;
    }
    copy = copy_of(p->stanza);
    add_delay(copy, p->account->jid.domain, stamp_us);
    xml_write(&out, copy->el, STR_NONE);
    store_bind_blob(tx, buf_str(&out));
    store_bind_blob(tx, STR_NONE);
    buf_fini(&out);
    stanza_unref(copy);
}

static void put_row(struct put *p, const struct frame_id *id)
{
    struct sm *sm = p->sm;
    int64_t stamp_us = sm_stamp_us(sm);
    struct store_tx *tx = store_begin(sm->store);
    struct buf text = { 0 };

    frame_id_write(&text, id);
    store_add(tx, STORE_OFFLINE_PUT);
    store_bind_int(tx, sm_slot_of(sm, p->account->jid.bare));
    store_bind_text(tx, p->account->jid.bare);
    store_bind_blob(tx, buf_str(&text));
    store_bind_int(tx, stamp_us);
    bind_stanza(tx, p, stamp_us);
    store_submit(tx, on_put, p);
    buf_fini(&text);
}

/* A frame that is handled again after a restart, and whose message is on its way to a client already: it joins that one. */
static bool is_under_way(struct account *a, const struct frame_id *id, struct str payload, struct origin *origin)
{
    LIST_FOR_EACH (at, &a->sessions) {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (queue_knows(s, id)) {
            session_send(s, payload, origin);
            return true;
        }
    }
    return false;
}

static void put(struct account *a, const struct stanza *stanza, const struct frame_id *id, struct origin *origin)
{
    struct put *p = mem_new(struct put);

    *p = (struct put){ .sm = a->sm, .account = a, .stanza = stanza_ref((struct stanza *)stanza), .origin = origin_ref(origin) };
    account_pin(a);
    a->offline_count++;
    a->offline_puts++;
    put_row(p, id);
    if (a->offline_run)
        a->offline_run->is_due = true;
}

bool offline_is_full(const struct account *a)
{
    return a->offline_count >= a->sm->conf->max_offline || store_is_busy(a->sm->store);
}

bool offline_store(struct account *a, const struct stanza *stanza, struct origin *origin)
{
    struct buf payload = { 0 };
    struct frame_id id;

    if (offline_is_full(a)) {
        metric_inc(&sm_metric_offline_refused);
        deliver_error(a->sm, stanza, STANZA_SERVICE_UNAVAILABLE, STR_NONE, origin);
        return false;
    }
    xml_write(&payload, stanza->el, STR_NONE);
    id = id_of(a->sm, origin, buf_str(&payload));
    if (!is_under_way(a, &id, buf_str(&payload), origin))
        put(a, stanza, &id, origin);
    buf_fini(&payload);
    return true;
}

/* --- delivering -------------------------------------------------------------------------------------------------- */

static struct session *session_of(const struct offline_run *r)
{
    struct session *s = table_get(&r->account->sm->sessions, str_of(r->session, sizeof r->session));

    return s && s->account == r->account && session_is_available(s) && s->priority >= 0 ? s : NULL;
}

static void end_run(struct offline_run *r)
{
    struct account *a = r->account;

    a->offline_run = NULL;
    mem_free(r);
    account_unpin(a);
}

/* false: the archive had it, and has it no more. */
static bool read_payload(const struct account *a, const struct store_rows *rows, struct buf *out)
{
    struct str archived = store_text(rows, 3), written = store_text(rows, 4);
    char id[ARCHIVE_ID_TEXT + 1];

    if (archived.n != ARCHIVE_ID_BYTES) {
        buf_add(out, store_text(rows, 2));
        return true;
    }
    archive_id_text((const uint8_t *)archived.p, id);
    if (str_is_set(written))
        archive_write(out, written, str_from(id), a->jid.bare, a->jid.domain, store_int(rows, 1));
    return str_is_set(written);
}

static void give(struct session *s, struct store_rows *rows, struct str text)
{
    struct bytes *payload = bytes_new(text);
    struct queue_item *item = queue_item_new(payload, NULL, NULL);

    bytes_unref(payload);
    item->source = QUEUE_OFFLINE;
    if (frame_id_read(store_text(rows, 0), &item->id) != ERR_OK)
        log_error("offline row without a good id", kv_text("session", s->id_text));
    metric_inc(&sm_metric_offline_delivered);
    csi_flush(s); /* in the order in which it came */
    queue_add(s, item);
}

/* It was stored before its sender was blocked (XEP-0191 §3.3). */
static bool is_of_blocked(const struct account *a, struct str payload)
{
    struct stanza *st;
    bool is_blocked;

    if (a->blocked.count == 0)
        return false;
    st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    is_blocked = xml_parse(a->sm->parser, XML_ALONE, &xml_default_limits, payload, &st->arena, &st->el) == XML_OK &&
                 stanza_read(st) == STANZA_OK && block_is_blocked(a, &st->from);
    stanza_unref(st);
    return is_blocked;
}

static void on_dropped(void *owner, enum err e, int64_t changes)
{
    (void)owner;
    (void)changes;
    if (e != ERR_OK)
        log_error("offline message that is not delivered not marked", kv_err(e));
}

static void drop(struct session *s, struct store_rows *rows)
{
    struct frame_id id;

    if (frame_id_read(store_text(rows, 0), &id) == ERR_OK)
        offline_mark(s, store_begin(s->sm->store), &id, on_dropped, NULL);
}

static void take_row(struct session *s, struct store_rows *rows)
{
    struct buf payload = { 0 };

    s->account->offline_after_us = store_int(rows, 1);
    if (read_payload(s->account, rows, &payload) && !is_of_blocked(s->account, buf_str(&payload)))
        give(s, rows, buf_str(&payload));
    else
        drop(s, rows);
    buf_fini(&payload);
}

static void read_on(struct offline_run *r);

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct offline_run *r = owner;
    struct session *s = session_of(r);
    struct session *held = r->is_first ? table_get(&r->account->sm->sessions, str_of(r->session, sizeof r->session)) : NULL;
    int count = 0;

    r->is_reading = r->is_first = false;
    while (s && rows && store_next(rows)) {
        take_row(s, rows);
        count++;
    }
    if (!s || e != ERR_OK) {
        struct account *a = r->account;

        account_pin(a);
        end_run(r);
        if (e == ERR_OK)
            offline_session_left(a);
        account_unpin(a);
    } else if (count == READ_AT_ONCE || r->puts != r->account->offline_puts) {
        r->is_due = true;
        offline_continue(s);
    } else {
        end_run(r);
    }
    if (held)
        session_take_held(held);
}

static void read_on(struct offline_run *r)
{
    struct store_tx *tx = store_begin(r->account->sm->store);

    r->is_reading = true;
    r->is_due = false;
    r->puts = r->account->offline_puts;
    store_add(tx, STORE_OFFLINE_NEXT);
    store_bind_text(tx, r->account->jid.bare);
    store_bind_int(tx, r->account->offline_after_us);
    store_bind_int(tx, READ_AT_ONCE);
    store_query(tx, on_rows, r);
}

void offline_deliver(struct session *s)
{
    struct account *a = s->account;
    struct offline_run *r;

    if (!a || a->offline_run || a->offline_count <= 0)
        return;
    r = mem_new(struct offline_run);
    r->account = a;
    r->is_first = s->is_holding = true;
    memcpy(r->session, s->id, sizeof r->session);
    account_pin(a);
    a->offline_run = r;
    read_on(r);
}

const struct session *offline_recipient(const struct account *a)
{
    return a->offline_run ? session_of(a->offline_run) : NULL;
}

void offline_continue(struct session *s)
{
    struct offline_run *r = s->account ? s->account->offline_run : NULL;

    if (r && r->is_due && !r->is_reading && session_of(r) == s && list_is_empty(&s->queue.waiting))
        read_on(r);
}

/* What the session that left had not taken is not marked: the next one gets it from the start. */
void offline_returned(struct account *a)
{
    a->offline_after_us = 0;
}

void offline_session_left(struct account *a)
{
    struct offline_run *r = a->offline_run;

    if (r && (r->is_reading || session_of(r)))
        return;
    account_pin(a);
    if (r)
        end_run(r);
    LIST_FOR_EACH (at, &a->sessions) {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (!a->offline_run && session_is_available(s) && s->priority >= 0)
            offline_deliver(s);
    }
    account_unpin(a);
}

void offline_forget(struct account *a)
{
    mem_free(a->offline_run);
    a->offline_run = NULL;
}

/* --- afterwards -------------------------------------------------------------------------------------------------- */

struct mark {
    struct account *account; /* pinned */
    void (*done)(void *owner, enum err e, int64_t changes);
    void *owner;
};

static void on_mark(void *owner, enum err e, int64_t changes)
{
    struct mark *m = owner;

    if (e == ERR_OK && changes > 0)
        m->account->offline_count--;
    m->done(m->owner, e, changes);
    account_unpin(m->account);
    mem_free(m);
}

void offline_mark(struct session *s, struct store_tx *take_tx, const struct frame_id *id, void (*done)(void *owner, enum err e, int64_t changes),
                  void *owner)
{
    struct mark *m = mem_new(struct mark);
    struct buf text = { 0 };

    *m = (struct mark){ .account = s->home, .done = done, .owner = owner };
    account_pin(s->home);
    frame_id_write(&text, id);
    store_add(take_tx, STORE_OFFLINE_MARK);
    store_bind_int(take_tx, sm_time_us());
    store_bind_text(take_tx, s->home->jid.bare);
    store_bind_blob(take_tx, buf_str(&text));
    store_submit(take_tx, on_mark, m);
    buf_fini(&text);
}

void offline_purge(struct sm *sm)
{
    struct store_tx *tx = store_begin(sm->store);

    store_add(tx, STORE_OFFLINE_PURGE);
    store_bind_int(tx, sm_time_us() - DAY_US);
    store_submit(tx, NULL, NULL);
}
