/* The driver for PostgreSQL: what is submitted waits in one queue; what is in it when the connection is free is the next batch, and up to two are
 * under way. A batch that was refused is undone and run again without the transaction that was to blame; one whose connection was lost is
 * looked up in the database and run again only if it is not there. So nobody is told what is not so, and nothing is done twice. */
#include "sm/store/postgres.h"

#include "common/log.h"
#include "common/mem.h"

#include <gnutls/crypto.h>
#include <stdio.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 3000, PAUSE_MS = 100, MAX_RETRIES = 10, CLOSE_MS = 5000 };

static void pump(struct pg_store *s);

static const char *const phase_names[] = { "away", "resolving", "dialling", "setting-up", "ready", "undoing", "pausing", "lost", "closed" };

void pg_set_phase(struct pg_store *s, enum pg_phase phase)
{
    if (s->phase == phase)
        return;
    log_debug("the store's connection changes", kv_text("from", phase_names[s->phase]), kv_text("to", phase_names[phase]));
    s->phase = phase;
}

/* --- the socket ------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

void pg_unwatch(struct pg_store *s)
{
    if (!s->poll)
        return;
    s->poll->data = NULL;
    uv_close((uv_handle_t *)s->poll, on_poll_closed);
    s->poll = NULL;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct pg_store *s = handle->data;

    if (s)
        pg_on_io(s, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

void pg_watch(struct pg_store *s, int events)
{
    int fd = PQsocket(s->conn);

    if (s->poll && s->fd != fd)
        pg_unwatch(s);
    if (!s->poll) {
        s->poll = mem_new(uv_poll_t);
        s->fd = fd;
        ASSERT(uv_poll_init(s->base.loop, s->poll, fd) == 0);
        s->poll->data = s;
    }
    ASSERT(uv_poll_start(s->poll, events, on_poll) == 0);
}

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

static void hang_up(struct pg_store *s)
{
    pg_unwatch(s);
    if (s->conn)
        PQfinish(s->conn);
    s->conn = NULL;
}

static void close_handles(struct pg_store *s)
{
    hang_up(s);
    pg_set_phase(s, PG_CLOSED);
    if (s->lookup)
        uv_cancel((uv_req_t *)s->lookup); /* its callback counts as a handle's */
    uv_close((uv_handle_t *)&s->at_turn_end, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->close_timer, on_handle_closed);
}

/* Calls back all of list, in order. What its callbacks submit waits. */
static void finish_all(struct pg_store *s, struct tx_list *list)
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
    finish_all(s, list);
}

static bool is_idle(const struct pg_store *s)
{
    return !s->waiting.first && !s->redo.first && s->in_flight == 0;
}

static void close_if_idle(struct pg_store *s)
{
    if (s->is_closing && s->phase != PG_CLOSED && is_idle(s))
        close_handles(s);
}

/* --- what becomes of a batch ------------------------------------------------------------------ */

/* One sentence when it begins and one when it is over. */
static void note_failing(struct pg_store *s, const char *why)
{
    if (!s->is_failing && why)
        log_error("the store cannot write", kv_text("reason", why));
    else if (s->is_failing && !why)
        log_info("the store can write again");
    s->is_failing = why != NULL;
}

static bool is_class(const struct pg_batch *b, const char *class)
{
    return strncmp(b->state, class, 2) == 0;
}

/* What the server says of one statement, without blame on itself: the rest can go on. */
static bool is_refusal(const struct pg_batch *b)
{
    static const char *const classes[] = { "21", "22", "23", "42", "44", "54", "0A", "P0" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (b->is_refused && is_class(b, classes[i]))
            return true;
    }
    return false;
}

/* It may go well the next time: a deadlock, a lock or a statement that an administrator cancelled. */
static bool is_passing(const struct pg_batch *b)
{
    return is_class(b, "40") || is_class(b, "55") || strcmp(b->state, "57014") == 0;
}

static void settle_refused(struct pg_batch *b)
{
    struct store_tx *tx = b->at;
    bool is_duplicate = strcmp(b->state, "23505") == 0;

    if (!is_duplicate)
        log_error("the store refused a statement", kv_text("statement", store_statement_names[b->statement]), kv_text("reason", b->why));
    tx->is_settled = true;
    tx->result = is_duplicate ? ERR_EXISTS : is_class(b, "54") ? ERR_LIMIT : ERR_IO;
}

/* Its writes fail; its queries may still be answered, without them. */
static void settle_writes(struct pg_batch *b)
{
    for (struct store_tx *tx = b->list.first; tx; tx = tx->next) {
        if (tx->kind != TX_WRITE || tx->is_settled)
            continue;
        tx->is_settled = true;
        tx->result = ERR_IO;
        tx->changes = 0;
    }
}

/* A query that is answered with what was not kept would lie. */
static void forget_answers(struct tx_list *list)
{
    for (struct store_tx *tx = list->first; tx; tx = tx->next)
        tx->is_answered = false;
}

/* What failed before it at its very end is called back first. */
static void settle_kept(struct pg_store *s, struct pg_batch *b)
{
    for (struct store_tx *tx = b->list.first; tx; tx = tx->next)
        tx->is_settled = true;
    tx_list_move(&s->redo, &b->list);
}

