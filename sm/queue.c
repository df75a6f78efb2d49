/* The session's queue: what goes down now, what waits in memory, and when. Its rows in the store are queue_rows.c's. */
#include "sm/queue_parts.h"

#include "common/bytes.h"
#include "common/mem.h"
#include "sm/account.h"
#include "sm/acks.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/peers.h"

void queue_init(struct queue *q)
{
    *q = (struct queue){ 0 };
    list_init(&q->waiting);
    list_init(&q->kept);
}

void queue_fini(struct queue *q)
{
    while (!list_is_empty(&q->waiting)) {
        struct queue_item *item = queue_item_at(list_first(&q->waiting));

        list_remove(&item->at);
        queue_item_free(item);
    }
    while (!list_is_empty(&q->kept)) {
        struct queue_kept *k = queue_kept_at(list_first(&q->kept));

        list_remove(&k->at);
        mem_free(k);
    }
    q->frames = q->bytes = 0;
}

struct queue_item *queue_item_new(struct bytes *payload, const struct frame_id *id, struct origin *origin)
{
    struct queue_item *item = mem_new(struct queue_item);

    list_init(&item->at);
    item->payload = bytes_ref(payload);
    item->origin = origin_ref(origin);
    if (id)
        item->id = *id;
    return item;
}

void queue_item_free(struct queue_item *item)
{
    origin_unref(item->origin);
    bytes_unref(item->payload);
    mem_free(item);
}

/* --- down -------------------------------------------------------------------------------------------------------- */

/* Without a way to its c2s it stays in the channel until there is one: queue_repeat. */
static void transmit(struct session *s, const struct channel_down *d)
{
    struct frame f = { .to = str_from(s->address),
                       .from = sm_own_name(s->sm),
                       .s = str_of(s->id_text, FRAME_SESSION_TEXT),
                       .e = s->channel.epoch,
                       .n = d->n,
                       .h = s->channel.up_taken,
                       .f = s->channel.down_final,
                       .id = d->id,
                       .payload = bytes_str(d->payload) };
    static const struct frame_id none;

    if (!s->via)
        return;
    f.has_id = !frame_id_eq(&d->id, &none);
    acks_said(s);
    metric_inc(&sm_metric_frames_out);
    link_send(s->via, &f);
}

static bool can_push(const struct session *s)
{
    struct channel_window w = { .max_frames = (uint32_t)s->sm->conf->session_window,
                                .max_bytes = (uint32_t)s->sm->conf->session_window_bytes };

    return s->channel.is_synced && channel_owner_is_open(&s->channel, &w);
}

/* Clock calls are dear (FACTS.md): one timer runs while anything is under way. */
static void arm(struct session *s)
{
    if (s->timer.due_ms != 0 || s->state == SESSION_ENDING)
        return;
    s->queue.is_marked = true;
    s->queue.mark = s->channel.down_last;
    timer_set(s->sm->service->timers, &s->timer, (uint64_t)s->sm->conf->store_after_ms);
}

static void push(struct session *s, struct queue_item *take_item)
{
    struct queue_item *item = take_item;
    struct channel_up *up = item->origin ? item->origin->up : NULL;
    struct channel_down *d = channel_owner_push(&s->channel, &item->id, item->payload, up);
    struct channel_down *sent = d;

    if (!d)
        d = channel_owner_known(&s->channel, &item->id);
    if (d && (item->seq != 0 || item->source == QUEUE_OFFLINE))
        queue_keep(s, d, item);
    if (sent)
        transmit(s, sent);
    acks_unsettled(s);
    arm(s);
    queue_item_free(item);
}

static void take_out(struct queue *q, struct queue_item *item)
{
    list_remove(&item->at);
    q->frames--;
    q->bytes -= item->payload->n;
}

static bool is_over_limit(const struct session *s)
{
    const struct queue *q = &s->queue;

    return q->frames > s->sm->conf->session_queue || q->bytes > s->sm->conf->session_queue_bytes;
}

