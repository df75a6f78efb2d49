/* Growing byte runs, base64 and hexadecimal; counted bytes. */
#include "common/buf.h"
#include "common/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void it_grows_and_keeps_what_it_holds(void **state)
{
    struct buf b = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 3890);
    assert_memory_equal(b.p, "0,1,2,", 6);
    assert_memory_equal(b.p + b.n - 4, "999,", 4);
    buf_fini(&b);
    assert_int_equal(b.cap, 0);
}

static void dropping_leaves_the_rest(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_add(&b, STR("abcdef"));
    buf_drop(&b, 0);
    buf_drop(&b, 2);
    assert_true(str_is(buf_str(&b), "cdef"));
    buf_drop(&b, 4);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void numbers_are_written_to_the_largest(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_add_u64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    assert_true(str_is(buf_str(&b), "0 18446744073709551615"));
    buf_fini(&b);
}

/* RFC 4648 §10 */
static void base64_goes_both_ways(void **state)
{
    static const char *const rows[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = { 0 };

        buf_add_base64(&b, str_from(rows[i][0]));
        assert_true(str_is(buf_str(&b), rows[i][1]));
        buf_clear(&b);
        assert_int_equal(buf_add_base64_decoded(&b, str_from(rows[i][1])), ERR_OK);
        assert_true(str_is(buf_str(&b), rows[i][0]));
        buf_fini(&b);
    }
}

static void base64_that_is_not_canonical_is_refused(void **state)
{
    static const char *const rows[] = { "Zg", "Zg=", "Zg===", "Zh==", "Zg==Zg==", "Z g=", "Zg==\n", "=", "Zm9v=", "Zm9*", "Zm9-" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = { 0 };

        buf_add(&b, STR("kept"));
        assert_int_equal(buf_add_base64_decoded(&b, str_from(rows[i])), ERR_MALFORMED);
        assert_true(str_is(buf_str(&b), "kept"));
        buf_fini(&b);
    }
}

static void hexadecimal_takes_both_cases_and_whole_bytes_only(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_add_hex(&b, STR("\x00\xff\x1a"));
    assert_true(str_is(buf_str(&b), "00ff1a"));
    buf_clear(&b);
    assert_int_equal(buf_add_hex_decoded(&b, STR("00fF1A")), ERR_OK);
    assert_true(str_eq(buf_str(&b), STR("\x00\xff\x1a")));
    assert_int_equal(buf_add_hex_decoded(&b, STR("00f")), ERR_MALFORMED);
    assert_int_equal(buf_add_hex_decoded(&b, STR("000g")), ERR_MALFORMED);
    assert_int_equal(b.n, 3);
    buf_fini(&b);
}

static void counted_bytes_live_until_the_last_reference(void **state)
{
    struct bytes *a = bytes_new(STR("shared"));
    struct bytes *b = bytes_ref(a);

    (void)state;
    bytes_unref(a);
    assert_true(str_is(bytes_str(b), "shared"));
    bytes_unref(b);
    bytes_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_and_keeps_what_it_holds),
        cmocka_unit_test(dropping_leaves_the_rest),
        cmocka_unit_test(numbers_are_written_to_the_largest),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused),
        cmocka_unit_test(hexadecimal_takes_both_cases_and_whole_bytes_only),
        cmocka_unit_test(counted_bytes_live_until_the_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
