/* The driver for PostgreSQL: what is submitted waits in one queue; what is in it when the
 * connection is free is the next batch, and up to two are under way. */
#include "sm/store/postgres.h"

#include "common/log.h"
#include "common/mem.h"

#include <gnutls/crypto.h>

enum { CLOSE_MS = 5000 };

/* --- finishing -------------------------------------------------------------------------------- */

static void free_store(struct pg_store *s)
{
    if (s->on_closed)
        s->on_closed(s->owner);
    for (size_t i = 0; i < s->server.host_count; i++)
        mem_free((void *)s->server.hosts[i]);
    mem_free((void *)s->server.hosts);
    mem_free((void *)s->server.database);
    mem_free((void *)s->server.user);
    mem_free((void *)s->server.password_file);
    mem_free((void *)s->server.ca);
    mem_free(s);
}

void pg_release(struct pg_store *s)
{
    if (--s->handles_open == 0)
        free_store(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    pg_release(handle->data);
}

static void close_handles(struct pg_store *s)
{
    pg_hang_up(s);
    pg_set_phase(s, PG_CLOSED);
    if (s->lookup)
        uv_cancel((uv_req_t *)s->lookup); /* its callback counts as a handle's */
    uv_close((uv_handle_t *)&s->at_turn_end, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->close_timer, on_handle_closed);
}

/* Calls back all of list, in order. What its callbacks submit waits. */
void pg_finish_all(struct pg_store *s, struct tx_list *list)
{
    struct store_tx *tx;

    while ((tx = tx_list_pop(list)) != NULL)
        store_finish(&s->base, tx);
}

static void fail_all(struct pg_store *s, struct tx_list *list)
{
    for (struct store_tx *tx = list->first; tx; tx = tx->next) {
        if (!tx->is_settled)
            tx->result = ERR_IO;
    }
    pg_finish_all(s, list);
}

static bool is_idle(const struct pg_store *s)
{
    return !s->waiting.first && !s->redo.first && s->in_flight == 0;
}

void pg_close_if_idle(struct pg_store *s)
{
    if (s->is_closing && s->phase != PG_CLOSED && is_idle(s))
        close_handles(s);
}

/* --- making batches --------------------------------------------------------------------------- */

/* Queries in front of the first write are a batch of their own: they need not wait for its commit.
 */
static void fill(struct pg_store *s, struct pg_batch *b)
{
    bool is_reading = s->waiting.first->kind == TX_QUERY;
    size_t count = 0, bytes = 0;

    *b = (struct pg_batch){ .number = 0 };
    tx_list_init(&b->list);
    while (s->waiting.first && count < s->batch_limit && bytes < PG_MAX_BATCH_BYTES) {
        struct store_tx *tx = s->waiting.first;

        if (is_reading && tx->kind != TX_QUERY)
            break;
        tx = tx_list_pop(&s->waiting);
        if (tx->kind == TX_WRITE && !tx->is_settled && tx->statements > 0)
            b->number = s->number + 1;
        count++;
        bytes += tx->ops.n;
        tx_list_push(&b->list, tx);
    }
    if (b->number != 0)
        s->number++;
}

static void flush(struct pg_store *s)
{
    int rest = PQflush(s->conn);

    if (rest < 0)
        pg_on_gone(s, PQerrorMessage(s->conn));
    else
        pg_watch(s, rest ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void pg_pump(struct pg_store *s)
{
    bool is_new = false;

    while (s->phase == PG_READY && !s->redo.first && s->in_flight < PG_IN_FLIGHT &&
           s->waiting.first) {
        struct pg_batch *b = &s->batches[(s->first + s->in_flight) % PG_IN_FLIGHT];

        fill(s, b);
        s->in_flight++;
        is_new = true;
        if (!pg_batch_send(s, b)) {
            pg_on_gone(s, PQerrorMessage(s->conn));
            return;
        }
    }
    if (is_new)
        flush(s);
}

/* --- results ---------------------------------------------------------------------------------- */

static bool has_work_under_way(const struct pg_store *s)
{
    return s->conn && (s->in_flight > 0 || s->phase == PG_UNDOING);
}

static void take(struct pg_store *s, const PGresult *r)
{
    if (s->phase != PG_UNDOING)
        pg_batch_take(s, &s->batches[s->first], r);
    else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
        pg_on_undone(s);
    else if (PQresultStatus(r) == PGRES_FATAL_ERROR)
        pg_on_gone(s, PQresultErrorMessage(r));
}

/* NULL ends the results of each statement; two of them in a row come only from a connection that is
 * broken. */
static void take_all(struct pg_store *s)
{
    unsigned nulls = 0;

    while (has_work_under_way(s) && !PQisBusy(s->conn)) {
        PGresult *r = PQgetResult(s->conn);

        if (!r && ++nulls > 2) {
            pg_on_gone(s, PQerrorMessage(s->conn));
            return;
        }
        if (!r)
            continue;
        nulls = 0;
        take(s, r);
        PQclear(r);
    }
}

void pg_work_io(struct pg_store *s, int events)
{
    bool is_read = !(events & UV_READABLE) || PQconsumeInput(s->conn) == 1;

    take_all(s); /* also of a connection that is lost: what was read before */
    if (s->conn && (!is_read || PQstatus(s->conn) == CONNECTION_BAD)) {
        pg_on_gone(s, PQerrorMessage(s->conn));
        return;
    }
    if (s->conn)
        flush(s);
    pg_pump(s);
    pg_close_if_idle(s);
}

/* --- store.h ---------------------------------------------------------------------------------- */

static void on_turn_end(uv_prepare_t *handle)
{
    pg_pump(handle->data);
}

static void submit(struct store *base, struct store_tx *tx)
{
    struct pg_store *s = (struct pg_store *)base;

    ASSERT(s->phase != PG_CLOSED);
    tx_list_push(&s->waiting, tx);
}

/* Nothing under way is known to be kept. */
static void on_close_timeout(uv_timer_t *timer)
{
    struct pg_store *s = timer->data;
    struct tx_list all;

    if (s->phase == PG_CLOSED)
        return;
    if (s->base.queued > 0)
        log_error("what waited for the store is lost", kv_u64("transactions", s->base.queued),
                  kv_text("reason", s->why));
    pg_hang_up(s);
    pg_set_phase(s, PG_LOST);
    tx_list_init(&all);
    tx_list_move(&all, &s->redo);
    for (; s->in_flight > 0; s->in_flight--, s->first = (s->first + 1) % PG_IN_FLIGHT)
        tx_list_move(&all, &s->batches[s->first].list);
    tx_list_move(&all, &s->waiting);
    fail_all(s, &all);
    while (s->waiting.first) { /* what their callbacks submitted */
        tx_list_move(&all, &s->waiting);
        fail_all(s, &all);
    }
    close_handles(s);
}

static void close_store(struct store *base, void (*on_closed)(void *owner), void *owner)
{
    struct pg_store *s = (struct pg_store *)base;

    ASSERT(!s->is_closing);
    s->is_closing = true;
    s->on_closed = on_closed;
    s->owner = owner;
    /* callbacks never come from inside the call: the timer closes, too */
    uv_timer_start(&s->close_timer, on_close_timeout,
                   s->phase == PG_LOST || is_idle(s) ? 0 : CLOSE_MS, 0);
}

static enum err copy(struct store *base, const char *path,
                     void (*done)(void *owner, enum err e, const struct store_copied *copied),
                     void *owner)
{
    (void)base, (void)path, (void)done, (void)owner;
    return ERR_UNSUPPORTED;
}

static void describe(const struct store *base, struct store_state *out_state)
{
    const struct pg_store *s = (const struct pg_store *)base;

    out_state->is_away = s->phase != PG_READY && s->phase != PG_UNDOING && s->phase != PG_PAUSING;
    out_state->promise = s->promise;
}

static const struct store_driver driver = {
    .name = "postgresql", .submit = submit, .close = close_store, .copy = copy, .describe = describe
};

static void init_timer(struct pg_store *s, uv_timer_t *timer)
{
    uv_timer_init(s->base.loop, timer);
    timer->data = s;
    s->handles_open++;
}

static const char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static void copy_server(struct store_server *to, const struct store_server *from)
{
    const char **hosts = mem_alloc(from->host_count * sizeof *hosts);

    for (size_t i = 0; i < from->host_count; i++)
        hosts[i] = copy_text(from->hosts[i]);
    *to = *from;
    to->hosts = hosts;
    to->database = copy_text(from->database);
    to->user = copy_text(from->user);
    to->password_file = copy_text(from->password_file);
    to->ca = copy_text(from->ca);
}

static struct pg_store *new_store(uv_loop_t *loop, const struct store_options *options)
{
    struct pg_store *s = mem_new(struct pg_store);

    s->base = (struct store){ .driver = &driver, .loop = loop, .max_queued = options->max_queued };
    copy_server(&s->server, options->server);
    s->batch_limit = PG_MAX_BATCH;
    tx_list_init(&s->waiting);
    tx_list_init(&s->redo);
    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, s->token, sizeof s->token) == 0);
    init_timer(s, &s->timer);
    init_timer(s, &s->close_timer);
    uv_prepare_init(loop, &s->at_turn_end);
    s->at_turn_end.data = s;
    s->handles_open++;
    uv_prepare_start(&s->at_turn_end, on_turn_end);
    return s;
}

enum err postgres_open(uv_loop_t *loop, const struct store_options *options,
                       struct store **out_store, struct buf *why)
{
    struct pg_store *s = new_store(loop, options);
    enum err e;

    s->is_opening = true;
    s->open_error = ERR_IO;
    pg_dial(s);
    while (s->is_opening && s->phase != PG_READY)
        uv_run(loop, UV_RUN_ONCE);
    if (s->phase != PG_READY) {
        buf_printf(why, "the database %s on %s: %s", s->server.database, s->server.hosts[s->host],
                   s->why);
        uv_timer_stop(&s->timer);
        e = s->open_error;
        close_handles(s);
        return e;
    }
    s->is_opening = false;
    *out_store = &s->base;
    return ERR_OK;
}
