/* The PostgreSQL driver and its server: what is refused at start, what becomes of work when the
 * server dies, and whose the database is. */
#define STORE_BENCH_POSTGRES
#include "tests/unit/store_bench.h"

/* --- opening ---------------------------------------------------------------------------------- */

static void assert_refused(struct bench *b, enum err expected, const char *words)
{
    struct buf why = { 0 };
    struct store *before = b->store;

    assert_int_equal(open_store(b, &why), expected);
    buf_add_char(&why, '\0');
    if (!strstr(why.p, words))
        fail_msg("\"%s\" lacks \"%s\"", why.p, words);
    buf_fini(&why);
    b->store = before;
}

static void a_server_that_promises_nothing_is_refused(void **state)
{
    struct bench *b = *state;
    char sql[96];

    snprintf(sql, sizeof sql, "ALTER DATABASE %s SET synchronous_commit = off", b->place.database);
    assert_int_equal(pg_sql(&b->place, sql), 0);
    assert_refused(b, ERR_DENIED, "synchronous_commit is off");
    snprintf(sql, sizeof sql, "ALTER DATABASE %s RESET synchronous_commit", b->place.database);
    assert_int_equal(pg_sql(&b->place, sql), 0);
    assert_int_equal(pg_sql(&b->place, "ALTER SYSTEM SET fsync = off"), 0);
    pg_do("stop", "");
    pg_do("start", "");
    assert_refused(b, ERR_DENIED, "fsync is off");
    assert_int_equal(pg_sql(&b->place, "ALTER SYSTEM RESET fsync"), 0);
    pg_do("stop", "");
    pg_do("start", "");
    open_well(b);
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    struct bench *b = *state;

    assert_int_equal(pg_sql(&b->place, "CREATE TABLE theirs (x bigint)"), 0);
    assert_refused(b, ERR_MALFORMED, "not a database of this program");
}

static void a_newer_schema_is_refused(void **state)
{
    struct bench *b = *state;

    open_well(b);
    close_store(b);
    assert_int_equal(pg_sql(&b->place, "INSERT INTO migration VALUES (9999, 0)"), 0);
    assert_refused(b, ERR_UNSUPPORTED, "newer version");
}

static void a_wrong_password_and_an_absent_server_are_told(void **state)
{
    struct bench *b = *state;
    char admin[96];

    snprintf(admin, sizeof admin, "%s/admin-password", pg_folder);
    b->place.server.password_file = admin;
    assert_refused(b, ERR_IO, "password authentication failed");
    b->place.server.password_file = b->place.password_file;
    b->place.hosts[0] = "/nonexistent";
    assert_refused(b, ERR_IO, "No such file");
    b->place.hosts[0] = "127.0.0.1:1";
    b->place.server.tls = STORE_TLS_DISABLE;
    assert_refused(b, ERR_IO, "refused");
    b->place.hosts[0] = "localhost:1"; /* by name */
    assert_refused(b, ERR_IO, "refused");
}

static void the_host_that_answers_is_used(void **state)
{
    struct bench *b = *state;
    struct store_state said;

    b->place.server.host_count = 3;
    b->place.hosts[0] = "/nonexistent";
    b->place.hosts[1] = "127.0.0.1:1";
    b->place.hosts[2] = b->place.host;
    open_well(b);
    store_describe(b->store, &said);
    assert_string_equal(said.driver, "postgresql");
    assert_non_null(strstr(said.promise, "survives a loss of power"));
    assert_false(said.is_away);
}

static void a_second_session_manager_is_refused_and_the_first_goes_on(void **state)
{
    struct bench *b = *state;

    open_well(b);
    assert_refused(b, ERR_DENIED, "another session manager");
    put_meta(b, "x", "y");
    wait_for(b, 1);
    assert_int_equal(b->events[0].e, ERR_OK);
}

/* --- the server dies -------------------------------------------------------------------------- */

enum { ROUNDS = 4, KEPT_BUSY = 200 };

struct load {
    struct bench *b;
    unsigned submitted, done;
    bool is_ending;
};

static void load_one(struct load *l);

