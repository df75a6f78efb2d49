/* The document of a report, its tables, and what is refused as one; merging. */
#include "common/mem.h"
#include "deploy/ctl/boundary_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define REPORT(host, time, flows, sockets)                                                                                                     \
    "{\"format\":\"" BOUNDARY_FORMAT "\",\"host\":\"" host "\",\"time\":\"" time "\",\"version\":\"1\",\"flows\":[" flows                      \
    "],\"processes\":[],\"sockets\":[" sockets "],\"findings\":[],\"notes\":[]}"
#define CONTROL(host, process)                                                                                                                 \
    "{\"from\":\"readers\",\"from_host\":\"" host "\",\"from_user\":\"\",\"to\":\"" process "\",\"to_host\":\"" host                           \
    "\",\"to_user\":\"u\",\"to_program\":\"/p\",\"protocol\":\"unix\",\"path\":\"/run/" process "\"}"
#define LINK                                                                                                                                   \
    "{\"from\":\"router-1\",\"from_host\":\"core\",\"from_user\":\"r\",\"from_address\":\"10.2.0.5\",\"to\":\"c2s-1\",\"to_host\":\"gate\","   \
    "\"to_user\":\"u\",\"to_address\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":\"5275\",\"path\":\"\"}"
#define SOCKET(process, direction, local, remote)                                                                                              \
    "{\"process\":\"" process "\",\"pid\":1,\"kind\":\"tcp\",\"state\":\"connected\",\"direction\":\"" direction "\",\"local\":\"" local       \
    "\",\"remote\":\"" remote "\",\"verdict\":\"declared\",\"flow\":\"router-1 > c2s-1 tcp/5275\",\"from\":\"router-1\",\"to\":\"c2s-1\","     \
    "\"why\":\"\",\"count\":1}"
#define AT "2026-01-31T12:00:00Z"
#define GATE_FLOWS CONTROL("gate", "c2s-1") "," LINK
#define CORE_FLOWS CONTROL("core", "router-1") "," LINK
#define GATE_SOCKET SOCKET("c2s-1", "in", "192.0.2.1:5275", "10.2.0.5:40000")
#define CORE_SOCKET SOCKET("router-1", "out", "10.2.0.5:40000", "192.0.2.1:5275")

static json_t *parse(const char *text)
{
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(o);
    return o;
}

static void each_pair_of_reports_agrees_or_says_where_not(void **state)
{
    static const struct {
        const char *one, *two; /* two NULL: only one */
        const char *finding, *note;
    } rows[] = {
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), REPORT("core", AT, CORE_FLOWS, CORE_SOCKET), NULL, NULL },
        { REPORT("gate", AT, GATE_FLOWS, ""), REPORT("core", AT, CORE_FLOWS, ""), NULL, NULL },
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), REPORT("core", AT, CORE_FLOWS, ""), "one-sided", NULL },
        { REPORT("gate", AT, GATE_FLOWS, ""), REPORT("core", AT, CORE_FLOWS, CORE_SOCKET), "one-sided", NULL },
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), REPORT("core", "2026-01-31T12:01:00Z", CORE_FLOWS, ""), "one-sided", NULL },
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), REPORT("core", "2026-01-31T12:01:01Z", CORE_FLOWS, ""), NULL, "one-sided" },
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), REPORT("core", "2026-01-31T11:58:00Z", CORE_FLOWS, ""), NULL, "one-sided" },
        { REPORT("gate", AT, GATE_FLOWS, GATE_SOCKET), NULL, "host-missing", NULL },
        { REPORT("gate", AT, GATE_FLOWS, ""), REPORT("core", AT, CONTROL("core", "router-1"), ""), "plans-differ", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *reports[] = { parse(rows[i].one), rows[i].two ? parse(rows[i].two) : NULL }, *merged = NULL, *findings, *notes;
        struct buf why = { 0 };

        for (int k = 0; k < 2; k++)
            assert_true(!reports[k] || boundary_report_check(reports[k], &why) == ERR_OK);
        if (boundary_merge(reports, rows[i].two ? 2 : 1, 60, &merged, &why) != ERR_OK)
            fail_msg("row %zu: %.*s", i, (int)why.n, why.p);
        findings = json_object_get(merged, "findings");
        notes = json_object_get(merged, "notes");
        if (json_array_size(findings) != (rows[i].finding != NULL) || json_array_size(notes) != (rows[i].note != NULL))
            fail_msg("row %zu: %zu findings, %zu notes", i, json_array_size(findings), json_array_size(notes));
        if (rows[i].finding)
            assert_true(str_is(boundary_report_text(json_array_get(findings, 0), "code"), rows[i].finding));
        if (rows[i].note)
            assert_true(str_is(boundary_report_text(json_array_get(notes, 0), "code"), rows[i].note));
        json_decref(merged);
        json_decref(reports[0]);
        json_decref(reports[1]);
        buf_fini(&why);
    }
}