static void on_committed(struct pg_store *s, struct pg_batch *b)
{
    if (b->number != 0) {
        s->committed = b->number;
        note_failing(s, NULL);
    }
    s->retries = 0;
    s->batch_limit = s->batch_limit * 2 < PG_MAX_BATCH ? s->batch_limit * 2 : PG_MAX_BATCH;
    if (s->redo.first)
        settle_kept(s, b);
    else
        finish_all(s, &b->list);
}

/* Nothing of it is kept. Batches behind it have failed, too, because the transaction is still aborted. */
static void on_failed(struct pg_store *s, struct pg_batch *b)
{
    bool is_collateral = strcmp(b->state, "25P02") == 0;

    forget_answers(&b->list);
    if (is_refusal(b) && !is_collateral) {
        settle_refused(b);
        s->batch_limit = PG_CAREFUL_BATCH;
    } else if (is_passing(b) && s->retries++ < MAX_RETRIES) {
        log_warn("the store runs a batch again", kv_text("reason", b->why));
    } else if (!is_collateral) {
        note_failing(s, b->why);
        settle_writes(b);
        if (b->is_refused && b->at->kind == TX_QUERY) {
            b->at->is_settled = true;
            b->at->result = ERR_IO;
        }
    }
    tx_list_move(&s->redo, &b->list);
}

/* Everything under way is in redo or committed: the aborted transaction is ended, and redo comes before what waits. */
static void undo(struct pg_store *s)
{
    pg_set_phase(s, PG_UNDOING);
    if (PQsendQueryParams(s->conn, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0) != 1 || PQpipelineSync(s->conn) != 1 || PQflush(s->conn) < 0)
        pg_on_gone(s, PQerrorMessage(s->conn));
}

static void requeue(struct pg_store *s)
{
    tx_list_move(&s->redo, &s->waiting);
    tx_list_move(&s->waiting, &s->redo);
}

void pg_on_undone(struct pg_store *s)
{
    requeue(s);
    pg_set_phase(s, s->retries > 0 ? PG_PAUSING : PG_READY);
    if (s->phase == PG_PAUSING)
        pg_set_timer(s, PAUSE_MS);
}

/* A server was demoted while we were connected: another takes writes. */
static bool is_demoted(const struct pg_batch *b)
{
    return strcmp(b->state, "25006") == 0;
}

void pg_on_batch(struct pg_store *s, struct pg_batch *b)
{
    ASSERT(b == &s->batches[s->first]);
    if (b->has_failed && is_demoted(b)) {
        pg_on_gone(s, b->why);
        return;
    }
    s->first = (s->first + 1) % PG_IN_FLIGHT;
    s->in_flight--;
    if (!b->has_failed)
        on_committed(s, b);
    else
        on_failed(s, b);
    if (s->phase == PG_READY && s->redo.first && s->in_flight == 0)
        undo(s);
}

/* --- making batches --------------------------------------------------------------------------- */

/* Queries in front of the first write are a batch of their own: they need not wait for its commit. */
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