bool queue_knows(const struct session *s, const struct frame_id *id)
{
    static const struct frame_id none;

    return s->channel.is_synced && !frame_id_eq(id, &none) && channel_owner_known(&s->channel, id) != NULL;
}

void queue_wait(struct session *s, struct queue_item *take_item)
{
    struct queue *q = &s->queue;

    list_push_back(&q->waiting, &take_item->at);
    q->frames++;
    q->bytes += take_item->payload->n;
    arm(s);
}

/* From now on what is new goes behind the rows of what is in memory, until all of them have been sent. */
static void go_to_store(struct session *s)
{
    struct queue *q = &s->queue;

    queue_store_all(s);
    if (q->has_rows)
        return;
    q->read_seq = q->last_seq;
    q->has_rows = true;
}

void queue_add(struct session *s, struct queue_item *take_item)
{
    struct queue *q = &s->queue;
    bool is_row = take_item->seq != 0 || take_item->source == QUEUE_OFFLINE;

    if (queue_knows(s, &take_item->id)) {
        push(s, take_item); /* now, while it is known: nothing goes down, its origin or row waits for the one that is there already */
        return;
    }
    if (q->has_rows && !is_row) {
        queue_store_behind(s, take_item);
        return;
    }
    if (list_is_empty(&q->waiting) && can_push(s)) {
        push(s, take_item);
        return;
    }
    queue_wait(s, take_item);
    if (is_over_limit(s) && !q->has_rows && !is_row)
        go_to_store(s);
}

/* An entry is final when it is written, its sender's frame is, and no row holds its id. Of what this process did not put there itself only
 * the store knows the last: the row is deleted by its id, whether there is one or not. */
void queue_adopt(struct session *s)
{
    struct queue *q = &s->queue;
    bool may_have_rows = q->has_rows || s->home->offline_count > 0;

    LIST_FOR_EACH (at, &s->channel.downs) {
        struct channel_down *d = CONTAINER_OF(at, struct channel_down, at);
        struct queue_item as_item = { .source = QUEUE_COPY, .id = d->id };

        if (d->is_known && may_have_rows)
            queue_keep(s, d, &as_item);
    }
    LIST_FOR_EACH_SAFE (at, following, &q->waiting) {
        struct queue_item *item = queue_item_at(at);

        if (!queue_knows(s, &item->id))
            continue;
        take_out(q, item);
        push(s, item);
    }
}

void queue_add_now(struct session *s, struct str payload)
{
    struct bytes *b = bytes_new(payload);

    if (s->channel.is_synced)
        push(s, queue_item_new(b, NULL, NULL));
    bytes_unref(b);
}

void queue_pump(struct session *s)
{
    struct queue *q = &s->queue;

    if (s->state == SESSION_ENDING)
        return;
    while (!list_is_empty(&q->waiting) && can_push(s)) {
        struct queue_item *item = queue_item_at(list_first(&q->waiting));

        take_out(q, item);
        push(s, item);
    }
    if (!list_is_empty(&q->waiting) || !can_push(s))
        return;
    if (q->has_rows)
        queue_read(s);
    else
        offline_continue(s);
}

void queue_repeat(struct session *s)
{
    LIST_FOR_EACH (item, &s->channel.downs) {
        struct channel_down *d = CONTAINER_OF(item, struct channel_down, at);

        if (!d->is_written && d->payload)
            transmit(s, d);
    }
    acks_owe(s);
}

/* Frames that were made before the timer was set and are not written have waited long enough; so has all that waits behind them. */
void queue_on_timer(struct session *s)
{
    struct queue *q = &s->queue;
    bool is_idle = s->channel.flight_frames == 0 && list_is_empty(&q->waiting);

    if (is_idle) {
        q->is_marked = false;
        queue_settle(s);
        return;
    }
    if (!s->channel.is_synced || (q->is_marked && s->channel.down_written < q->mark))
        go_to_store(s);
    queue_settle(s);
    q->is_marked = true;
    q->mark = s->channel.down_last;
    timer_set(s->sm->service->timers, &s->timer, (uint64_t)s->sm->conf->store_after_ms);
}
