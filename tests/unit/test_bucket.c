/* How many lines may be written: full at first, refilled by time, never more than a bucket. */
#include "common/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int take_all(struct bucket *b, uint64_t per_second, uint64_t now_ms)
{
    int taken = 0;

    while (taken < 1000 && bucket_take(b, per_second, now_ms))
        taken++;
    return taken;
}

static void a_bucket_is_full_at_first_and_fills_with_time(void **state)
{
    static const struct {
        uint64_t after_ms;
        int taken;
    } rows[] = {
        { 0, 50 }, { 0, 0 }, { 99, 0 }, { 1, 1 }, { 1000, 10 }, { 250, 2 }, { 50, 1 }, { 3600000, 50 }, { 5000, 50 }, { 5001, 50 },
    };
    struct bucket b = { 0 };
    uint64_t now = 7000;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        now += rows[i].after_ms;
        assert_int_equal(take_all(&b, 10, now), rows[i].taken);
    }
}

static void no_limit_is_no_limit(void **state)
{
    struct bucket b = { 0 };

    (void)state;
    assert_int_equal(take_all(&b, 0, 1), 1000);
}

static void a_rate_that_was_lowered_holds_at_once_and_time_that_stands_still_gives_nothing(void **state)
{
    struct bucket b = { 0 };

    (void)state;
    assert_int_equal(take_all(&b, 100, 1000), 500);
    assert_int_equal(take_all(&b, 1, 1000), 0);
    assert_int_equal(take_all(&b, 1, 500), 0);
    assert_int_equal(take_all(&b, 1, UINT64_MAX), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_full_at_first_and_fills_with_time),
        cmocka_unit_test(no_limit_is_no_limit),
        cmocka_unit_test(a_rate_that_was_lowered_holds_at_once_and_time_that_stands_still_gives_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
