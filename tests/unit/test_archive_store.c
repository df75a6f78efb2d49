/* The statements of archives: what a page holds at its edges, whose row it is, and what deletion
 * leaves. Rows are named by their stamps. */
#include "tests/unit/store_bench.h"

enum { SLOT_OF_X = 3, SLOT_OF_Y = 19, SLOT_OF_Z = 4 }; /* 3 and 19 may share a partition */

static int64_t slot_of(const char *owner)
{
    return owner[0] == 'x' ? SLOT_OF_X : owner[0] == 'y' ? SLOT_OF_Y : SLOT_OF_Z;
}

/* The id is made of the stamp. one NULL: the row breaks a rule. */
static void submit(struct bench *b, int64_t stamp, const char *one, bool one_owns,
                   const char *other, bool other_owns)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_ARCHIVE_PUT);
    store_bind_int(tx, slot_of(one ? one : "x"));
    store_bind_blob(tx, str_of(&stamp, sizeof stamp));
    store_bind_int(tx, stamp);
    store_bind_text(tx, str_from(one));
    store_bind_text(tx, STR("1"));
    store_bind_int(tx, one_owns);
    store_bind_text(tx, str_from(other));
    store_bind_text(tx, STR("2"));
    store_bind_int(tx, other_owns);
    store_bind_blob(tx, STR("<m/>"));
    store_submit(tx, on_written, b);
}

static void put(struct bench *b, int64_t stamp, const char *one, bool one_owns, const char *other,
                bool other_owns)
{
    submit(b, stamp, one, one_owns, other, other_owns);
    wait_for(b, b->count + 1);
}

struct page {
    char text[256];
    bool is_done;
};

static void on_page(void *owner, enum err e, struct store_rows *rows)
{
    struct page *p = owner;

    assert_int_equal(e, ERR_OK);
    while (store_next(rows)) {
        int64_t stamp = store_int(rows, 1);

        assert_true(str_eq(store_text(rows, 0), str_of(&stamp, sizeof stamp)));
        snprintf(p->text + strlen(p->text), sizeof p->text - strlen(p->text), "%s%lld",
                 p->text[0] ? " " : "", (long long)stamp);
    }
    p->is_done = true;
}

static void page_is(struct bench *b, struct store_tx *take_tx, const char *expected)
{
    struct page p = { .is_done = false };

    store_query(take_tx, on_page, &p);
    while (!p.is_done)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_string_equal(p.text, expected);
}

/* limit 0: the statement has none. */
static struct store_tx *range(struct bench *b, enum store_statement statement, const char *owner,
                              const char *with, int64_t lo, int64_t hi, int64_t limit)
{
    struct store_tx *tx = store_begin(b->store);
    const char *resource = with ? strchr(with, '/') : NULL;

    store_add(tx, statement);
    store_bind_int(tx, slot_of(with ? with : owner));
    if (with)
        store_bind_text(tx, str_of(with, resource ? (size_t)(resource - with) : strlen(with)));
    store_bind_text(tx, str_from(owner));
    if (with)
        store_bind_text(tx, resource ? str_from(resource + 1) : STR(""));
    store_bind_int(tx, lo);
    store_bind_int(tx, hi);
    if (limit > 0)
        store_bind_int(tx, limit);
    if (with)
        store_bind_int(tx, slot_of(owner));
    return tx;
}

static void up_is(struct bench *b, const char *owner, const char *expected)
{
    page_is(b, range(b, STORE_ARCHIVE_UP, owner, NULL, 0, INT64_MAX, 100), expected);
}

/* x and y talk and both keep it; z keeps what x says, x does not; and x says something to himself. */
static void fill(struct bench *b)
{
    open_well(b);
    put(b, 10, "y", true, "x", true);
    put(b, 20, "x", true, "y", true);
    put(b, 30, "z", true, "x", false);
    put(b, 40, "x", true, "elsewhere", false);
    put(b, 50, "y", true, "x", true);
    put(b, 60, "x", true, "x", false);
}

