/* subscribe.c against RFC 6121 Appendix A: the cases are the RFC's own tables, in its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sm/roster.h"
#include "sm/subscribe.h"

static const struct {
    const char *name;
    uint8_t state;
} names[] = {
    { "None", 0 },
    { "None + Pending Out", ROSTER_PENDING_OUT },
    { "None + Pending In", ROSTER_PENDING_IN },
    { "None + Pending Out+In", ROSTER_PENDING_OUT | ROSTER_PENDING_IN },
    { "To", ROSTER_TO },
    { "To + Pending In", ROSTER_TO | ROSTER_PENDING_IN },
    { "From", ROSTER_FROM },
    { "From + Pending Out", ROSTER_FROM | ROSTER_PENDING_OUT },
    { "Both", ROSTER_TO | ROSTER_FROM },
};

static uint8_t state_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(str_from(name), names[i].name))
            return names[i].state;
    fail_msg("no state is called %s", name);
    return 0;
}

struct row {
    const char *existing, *pass, *new_state; /* "" : no state change */
};

struct table_of_rfc {
    const char *where;
    enum stanza_type type;
    enum stanza_type reply_where_marked; /* "MUST [1]" or "S.N. [2]" */
    struct row rows[9];
};

static const struct table_of_rfc outbound[] = {
    { "A.2.1 table 2", TYPE_SUBSCRIBE, TYPE_NONE, {
        { "None", "MUST", "None + Pending Out" },
        { "None + Pending Out", "MUST", "" },
        { "None + Pending In", "MUST", "None + Pending Out+In" },
        { "None + Pending Out+In", "MUST", "" },
        { "To", "MUST", "" },
        { "To + Pending In", "MUST", "" },
        { "From", "MUST", "From + Pending Out" },
        { "From + Pending Out", "MUST", "" },
        { "Both", "MUST", "" } } },
    { "A.2.2 table 3", TYPE_UNSUBSCRIBE, TYPE_NONE, {
        { "None", "MUST", "" },
        { "None + Pending Out", "MUST", "None" },
        { "None + Pending In", "MUST", "" },
        { "None + Pending Out+In", "MUST", "None + Pending In" },
        { "To", "MUST", "None" },
        { "To + Pending In", "MUST", "None + Pending In" },
        { "From", "MUST", "" },
        { "From + Pending Out", "MUST", "From" },
        { "Both", "MUST", "From" } } },
    { "A.2.3 table 4", TYPE_SUBSCRIBED, TYPE_NONE, {
        { "None", "M.N.", "approved" },
        { "None + Pending Out", "M.N.", "approved" },
        { "None + Pending In", "MUST", "From" },
        { "None + Pending Out+In", "MUST", "From + Pending Out" },
        { "To", "M.N.", "approved" },
        { "To + Pending In", "MUST", "Both" },
        { "From", "M.N.", "" },
        { "From + Pending Out", "M.N.", "" },
        { "Both", "M.N.", "" } } },
    { "A.2.4 table 5", TYPE_UNSUBSCRIBED, TYPE_NONE, {
        { "None", "S.N.", "" },
        { "None + Pending Out", "S.N.", "" },
        { "None + Pending In", "MUST", "None" },
        { "None + Pending Out+In", "MUST", "None + Pending Out" },
        { "To", "S.N.", "" },
        { "To + Pending In", "MUST", "To" },
        { "From", "MUST", "None" },
        { "From + Pending Out", "MUST", "None + Pending Out" },
        { "Both", "MUST", "To" } } },
};

static const struct table_of_rfc inbound[] = {
    { "A.3.1 table 6", TYPE_SUBSCRIBE, TYPE_SUBSCRIBED, {
        { "None", "MUST", "None + Pending In" },
        { "None + Pending Out", "MUST", "None + Pending Out+In" },
        { "None + Pending In", "S.N.", "" },
        { "None + Pending Out+In", "S.N.", "" },
        { "To", "MUST", "To + Pending In" },
        { "To + Pending In", "S.N.", "" },
        { "From", "S.N. reply", "" },
        { "From + Pending Out", "S.N. reply", "" },
        { "Both", "S.N. reply", "" } } },
    { "A.3.2 table 7", TYPE_UNSUBSCRIBE, TYPE_UNSUBSCRIBED, {
        { "None", "S.N.", "" },
        { "None + Pending Out", "S.N.", "" },
        { "None + Pending In", "MUST reply", "None" },
        { "None + Pending Out+In", "MUST reply", "None + Pending Out" },
        { "To", "S.N.", "" },
        { "To + Pending In", "MUST reply", "To" },
        { "From", "MUST reply", "None" },
        { "From + Pending Out", "MUST reply", "None + Pending Out" },
        { "Both", "MUST reply", "To" } } },
    { "A.3.3 table 8", TYPE_SUBSCRIBED, TYPE_NONE, {
        { "None", "S.N.", "" },
        { "None + Pending Out", "MUST", "To" },
        { "None + Pending In", "S.N.", "" },
        { "None + Pending Out+In", "MUST", "To + Pending In" },
        { "To", "S.N.", "" },
        { "To + Pending In", "S.N.", "" },
        { "From", "S.N.", "" },
        { "From + Pending Out", "MUST", "Both" },
        { "Both", "S.N.", "" } } },
    { "A.3.4 table 9", TYPE_UNSUBSCRIBED, TYPE_NONE, {
        { "None", "S.N.", "" },
        { "None + Pending Out", "MUST", "None" },
        { "None + Pending In", "S.N.", "" },
        { "None + Pending Out+In", "MUST", "None + Pending In" },
        { "To", "MUST", "None" },
        { "To + Pending In", "MUST", "None + Pending In" },
        { "From", "S.N.", "" },
        { "From + Pending Out", "MUST", "From" },
        { "Both", "MUST", "From" } } },
};

