/* Acknowledgements, collected by turn. Each c2s gets one frame for all its sessions. */
#include "sm/acks.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/metrics.h"
#include "sm/peers.h"
#include "sm/session_parts.h"
#include "sm/settle.h"
#include "sm/wire.h"

enum { SETTLE_MS = 1000, SPLIT_BYTES = 32768 };

struct acks {
    struct sm *sm;
    uv_check_t check;
    uv_prepare_t prepare;
    int closing;
    struct list owed;      /* struct session, by acks_at */
    struct list unsettled; /* struct session, by unsettled_at */
    struct list peers;     /* struct peer with something collected, by acks_at */
    struct timer settle;
};

/* --- out --------------------------------------------------------------------------------------------------------- */

static void send_collected(struct sm *sm, struct peer *p)
{
    struct frame f = { .to = str_from(p->name), .from = sm_own_name(sm) };

    if (p->acks.n == 0)
        return;
    frame_acks_end(&p->acks);
    f.payload = buf_str(&p->acks);
    link_send(p->acks_via, &f);
    buf_clear(&p->acks);
    list_remove(&p->acks_at);
}

static void collect(struct acks *a, struct session *s)
{
    struct peer *p = s->peer;
    struct frame_ack ack = { .s = str_of(s->id_text, FRAME_SESSION_TEXT),
                             .e = s->channel.epoch,
                             .h = s->channel.up_taken,
                             .f = s->channel.down_final };

    if (!s->via || !s->channel.is_synced)
        return;
    if (p->acks.n > 0 && (p->acks_via != s->via || p->acks.n > SPLIT_BYTES))
        send_collected(a->sm, p);
    if (p->acks.n == 0) {
        p->acks_via = s->via;
        frame_acks_begin(&p->acks);
        list_push_back(&a->peers, &p->acks_at);
    }
    frame_acks_add(&p->acks, &ack);
}

static void flush(struct acks *a)
{
    while (!list_is_empty(&a->owed)) {
        struct session *s = CONTAINER_OF(list_first(&a->owed), struct session, acks_at);

        list_remove(&s->acks_at);
        collect(a, s);
        session_after_ack(s);
    }
    while (!list_is_empty(&a->peers))
        send_collected(a->sm, CONTAINER_OF(list_first(&a->peers), struct peer, acks_at));
}

static void on_check(uv_check_t *check)
{
    flush(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    flush(prepare->data);
}

/* f may wait; what others' up frames hold back is looked at again and again until they are final. */
static void on_settle(struct timer *t)
{
    struct acks *a = CONTAINER_OF(t, struct acks, settle);

    LIST_FOR_EACH_SAFE (at, following, &a->unsettled) {
        struct session *s = CONTAINER_OF(at, struct session, unsettled_at);

        if (channel_owner_finish(&s->channel)) {
            acks_owe(s);
            queue_pump(s);
        }
        settle_help(s);
        if (list_is_empty(&s->channel.downs))
            list_remove(&s->unsettled_at);
    }
    if (!list_is_empty(&a->unsettled))
        timer_set(a->sm->service->timers, &a->settle, SETTLE_MS);
}

void acks_owe(struct session *s)
{
    if (!s->sm->acks) /* the process ends */
        return;
    list_remove(&s->acks_at);
    list_push_back(&s->sm->acks->owed, &s->acks_at);
}

void acks_said(struct session *s)
{
    if (!s->is_over)
        list_remove(&s->acks_at);
}

void acks_unsettled(struct session *s)
{
    struct acks *a = s->sm->acks;

    if (!a || !list_is_empty(&s->unsettled_at))
        return;
    list_push_back(&a->unsettled, &s->unsettled_at);
    if (a->settle.due_ms == 0)
        timer_set(s->sm->service->timers, &a->settle, SETTLE_MS);
}

void acks_forget(struct session *s)
{
    list_remove(&s->acks_at);
    list_remove(&s->unsettled_at);
}

/* --- in ---------------------------------------------------------------------------------------------------------- */

static void take(struct sm *sm, const struct frame *f, const struct frame_ack *ack)
{
    struct session *s = session_find(sm, ack->s);

    if (!s)
        metric_inc(&sm_metric_frames_dropped); /* it is over */
    else if (!str_is(f->from, s->c2s))
        wire_refuse(f, "an acknowledgement for another's session");
    else
        session_confirm(s, ack->e, ack->h, ack->f);
}

void acks_on_frame(struct sm *sm, const struct frame *f)
{
    struct str rest = f->payload;
    struct frame_ack ack;
    enum err e;

    while ((e = frame_acks_next(&rest, &ack)) == ERR_OK)
        take(sm, f, &ack);
    if (e != ERR_CLOSED)
        wire_refuse(f, "malformed acks");
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void acks_open(struct sm *sm)
{
    struct acks *a = mem_new(struct acks);

    a->sm = sm;
    list_init(&a->owed);
    list_init(&a->unsettled);
    list_init(&a->peers);
    timer_init(&a->settle, on_settle);
    uv_check_init(sm->service->loop, &a->check);
    uv_prepare_init(sm->service->loop, &a->prepare);
    a->check.data = a->prepare.data = a;
    uv_check_start(&a->check, on_check);
    uv_prepare_start(&a->prepare, on_prepare);
    uv_unref((uv_handle_t *)&a->check);
    uv_unref((uv_handle_t *)&a->prepare);
    sm->acks = a;
}

static void on_closed(uv_handle_t *handle)
{
    struct acks *a = handle->data;

    if (--a->closing == 0)
        mem_free(a);
}

void acks_close(struct sm *sm)
{
    struct acks *a = sm->acks;

    if (!a)
        return;
    sm->acks = NULL;
    timer_stop(&a->settle);
    while (!list_is_empty(&a->owed)) /* sessions outlive us */
        list_remove(list_first(&a->owed));
    while (!list_is_empty(&a->unsettled))
        list_remove(list_first(&a->unsettled));
    a->closing = 2;
    uv_close((uv_handle_t *)&a->check, on_closed);
    uv_close((uv_handle_t *)&a->prepare, on_closed);
}