/* Numbers come back in order, each once, and nothing is refused as if it had been there before. */
static void on_loaded(void *owner, enum err e, int64_t changes)
{
    struct load *l = owner;

    assert_int_equal(e, ERR_OK);
    assert_int_equal(changes, 1);
    l->done++;
    if (!l->is_ending)
        load_one(l);
}

static void load_one(struct load *l)
{
    struct store_tx *tx = store_begin(l->b->store);
    char name[32];

    snprintf(name, sizeof name, "%u@example.com", l->submitted++);
    add_meta(tx, name, "first");
    add_account(tx, name);
    store_submit(tx, on_loaded, l);
}

static void on_time(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void run_for(struct bench *b, uint64_t ms)
{
    bool is_over = false;
    uv_timer_t timer;

    uv_timer_init(&b->loop, &timer);
    timer.data = &is_over;
    uv_timer_start(&timer, on_time, ms, 0);
    while (!is_over)
        uv_run(&b->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* Ends the server in the background, at a moment that nobody chose, and starts it again. */
static void end_and_start(const char *mode)
{
    char command[512];

    snprintf(command, sizeof command,
             "ASAN_OPTIONS= sh -c 'deploy/local-postgresql stop %s --mode %s; "
             "deploy/local-postgresql start %s; touch %s/again' >/dev/null 2>&1 &",
             pg_folder, mode, pg_folder, pg_folder);
    assert_int_equal(system(command), 0);
}

static void wait_for_start(struct bench *b)
{
    char path[96];

    snprintf(path, sizeof path, "%s/again", pg_folder);
    while (unlink(path) != 0)
        run_for(b, 20);
}

static void nothing_is_lost_or_doubled_when_the_server_is_killed_under_load(void **state)
{
    struct bench *b = *state;
    struct load load = { .b = b };

    open_well(b);
    for (int i = 0; i < KEPT_BUSY; i++)
        load_one(&load);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned before;

        end_and_start(round % 2 ? "immediate" : "kill");
        wait_for_start(b);
        before = load.done;
        while (load.done < before + KEPT_BUSY)
            uv_run(&b->loop, UV_RUN_ONCE);
    }
    load.is_ending = true;
    while (load.done < load.submitted)
        uv_run(&b->loop, UV_RUN_ONCE);
    get_account_count(b);
    wait_for(b, 1);
    assert_int_equal(b->events[0].number, load.submitted);
}

static void an_ended_backend_is_replaced(void **state)
{
    struct bench *b = *state;
    char sql[160];

    open_well(b);
    put_meta(b, "x", "before");
    wait_for(b, 1);
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND pid "
             "<> pg_backend_pid()",
             b->place.database);
    assert_int_equal(pg_sql(&b->place, sql), 0);
    put_meta(b, "y", "after");
    get_meta(b, "y");
    wait_for(b, 3);
    assert_int_equal(b->events[1].e, ERR_OK);
    assert_string_equal(b->events[2].text, "after");
    assert_false(b->place.is_lost);
}

static void while_it_is_away_work_waits_and_closing_does_not_wait_for_ever(void **state)
{
    struct bench *b = *state;
    struct store_state said;

    b->max_queued = 3;
    open_well(b);
    pg_do("stop", "--mode immediate");
    for (int i = 0; i < 3; i++)
        put_meta(b, "x", "y");
    run_for(b, 300);
    assert_true(store_is_busy(b->store));
    store_describe(b->store, &said);
    assert_true(said.is_away);
    assert_int_equal(b->count, 0);
    close_store(b);
    assert_int_equal(b->count, 3);
    assert_int_equal(b->events[0].e, ERR_IO);
    pg_do("start", "");
}

/* --- statements that fail --------------------------------------------------------------------- */

/* A trigger that raises an error for one name, as the server does when it is in trouble. */
static void make_trouble(const struct pg_place *p, const char *sqlstate)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS "
             "'BEGIN IF NEW.name = ''bad'' THEN RAISE EXCEPTION ''trouble'' USING ERRCODE = "
             "''%s''; END IF; RETURN NEW; END'; "
             "CREATE TRIGGER trouble BEFORE INSERT ON meta FOR EACH ROW EXECUTE FUNCTION trouble()",
             sqlstate);
    assert_int_equal(pg_sql(p, sql), 0);
}