static void an_owner_sees_rows_of_both_sides_in_order(void **state)
{
    struct bench *b = *state;

    fill(b);
    up_is(b, "x", "10 20 40 50 60");
    up_is(b, "y", "10 20 50");
    up_is(b, "z", "30");
    page_is(b, range(b, STORE_ARCHIVE_DOWN, "x", NULL, 0, INT64_MAX, 3), "60 50 40");
    page_is(b, range(b, STORE_ARCHIVE_UP, "x", NULL, 0, INT64_MAX, 3), "10 20 40");
    page_is(b, range(b, STORE_ARCHIVE_UP, "nobody", NULL, 0, INT64_MAX, 3), "");
}

static void both_ends_of_a_range_are_outside(void **state)
{
    static const struct {
        int64_t lo, hi;
        const char *up, *down;
    } rows[] = {
        { 10, 50, "20 40", "40 20" }, { 9, 51, "10 20 40 50", "50 40 20 10" },
        { 19, 21, "20", "20" },       { 20, 20, "", "" },
        { 50, 10, "", "" },           { 60, INT64_MAX, "", "" },
        { 0, 10, "", "" },
    };
    struct bench *b = *state;

    fill(b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        page_is(b, range(b, STORE_ARCHIVE_UP, "x", NULL, rows[i].lo, rows[i].hi, 9), rows[i].up);
        page_is(b, range(b, STORE_ARCHIVE_DOWN, "x", NULL, rows[i].lo, rows[i].hi, 9),
                rows[i].down);
    }
}

static void with_a_contact_there_are_both_directions(void **state)
{
    static const struct {
        const char *owner, *with, *expected;
    } rows[] = {
        { "x", "y", "10 20 50" },     { "x", "y/1", "10 50" },  { "x", "y/2", "20" },
        { "x", "y/3", "" },           { "y", "x", "10 20 50" }, { "y", "x/1", "20" },
        { "x", "x", "60" },           { "x", "x/1", "60" },     { "x", "x/2", "60" },
        { "x", "z", "" },             { "z", "x", "30" },       { "x", "elsewhere", "40" },
        { "elsewhere", "x", "" },
    };
    struct bench *b = *state;

    fill(b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        page_is(b, range(b, STORE_ARCHIVE_UP_WITH, rows[i].owner, rows[i].with, 0, INT64_MAX, 9),
                rows[i].expected);
    page_is(b, range(b, STORE_ARCHIVE_DOWN_WITH, "x", "y", 10, INT64_MAX, 1), "50");
}

static int64_t number_of(struct bench *b, struct store_tx *take_tx)
{
    store_query(take_tx, on_rows, b);
    wait_for(b, b->count + 1);
    return b->events[(b->count - 1) % MAX_EVENTS].number;
}

static void counts_are_of_the_same_rows(void **state)
{
    struct bench *b = *state;

    fill(b);
    assert_int_equal(number_of(b, range(b, STORE_ARCHIVE_COUNT, "x", NULL, 10, 60, 0)), 3);
    assert_int_equal(number_of(b, range(b, STORE_ARCHIVE_COUNT_WITH, "x", "y", 0, 60, 0)), 3);
    assert_int_equal(number_of(b, range(b, STORE_ARCHIVE_COUNT_WITH, "x", "y/2", 0, 60, 0)), 1);
}

static void an_id_is_taken_once(void **state)
{
    struct bench *b = *state;

    fill(b);
    put(b, 10, "y", true, "x", false);
    assert_int_equal(b->events[b->count - 1].e, ERR_OK);
    assert_int_equal(b->events[b->count - 1].number, 0);
    up_is(b, "x", "10 20 40 50 60");
}

static size_t found(struct bench *b, int64_t stamp, const char *owner, int64_t floor)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_ARCHIVE_FIND);
    store_bind_blob(tx, str_of(&stamp, sizeof stamp));
    store_bind_text(tx, str_from(owner));
    store_bind_int(tx, floor);
    store_query(tx, on_rows, b);
    wait_for(b, b->count + 1);
    return b->events[(b->count - 1) % MAX_EVENTS].rows;
}

static void an_id_is_found_by_its_owners_only(void **state)
{
    struct bench *b = *state;

    fill(b);
    assert_int_equal(found(b, 10, "x", 0), 1);
    assert_int_equal(found(b, 10, "y", 9), 1);
    assert_int_equal(found(b, 10, "y", 10), 0);
    assert_int_equal(found(b, 10, "z", 0), 0);
    assert_int_equal(found(b, 30, "x", 0), 0);
    assert_int_equal(found(b, 11, "x", 0), 0);
}

