/* The hashed wheel. One uv_timer_t sleeps until the next slot that holds something: an idle process
 * does not wake up. */
#include "common/timer.h"

#include "common/mem.h"

enum {
    TICK_MS = 100,
    SLOT_COUNT =
        1024 /* a power of two: 102 s a turn; what is due later is passed over once a turn */
};

struct timers {
    uv_timer_t wake;
    uint64_t done_tick; /* everything due up to here has fired */
    uint64_t wake_tick; /* when wake rings; 0: it is not set */
    bool is_firing, is_closing;
    struct list slots[SLOT_COUNT];
};

static void on_wake(uv_timer_t *handle);

static uint64_t tick_up(uint64_t ms)
{
    return (ms + TICK_MS - 1) / TICK_MS;
}

static struct list *slot_of(struct timers *ts, uint64_t tick)
{
    return &ts->slots[tick & (SLOT_COUNT - 1)];
}

static void wake_at(struct timers *ts, uint64_t tick)
{
    uint64_t now = uv_now(ts->wake.loop), at = tick * TICK_MS;

    ts->wake_tick = tick;
    uv_timer_start(&ts->wake, on_wake, at > now ? at - now : 0, 0);
}

static void plan_wake(struct timers *ts)
{
    ts->wake_tick = 0;
    for (uint64_t tick = ts->done_tick + 1; tick <= ts->done_tick + SLOT_COUNT; tick++) {
        if (!list_is_empty(slot_of(ts, tick))) {
            wake_at(ts, tick);
            return;
        }
    }
}

/* The slot is emptied first, so that what fires may set, stop and free any timer, itself included.
 */
static void fire_slot(struct timers *ts, struct list *slot, uint64_t now_tick)
{
    struct list due;

    list_init(&due);
    for (struct list *item; (item = list_first(slot));) {
        list_remove(item);
        list_push_back(&due, item);
    }
    for (struct list *item; (item = list_first(&due));) {
        struct timer *t = CONTAINER_OF(item, struct timer, at);

        list_remove(item);
        if (ts->is_closing) {
            t->due_ms = 0;
        } else if (tick_up(t->due_ms) > now_tick) {
            list_push_back(slot, item);
        } else {
            t->due_ms = 0;
            t->fire(t);
        }
    }
}

static void on_wake(uv_timer_t *handle)
{
    struct timers *ts = CONTAINER_OF(handle, struct timers, wake);
    uint64_t now_tick = uv_now(handle->loop) / TICK_MS, first = ts->done_tick + 1;

    /* After a long sleep of the machine one turn of the wheel sees every slot. */
    if (now_tick >= first + SLOT_COUNT)
        first = now_tick - SLOT_COUNT + 1;
    ts->is_firing = true;
    ts->done_tick = now_tick;
    for (uint64_t tick = first; tick <= now_tick && !ts->is_closing; tick++)
        fire_slot(ts, slot_of(ts, tick), now_tick);
    ts->is_firing = false;
    if (!ts->is_closing)
        plan_wake(ts);
}

struct timers *timers_new(uv_loop_t *loop)
{
    struct timers *ts = mem_new(struct timers);

    ASSERT(uv_timer_init(loop, &ts->wake) == 0);
    ts->done_tick = uv_now(loop) / TICK_MS;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        list_init(&ts->slots[i]);
    return ts;
}

void timers_unref(struct timers *ts)
{
    uv_unref((uv_handle_t *)&ts->wake);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF((uv_timer_t *)handle, struct timers, wake));
}

void timers_close(struct timers *ts)
{
    ts->is_closing = true;
    /* None should be set; one that is must not point into freed memory. */
    for (size_t i = 0; i < SLOT_COUNT; i++)
        while (!list_is_empty(&ts->slots[i]))
            timer_stop(CONTAINER_OF(ts->slots[i].next, struct timer, at));
    uv_close((uv_handle_t *)&ts->wake, on_closed);
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    list_init(&t->at);
    t->due_ms = 0;
    t->fire = fire;
}

void timer_set(struct timers *ts, struct timer *t, uint64_t in_ms)
{
    uint64_t tick;

    ASSERT(!ts->is_closing);
    list_remove(&t->at);
    t->due_ms = uv_now(ts->wake.loop) + in_ms;
    tick = tick_up(t->due_ms);
    if (tick <= ts->done_tick) { /* that slot has been seen already: the next one */
        tick = ts->done_tick + 1;
        t->due_ms = tick * TICK_MS;
    }
    list_push_back(slot_of(ts, tick), &t->at);
    /* While firing, on_wake plans when it is through. */
    if (ts->is_firing)
        return;
    if (ts->wake_tick == 0 || tick < ts->wake_tick)
        wake_at(ts, tick);
}

void timer_stop(struct timer *t)
{
    list_remove(&t->at);
    t->due_ms = 0;
}
