/* The end of a session. Either the client is gone (session_over), or we end it (session_end): then <end/> goes down and its answer, or
 * silence for a while, is the same as the client being gone. In this order: contacts hear of it; what was not written is delivered
 * again (to another resource or offline storage); the row goes; the frame that said so is taken over; the memory goes. */
#include "sm/session_parts.h"

#include "common/bytes.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/acks.h"
#include "sm/deliver.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/presence.h"
#include "sm/queue_parts.h"
#include "sm/store/store.h"

enum { ANSWER_MS = 30000, RETRY_MS = 2000, READ_AT_ONCE = 64 };

/* --- leaving ----------------------------------------------------------------------------------------------------- */

/* Before it is ending: presence_session_ended asks whether it was available. */
static void leave(struct session *s, struct origin *origin)
{
    if (s->state == SESSION_ENDING)
        return;
    presence_session_ended(s, origin);
    bytes_unref(s->presence);
    s->presence = NULL;
    presence_forget_all(s);
    csi_clear(&s->csi); /* nothing of it is of use to another resource */
    session_detach(s);
    timer_stop(&s->timer);
    session_set_state(s, SESSION_ENDING);
}

void session_send_end(struct session *s)
{
    struct control_end end = { .why = s->end_error == STREAM_OK ? CONTROL_END_CLOSED : CONTROL_END_ERROR, .error = s->end_error };
    struct buf out = { 0 };

    end.text = str_from(s->end_text);
    control_write_end(&out, &end);
    queue_add_now(s, buf_str(&out));
    buf_fini(&out);
}

void session_end(struct session *s, enum stream_error error, struct str text)
{
    if (s->state == SESSION_ENDING)
        return;
    audit_info("session-ended", kv_str("account", s->jid.bare), kv_text("session", s->id_text),
          kv_text("condition", error == STREAM_OK ? "none" : stream_error_name(error)));
    leave(s, NULL);
    s->end_error = error;
    s->end_text = str_is_set(text) ? str_dup(text) : NULL;
    if (s->channel.is_synced) /* else when it is */
        session_send_end(s);
    timer_set(s->sm->service->timers, &s->timer, ANSWER_MS);
}

/* --- what was not delivered -------------------------------------------------------------------------------------- */

static void on_row_gone(void *owner, enum err e, int64_t changes);

static void delete_row(struct session *s)
{
    uint8_t *id = mem_alloc(sizeof(struct sm *) + FRAME_SESSION_BYTES);

    memcpy(id, &s->sm, sizeof s->sm);
    memcpy(id + sizeof s->sm, s->id, FRAME_SESSION_BYTES);
    session_row_delete(s, on_row_gone, id);
}

static void give_back(struct session *s)
{
    ASSERT(s->redeliveries > 0);
    if (--s->redeliveries == 0)
        delete_row(s);
}

static void on_redelivered(void *owner)
{
    struct session *s = owner;

    if (!s->sm->is_stopping)
        give_back(s);
}

/* The same id as before: the store refuses it twice. The row stays until it is dealt with, and so does the session. */
static void redeliver(struct session *s, struct str payload, const struct frame_id *id, struct channel_up *up, bool is_row)
{
    struct origin *o = origin_new(channel_up_hold(up), id->session, id->count);

    if (is_row) {
        s->redeliveries++;
        o->on_done = on_redelivered;
        o->owner = s;
    }
    metric_inc(&sm_metric_redelivered);
    deliver_again(s->sm, payload, o);
    origin_unref(o);
}

static const struct queue_kept *kept_of(const struct session *s, const struct channel_down *d)
{
    LIST_FOR_EACH (at, &s->queue.kept) {
        const struct queue_kept *k = CONTAINER_OF(at, struct queue_kept, at);

        if (k->down == d)
            return k;
    }
    return NULL;
}

/* Offline messages are still where they were: they are not marked. */
static void redeliver_down(struct session *s, const struct channel_down *d)
{
    const struct queue_kept *k = kept_of(s, d);
    struct origin *o;

    if (k && k->source == QUEUE_COPY && s->queue.has_rows) { /* its row may be there, not read yet: then this one is refused */
        o = origin_new(channel_up_hold(d->is_released ? NULL : d->origin), d->id.session, d->id.count);
        queue_store_behind(s, queue_item_new(d->payload, &d->id, o));
        origin_unref(o);
    } else {
        redeliver(s, bytes_str(d->payload), &d->id, d->is_released ? NULL : d->origin, k != NULL);
    }
}

