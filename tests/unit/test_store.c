/* The store through its interface, on a file of its own in a temporary folder. */
#include "sm/store/store.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MAX_EVENTS = 4096 };

/* One store on one file, and what its callbacks said, in order. */
struct bench {
    uv_loop_t loop;
    struct store *store;
    char folder[64], path[96];
    uint32_t max_queued;
    struct event {
        bool is_query;
        enum err e;
        int64_t number; /* changes, or the first column of the first row */
        char text[64];
        size_t rows;
    } events[MAX_EVENTS];
    size_t count;
    bool is_closed;
};

static enum err open_store(struct bench *b, struct buf *why)
{
    struct store_options options = { .path = b->path,
                                     .is_full_sync = true,
                                     .max_queued = b->max_queued };

    return store_open(&b->loop, &options, &b->store, why);
}

static void open_well(struct bench *b)
{
    struct buf why = { 0 };

    if (open_store(b, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

static int set_up(void **state)
{
    struct bench *b = mem_new(struct bench);

    snprintf(b->folder, sizeof b->folder, "/tmp/sallyport-store-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/store.db", b->folder);
    b->max_queued = 1000;
    uv_loop_init(&b->loop);
    *state = b;
    return 0;
}

static void on_closed(void *owner)
{
    ((struct bench *)owner)->is_closed = true;
}

static void close_store(struct bench *b)
{
    b->is_closed = false;
    store_close(b->store, on_closed, b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->is_closed);
    b->store = NULL;
}

static int tear_down(void **state)
{
    static const char *const endings[] = { "", "-wal", "-journal", "-shm" };
    struct bench *b = *state;
    char path[128];

    if (b->store)
        close_store(b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        snprintf(path, sizeof path, "%s%s", b->path, endings[i]);
        unlink(path);
    }
    rmdir(b->folder);
    mem_free(b);
    return 0;
}

static void on_written(void *owner, enum err e, int64_t changes)
{
    struct bench *b = owner;

    b->events[b->count++ % MAX_EVENTS] = (struct event){ .e = e, .number = changes };
}

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct bench *b = owner;
    struct event *event = &b->events[b->count++ % MAX_EVENTS];

    *event = (struct event){ .is_query = true, .e = e };
    assert_true((e == ERR_OK) == (rows != NULL));
    while (rows && store_next(rows)) {
        if (event->rows++ > 0)
            continue;
        event->number = store_int(rows, 0);
        snprintf(event->text, sizeof event->text, "%.*s", STR_ARG(store_text(rows, 0)));
    }
}

static void wait_for(struct bench *b, size_t count)
{
    while (b->count < count)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void add_meta(struct store_tx *tx, const char *name, const char *value)
{
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, str_from(name));
    store_bind_blob(tx, str_from(value));
}

static void put_meta(struct bench *b, const char *name, const char *value)
{
    struct store_tx *tx = store_begin(b->store);

    add_meta(tx, name, value);
    store_submit(tx, on_written, b);
}

static void get_meta(struct bench *b, const char *name)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_META_GET);
    store_bind_text(tx, str_from(name));
    store_query(tx, on_rows, b);
}

static void add_account(struct store_tx *tx, const char *jid)
{
    store_add(tx, STORE_ACCOUNT_NEW);
    store_bind_int(tx, 7);
    store_bind_text(tx, str_from(jid));
    store_bind_text(tx, STR("example.com"));
    store_bind_int(tx, 1);
}

static void get_account_count(struct bench *b)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_ACCOUNT_COUNT);
    store_bind_text(tx, STR("example.com"));
    store_query(tx, on_rows, b);
}

/* --- tests ------------------------------------------------------------------------------------ */

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

