/* The store through its interface. */
#include "tests/unit/store_bench.h"

static void a_query_sees_what_was_submitted_before_it_and_not_what_came_after(void **state)
{
    struct bench *b = *state;

    open_well(b);
    get_meta(b, "x");
    put_meta(b, "x", "one");
    get_meta(b, "x");
    put_meta(b, "x", "two");
    get_meta(b, "x");
    assert_int_equal(b->count, 0); /* never from inside the call */
    wait_for(b, 5);
    assert_int_equal(b->events[0].rows, 0);
    assert_int_equal(b->events[1].number, 1);
    assert_string_equal(b->events[2].text, "one");
    assert_false(b->events[3].is_query);
    assert_string_equal(b->events[4].text, "two");
}

static void callbacks_come_in_the_order_of_submission(void **state)
{
    struct bench *b = *state;

    open_well(b);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            get_meta(b, "n");
        else
            put_meta(b, "n", "v");
        if (i % 50 == 0)
            uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    wait_for(b, 300);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(b->events[i].is_query, i % 3 == 0);
        assert_int_equal(b->events[i].e, ERR_OK);
    }
}

static void a_transaction_is_all_or_nothing_and_spoils_no_other(void **state)
{
    struct bench *b = *state;
    struct store_tx *tx;

    open_well(b);
    tx = store_begin(b->store);
    add_account(tx, "a@example.com");
    store_submit(tx, on_written, b);
    tx = store_begin(b->store);
    add_account(tx, "b@example.com");
    add_account(tx, "a@example.com"); /* refused: takes b with it */
    add_account(tx, "c@example.com");
    store_submit(tx, on_written, b);
    tx = store_begin(b->store);
    add_account(tx, "d@example.com");
    store_submit(tx, on_written, b);
    get_account_count(b);
    wait_for(b, 4);
    assert_int_equal(b->events[0].e, ERR_OK);
    assert_int_equal(b->events[1].e, ERR_EXISTS);
    assert_int_equal(b->events[2].e, ERR_OK);
    assert_int_equal(b->events[3].number, 2);
}

static void a_single_duplicate_is_refused_with_exists(void **state)
{
    struct bench *b = *state;

    open_well(b);
    for (int i = 0; i < 2; i++) {
        struct store_tx *tx = store_begin(b->store);

        add_account(tx, "a@example.com");
        store_submit(tx, on_written, b);
    }
    wait_for(b, 2);
    assert_int_equal(b->events[0].e, ERR_OK);
    assert_int_equal(b->events[1].e, ERR_EXISTS);
}

static void a_broken_rule_of_another_kind_is_a_failure_of_that_transaction_alone(void **state)
{
    struct bench *b = *state;
    struct store_tx *tx;

    open_well(b);
    tx = store_begin(b->store);
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, STR("name"));
    store_bind_blob(tx, STR_NONE); /* NOT NULL */
    store_submit(tx, on_written, b);
    put_meta(b, "x", "kept");
    get_meta(b, "x");
    wait_for(b, 3);
    assert_int_equal(b->events[0].e, ERR_IO);
    assert_int_equal(b->events[1].e, ERR_OK);
    assert_string_equal(b->events[2].text, "kept");
}

static void changes_are_those_of_the_last_statement(void **state)
{
    struct bench *b = *state;
    struct store_tx *tx;

    open_well(b);
    tx = store_begin(b->store);
    add_account(tx, "a@example.com");
    store_add(tx, STORE_ACCOUNT_DELETE);
    store_bind_text(tx, STR("nobody@example.com"));
    store_submit(tx, on_written, b);
    tx = store_begin(b->store);
    store_add(tx, STORE_ACCOUNT_DELETE);
    store_bind_text(tx, STR("a@example.com"));
    store_submit(tx, on_written, b);
    store_submit(store_begin(b->store), on_written, b); /* empty: a barrier */
    wait_for(b, 3);
    assert_int_equal(b->events[0].number, 0);
    assert_int_equal(b->events[1].number, 1);
    assert_int_equal(b->events[2].e, ERR_OK);
}

static void on_contact(void *owner, enum err e, struct store_rows *rows)
{
    struct bench *b = owner;

    assert_int_equal(e, ERR_OK);
    assert_true(store_next(rows));
    assert_true(str_eq(store_text(rows, 1), STR_NONE) && !str_is_set(store_text(rows, 1)));
    assert_true(str_is_set(store_text(rows, 2)) && store_text(rows, 2).n == 0);
    assert_int_equal(store_int(rows, 3), -5);
    assert_true(str_eq(store_text(rows, 5), STR("a\0b")));
    assert_false(store_next(rows));
    b->count++;
}

static void absent_and_empty_are_different_and_blobs_keep_their_nul(void **state)
{
    struct bench *b = *state;
    struct store_tx *tx;

    open_well(b);
    tx = store_begin(b->store);
    store_add(tx, STORE_ROSTER_PUT);
    store_bind_int(tx, 1);
    store_bind_text(tx, STR("a@example.com"));
    store_bind_text(tx, STR("c@example.com"));
    store_bind_text(tx, STR_NONE);
    store_bind_text(tx, STR(""));
    store_bind_int(tx, -5);
    store_bind_int(tx, 1);
    store_bind_blob(tx, STR("a\0b"));
    store_bind_int(tx, INT64_MAX);
    store_submit(tx, on_written, b);
    tx = store_begin(b->store);
    store_add(tx, STORE_ROSTER_LOAD);
    store_bind_text(tx, STR("a@example.com"));
    store_query(tx, on_contact, b);
    wait_for(b, 2);
}

static void it_is_busy_beyond_its_limit_and_only_then(void **state)
{
    struct bench *b = *state;

    b->max_queued = 10;
    open_well(b);
    for (int i = 0; i < 9; i++)
        put_meta(b, "x", "y");
    assert_false(store_is_busy(b->store));
    put_meta(b, "x", "y");
    assert_true(store_is_busy(b->store));
    put_meta(b, "x", "y"); /* what was taken on may still be submitted */
    wait_for(b, 11);
    assert_false(store_is_busy(b->store));
}

static void chain_on(void *owner, enum err e, int64_t changes)
{
    struct bench *b = owner;

    on_written(owner, e, changes);
    if (b->count < 50) {
        struct store_tx *tx = store_begin(b->store);

        add_meta(tx, "x", "y");
        store_submit(tx, chain_on, b);
    }
}

static void closing_finishes_what_was_submitted_and_what_follows_from_it(void **state)
{
    struct bench *b = *state;
    struct store_tx *tx;

    open_well(b);
    tx = store_begin(b->store);
    add_meta(tx, "x", "y");
    store_submit(tx, chain_on, b);
    close_store(b);
    assert_int_equal(b->count, 50);
    open_well(b);
    get_meta(b, "x");
    wait_for(b, 51);
    assert_string_equal(b->events[50].text, "y");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_query_sees_what_was_submitted_before_it_and_not_what_came_after),
        TEST(callbacks_come_in_the_order_of_submission),
        TEST(a_transaction_is_all_or_nothing_and_spoils_no_other),
        TEST(a_single_duplicate_is_refused_with_exists),
        TEST(a_broken_rule_of_another_kind_is_a_failure_of_that_transaction_alone),
        TEST(changes_are_those_of_the_last_statement),
        TEST(absent_and_empty_are_different_and_blobs_keep_their_nul),
        TEST(it_is_busy_beyond_its_limit_and_only_then),
        TEST(closing_finishes_what_was_submitted_and_what_follows_from_it),
    };

    return cmocka_run_group_tests(tests, GROUP_SET_UP, GROUP_TEAR_DOWN);
}