static void redeliver_memory(struct session *s)
{
    LIST_FOR_EACH (at, &s->channel.downs) {
        struct channel_down *d = CONTAINER_OF(at, struct channel_down, at);
        const struct queue_kept *k = kept_of(s, d);

        if (k && k->source == QUEUE_OFFLINE && !d->is_written)
            offline_returned(s->home);
        else if (!d->is_written && d->payload)
            redeliver_down(s, d);
        channel_down_stored(d); /* what is delivered again holds its origin itself; an answer to the client's own frame would wait for itself */
    }
    while (!list_is_empty(&s->queue.waiting)) {
        struct queue_item *item = CONTAINER_OF(list_first(&s->queue.waiting), struct queue_item, at);

        list_remove(&item->at);
        if (item->source == QUEUE_LIVE)
            redeliver(s, bytes_str(item->payload), &item->id, item->origin ? item->origin->up : NULL, item->seq != 0);
        else
            offline_returned(s->home);
        queue_item_free(item);
    }
}

static void redeliver_rows(struct session *s);

static void let_others_go(struct session *s)
{
    if (!s->is_ahead)
        return;
    s->is_ahead = false;
    deliver_go(s->home);
}

struct reading {
    struct sm *sm;
    uint8_t id[FRAME_SESSION_BYTES];
};

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct reading *r = owner;
    struct session *s = table_get(&r->sm->sessions, str_of(r->id, sizeof r->id));
    int count = 0;

    mem_free(r);
    if (!s)
        return;
    while (rows && store_next(rows)) {
        struct frame_id id = { .count = 0 };

        s->queue.read_seq = store_int(rows, 0);
        count++;
        if (frame_id_read(store_text(rows, 1), &id) == ERR_OK)
            redeliver(s, store_text(rows, 2), &id, NULL, true);
    }
    if (e != ERR_OK) {
        log_error("rows of an ended session not read", kv_err(e), kv_text("session", s->id_text));
        let_others_go(s);
        timer_set(s->sm->service->timers, &s->timer, RETRY_MS);
    } else if (count == READ_AT_ONCE) {
        redeliver_rows(s);
    } else {
        let_others_go(s);
        give_back(s);
    }
}

static void redeliver_rows(struct session *s)
{
    struct store_tx *tx = store_begin(s->sm->store);
    struct reading *r = mem_new(struct reading);

    r->sm = s->sm;
    memcpy(r->id, s->id, sizeof r->id);
    store_add(tx, STORE_QUEUE_GET);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_int(tx, s->queue.read_seq);
    store_bind_int(tx, READ_AT_ONCE);
    store_query(tx, on_rows, r);
}

/* --- the row, and the memory ------------------------------------------------------------------------------------- */

/* What it had sent may still be on its way to others: its copies must not be forgotten before (proto/channel.h). */
static void free_when_idle(struct session *s)
{
    if (channel_owner_is_idle(&s->channel))
        session_free(s);
    else
        timer_set(s->sm->service->timers, &s->timer, RETRY_MS);
}

static void on_row_gone(void *owner, enum err e, int64_t changes)
{
    uint8_t *id = owner;
    struct sm *sm;
    struct session *s;
    struct origin *end;

    (void)changes;
    memcpy(&sm, id, sizeof sm);
    s = table_get(&sm->sessions, str_of(id + sizeof sm, FRAME_SESSION_BYTES));
    mem_free(id);
    if (!s)
        return;
    if (e != ERR_OK) {
        log_error("row of an ended session not deleted", kv_err(e), kv_text("session", s->id_text));
        timer_set(sm->service->timers, &s->timer, RETRY_MS);
        return;
    }
    s->is_row_gone = true;
    end = s->end_origin;
    s->end_origin = NULL;
    origin_unref(end);
    if (s->is_by_frame && s->via)
        acks_owe(s); /* session_after_ack frees it */
    else
        free_when_idle(s);
}

/* c2s repeats the end if this acknowledgement is lost; then session.c answers for the unknown. */
void session_after_ack(struct session *s)
{
    if (s->is_row_gone && channel_owner_is_idle(&s->channel))
        session_free(s);
}

void session_over_retry(struct session *s)
{
    if (s->is_row_gone)
        free_when_idle(s);
    else if (s->redeliveries == 0)
        delete_row(s);
    else
        redeliver_rows(s);
}

/* Neither its client nor we ended it: its connection manager is gone, or knows nothing of it. */
static void audit_loss(const struct session *s)
{
    if (s->state != SESSION_ENDING && s->state != SESSION_OPENING && !s->is_by_frame)
        audit_info("session-ended", kv_str("account", s->jid.bare), kv_text("session", s->id_text), kv_text("condition", "lost"));
}

void session_over(struct session *s, struct origin *origin)
{
    if (s->is_over)
        return;
    audit_loss(s);
    leave(s, origin);
    timer_stop(&s->timer);
    s->is_over = true;
    s->end_origin = origin_ref(origin);
    s->redeliveries = 1;
    redeliver_memory(s);
    offline_session_left(s->home);
    if (!s->queue.has_rows) {
        give_back(s);
        return;
    }
    s->is_ahead = true;
    deliver_stop(s->home);
    redeliver_rows(s);
}