static void the_file_is_for_its_owner_only(void **state)
{
    struct bench *b = *state;
    struct stat st;

    open_well(b);
    put_meta(b, "x", "y");
    wait_for(b, 1);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void assert_refused(struct bench *b, enum err expected, const char *word)
{
    struct buf why = { 0 };

    assert_int_equal(open_store(b, &why), expected);
    buf_add_char(&why, '\0');
    assert_non_null(strstr(why.p, word));
    assert_non_null(strstr(why.p, b->path));
    buf_fini(&why);
}

/* Runs SQL on the closed file. */
static void alter(struct bench *b, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_of_a_newer_schema_is_refused(void **state)
{
    struct bench *b = *state;

    open_well(b);
    close_store(b);
    alter(b, "INSERT INTO migration (version, done_us) VALUES (9999, 0)");
    assert_refused(b, ERR_UNSUPPORTED, "newer version");
}

static void a_file_of_another_program_is_left_alone(void **state)
{
    struct bench *b = *state;

    alter(b, "CREATE TABLE theirs (x)");
    assert_refused(b, ERR_MALFORMED, "not a database of this program");
}

static void write_file(const char *path, const char *mode, long at, const char *text)
{
    FILE *f = fopen(path, mode);

    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    for (int i = 0; i < 400; i++)
        fputs(text, f);
    fclose(f);
}

static void what_is_no_database_is_refused(void **state)
{
    struct bench *b = *state;

    write_file(b->path, "w", 0, "this is no database ");
    assert_refused(b, ERR_MALFORMED, "not a database of this program");
}

static void a_damaged_file_is_refused(void **state)
{
    struct bench *b = *state;

    open_well(b);
    close_store(b);
    write_file(b->path, "r+", 200, "damage! ");
    assert_refused(b, ERR_MALFORMED, "damaged");
}

static void a_path_that_cannot_be_is_refused(void **state)
{
    struct bench *b = *state;

    snprintf(b->path, sizeof b->path, "%s/no/such/folder", b->folder);
    assert_refused(b, ERR_IO, "No such file");
    snprintf(b->path, sizeof b->path, "%s/store.db", b->folder);
}

static void a_second_process_is_refused(void **state)
{
    struct bench *b = *state;
    pid_t child;
    int status;

    open_well(b);
    put_meta(b, "x", "y");
    wait_for(b, 1);
    child = fork();
    if (child == 0) {
        struct buf why = { 0 };
        struct store_options options = { .path = b->path, .max_queued = 1 };
        struct store *other;
        uv_loop_t loop;

        uv_loop_init(&loop);
        _exit(store_open(&loop, &options, &other, &why) == ERR_DENIED ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- death and trouble ------------------------------------------------------------------------ */

/* Tells what was acknowledged through a pipe, one number each, until it is killed. */
struct loader {
    struct bench *b;
    int pipe;
    uint32_t next;
};

struct load_item {
    struct loader *loader;
    uint32_t number;
};

static void load_one(struct loader *l);

static void on_loaded(void *owner, enum err e, int64_t changes)
{
    struct load_item *item = owner;
    struct loader *l = item->loader;

    if (e != ERR_OK || changes != 1 || write(l->pipe, &item->number, sizeof item->number) < 0)
        _exit(1);
    mem_free(item);
    load_one(l);
}

static void load_one(struct loader *l)
{
    struct store_tx *tx = store_begin(l->b->store);
    struct load_item *item = mem_new(struct load_item);
    char name[32];

    *item = (struct load_item){ l, l->next++ };
    snprintf(name, sizeof name, "%u@example.com", item->number);
    add_meta(tx, name, "first");
    add_account(tx, name);
    store_submit(tx, on_loaded, item);
}

static void load_until_killed(struct bench *b, int out)
{
    struct loader l = { .b = b, .pipe = out };

    open_well(b);
    for (int i = 0; i < 64; i++)
        load_one(&l);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    _exit(1);
}

static uint32_t read_acknowledged(int in, pid_t child, uint32_t kill_after)
{
    uint32_t number, count = 0;

    while (read(in, &number, sizeof number) == (ssize_t)sizeof number) {
        assert_int_equal(number, count); /* in the order of submission */
        if (++count == kill_after)
            kill(child, SIGKILL);
    }
    return count;
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    struct bench *b = *state;
    int ends[2], status;
    uint32_t acknowledged;
    int64_t kept;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        load_until_killed(b, ends[1]);
    }
    close(ends[1]);
    acknowledged = read_acknowledged(ends[0], child, 700);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(acknowledged >= 700);
    open_well(b);
    get_account_count(b);
    wait_for(b, 1);
    kept = b->events[0].number;
    assert_true(kept >= acknowledged && kept <= (int64_t)acknowledged + 64);
}

/* RLIMIT_FSIZE makes writes beyond it fail, as a full disk does. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit = { bytes, RLIM_INFINITY };

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void when_the_file_cannot_grow_nothing_is_kept_and_it_recovers(void **state)
{
    struct bench *b = *state;
    struct stat st;
    char wal[128];

    signal(SIGXFSZ, SIG_IGN);
    open_well(b);
    put_meta(b, "x", "before");
    wait_for(b, 1);
    snprintf(wal, sizeof wal, "%s-wal", b->path);
    assert_int_equal(stat(wal, &st), 0);
    limit_files((rlim_t)st.st_size);
    put_meta(b, "x", "lost");
    get_meta(b, "x");
    put_meta(b, "x", "lost too");
    wait_for(b, 4);
    limit_files(RLIM_INFINITY);
    put_meta(b, "y", "after");
    get_meta(b, "y");
    wait_for(b, 6);
    assert_int_equal(b->events[1].e, ERR_IO);
    assert_string_equal(b->events[2].text, "before"); /* reading goes on */
    assert_int_equal(b->events[3].e, ERR_IO);
    assert_int_equal(b->events[4].e, ERR_OK);
    assert_string_equal(b->events[5].text, "after");
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
        TEST(the_file_is_for_its_owner_only),
        TEST(a_file_of_a_newer_schema_is_refused),
        TEST(a_file_of_another_program_is_left_alone),
        TEST(what_is_no_database_is_refused),
        TEST(a_damaged_file_is_refused),
        TEST(a_path_that_cannot_be_is_refused),
        TEST(a_second_process_is_refused),
        TEST(what_was_acknowledged_survives_kill_9),
        TEST(when_the_file_cannot_grow_nothing_is_kept_and_it_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
