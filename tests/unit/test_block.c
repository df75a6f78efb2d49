/* XEP-0191 §6: which JIDs an entry means, and who is never blocked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "sm/block.h"

static struct jid jid(const char *text)
{
    struct jid j;

    jid_split(str_from(text), &j);
    return j;
}

static const struct {
    const char *entry, *who;
    bool is_blocked;
} rows[] = {
    { "a@b/c", "a@b/c", true }, { "a@b/c", "a@b/d", false }, { "a@b/c", "a@b", false },
    { "a@b", "a@b", true },     { "a@b", "a@b/c", true },    { "a@b", "x@b", false },
    { "a@b", "b", false },      { "b/c", "b/c", true },      { "b/c", "b", false },
    { "b/c", "b/d", false },    { "b/c", "a@b/c", false },   { "b", "b", true },
    { "b", "b/c", true },       { "b", "a@b", true },        { "b", "a@b/c", true },
    { "b", "sub.b", false },    { "b", "a@sub.b", false },   { "a@b", "aa@b", false },
};

static void an_entry_means_what_the_order_of_matching_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct jid entry = jid(rows[i].entry), who = jid(rows[i].who);

        if (block_covers(&entry, &who) != rows[i].is_blocked)
            fail_msg("%s, %s", rows[i].entry, rows[i].who);
    }
}

static void a_list_finds_what_an_entry_of_it_covers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct account a = { .jid = jid("me@home") };
        struct jid entry = jid(rows[i].entry), who = jid(rows[i].who), other = jid("other@else");

        block_init(&a.blocked);
        assert_true(block_add(&a.blocked, &other));
        assert_true(block_add(&a.blocked, &entry));
        if (block_is_blocked(&a, &who) != rows[i].is_blocked)
            fail_msg("%s, %s", rows[i].entry, rows[i].who);
        assert_true(block_remove(&a.blocked, &entry));
        assert_false(block_is_blocked(&a, &who));
        block_clear(&a.blocked);
        table_fini(&a.blocked);
    }
}

static void the_account_and_its_server_are_never_blocked(void **state)
{
    static const char *const entries[] = { "home", "me@home", "me@home/desk", "home/x" };
    static const char *const never[] = { "home", "home/x", "me@home", "me@home/desk" };
    struct account a = { .jid = jid("me@home") };
    struct jid other = jid("you@home"), none = { 0 };

    (void)state;
    block_init(&a.blocked);
    assert_false(block_is_blocked(&a, &other));
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        struct jid entry = jid(entries[i]);

        assert_true(block_add(&a.blocked, &entry));
    }
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        struct jid who = jid(never[i]);

        if (block_is_blocked(&a, &who))
            fail_msg("%s", never[i]);
    }
    assert_true(block_is_blocked(&a, &other)); /* of that domain, and not the account itself */
    assert_false(block_is_blocked(&a, &none));
    block_clear(&a.blocked);
    table_fini(&a.blocked);
}

static void what_is_there_is_not_added_and_what_is_not_is_not_removed(void **state)
{
    struct table t;
    struct jid one = jid("a@b"), two = jid("c@d");
    size_t n = 0;

    (void)state;
    block_init(&t);
    assert_true(block_add(&t, &one));
    assert_false(block_add(&t, &one));
    assert_false(block_remove(&t, &two));
    assert_true(block_add(&t, &two));
    for (size_t at = 0; block_next(&t, &at);)
        n++;
    assert_int_equal(n, 2);
    assert_true(block_bytes(&t) >= 6);
    block_clear(&t);
    assert_int_equal(t.count, 0);
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_means_what_the_order_of_matching_says),
        cmocka_unit_test(a_list_finds_what_an_entry_of_it_covers),
        cmocka_unit_test(the_account_and_its_server_are_never_blocked),
        cmocka_unit_test(what_is_there_is_not_added_and_what_is_not_is_not_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
