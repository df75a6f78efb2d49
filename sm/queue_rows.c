/* The session's queue in the store: rows of what its client has not taken in time, in the order in which it is to be sent. A row is deleted
 * when its frame is written, before the frame is final, so that a later owner sends it again or not at all. Callbacks of the store find the
 * session by its id: it may be gone by then. */
#include "sm/queue_parts.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/store/store.h"

enum { READ_AT_ONCE = 64 };

/* One statement under way. */
struct job {
    struct sm *sm;
    uint8_t id[FRAME_SESSION_BYTES];
    int64_t seq;
    uint64_t n;              /* of the down frame to be settled; of the puts before a reading */
    enum queue_source source; /* the same */
    struct queue_item *item; /* of queue_store_behind */
};

static struct job *job_new(const struct session *s, int64_t seq)
{
    struct job *j = mem_new(struct job);

    j->sm = s->sm;
    memcpy(j->id, s->id, sizeof j->id);
    j->seq = seq;
    return j;
}

static struct session *session_of(const struct job *j)
{
    return table_get(&j->sm->sessions, str_of(j->id, sizeof j->id));
}

static int64_t next_seq(struct queue *q)
{
    int64_t now = sm_time_us();

    q->last_seq = now > q->last_seq ? now : q->last_seq + 1;
    return q->last_seq;
}

/* What nobody derived from a frame gets an id here, so that a copy of it can be told. */
static void give_id(const struct session *s, struct frame_id *id, int64_t seq)
{
    static const struct frame_id none;

    if (!frame_id_eq(id, &none))
        return;
    memcpy(id->session, s->id, sizeof id->session);
    id->count = (uint64_t)seq;
    id->part = UINT32_MAX;
}

static void put_row(struct session *s, int64_t seq, const struct frame_id *id, struct str payload,
                    void (*done)(void *owner, enum err e, int64_t changes), struct job *j)
{
    struct store_tx *tx = store_begin(s->sm->store);
    struct buf text = { 0 };

    frame_id_write(&text, id);
    store_add(tx, STORE_QUEUE_PUT);
    store_bind_int(tx, sm_slot_of(s->sm, s->jid.bare));
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_int(tx, seq);
    store_bind_blob(tx, buf_str(&text));
    store_bind_blob(tx, payload);
    store_submit(tx, done, j);
    buf_fini(&text);
    metric_inc(&sm_metric_queue_stored);
}

static struct queue_kept *find_kept(struct session *s, int64_t seq)
{
    LIST_FOR_EACH (at, &s->queue.kept) {
        if (queue_kept_at(at)->seq == seq && queue_kept_at(at)->source == QUEUE_LIVE)
            return queue_kept_at(at);
    }
    return NULL;
}

static struct queue_item *find_waiting(struct session *s, int64_t seq)
{
    LIST_FOR_EACH (at, &s->queue.waiting) {
        if (queue_item_at(at)->seq == seq)
            return queue_item_at(at);
    }
    return NULL;
}

static void drop_kept(struct session *s, struct queue_kept *k)
{
    channel_down_unpin(&s->channel, k->down);
    list_remove(&k->at);
    mem_free(k);
}

/* --- putting ----------------------------------------------------------------------------------------------------- */

/* The row of something that is in memory is committed, or failed: then it is as if it had none. */
static void on_put(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;
    struct session *s = session_of(j);
    struct queue_kept *k = s ? find_kept(s, j->seq) : NULL;
    struct queue_item *item = s && !k ? find_waiting(s, j->seq) : NULL;

    (void)changes;
    if (e != ERR_OK)
        log_error("queue row not stored", kv_err(e));
    if (k && e == ERR_OK) {
        k->is_committed = true;
        channel_down_stored(k->down);
        queue_settle(s);
    } else if (k) {
        drop_kept(s, k);
    } else if (item && e == ERR_OK) {
        item->is_committed = true;
        origin_unref(item->origin);
        item->origin = NULL;
    } else if (item) {
        item->seq = 0;
    }
    mem_free(j);
}

void queue_keep(struct session *s, struct channel_down *d, const struct queue_item *item)
{
    struct queue_kept *k = mem_new(struct queue_kept);

    k->source = item->source;
    k->seq = item->seq;
    k->is_committed = item->is_committed;
    k->id = item->id;
    k->down = d;
    channel_down_pin(d);
    list_push_back(&s->queue.kept, &k->at);
    if (d->is_written)
        queue_settle(s);
}

static void store_down(struct session *s, struct channel_down *d)
{
    struct queue_item as_item = { .seq = next_seq(&s->queue), .id = d->id };

    queue_keep(s, d, &as_item);
    put_row(s, as_item.seq, &d->id, bytes_str(d->payload), on_put, job_new(s, as_item.seq));
}

static bool is_kept(const struct session *s, const struct channel_down *d)
{
    LIST_FOR_EACH (at, &s->queue.kept) {
        if (queue_kept_at(at)->down == d && queue_kept_at(at)->source != QUEUE_COPY)
            return true;
    }
    return false;
}

