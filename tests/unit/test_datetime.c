/* Dates and times as text: proto/datetime.h. */
#include "proto/datetime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct both {
    int64_t time_us;
    const char *text;
} both[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { -1, "1969-12-31T23:59:59.999999Z" },
    { -14159025000000, "1969-07-21T02:56:15Z" }, /* XEP-0082 §4 */
    { 1000000000000000, "2001-09-09T01:46:40Z" },
    { 951782400000000, "2000-02-29T00:00:00Z" },
    { 1709251199000000, "2024-02-29T23:59:59Z" },
    { 1709251200000001, "2024-03-01T00:00:00.000001Z" },
    { 4107542400000000, "2100-03-01T00:00:00Z" },
    { 253402300799999999, "9999-12-31T23:59:59.999999Z" },
    { -62167219200000000, "0000-01-01T00:00:00Z" },
};

static void times_are_written_and_read_back(void **state)
{
    struct arena arena = { 0 };
    int64_t back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        struct str text = datetime_text(both[i].time_us, &arena);

        assert_string_equal(text.p, both[i].text);
        assert_int_equal(datetime_read(text, &back), ERR_OK);
        assert_true(back == both[i].time_us);
    }
    arena_fini(&arena);
}

static void every_day_of_four_centuries_comes_back(void **state)
{
    struct buf b = { 0 };
    int64_t back;

    (void)state;
    for (int64_t day = -100000; day < 100000; day += 7) {
        buf_clear(&b);
        datetime_write(&b, day * 86400000000);
        assert_int_equal(datetime_read(buf_str(&b), &back), ERR_OK);
        assert_true(back == day * 86400000000);
    }
    buf_fini(&b);
}

static const struct both read_only[] = {
    { -14159025000000, "1969-07-20T21:56:15-05:00" }, /* XEP-0082 §4 */
    { 1800000000, "1970-01-01T05:30:00+05:00" },      { 500000, "1970-01-01T00:00:00.5Z" },
    { 123456, "1970-01-01T00:00:00.123456789Z" },     { 1483228800000000, "2016-12-31T23:59:60Z" },
};

static void offsets_and_fractions_are_read(void **state)
{
    int64_t back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(read_only); i++) {
        assert_int_equal(datetime_read(str_from(read_only[i].text), &back), ERR_OK);
        assert_true(back == read_only[i].time_us);
    }
}

static const char *const bad[] = {
    "",
    "1970",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "1970-01-01 00:00:00Z",
    "1970-01-01T00:00:00z",
    "1970-13-01T00:00:00Z",
    "1970-00-01T00:00:00Z",
    "1970-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "1970-01-00T00:00:00Z",
    "1970-01-32T00:00:00Z",
    "1970-01-01T24:00:00Z",
    "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:61Z",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00:00+0100",
    "1970-01-01T00:00:00+24:00",
    "1970-01-01T00:00:00ZZ",
    "1970-01-01T00:00:00+01:00Z",
    "+970-01-01T00:00:00Z",
    "1970-1-01T00:00:00Z",
    "19700101T00:00:00",
};

static void anything_else_is_malformed(void **state)
{
    int64_t back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (datetime_read(str_from(bad[i]), &back) != ERR_MALFORMED)
            fail_msg("%s was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_and_read_back),
        cmocka_unit_test(every_day_of_four_centuries_comes_back),
        cmocka_unit_test(offsets_and_fractions_are_read),
        cmocka_unit_test(anything_else_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
