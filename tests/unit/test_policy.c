/* The router's table: who may send as whom to whom. */
#include "router/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define I "0123456789abcdef"

static bool is_process(const void *owner, struct str name)
{
    (void)owner;
    return str_is(name, "sm-1.in") || str_is(name, "c2s-1.in") || str_is(name, "c2s-2.in") ||
           str_is(name, "s2s-1.in") || str_is(name, "router-1.in");
}

static bool is_component(const void *owner, struct str domain)
{
    (void)owner;
    return str_is(domain, "plays.example") || str_is(domain, "irc.example");
}

static bool is_hosted(const void *owner, struct str domain)
{
    (void)owner;
    return str_is(domain, "example.com");
}

static const struct policy_world world = { NULL, is_process, is_component, is_hosted };
static const struct policy_sender c2s = { POLICY_C2S, { "c2s-1.in", 8 }, { I, 16 } },
                                  sm = { POLICY_SM, { "sm-1.in", 7 }, { I, 16 } },
                                  s2s = { POLICY_S2S, { "s2s-1.in", 8 }, { I, 16 } },
                                  plays = { POLICY_COMPONENT,
                                            { "plays.example", 13 },
                                            { NULL, 0 } };

static void an_address_is_sorted_by_who_it_names(void **state)
{
    static const struct {
        const struct policy_sender *sender;
        const char *address;
        enum policy_from expected;
    } rows[] = {
        { &c2s, "c2s-1.in", POLICY_FROM_SELF },
        { &c2s, "c2s-1.in/" I "-42", POLICY_FROM_SELF },
        { &c2s, "c2s-1.in/1123456789abcdef-42", POLICY_FROM_OTHER },
        { &c2s, "c2s-1.in/" I, POLICY_FROM_OTHER },
        { &c2s, "c2s-1.in/", POLICY_FROM_OTHER },
        { &c2s, "c2s-2.in/" I "-42", POLICY_FROM_OTHER },
        { &c2s, "sm-1.in", POLICY_FROM_OTHER },
        { &c2s, "router-1.in", POLICY_FROM_OTHER },
        { &c2s, "a@c2s-1.in", POLICY_FROM_OTHER },
        { &c2s, "alice@example.com/x", POLICY_FROM_HOSTED },
        { &c2s, "example.com", POLICY_FROM_HOSTED },
        { &c2s, "x@plays.example", POLICY_FROM_COMPONENT },
        { &c2s, "bob@elsewhere.org/y", POLICY_FROM_REMOTE },
        { &sm, "sm-1.in", POLICY_FROM_SELF },
        { &sm, "alice@example.com/x@y/z", POLICY_FROM_HOSTED },
        { &sm, "plays.example/res", POLICY_FROM_COMPONENT },
        { &sm, "c2s-1.in/" I "-1", POLICY_FROM_OTHER },
        { &s2s, "s2s-1.in", POLICY_FROM_SELF },
        { &s2s, "bob@elsewhere.org", POLICY_FROM_REMOTE },
        { &s2s, "alice@example.com", POLICY_FROM_HOSTED },
        { &s2s, "irc.example", POLICY_FROM_COMPONENT },
        { &plays, "plays.example", POLICY_FROM_SELF },
        { &plays, "romeo@plays.example/act1", POLICY_FROM_SELF },
        { &plays, "irc.example", POLICY_FROM_COMPONENT },
        { &plays, "plays.example@example.com", POLICY_FROM_HOSTED },
        { &plays, "example.com/plays.example", POLICY_FROM_HOSTED },
        { &plays, "sm-1.in", POLICY_FROM_OTHER },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (policy_from(&world, rows[i].sender, str_from(rows[i].address)) != rows[i].expected)
            fail_msg("%s", rows[i].address);
}

/* ARCHITECTURE §3, every cell. */
static void each_role_may_what_the_table_says_and_no_more(void **state)
{
    enum { SELF = 1, HOSTED = 2, COMPONENT = 4, REMOTE = 8, OTHER = 16 };
    enum { SM = 1, OWNER = 2, C2S = 4, S2S = 8, TO_COMPONENT = 16, ROUTER = 32, NOBODY = 64 };
    static const unsigned from[] = { [POLICY_C2S] = SELF,
                                     [POLICY_S2S] = SELF | REMOTE,
                                     [POLICY_SM] = SELF | HOSTED | COMPONENT | REMOTE,
                                     [POLICY_COMPONENT] = SELF };
    static const unsigned to[] = { [POLICY_C2S] = SM | ROUTER | NOBODY,
                                   [POLICY_S2S] = SM | OWNER | ROUTER | NOBODY,
                                   [POLICY_SM] =
                                       SM | OWNER | C2S | S2S | TO_COMPONENT | ROUTER | NOBODY,
                                   [POLICY_COMPONENT] = OWNER | NOBODY };

    (void)state;
    for (int role = 0; role < POLICY_ROLE_COUNT; role++)
        for (unsigned f = SELF; f <= OTHER; f <<= 1)
            for (unsigned t = SM; t <= NOBODY; t <<= 1)
                assert_int_equal(
                    policy_may_send((enum policy_role)role, (enum policy_from)f, (enum policy_to)t),
                    (from[role] & f) && (to[role] & t));
}

static void a_domain_is_what_stands_between_at_and_slash(void **state)
{
    static const char *const rows[][2] = {
        { "a@b.c/d@e/f", "b.c" }, { "b.c", "b.c" }, { "b.c/x@y", "b.c" }, { "a@b", "b" }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(str_is(policy_domain(str_from(rows[i][0])), rows[i][1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_sorted_by_who_it_names),
        cmocka_unit_test(each_role_may_what_the_table_says_and_no_more),
        cmocka_unit_test(a_domain_is_what_stands_between_at_and_slash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
