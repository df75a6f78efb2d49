/* For the tests of the store: one store on one file in a folder of its own, and what its callbacks said, in order. With STORE_BENCH_POSTGRES
 * defined before, the store is a database of its own on a PostgreSQL server that the group of tests starts and ends. */
#ifndef TESTS_UNIT_STORE_BENCH_H
#define TESTS_UNIT_STORE_BENCH_H

#include "sm/store/store.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused)) /* not every test needs all of it */

enum { MAX_EVENTS = 4096 };

#ifdef STORE_BENCH_POSTGRES
#include "tests/unit/postgres_bench.h"
#else
#define GROUP_SET_UP NULL
#define GROUP_TEAR_DOWN NULL
#endif

/* One store on one file, and what its callbacks said, in order. */
struct bench {
    uv_loop_t loop;
    struct store *store;
    char folder[64], path[96];
#ifdef STORE_BENCH_POSTGRES
    struct pg_place place;
#endif
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

UNUSED static enum err open_store(struct bench *b, struct buf *why)
{
    struct store_options options = { .path = b->path,
                                     .is_full_sync = true,
                                     .max_queued = b->max_queued };

#ifdef STORE_BENCH_POSTGRES
    options.server = pg_place_server(&b->place);
#endif
    return store_open(&b->loop, &options, &b->store, why);
}

UNUSED static void open_well(struct bench *b)
{
    struct buf why = { 0 };

    if (open_store(b, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

UNUSED static int set_up(void **state)
{
    struct bench *b = mem_new(struct bench);

    snprintf(b->folder, sizeof b->folder, "/tmp/sallyport-store-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/store.db", b->folder);
    b->max_queued = 1000;
    uv_loop_init(&b->loop);
#ifdef STORE_BENCH_POSTGRES
    pg_place_init(&b->place);
#endif
    *state = b;
    return 0;
}

UNUSED static void on_closed(void *owner)
{
    ((struct bench *)owner)->is_closed = true;
}

UNUSED static void close_store(struct bench *b)
{
    b->is_closed = false;
    store_close(b->store, on_closed, b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->is_closed);
    b->store = NULL;
}

UNUSED static int tear_down(void **state)
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

UNUSED static void on_written(void *owner, enum err e, int64_t changes)
{
    struct bench *b = owner;

    b->events[b->count++ % MAX_EVENTS] = (struct event){ .e = e, .number = changes };
}

UNUSED static void on_rows(void *owner, enum err e, struct store_rows *rows)
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

UNUSED static void wait_for(struct bench *b, size_t count)
{
    while (b->count < count)
        uv_run(&b->loop, UV_RUN_ONCE);
}

UNUSED static void add_meta(struct store_tx *tx, const char *name, const char *value)
{
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, str_from(name));
    store_bind_blob(tx, str_from(value));
}

UNUSED static void put_meta(struct bench *b, const char *name, const char *value)
{
    struct store_tx *tx = store_begin(b->store);

    add_meta(tx, name, value);
    store_submit(tx, on_written, b);
}

UNUSED static void get_meta(struct bench *b, const char *name)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_META_GET);
    store_bind_text(tx, str_from(name));
    store_query(tx, on_rows, b);
}

UNUSED static void add_account(struct store_tx *tx, const char *jid)
{
    store_add(tx, STORE_ACCOUNT_NEW);
    store_bind_int(tx, 7);
    store_bind_text(tx, str_from(jid));
    store_bind_text(tx, STR("example.com"));
    store_bind_int(tx, 1);
}

UNUSED static void get_account_count(struct bench *b)
{
    struct store_tx *tx = store_begin(b->store);

    store_add(tx, STORE_ACCOUNT_COUNT);
    store_bind_text(tx, STR("example.com"));
    store_query(tx, on_rows, b);
}

#endif
