/* flows.json: what is understood of it, and what is refused: it decides what is a finding. */
#include "common/mem.h"
#include "deploy/ctl/boundary_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONTROL                                                                                                                                \
    "{\"from\":\"readers\",\"from_host\":\"gate\",\"from_user\":\"\",\"to\":\"c2s-1\",\"to_host\":\"gate\",\"to_user\":\"u\","                 \
    "\"to_program\":\"/usr/sbin/sallyport-c2s\",\"protocol\":\"unix\",\"path\":\"/run/c2s-1.sock\"}"
#define ROW(protocol, port, from_address, rest)                                                                                                \
    "{\"from\":\"clients\",\"from_host\":\"\",\"from_user\":\"\",\"from_address\":\"" from_address                                             \
    "\",\"to\":\"c2s-1\",\"to_host\":\"gate\",\"to_user\":\"u\",\"to_address\":\"192.0.2.1\",\"protocol\":\"" protocol "\",\"port\":\"" port   \
    "\"" rest "}"

static enum err read_text(const char *text, struct boundary_plan *p, struct buf *why)
{
    buf_clear(why);
    return boundary_plan_read(str_from(text), p, why);
}

static void a_file_of_a_host_is_understood(void **state)
{
    struct boundary_plan p;
    struct buf why = { 0 };

    (void)state;
    assert_int_equal(read_text("[" CONTROL "," ROW("tcp", "5222", "any", "") "]", &p, &why), ERR_OK);
    assert_true(str_is(p.host, "gate"));
    assert_int_equal(p.node_count, 1);
    assert_true(str_is(p.nodes[0].name, "c2s-1") && str_is(p.nodes[0].program, "/usr/sbin/sallyport-c2s") && str_is(p.nodes[0].user, "u"));
    assert_int_equal(p.flow_count, 2);
    assert_ptr_equal(p.flows[1].node, &p.nodes[0]);
    assert_null(p.flows[1].dialler);
    assert_int_equal(p.flows[1].port, 5222);
    assert_true(str_is(p.flows[1].name, "clients > c2s-1 tcp/5222"));
    boundary_plan_fini(&p);
    buf_fini(&why);
}

static void what_is_not_flows_of_one_host_is_refused_with_a_sentence(void **state)
{
    static const char *const rows[] = {
        "",
        "[",
        "{}",
        "[]",
        "[1]",
        "[" ROW("tcp", "5222", "any", "") "]", /* of no host */
        "[" CONTROL "," ROW("sctp", "5222", "any", "") "]",
        "[" CONTROL "," ROW("tcp", "0", "any", "") "]",
        "[" CONTROL "," ROW("tcp", "65536", "any", "") "]",
        "[" CONTROL "," ROW("tcp", "", "any", "") "]",
        "[" CONTROL "," ROW("tcp", "5222", "", "") "]", /* nobody is not anybody */
        "[" CONTROL "," ROW("tcp", "5222", "10.0.0.0/33", "") "]",
        "[" CONTROL "," ROW("unix", "", "any", "") "]",
        "[" CONTROL "," ROW("tcp", "5222", "any", ",\"to_user\":\"root\"") "]", /* a member twice */
        "[" CONTROL "," "{\"from\":\"a\",\"to\":\"b\"}" "]",
        "[" CONTROL ",{\"from\":\"readers\",\"from_host\":\"core\",\"from_user\":\"\",\"to\":\"sm-1\",\"to_host\":\"core\",\"to_user\":\"u\","
        "\"protocol\":\"unix\",\"path\":\"/run/sm-1.sock\"}]", /* of two hosts */
    };
    struct buf why = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct boundary_plan p;

        if (read_text(rows[i], &p, &why) != ERR_MALFORMED || why.n == 0)
            fail_msg("%s", rows[i]);
    }
    buf_fini(&why);
}

static void too_many_levels_or_rows_are_refused(void **state)
{
    struct buf text = { 0 }, why = { 0 };
    struct boundary_plan p;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, '[');
    assert_int_equal(boundary_plan_read(buf_str(&text), &p, &why), ERR_MALFORMED);
    buf_clear(&text);
    buf_add_char(&text, '[');
    for (int i = 0; i <= BOUNDARY_MAX_FLOWS; i++)
        buf_add(&text, i ? STR(",0") : STR("0"));
    buf_add_char(&text, ']');
    buf_clear(&why);
    assert_int_equal(boundary_plan_read(buf_str(&text), &p, &why), ERR_MALFORMED);
    buf_fini(&text);
    buf_fini(&why);
}

static void a_file_of_an_older_plan_is_named_as_that(void **state)
{
    struct boundary_plan p;
    struct buf why = { 0 };

    (void)state;
    assert_int_equal(
        read_text("[{\"from\":\"a\",\"from_host\":\"\",\"from_user\":\"\",\"to\":\"b\",\"to_host\":\"\",\"protocol\":\"tcp\"}]", &p, &why),
        ERR_MALFORMED);
    assert_non_null(memmem(why.p, why.n, "plan again", 10));
    buf_fini(&why);
}

static void users_and_programs_are_those_of_this_host(void **state)
{
    struct boundary_node nodes[] = { { .user = STR("root"), .program = STR("/proc/self/../self/cwd/.") },
                                     { .user = STR("nobody at all"), .program = STR("/nowhere/sallyport-c2s") } };
    char *here = realpath(".", NULL);
    struct boundary_plan p = { .nodes = nodes, .node_count = 2 };

    (void)state;
    nodes[0].uid = nodes[1].uid = BOUNDARY_NO_UID;
    boundary_plan_resolve(&p);
    assert_int_equal(nodes[0].uid, 0);
    assert_true(nodes[1].uid == BOUNDARY_NO_UID);
    assert_true(boundary_plan_has_uid(&p, 0));
    assert_false(boundary_plan_has_uid(&p, BOUNDARY_NO_UID));
    assert_true(str_is(nodes[0].program, here));
    assert_true(str_is(nodes[1].program, "/nowhere/sallyport-c2s"));
    free(here);
    arena_fini(&p.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_host_is_understood),
        cmocka_unit_test(what_is_not_flows_of_one_host_is_refused_with_a_sentence),
        cmocka_unit_test(too_many_levels_or_rows_are_refused),
        cmocka_unit_test(a_file_of_an_older_plan_is_named_as_that),
        cmocka_unit_test(users_and_programs_are_those_of_this_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
