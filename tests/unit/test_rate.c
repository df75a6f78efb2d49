/* Token buckets of c2s. */
#include "c2s/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_burst_of_two_seconds_is_free(void **state)
{
    struct rate r = { 0 };

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(rate_take(&r, 10, 1, 5000), 0);
    assert_int_equal(rate_take(&r, 10, 1, 5000), 100);
}

static void a_debt_takes_as_long_as_the_rate_says(void **state)
{
    struct rate r = { 0 };

    (void)state;
    /* 2000 are there; 8000 are owed, at 1000 a second. */
    assert_int_equal(rate_take(&r, 1000, 10000, 1), 8000);
    assert_int_equal(rate_take(&r, 1000, 0, 4001), 4000);
    assert_int_equal(rate_take(&r, 1000, 0, 8001), 0);
    assert_int_equal(rate_take(&r, 1000, 1, 8001), 1);
}

static void a_long_pause_fills_no_more_than_a_burst(void **state)
{
    struct rate r = { 0 };

    (void)state;
    assert_int_equal(rate_take(&r, 10, 20, 1000), 0);
    assert_int_equal(rate_take(&r, 10, 20, UINT64_C(1000000000000)), 0);
    assert_int_equal(rate_take(&r, 10, 1, UINT64_C(1000000000000)), 100);
}

static void no_limit_costs_nothing(void **state)
{
    struct rate r = { 0 };

    (void)state;
    assert_int_equal(rate_take(&r, 0, UINT32_MAX, 1), 0);
    assert_int_equal(r.at_ms, 0);
}

static void a_lower_rate_holds_at_once(void **state)
{
    struct rate r = { 0 };

    (void)state;
    assert_int_equal(rate_take(&r, 1000, 0, 1), 0);
    assert_int_equal(rate_take(&r, 10, 21, 1), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_two_seconds_is_free),
        cmocka_unit_test(a_debt_takes_as_long_as_the_rate_says),
        cmocka_unit_test(a_long_pause_fills_no_more_than_a_burst),
        cmocka_unit_test(no_limit_costs_nothing),
        cmocka_unit_test(a_lower_rate_holds_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
