/* The file of the store: whose it is, what is refused, what survives death and trouble. */
#include "tests/unit/store_bench.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
    write_file(b->path, "r+", 104, "damage! "); /* from the header of the first page on */
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