static void a_server_that_cannot_write_keeps_nothing_and_recovers(void **state)
{
    struct bench *b = *state;

    open_well(b);
    make_trouble(&b->place, "53100"); /* disk_full */
    put_meta(b, "x", "before");
    wait_for(b, 1);
    put_meta(b, "x", "lost");
    put_meta(b, "bad", "y");
    get_meta(b, "x");
    wait_for(b, 4);
    assert_int_equal(b->events[1].e, ERR_IO);
    assert_int_equal(b->events[2].e, ERR_IO);
    assert_string_equal(b->events[3].text, "before");
    put_meta(b, "x", "after");
    get_meta(b, "x");
    wait_for(b, 6);
    assert_string_equal(b->events[5].text, "after");
}

static void what_fails_for_a_moment_is_tried_again(void **state)
{
    struct bench *b = *state;

    open_well(b);
    make_trouble(&b->place, "40P01"); /* deadlock_detected */
    put_meta(b, "bad", "y");
    run_for(b, 250);
    assert_int_equal(b->count, 0);
    assert_int_equal(pg_sql(&b->place, "DROP TRIGGER trouble ON meta"), 0);
    wait_for(b, 1);
    assert_int_equal(b->events[0].e, ERR_OK);
}

/* Refusals in batches that are under way one behind the other. */
static void refused_transactions_spoil_neither_order_nor_others(void **state)
{
    struct bench *b = *state;

    open_well(b);
    for (int i = 0; i < 1200; i++) {
        struct store_tx *tx = store_begin(b->store);
        char name[32];

        snprintf(name, sizeof name, "%d@example.com", i % 7 == 3 ? 0 : i);
        add_account(tx, name);
        store_submit(tx, on_written, b);
        if (i % 90 == 0)
            uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    get_account_count(b);
    wait_for(b, 1201);
    for (int i = 0; i < 1200; i++)
        assert_int_equal(b->events[i].e, i % 7 == 3 ? ERR_EXISTS : ERR_OK);
    assert_int_equal(b->events[1200].number, 1200 - 171);
}

/* --- whose it is ------------------------------------------------------------------------------ */

static void end_connections(struct bench *b)
{
    pg_do("stop", "--mode immediate");
    pg_do("start", "");
    while (!b->place.is_lost)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void one_that_another_has_used_since_is_given_up(void **state)
{
    struct bench *b = *state;

    open_well(b);
    put_meta(b, "x", "y");
    wait_for(b, 1);
    assert_int_equal(pg_sql(&b->place, "UPDATE meta SET value = '\\\\x00' WHERE name = 'instance'"),
                     0);
    put_meta(b, "x", "never");
    end_connections(b);
    assert_non_null(strstr(b->place.sentence, "another"));
    assert_int_equal(b->count, 1);
}

static void one_that_lost_what_it_had_confirmed_is_given_up(void **state)
{
    struct bench *b = *state;

    open_well(b);
    put_meta(b, "x", "y");
    wait_for(b, 1);
    assert_int_equal(pg_sql(&b->place, "UPDATE meta SET value = substr(value, 1, 16) || "
                                       "'\\\\x0000000000000000'::bytea WHERE name = 'instance'"),
                     0);
    end_connections(b);
    assert_non_null(strstr(b->place.sentence, "has lost transactions"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_server_that_promises_nothing_is_refused),
        TEST(a_database_of_another_program_is_left_alone),
        TEST(a_newer_schema_is_refused),
        TEST(a_wrong_password_and_an_absent_server_are_told),
        TEST(the_host_that_answers_is_used),
        TEST(a_second_session_manager_is_refused_and_the_first_goes_on),
        TEST(nothing_is_lost_or_doubled_when_the_server_is_killed_under_load),
        TEST(an_ended_backend_is_replaced),
        TEST(while_it_is_away_work_waits_and_closing_does_not_wait_for_ever),
        TEST(a_server_that_cannot_write_keeps_nothing_and_recovers),
        TEST(what_fails_for_a_moment_is_tried_again),
        TEST(refused_transactions_spoil_neither_order_nor_others),
        TEST(one_that_another_has_used_since_is_given_up),
        TEST(one_that_lost_what_it_had_confirmed_is_given_up),
    };

    return cmocka_run_group_tests(tests, GROUP_SET_UP, GROUP_TEAR_DOWN);
}
