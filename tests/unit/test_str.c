/* Borrowed byte runs: comparing, cutting, numbers, UTF-8. */
#include "common/mem.h"
#include "common/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void prefixes_and_suffixes_are_bytes_at_the_ends(void **state)
{
    static const struct {
        struct str s, part;
        bool starts, ends;
    } rows[] = {
        { STR("abc"), STR("ab"), true, false }, { STR("abc"), STR("bc"), false, true }, { STR("abc"), STR("abc"), true, true },
        { STR("abc"), STR(""), true, true },    { STR("ab"), STR("abc"), false, false }, { { NULL, 0 }, STR(""), true, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_starts_with(rows[i].s, rows[i].part), rows[i].starts);
        assert_int_equal(str_ends_with(rows[i].s, rows[i].part), rows[i].ends);
    }
}

static void only_ascii_letters_are_folded(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("aBc"), STR("AbC")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("\xc3\xa4"), STR("\xc3\x84")));
    assert_false(str_eq_nocase(STR("["), STR("{")));
}

static void order_is_by_bytes_and_then_by_length(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
}

static void constant_time_comparison_agrees_with_comparison(void **state)
{
    (void)state;
    assert_true(str_eq_const_time(STR("secret"), STR("secret")));
    assert_false(str_eq_const_time(STR("secret"), STR("secreT")));
    assert_false(str_eq_const_time(STR("secret"), STR("secrets")));
    assert_true(str_eq_const_time(STR_NONE, STR("")));
}

static void cutting_gives_every_part_and_then_nothing(void **state)
{
    struct str rest = STR("a,,b,");

    (void)state;
    assert_true(str_is(str_cut(&rest, ','), "a"));
    assert_true(str_is(str_cut(&rest, ','), ""));
    assert_true(str_is(str_cut(&rest, ','), "b"));
    assert_true(str_is_set(rest));
    assert_true(str_is(str_cut(&rest, ','), ""));
    assert_false(str_is_set(rest));
}

static void trimming_takes_white_space_at_both_ends_only(void **state)
{
    (void)state;
    assert_true(str_is(str_trim(STR(" \t\r\na b\n ")), "a b"));
    assert_true(str_is(str_trim(STR("  ")), ""));
    assert_true(str_is(str_trim(STR_NONE), ""));
}

static void numbers_are_decimal_without_overflow(void **state)
{
    static const struct {
        const char *text;
        enum err e;
        uint64_t value;
    } rows[] = {
        { "0", ERR_OK, 0 },
        { "007", ERR_OK, 7 },
        { "18446744073709551615", ERR_OK, UINT64_MAX },
        { "18446744073709551616", ERR_MALFORMED, 0 },
        { "184467440737095516150", ERR_MALFORMED, 0 },
        { "", ERR_MALFORMED, 0 },
        { "+1", ERR_MALFORMED, 0 },
        { "-1", ERR_MALFORMED, 0 },
        { " 1", ERR_MALFORMED, 0 },
        { "1a", ERR_MALFORMED, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 0;

        assert_int_equal(str_to_u64(str_from(rows[i].text), &value), rows[i].e);
        assert_int_equal(value, rows[i].value);
    }
}

static void signed_numbers_keep_their_range(void **state)
{
    int64_t value = 0;

    (void)state;
    assert_int_equal(str_to_i64(STR("-12"), &value), ERR_OK);
    assert_int_equal(value, -12);
    assert_int_equal(str_to_i64(STR("9223372036854775807"), &value), ERR_OK);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &value), ERR_MALFORMED);
    assert_int_equal(str_to_i64(STR("--1"), &value), ERR_MALFORMED);
    assert_int_equal(str_to_i64(STR("-"), &value), ERR_MALFORMED);
}

static void a_copy_keeps_nul_bytes_and_ends_in_one(void **state)
{
    char *copy = str_dup(str_of("a\0b", 3));

    (void)state;
    assert_memory_equal(copy, "a\0b", 4);
    mem_free(copy);
}

static void only_well_formed_utf8_is_utf8(void **state)
{
    static const struct {
        const char *text;
        bool is_utf8;
    } rows[] = {
        { "", true },
        { "abc \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", true },
        { "\xf4\x8f\xbf\xbf", true },
        { "\x80", false },             /* a continuation alone */
        { "\xc3", false },             /* cut off */
        { "\xc0\xaf", false },         /* overlong */
        { "\xe0\x80\xaf", false },
        { "\xf0\x80\x80\xaf", false },
        { "\xed\xa0\x80", false },     /* a surrogate */
        { "\xf4\x90\x80\x80", false }, /* beyond U+10FFFF */
        { "\xf8\x88\x80\x80\x80", false },
        { "\xff", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(str_is_utf8(str_from(rows[i].text)), rows[i].is_utf8);
}

static void a_code_point_is_read_with_its_length(void **state)
{
    uint32_t code = 0;

    (void)state;
    assert_int_equal(str_utf8_next(STR("\xe2\x82\xac!"), &code), 3);
    assert_int_equal(code, 0x20ac);
    assert_int_equal(str_utf8_next(STR(""), &code), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_and_suffixes_are_bytes_at_the_ends),
        cmocka_unit_test(only_ascii_letters_are_folded),
        cmocka_unit_test(order_is_by_bytes_and_then_by_length),
        cmocka_unit_test(constant_time_comparison_agrees_with_comparison),
        cmocka_unit_test(cutting_gives_every_part_and_then_nothing),
        cmocka_unit_test(trimming_takes_white_space_at_both_ends_only),
        cmocka_unit_test(numbers_are_decimal_without_overflow),
        cmocka_unit_test(signed_numbers_keep_their_range),
        cmocka_unit_test(a_copy_keeps_nul_bytes_and_ends_in_one),
        cmocka_unit_test(only_well_formed_utf8_is_utf8),
        cmocka_unit_test(a_code_point_is_read_with_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