static uint8_t expected_state(const struct row *r)
{
    uint8_t existing = state_named(r->existing);

    if (str_is(str_from(r->new_state), ""))
        return existing;
    if (str_is(str_from(r->new_state), "approved"))
        return existing | ROSTER_APPROVED;
    return state_named(r->new_state);
}

static void check(const struct table_of_rfc *t, const struct row *r, struct subscribe_outcome o)
{
    bool is_passed = str_starts_with(str_from(r->pass), STR("MUST"));
    bool is_answered = str_ends_with(str_from(r->pass), STR("reply"));

    if (o.state != expected_state(r) || o.is_passed != is_passed
        || o.reply != (is_answered ? t->reply_where_marked : TYPE_NONE))
        fail_msg("%s, existing state \"%s\": state %u, passed %d, reply %d", t->where, r->existing, o.state, o.is_passed,
                 (int)o.reply);
}

static void outbound_stanzas_follow_the_tables_of_a_2(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(outbound); t++)
        for (size_t i = 0; i < 9; i++)
            check(&outbound[t], &outbound[t].rows[i],
                  subscribe_outbound(state_named(outbound[t].rows[i].existing), outbound[t].type));
}

static void inbound_stanzas_follow_the_tables_of_a_3(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(inbound); t++)
        for (size_t i = 0; i < 9; i++)
            check(&inbound[t], &inbound[t].rows[i],
                  subscribe_inbound(state_named(inbound[t].rows[i].existing), inbound[t].type));
}

static void a_request_that_was_approved_before_is_answered_and_not_shown(void **state)
{
    static const struct {
        uint8_t before, after;
    } cases[] = {
        { ROSTER_APPROVED, ROSTER_FROM | ROSTER_APPROVED },
        { ROSTER_APPROVED | ROSTER_PENDING_OUT, ROSTER_FROM | ROSTER_PENDING_OUT | ROSTER_APPROVED },
        { ROSTER_APPROVED | ROSTER_TO, ROSTER_TO | ROSTER_FROM | ROSTER_APPROVED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct subscribe_outcome o = subscribe_inbound(cases[i].before, TYPE_SUBSCRIBE);

        assert_int_equal(o.state, cases[i].after);
        assert_false(o.is_passed);
        assert_int_equal(o.reply, TYPE_SUBSCRIBED);
    }
}

static void unsubscribed_takes_a_pre_approval_back_without_telling_the_contact(void **state)
{
    static const uint8_t before[] = { 0, ROSTER_PENDING_OUT, ROSTER_TO };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        struct subscribe_outcome o = subscribe_outbound(before[i] | ROSTER_APPROVED, TYPE_UNSUBSCRIBED);

        assert_int_equal(o.state, before[i]);
        assert_false(o.is_passed);
    }
}

static void an_unsubscribed_that_answers_a_probe_leaves_a_pre_approval(void **state)
{
    (void)state;
    assert_int_equal(subscribe_inbound(ROSTER_APPROVED, TYPE_UNSUBSCRIBED).state, ROSTER_APPROVED);
    assert_int_equal(subscribe_inbound(ROSTER_APPROVED | ROSTER_TO, TYPE_UNSUBSCRIBED).state, ROSTER_APPROVED);
}

static void clients_see_every_change_but_a_pending_request(void **state)
{
    (void)state;
    assert_false(subscribe_is_visible(0, ROSTER_PENDING_IN));
    assert_false(subscribe_is_visible(ROSTER_TO | ROSTER_PENDING_IN, ROSTER_TO));
    assert_true(subscribe_is_visible(0, ROSTER_PENDING_OUT));
    assert_true(subscribe_is_visible(ROSTER_TO, ROSTER_TO | ROSTER_FROM));
    assert_true(subscribe_is_visible(0, ROSTER_APPROVED));
}

static void every_state_has_the_name_that_clients_read(void **state)
{
    (void)state;
    assert_string_equal(subscribe_name(ROSTER_PENDING_IN), "none");
    assert_string_equal(subscribe_name(ROSTER_TO | ROSTER_PENDING_IN), "to");
    assert_string_equal(subscribe_name(ROSTER_FROM | ROSTER_PENDING_OUT), "from");
    assert_string_equal(subscribe_name(ROSTER_TO | ROSTER_FROM | ROSTER_APPROVED), "both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbound_stanzas_follow_the_tables_of_a_2),
        cmocka_unit_test(inbound_stanzas_follow_the_tables_of_a_3),
        cmocka_unit_test(a_request_that_was_approved_before_is_answered_and_not_shown),
        cmocka_unit_test(unsubscribed_takes_a_pre_approval_back_without_telling_the_contact),
        cmocka_unit_test(an_unsubscribed_that_answers_a_probe_leaves_a_pre_approval),
        cmocka_unit_test(clients_see_every_change_but_a_pending_request),
        cmocka_unit_test(every_state_has_the_name_that_clients_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