static void reports_that_do_not_go_together_are_refused(void **state)
{
    static const char *const rows[][2] = {
        { REPORT("gate", AT, GATE_FLOWS, ""), REPORT("gate", AT, GATE_FLOWS, "") },
        { REPORT("gate", AT, CORE_FLOWS, ""), REPORT("core", AT, CORE_FLOWS, "") },
        { REPORT("gate", "yesterday", GATE_FLOWS, ""), REPORT("core", AT, CORE_FLOWS, "") },
        { REPORT("gate", AT "x", GATE_FLOWS, ""), REPORT("core", AT, CORE_FLOWS, "") },
        { REPORT("gate", AT, "", ""), REPORT("core", AT, CORE_FLOWS, "") },
        { REPORT("gate", AT, "1", ""), REPORT("core", AT, CORE_FLOWS, "") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *reports[] = { parse(rows[i][0]), parse(rows[i][1]) }, *merged = NULL;
        struct buf why = { 0 };

        if (boundary_merge(reports, 2, 60, &merged, &why) != ERR_MALFORMED || why.n == 0 || merged)
            fail_msg("row %zu", i);
        json_decref(reports[0]);
        json_decref(reports[1]);
        buf_fini(&why);
    }
}

static void what_is_no_report_is_refused(void **state)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "[1]",
        "{\"format\":1}",
        "{\"format\":\"" BOUNDARY_FORMAT "\"}",
        REPORT("gate\\u001b[2J", AT, GATE_FLOWS, ""),
        REPORT("gate", AT, GATE_FLOWS, "1"),
        REPORT("gate", AT, GATE_FLOWS, "{}"),
        REPORT("gate", AT, GATE_FLOWS, "{\"process\":1}"),
        REPORT("gate", AT, GATE_FLOWS, SOCKET("c2s-1", "in", "\\u000a", "x")),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *report = parse(rows[i]);
        struct buf why = { 0 };

        if (boundary_report_check(report, &why) != ERR_MALFORMED || why.n == 0)
            fail_msg("row %zu", i);
        json_decref(report);
        buf_fini(&why);
    }
}

/* Connections of clients are one row with their number; a row for each when asked. */
static void clients_are_counted(void **state)
{
    struct boundary_flow flow = { .from = STR("clients"), .to = STR("c2s-1"), .from_user = STR(""), .name = STR("clients > c2s-1") };
    struct boundary_plan plan = { .rows = json_array(), .host = STR("gate"), .flows = &flow, .flow_count = 1 };
    struct boundary_process process = { .pid = 7, .program = STR("/usr/sbin/sallyport-c2s"), .user = STR("u"), .core_limit = STR("0") };
    struct boundary_look look = { .processes = &process, .process_count = 1 };
    struct boundary_socket socket = { .kind = BOUNDARY_TCP, .state = BOUNDARY_CONNECTED, .inode = 5 };
    struct boundary_row rows[3];
    const struct boundary_node *nodes[] = { NULL };
    struct boundary_judgement j = { .nodes = nodes, .rows = rows, .row_count = 3 };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        rows[i] = (struct boundary_row){ .process = &process,
                                         .socket = &socket,
                                         .local = i == 2 ? STR("b:1") : STR("a:1"),
                                         .remote = STR("c:1"),
                                         .direction = BOUNDARY_IN,
                                         .verdict = BOUNDARY_DECLARED,
                                         .flow = &flow };
    for (int is_each = 0; is_each <= 1; is_each++) {
        const struct boundary_facts facts = { "host", "1", "/f", 0, is_each };
        json_t *report = boundary_report_make(&plan, &look, &j, &facts), *list = json_object_get(report, "sockets");
        struct buf out = { 0 };

        assert_int_equal(boundary_report_check(report, &out), ERR_OK);
        assert_int_equal(json_array_size(list), is_each ? 3 : 2);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "count")), is_each ? 1 : 2);
        assert_true(str_is(boundary_report_text(json_array_get(list, 0), "remote"), is_each ? "c:1" : "*"));
        assert_true(str_is(boundary_report_text(report, "time"), "1970-01-01T00:00:00Z"));
        boundary_report_print_sockets(&report, 1, &out);
        assert_true(!is_each == (memmem(out.p, out.n, "(2 connections)", 15) != NULL));
        buf_fini(&out);
        json_decref(report);
    }
    json_decref(plan.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_of_reports_agrees_or_says_where_not),
        cmocka_unit_test(reports_that_do_not_go_together_are_refused),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(clients_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