static void pump(struct pg_store *s)
{
    bool is_new = false;

    while (s->phase == PG_READY && !s->redo.first && s->in_flight < PG_IN_FLIGHT && s->waiting.first) {
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

/* NULL ends the results of each statement; two of them in a row come only from a connection that is broken. */
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

static void work_io(struct pg_store *s, int events)
{
    bool is_read = !(events & UV_READABLE) || PQconsumeInput(s->conn) == 1;

    take_all(s); /* also of a connection that is lost: what was read before */
    if (s->conn && (!is_read || PQstatus(s->conn) == CONNECTION_BAD)) {
        pg_on_gone(s, PQerrorMessage(s->conn));
        return;
    }
    if (s->conn)
        flush(s);
    pump(s);
    close_if_idle(s);
}

void pg_on_io(struct pg_store *s, int events)
{
    switch (s->phase) {
    case PG_DIALLING:
        pg_dial_io(s);
        break;
    case PG_SETTING_UP:
        pg_session_io(s);
        break;
    case PG_READY:
    case PG_UNDOING:
    case PG_PAUSING:
        work_io(s, events);
        break;
    default:
        break;
    }
}

/* --- coming and going ------------------------------------------------------------------------- */

/* The batches under way at the end of the last connection: the database's own word says which of them it has. */
static void judge_unknown(struct pg_store *s, uint64_t number)
{
    struct tx_list unknown;

    tx_list_init(&unknown);
    for (; s->in_flight > 0; s->in_flight--, s->first = (s->first + 1) % PG_IN_FLIGHT) {
        struct pg_batch *b = &s->batches[s->first];
        bool is_kept = b->number != 0 && b->number <= number;

        for (struct store_tx *tx = b->list.first; tx; tx = tx->next) {
            if (!is_kept || tx->is_settled)
                continue;
            tx->is_settled = tx->kind == TX_WRITE || tx->is_answered;
            tx->result = ERR_OK;
            if (tx->kind == TX_WRITE && !tx->is_answered)
                tx->changes = tx->statements > 0;
        }
        log_info("a batch of unknown outcome", kv_u64("number", b->number), kv_text("outcome", is_kept ? "was kept" : "is run again"));
        tx_list_move(&unknown, &b->list);
    }
    /* redo was undone, and comes before what was under way */
    tx_list_move(&s->redo, &unknown);
    requeue(s);
}

void pg_on_ready(struct pg_store *s, uint64_t number)
{
    if (number < s->committed) {
        pg_on_refused(s, ERR_DENIED, "the database has lost transactions that it had confirmed: it was restored, or another server took over "
                                     "without them");
        return;
    }
    s->backoff_ms = 0;
    s->retries = 0;
    s->batch_limit = s->in_flight > 0 || s->redo.first ? PG_CAREFUL_BATCH : PG_MAX_BATCH;
    judge_unknown(s, number);
    s->committed = number;
    uv_timer_stop(&s->timer);
    pg_set_phase(s, PG_READY);
    if (s->is_busy_told)
        log_info("the store is back", kv_text("host", s->server.hosts[s->host]));
    s->is_busy_told = false;
    pump(s);
    close_if_idle(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct pg_store *s = timer->data;

    switch (s->phase) {
    case PG_AWAY:
        pg_dial(s);
        break;
    case PG_RESOLVING:
    case PG_DIALLING:
        pg_dial_timeout(s);
        break;
    case PG_SETTING_UP:
        pg_session_timeout(s);
        break;
    case PG_PAUSING:
        pg_set_phase(s, PG_READY);
        pump(s);
        break;
    default:
        break;
    }
}

void pg_set_timer(struct pg_store *s, uint64_t ms)
{
    uv_timer_start(&s->timer, on_timer, ms, 0);
}

/* Half of it is chance, so that many that lost one server do not come back at once. */
static uint64_t next_backoff(struct pg_store *s)
{
    uint32_t chance;
    uint64_t ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_MIN_MS;

    s->backoff_ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, &chance, sizeof chance) == 0);
    return s->backoff_ms / 2 + chance % (s->backoff_ms / 2 + 1);
}

/* In order: the next address, the next host, and from the first one again after a while. */
void pg_on_gone(struct pg_store *s, const char *why)
{
    bool was_ready = s->phase == PG_READY || s->phase == PG_UNDOING || s->phase == PG_PAUSING;
    bool is_round_over;

    snprintf(s->why, sizeof s->why, "%.*s", (int)strcspn(why, "\n"), why);
    hang_up(s);
    if (was_ready) {
        log_warn("the store is away", kv_text("reason", s->why));
        s->is_busy_told = true;
        s->host = s->address = 0;
        is_round_over = true;
    } else {
        if (!s->is_opening)
            log_debug("the store cannot be reached", kv_text("host", s->server.hosts[s->host]), kv_text("reason", s->why));
        is_round_over = ++s->address >= s->address_count;
        if (is_round_over) {
            s->address = s->address_count = 0;
            s->host = (s->host + 1) % s->server.host_count;
            is_round_over = s->host == 0;
        }
    }
    pg_set_phase(s, PG_AWAY);
    if (s->is_opening && is_round_over)
        s->is_opening = false;
    else
        pg_set_timer(s, is_round_over ? next_backoff(s) : 0);
}

void pg_on_refused(struct pg_store *s, enum err e, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    uv_timer_stop(&s->timer);
    hang_up(s);
    pg_set_phase(s, PG_LOST);
    s->open_error = e;
    if (s->is_opening) {
        s->is_opening = false;
        return;
    }
    log_error("the store is lost", kv_text("reason", s->why));
    if (s->server.on_lost)
        s->server.on_lost(s->server.owner, s->why);
}

/* --- store.h ---------------------------------------------------------------------------------- */

static void on_turn_end(uv_prepare_t *handle)
{
    pump(handle->data);
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
        log_error("what waited for the store is lost", kv_u64("transactions", s->base.queued), kv_text("reason", s->why));
    hang_up(s);
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
    uv_timer_start(&s->close_timer, on_close_timeout, s->phase == PG_LOST || is_idle(s) ? 0 : CLOSE_MS, 0);
}

static enum err copy(struct store *base, const char *path,
                     void (*done)(void *owner, enum err e, const struct store_copied *copied), void *owner)
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

static const struct store_driver driver = { .name = "postgresql", .submit = submit, .close = close_store, .copy = copy, .describe = describe };

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

enum err postgres_open(uv_loop_t *loop, const struct store_options *options, struct store **out_store, struct buf *why)
{
    struct pg_store *s = new_store(loop, options);
    enum err e;

    s->is_opening = true;
    s->open_error = ERR_IO;
    pg_dial(s);
    while (s->is_opening && s->phase != PG_READY)
        uv_run(loop, UV_RUN_ONCE);
    if (s->phase != PG_READY) {
        buf_printf(why, "the database %s on %s: %s", s->server.database, s->server.hosts[s->host], s->why);
        uv_timer_stop(&s->timer);
        e = s->open_error;
        close_handles(s);
        return e;
    }
    s->is_opening = false;
    *out_store = &s->base;
    return ERR_OK;
}
