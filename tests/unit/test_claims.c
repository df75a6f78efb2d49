/* Metrics of peers: what is taken, and how it is shown. */
#include "common/metric.h"
#include "router/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_a_name_of_ours_and_a_number_is_taken(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "sallyport_a 1\n", "# TYPE sallyport_a gauge\nsallyport_a{peer=\"p\",claim=\"1\"} 1\n" },
        { "sallyport_a_total 1.5e+3", "# TYPE sallyport_a_total counter\nsallyport_a_total{peer=\"p\",claim=\"1\"} 1.5e+3\n" },
        { "process_a -1\n", "# TYPE process_a gauge\nprocess_a{peer=\"p\",claim=\"1\"} -1\n" },
        { "sallyport_a 1\nsallyport_a 2\n", "# TYPE sallyport_a gauge\nsallyport_a{peer=\"p\",claim=\"1\"} 1\n" },
        { "# TYPE sallyport_a counter\n", "" },
        { "sallyport_a{peer=\"q\"} 1\n", "" },
        { "sallyport_a 1 1700000000\n", "" },
        { "sallyport_a\n", "" },
        { "sallyport_a \n", "" },
        { "sallyport_a NaN\n", "" },
        { "sallyport_A 1\n", "" },
        { "up 1\n", "" },
        { " sallyport_a 1\n", "" },
        { "sallyport_a 1\r\n", "" },
        { "sallyport_a 1111111111111111111111111111111111111111\n", "" },
        { "", "" },
        { "\n\n\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct claims cs;
        struct buf out = { 0 };

        claims_init(&cs);
        claims_take(&cs, STR("p"), str_from(rows[i].text));
        claims_write(&cs, NULL, &out);
        print_message("  %s\n", rows[i].text);
        assert_true(str_is(buf_str(&out), rows[i].expected));
        buf_fini(&out);
        claims_fini(&cs);
    }
}

/* The text format wants all lines of a name in one group. */
static void a_name_is_shown_in_one_place_with_all_peers(void **state)
{
    struct claims cs;
    struct buf out = { 0 };

    (void)state;
    claims_init(&cs);
    claims_take(&cs, STR("p"), STR("sallyport_a 1\nsallyport_b 2\n"));
    claims_take(&cs, STR("q"), STR("sallyport_b 3\n"));
    for (int i = 0; i < 2; i++) { /* each scrape anew */
        buf_clear(&out);
        claims_write(&cs, "sallyport_a", &out);
        assert_true(str_is(buf_str(&out), "sallyport_a{peer=\"p\",claim=\"1\"} 1\n"));
        buf_clear(&out);
        claims_write(&cs, NULL, &out);
        assert_null(memmem(out.p, out.n, "sallyport_a", 11));
        assert_int_equal(out.n, strlen("# TYPE sallyport_b gauge\nsallyport_b{peer=\"p\",claim=\"1\"} 2\nsallyport_b{peer=\"q\",claim=\"1\"} 3\n"));
    }
    buf_fini(&out);
    claims_fini(&cs);
}

static void the_last_report_of_a_present_peer_counts(void **state)
{
    struct claims cs;
    struct buf out = { 0 };

    (void)state;
    claims_init(&cs);
    claims_take(&cs, STR("p"), STR("sallyport_a 1\n"));
    claims_take(&cs, STR("p"), STR("sallyport_a 2\n"));
    claims_write(&cs, "sallyport_a", &out);
    assert_true(str_is(buf_str(&out), "sallyport_a{peer=\"p\",claim=\"1\"} 2\n"));
    claims_drop(&cs, STR("p"));
    claims_drop(&cs, STR("p"));
    buf_clear(&out);
    claims_write(&cs, "sallyport_a", &out);
    claims_write(&cs, NULL, &out);
    assert_int_equal(out.n, 0);
    buf_fini(&out);
    claims_fini(&cs);
}

static void a_peer_s_samples_are_bounded(void **state)
{
    struct claims cs;
    struct buf text = { 0 }, out = { 0 };
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < CLAIMS_MAX_SAMPLES + 100; i++)
        buf_printf(&text, "sallyport_a%d 1\n", i);
    claims_init(&cs);
    claims_take(&cs, STR("p"), buf_str(&text));
    claims_write(&cs, NULL, &out);
    for (size_t i = 0; i < out.n; i++)
        lines += out.p[i] == '\n';
    assert_int_equal(lines, 2 * CLAIMS_MAX_SAMPLES);
    buf_fini(&text);
    buf_fini(&out);
    claims_fini(&cs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_name_of_ours_and_a_number_is_taken),
        cmocka_unit_test(a_name_is_shown_in_one_place_with_all_peers),
        cmocka_unit_test(the_last_report_of_a_present_peer_counts),
        cmocka_unit_test(a_peer_s_samples_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