void queue_store_all(struct session *s)
{
    if (!s->queue.has_rows) { /* else what is in flight came before those rows and has its own, or holds nobody up */
        LIST_FOR_EACH (at, &s->channel.downs) {
            struct channel_down *d = CONTAINER_OF(at, struct channel_down, at);

            if (d->payload && !d->is_written && !d->is_released && !is_kept(s, d))
                store_down(s, d);
        }
    }
    LIST_FOR_EACH (at, &s->queue.waiting) {
        struct queue_item *item = queue_item_at(at);

        if (item->seq != 0 || item->source == QUEUE_OFFLINE)
            continue;
        item->seq = next_seq(&s->queue);
        give_id(s, &item->id, item->seq);
        put_row(s, item->seq, &item->id, bytes_str(item->payload), on_put, job_new(s, item->seq));
    }
}

/* Failed: it is kept in memory, and its sender goes on waiting. */
static void on_put_behind(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;
    struct session *s = session_of(j);

    (void)changes;
    if (e != ERR_OK)
        log_error("queue row not stored", kv_err(e));
    if (e != ERR_OK && s) {
        j->item->seq = 0;
        queue_wait(s, j->item);
    } else {
        queue_item_free(j->item);
    }
    mem_free(j);
}

void queue_store_behind(struct session *s, struct queue_item *take_item)
{
    struct job *j = job_new(s, next_seq(&s->queue));

    s->queue.puts++;
    j->item = take_item;
    take_item->seq = j->seq;
    give_id(s, &take_item->id, j->seq);
    put_row(s, j->seq, &take_item->id, bytes_str(take_item->payload), on_put_behind, j);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void add_row(struct session *s, struct store_rows *rows)
{
    struct bytes *payload = bytes_new(store_text(rows, 2));
    struct queue_item *item = queue_item_new(payload, NULL, NULL);

    bytes_unref(payload);
    item->seq = store_int(rows, 0);
    item->is_committed = true;
    if (frame_id_read(store_text(rows, 1), &item->id) != ERR_OK)
        log_error("queue row without a good id", kv_text("session", s->id_text));
    s->queue.read_seq = item->seq;
    if (item->seq > s->queue.last_seq)
        s->queue.last_seq = item->seq;
    queue_add(s, item);
}

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct job *j = owner;
    struct session *s = session_of(j);
    int count = 0;

    if (s) {
        s->queue.is_reading = false;
        while (rows && s->state != SESSION_ENDING && store_next(rows)) {
            add_row(s, rows);
            count++;
        }
        if (e == ERR_OK && count < READ_AT_ONCE && s->queue.puts == j->n)
            s->queue.has_rows = false; /* and none was put while this ran */
        if (e == ERR_OK)
            queue_pump(s);
    }
    mem_free(j);
}

void queue_read(struct session *s)
{
    struct store_tx *tx;
    struct job *j;

    if (s->queue.is_reading)
        return;
    s->queue.is_reading = true;
    j = job_new(s, 0);
    j->n = s->queue.puts;
    tx = store_begin(s->sm->store);
    store_add(tx, STORE_QUEUE_GET);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_int(tx, s->queue.read_seq);
    store_bind_int(tx, READ_AT_ONCE);
    store_query(tx, on_rows, j);
}

/* --- settling ---------------------------------------------------------------------------------------------------- */

static void on_settled(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;
    struct session *s = session_of(j);

    (void)changes;
    if (s) {
        LIST_FOR_EACH_SAFE (at, following, &s->queue.kept) {
            struct queue_kept *k = queue_kept_at(at);

            if (!k->is_settling || k->down->n != j->n || k->seq != j->seq || k->source != j->source)
                continue;
            if (e == ERR_OK)
                drop_kept(s, k);
            else
                k->is_settling = false; /* tried again by the timer, or at the next confirmation */
        }
    }
    mem_free(j);
}

/* In one transaction with the offline row of that id, which there may be as well. */
static void settle_copy(struct session *s, const struct queue_kept *k, struct job *j)
{
    struct store_tx *tx = store_begin(s->sm->store);
    struct buf text = { 0 };

    frame_id_write(&text, &k->id);
    store_add(tx, STORE_QUEUE_DELETE_ID);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_blob(tx, buf_str(&text));
    buf_fini(&text);
    offline_mark(s, tx, &k->id, on_settled, j);
}

static void settle(struct session *s, struct queue_kept *k)
{
    struct job *j = job_new(s, k->seq);
    struct store_tx *tx;

    j->n = k->down->n;
    j->source = k->source;
    k->is_settling = true;
    if (k->source == QUEUE_COPY) {
        settle_copy(s, k, j);
        return;
    }
    tx = store_begin(s->sm->store);
    if (k->source == QUEUE_OFFLINE) {
        offline_mark(s, tx, &k->id, on_settled, j);
        return;
    }
    store_add(tx, STORE_QUEUE_DELETE);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_int(tx, k->seq);
    store_submit(tx, on_settled, j);
}

void queue_settle(struct session *s)
{
    LIST_FOR_EACH (at, &s->queue.kept) {
        struct queue_kept *k = queue_kept_at(at);

        if (k->down->is_written && !k->is_settling && (k->is_committed || k->source != QUEUE_LIVE))
            settle(s, k);
    }
}