static int64_t purge(struct bench *b, enum store_statement statement, const char *owner,
                     int64_t before, int64_t all_before, int64_t limit)
{
    bool is_a = statement == STORE_ARCHIVE_DROP_A || statement == STORE_ARCHIVE_LEAVE_A;
    bool is_drop = statement == STORE_ARCHIVE_DROP_A || statement == STORE_ARCHIVE_DROP_B;
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, statement);
    if (is_a)
        store_bind_int(tx, slot_of(owner));
    store_bind_text(tx, str_from(owner));
    store_bind_int(tx, before);
    if (is_drop)
        store_bind_int(tx, all_before);
    store_bind_int(tx, limit);
    store_submit(tx, on_written, b);
    wait_for(b, b->count + 1);
    assert_int_equal(b->events[(b->count - 1) % MAX_EVENTS].e, ERR_OK);
    return b->events[(b->count - 1) % MAX_EVENTS].number;
}

static void what_one_owner_gives_up_the_other_still_has(void **state)
{
    struct bench *b = *state;

    fill(b);
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_A, "x", 50, 0, 9), 1);  /* 40 */
    assert_int_equal(purge(b, STORE_ARCHIVE_LEAVE_A, "x", 50, 0, 9), 1); /* 20 */
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_B, "x", 50, 0, 9), 0);
    assert_int_equal(purge(b, STORE_ARCHIVE_LEAVE_B, "x", 50, 0, 9), 1); /* 10 */
    up_is(b, "x", "50 60");
    up_is(b, "y", "10 20 50");
    page_is(b, range(b, STORE_ARCHIVE_UP_WITH, "y", "x", 0, INT64_MAX, 9), "10 20 50");
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_A, "y", 100, 0, 9), 1); /* 10 */
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_B, "y", 100, 0, 9), 1); /* 20, of nobody */
    up_is(b, "y", "50");
    up_is(b, "x", "50 60");
}

static void what_all_have_given_up_goes_at_once_and_the_oldest_first(void **state)
{
    struct bench *b = *state;

    fill(b);
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_A, "y", 100, 45, 9), 1); /* 10, not 50 */
    up_is(b, "x", "20 40 50 60");
    assert_int_equal(purge(b, STORE_ARCHIVE_DROP_A, "x", 100, 100, 2), 2); /* 20 40 */
    up_is(b, "x", "50 60");
}

/* As many as come in a turn of the loop: some go as one statement, and each is answered for itself. */
static void rows_that_come_together_are_as_if_they_came_alone(void **state)
{
    enum { ROWS = 100, TWICE = 37, BROKEN = 61 };
    struct bench *b = *state;

    open_well(b);
    for (int repeat = 0; repeat < 2; repeat++) {
        size_t before = b->count;

        for (int i = 1; i <= ROWS; i++) {
            int64_t stamp = 1000 * repeat + (i == TWICE ? i - 1 : i);

            submit(b, stamp, repeat && i == BROKEN ? NULL : "x", true, "y", false);
        }
        store_query(range(b, STORE_ARCHIVE_COUNT, "x", NULL, 1000 * repeat, INT64_MAX, 0), on_rows, b);
        wait_for(b, before + ROWS + 1);
        for (int i = 1; i <= ROWS; i++)
            assert_int_equal(b->events[before + (size_t)i - 1].e,
                             repeat && i == BROKEN ? ERR_IO : ERR_OK);
        assert_int_equal(b->events[before + ROWS].number, ROWS - 1 - repeat);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(an_owner_sees_rows_of_both_sides_in_order),
        TEST(both_ends_of_a_range_are_outside),
        TEST(with_a_contact_there_are_both_directions),
        TEST(counts_are_of_the_same_rows),
        TEST(an_id_is_taken_once),
        TEST(an_id_is_found_by_its_owners_only),
        TEST(what_one_owner_gives_up_the_other_still_has),
        TEST(what_all_have_given_up_goes_at_once_and_the_oldest_first),
        TEST(rows_that_come_together_are_as_if_they_came_alone),
    };

    return cmocka_run_group_tests(tests, GROUP_SET_UP, GROUP_TEAR_DOWN);
}
