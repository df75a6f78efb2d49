/* Counters, gauges, collectors, their text; the scrape endpoint without sockets. */
#include "common/metric.h"
#include "common/metrics_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct metric things = METRIC("sallyport_test_things_total", METRIC_COUNTER, "Things.");
static struct metric level = METRIC("sallyport_test_level", METRIC_GAUGE, "Level.");

static bool has(const struct buf *b, const char *line)
{
    return b->n > 0 && memmem(b->p, b->n, line, strlen(line)) != NULL;
}

static void collect(void *owner, struct buf *out)
{
    metric_set(&level, *(int *)owner);
    buf_add(out, STR("sallyport_test_labelled{a=\"b\"} 1\n"));
}

static void metrics_are_written_in_exposition_format(void **state)
{
    static int height = 9;
    struct buf out = { 0 };

    (void)state;
    metric_register(&things);
    metric_register(&level);
    metric_register(&things); /* does nothing */
    metric_on_collect(collect, &height);
    metric_on_collect(collect, &height);
    metric_inc(&things);
    metric_add(&things, 41);
    metric_write(&out);
    assert_true(has(&out, "# HELP sallyport_test_things_total Things.\n# TYPE sallyport_test_things_total counter\n"
                          "sallyport_test_things_total 42\n"));
    assert_true(has(&out, "# TYPE sallyport_test_level gauge\nsallyport_test_level 9\n"));
    assert_true(has(&out, "sallyport_test_labelled{a=\"b\"} 1\n"));
    buf_fini(&out);
}

static void nothing_is_asked_of_who_was_forgotten(void **state)
{
    static int other = 3;
    struct buf out = { 0 };

    (void)state;
    metric_register(&level);
    metric_on_collect(collect, &other);
    metric_forget(&other);
    metric_set(&level, 5);
    metric_write(&out);
    assert_false(has(&out, "sallyport_test_level 3\n"));
    buf_fini(&out);
}

static void more(void *owner, const char *name, struct buf *out)
{
    buf_printf(out, "%s_more %d\n", name ? name : "rest", *(int *)owner);
}

static void more_lines_of_a_name_stand_behind_its_own(void **state)
{
    static int owner = 4;
    struct buf out = { 0 };

    (void)state;
    metric_register(&things);
    metric_on_more(more, &owner);
    metric_write(&out);
    assert_non_null(strstr((buf_add_char(&out, '\0'), out.p), "\nprocess_max_fds_more 4\n"));
    assert_true(str_ends_with(str_from(out.p), STR("rest_more 4\n")));
    metric_forget(&owner);
    buf_clear(&out);
    metric_write(&out);
    assert_false(has(&out, "_more"));
    buf_fini(&out);
}

static void the_process_reports_itself(void **state)
{
    static const char *const names[] = { "\nprocess_cpu_seconds_total ",     "\nprocess_resident_memory_bytes ",
                                         "\nprocess_virtual_memory_bytes ",  "\nprocess_open_fds ",
                                         "\nprocess_max_fds ",               "\nprocess_start_time_seconds " };
    struct buf out = { 0 };

    (void)state;
    metric_write(&out);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(has(&out, names[i]));
    assert_false(has(&out, "\nprocess_start_time_seconds 0\n"));
    assert_int_equal(out.p[out.n - 1], '\n');
    buf_fini(&out);
}

static void only_get_of_metrics_is_answered(void **state)
{
    static const char *const rows[][2] = {
        { "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.0 200 OK\r\n" },
        { "GET /metrics?name=x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n" },
        { "GET / HTTP/1.1\r\n\r\n", "HTTP/1.0 404 Not Found\r\n" },
        { "GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.0 404 Not Found\r\n" },
        { "POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.0 405 Method Not Allowed\r\n" },
        { "GET /metrics\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" },
        { "GET /metrics HTTP/2\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" },
        { "\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" },
        { "", "HTTP/1.0 400 Bad Request\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        metrics_http_answer(str_from(rows[i][0]), &out);
        assert_true(str_starts_with(buf_str(&out), str_from(rows[i][1])));
        assert_true(has(&out, "\r\nConnection: close\r\n\r\n"));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_written_in_exposition_format),
        cmocka_unit_test(nothing_is_asked_of_who_was_forgotten),
        cmocka_unit_test(more_lines_of_a_name_stand_behind_its_own),
        cmocka_unit_test(the_process_reports_itself),
        cmocka_unit_test(only_get_of_metrics_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
