/* Copies of the store while it is used: whole, consistent, private, and without harm when they
 * fail. */
#include "tests/unit/store_bench.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { ROWS = 3000, ROW_BYTES = 3000 };

struct copied {
    bool is_done;
    enum err e;
    uint64_t bytes;
    char why[320];
};

static void on_copied(void *owner, enum err e, const struct store_copied *told)
{
    struct copied *c = owner;

    c->is_done = true;
    c->e = e;
    c->bytes = told->bytes;
    snprintf(c->why, sizeof c->why, "%s", told->why);
}

static const char *beside(const struct bench *b, const char *name)
{
    static char path[160];

    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    return path;
}

static void begin_copy(struct bench *b, const char *name, struct copied *c)
{
    *c = (struct copied){ .is_done = false };
    assert_int_equal(store_copy(b->store, beside(b, name), on_copied, c), ERR_OK);
}

static void wait_copy(struct bench *b, struct copied *c)
{
    while (!c->is_done)
        uv_run(&b->loop, UV_RUN_ONCE);
}

/* Two rows that are always the same number, in one transaction. */
static void put_pair(struct bench *b, int number)
{
    struct store_tx *tx = store_begin(b->store);
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    add_meta(tx, "left", text);
    add_meta(tx, "right", text);
    store_submit(tx, on_written, b);
}

static void fill(struct bench *b)
{
    char value[ROW_BYTES];

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    b->max_queued = ROWS * 2;
    open_well(b);
    put_pair(b, 0);
    for (int i = 0; i < ROWS; i++) {
        char name[16];

        snprintf(name, sizeof name, "row-%d", i);
        put_meta(b, name, value);
    }
    wait_for(b, ROWS + 1);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3_stmt *statement;
    sqlite3 *db;
    int64_t value;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void a_copy_under_writes_is_one_moment_of_the_store(void **state)
{
    struct bench *b = *state;
    struct copied c;
    int written = 0;
    int64_t left;

    fill(b);
    begin_copy(b, "copy", &c);
    while (!c.is_done) {
        put_pair(b, ++written);
        wait_for(b, b->count + 1);
    }
    assert_int_equal(c.e, ERR_OK);
    assert_true(written > 1);
    assert_int_equal(ask(beside(b, "copy"), "SELECT count(*) FROM meta WHERE name LIKE 'row-%'"),
                     ROWS);
    left = ask(beside(b, "copy"), "SELECT CAST(value AS integer) FROM meta WHERE name = 'left'");
    assert_int_equal(left, ask(beside(b, "copy"),
                               "SELECT CAST(value AS integer) FROM meta WHERE name = 'right'"));
    assert_in_range(left, 1, written); /* later than its beginning */
    unlink(beside(b, "copy"));
}

static void assert_alone(const struct bench *b, const char *name)
{
    char part[170];

    snprintf(part, sizeof part, "%s.part", beside(b, name));
    assert_int_not_equal(access(part, F_OK), 0);
    assert_int_not_equal(access(beside(b, name), F_OK), 0);
}

static void a_disk_that_is_full_harms_the_copy_alone(void **state)
{
    struct bench *b = *state;
    struct rlimit old, small;
    struct copied c;

    fill(b);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = ROWS * ROW_BYTES / 2;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    begin_copy(b, "copy", &c);
    wait_copy(b, &c);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(c.e, ERR_IO);
    assert_true(strlen(c.why) > 10);
    assert_alone(b, "copy");
    put_meta(b, "after", "x");
    wait_for(b, b->count + 1);
    assert_int_equal(b->events[(b->count - 1) % MAX_EVENTS].e, ERR_OK);
    begin_copy(b, "copy", &c);
    wait_copy(b, &c);
    assert_int_equal(c.e, ERR_OK);
    unlink(beside(b, "copy"));
}

static void one_at_a_time_and_none_in_place_of_a_file(void **state)
{
    struct bench *b = *state;
    struct copied c, other;

    fill(b);
    begin_copy(b, "copy", &c);
    assert_int_equal(store_copy(b->store, beside(b, "other"), on_copied, &other), ERR_AGAIN);
    wait_copy(b, &c);
    assert_int_equal(c.e, ERR_OK);
    begin_copy(b, "copy", &c);
    wait_copy(b, &c);
    assert_int_equal(c.e, ERR_EXISTS);
    begin_copy(b, "store.db", &c);
    wait_copy(b, &c);
    assert_int_equal(c.e, ERR_EXISTS);
    unlink(beside(b, "copy"));
}

static void closing_gives_a_copy_up(void **state)
{
    struct bench *b = *state;
    struct copied c;

    fill(b);
    begin_copy(b, "copy", &c);
    close_store(b);
    assert_true(c.is_done);
    assert_int_equal(c.e, ERR_CLOSED);
    assert_alone(b, "copy");
}

/* --- restoring -------------------------------------------------------------------------------- */

static void move(const struct bench *b, const char *from)
{
    char path[160];

    snprintf(path, sizeof path, "%s", beside(b, from));
    assert_int_equal(rename(path, b->path), 0);
}

static void the_log_of_the_file_before_is_not_the_copys(void **state)
{
    struct bench *b = *state;
    char wal[128], kept[128];
    struct copied c;

    fill(b);
    begin_copy(b, "copy", &c);
    wait_copy(b, &c);
    put_meta(b, "later", "x");
    wait_for(b, b->count + 1);
    snprintf(wal, sizeof wal, "%s-wal", b->path);
    snprintf(kept, sizeof kept, "%s-kept", b->path);
    assert_int_equal(link(wal, kept), 0); /* as kill -9 leaves it */
    close_store(b);
    assert_int_equal(rename(kept, wal), 0);
    move(b, "copy");
    b->count = 0;
    open_well(b);
    get_meta(b, "later");
    get_meta(b, STORE_COPY_MARK);
    get_meta(b, "row-7");
    wait_for(b, 3);
    assert_int_equal(b->events[0].rows, 0);
    assert_int_equal(b->events[1].rows, 1);
    assert_int_equal(b->events[2].rows, 1);
    close_store(b);
    assert_int_equal(ask(b->path, "PRAGMA application_id"), 0x53707431);
    assert_int_equal(ask(b->path, "SELECT count(*) FROM meta WHERE name = 'copy'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_under_writes_is_one_moment_of_the_store, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_is_full_harms_the_copy_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_at_a_time_and_none_in_place_of_a_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(closing_gives_a_copy_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_of_the_file_before_is_not_the_copys, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
