/* The wheel of timers, by the clock of a real loop. */
#include "common/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TICK = 100 };

struct thing {
    struct timer timer;
    struct timers *ts;
    uv_loop_t *loop;
    uint64_t asked_ms, fired_ms;
    int fired, again;
    struct thing *victim;
};

static void on_fire(struct timer *t)
{
    struct thing *x = CONTAINER_OF(t, struct thing, timer);

    assert_int_equal(t->due_ms, 0);
    x->fired++;
    x->fired_ms = uv_now(x->loop);
    if (x->victim)
        timer_stop(&x->victim->timer);
    if (x->again-- > 0)
        timer_set(x->ts, t, 0);
}

static void begin(uv_loop_t *loop, struct timers **ts, struct thing *things, size_t count)
{
    assert_int_equal(uv_loop_init(loop), 0);
    *ts = timers_new(loop);
    for (size_t i = 0; i < count; i++) {
        things[i] = (struct thing){ .ts = *ts, .loop = loop };
        timer_init(&things[i].timer, on_fire);
    }
}

static void set(struct thing *x, uint64_t in_ms)
{
    x->asked_ms = uv_now(x->loop) + in_ms;
    timer_set(x->ts, &x->timer, in_ms);
}

static void finish(uv_loop_t *loop, struct timers *ts)
{
    timers_close(ts);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void each_fires_once_and_never_early(void **state)
{
    static const uint64_t delays[] = { 0, 1, 99, 100, 101, 250, 250, 399, 700 };
    struct thing things[ARRAY_LEN(delays)];
    struct timers *ts;
    uv_loop_t loop;

    (void)state;
    begin(&loop, &ts, things, ARRAY_LEN(things));
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        set(&things[i], delays[i]);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        assert_int_equal(things[i].fired, 1);
        assert_true(things[i].fired_ms >= things[i].asked_ms);
        /* One tick of rounding, one of bad luck, and a busy machine. */
        assert_true(things[i].fired_ms < things[i].asked_ms + 2 * TICK + 2000);
    }
    finish(&loop, ts);
}

static void a_stopped_one_does_not_fire_and_a_moved_one_fires_later(void **state)
{
    struct thing things[2];
    struct timers *ts;
    uv_loop_t loop;

    (void)state;
    begin(&loop, &ts, things, 2);
    set(&things[0], 50);
    timer_stop(&things[0].timer);
    timer_stop(&things[0].timer);
    set(&things[1], 50);
    set(&things[1], 400);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(things[0].fired, 0);
    assert_int_equal(things[1].fired, 1);
    assert_true(things[1].fired_ms >= things[1].asked_ms);
    finish(&loop, ts);
}

static void one_that_fires_may_stop_others_of_the_same_tick_and_set_itself(void **state)
{
    struct thing things[3];
    struct timers *ts;
    uv_loop_t loop;

    (void)state;
    begin(&loop, &ts, things, 3);
    things[0].victim = &things[1];
    things[1].victim = &things[0];
    things[2].again = 2;
    set(&things[0], 100);
    set(&things[1], 100);
    set(&things[2], 100);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(things[0].fired + things[1].fired, 1);
    assert_int_equal(things[2].fired, 3);
    finish(&loop, ts);
}

static void a_later_turn_of_the_wheel_is_not_this_one(void **state)
{
    struct thing things[2];
    struct timers *ts;
    uv_loop_t loop;

    (void)state;
    begin(&loop, &ts, things, 2);
    set(&things[0], 1024 * TICK + 100); /* the same slot, one turn later */
    set(&things[1], 100);
    while (things[1].fired == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(things[0].fired, 0);
    timer_stop(&things[0].timer);
    finish(&loop, ts);
}

static void closing_forgets_what_was_set(void **state)
{
    struct thing thing;
    struct timers *ts;
    uv_loop_t loop;

    (void)state;
    begin(&loop, &ts, &thing, 1);
    set(&thing, 100);
    finish(&loop, ts);
    assert_int_equal(thing.fired, 0);
    assert_int_equal(thing.timer.due_ms, 0);
    timer_stop(&thing.timer);
}

static void a_stopped_timer_does_not_delay_the_end(void **state)
{
    struct thing thing;
    struct timers *ts;
    uv_loop_t loop;
    uint64_t began;

    (void)state;
    begin(&loop, &ts, &thing, 1);
    began = uv_now(&loop);
    set(&thing, 3600000);
    timer_stop(&thing.timer);
    timers_unref(ts);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(uv_now(&loop) - began < 60000);
    finish(&loop, ts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fires_once_and_never_early),
        cmocka_unit_test(a_stopped_one_does_not_fire_and_a_moved_one_fires_later),
        cmocka_unit_test(one_that_fires_may_stop_others_of_the_same_tick_and_set_itself),
        cmocka_unit_test(a_later_turn_of_the_wheel_is_not_this_one),
        cmocka_unit_test(closing_forgets_what_was_set),
        cmocka_unit_test(a_stopped_timer_does_not_delay_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
