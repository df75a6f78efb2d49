/* The embedded store: the queue between the loop and the one thread that uses the file. What one
 * turn of the loop submits is handed over at its end; what waits when the thread comes back is its
 * next batch: so batches grow by themselves under load and nobody waits for one to fill. */
#include "sm/store/driver.h"
#include "sm/store/sqlite_copy.h"

#include "common/log.h"
#include "common/mem.h"

/* Of a copy, between two batches: at least so long, and so long when nobody waits. */
enum { COPY_MIN_US = 500, COPY_MAX_US = 2000 };

/* How the file does, as the writer found it in its last batch with writes. */
struct verdict {
    bool is_new;
    int error; /* 0: it could be written */
    char text[sizeof((struct sqlite_db *)0)->error_text];
    int refused;
    enum store_statement refused_statement;
};

struct sqlite_store {
    struct store base;
    struct sqlite_db *db;
    struct tx_list submitted; /* in this turn; the loop's */
    bool is_full_sync;
    bool is_failing;          /* was logged; the loop's */
    uv_prepare_t at_turn_end;
    uv_async_t at_done;
    uv_thread_t writer;
    uv_mutex_t lock; /* guards what follows up to closing, and that db becomes NULL */
    uv_cond_t wake;
    struct tx_list waiting; /* for the writer */
    struct tx_list done;    /* for the loop */
    struct verdict verdict;
    bool must_stop;
    enum { COPY_NONE, COPY_WANTED, COPY_RUNNING, COPY_DONE } copy_state;
    bool is_copy_cancelled;
    struct sqlite_copy *copy; /* the writer's while it is wanted or running, else the loop's */
    void (*copied)(void *owner, enum err e, const struct store_copied *copied);
    void *copy_owner;
    uv_work_t copy_work;
    /* closing; the loop's */
    bool is_closing;
    int handles_open;
    void (*on_closed)(void *owner);
    void *owner;
};

/* --- the writer's thread ---------------------------------------------------------------------- */

static void publish(struct sqlite_store *s, struct tx_list *done, bool has_verdict)
{
    struct sqlite_db *d = s->db;

    uv_mutex_lock(&s->lock);
    tx_list_move(&s->done, done);
    if (has_verdict) {
        s->verdict.is_new = true;
        s->verdict.error = d->error;
        memcpy(s->verdict.text, d->error_text, sizeof s->verdict.text);
    }
    if (d->refused) {
        s->verdict.refused = d->refused;
        s->verdict.refused_statement = d->refused_statement;
        d->refused = 0;
    }
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->at_done);
}

static bool is_copying(const struct sqlite_store *s)
{
    return s->copy_state == COPY_WANTED || s->copy_state == COPY_RUNNING;
}

/* false: there is nothing and there will be nothing. */
static bool wait_for_work(struct sqlite_store *s, struct tx_list *out_batch, bool *out_has_copy)
{
    uv_mutex_lock(&s->lock);
    while (!s->waiting.first && !s->must_stop && !is_copying(s))
        uv_cond_wait(&s->wake, &s->lock);
    tx_list_move(out_batch, &s->waiting);
    *out_has_copy = is_copying(s);
    uv_mutex_unlock(&s->lock);
    return out_batch->first != NULL || *out_has_copy;
}

/* Also asks whether the copy is still wanted. */
static bool is_awaited(struct sqlite_store *s)
{
    bool answer;

    uv_mutex_lock(&s->lock);
    answer = s->waiting.first != NULL;
    if (s->is_copy_cancelled)
        sqlite_copy_cancel(s->copy);
    uv_mutex_unlock(&s->lock);
    return answer;
}

static void set_copy_state(struct sqlite_store *s, int state)
{
    uv_mutex_lock(&s->lock);
    s->copy_state = state;
    uv_mutex_unlock(&s->lock);
}

/* A slice of the copy that is wanted: from then until it is done its state is this thread's to change. */
static void copy_some(struct sqlite_store *s)
{
    uint64_t begun = uv_hrtime(), us = 0;
    bool has_more = true;

    if (s->copy_state == COPY_WANTED) {
        set_copy_state(s, COPY_RUNNING);
        sqlite_copy_begin(s->copy, s->db);
    }
    while (has_more && us < (is_awaited(s) ? COPY_MIN_US : COPY_MAX_US)) {
        has_more = sqlite_copy_step(s->copy);
        us = (uv_hrtime() - begun) / 1000;
    }
    if (has_more)
        return;
    sqlite_copy_end(s->copy);
    set_copy_state(s, COPY_DONE);
    uv_async_send(&s->at_done);
}

/* Queries in front of the first write need not wait for a commit. */
static void write_all(void *arg)
{
    struct sqlite_store *s = arg;
    struct tx_list batch, done;
    bool has_copy;

    tx_list_init(&batch);
    tx_list_init(&done);
    while (wait_for_work(s, &batch, &has_copy)) {
        s->db->error = 0;
        sqlite_run_queries(s->db, &batch, &done);
        if (done.first)
            publish(s, &done, s->db->error != 0);
        if (batch.first) {
            sqlite_run_batch(s->db, &batch);
            publish(s, &batch, true);
        }
        if (has_copy)
            copy_some(s);
    }
    sqlite_db_close(s->db); /* empties the WAL into the file, which takes its time */
    uv_mutex_lock(&s->lock);
    s->db = NULL;
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->at_done);
}

/* --- the loop's thread ------------------------------------------------------------------------ */

/* Once when it begins and once when it is over, not once a batch. */
static void log_verdict(struct sqlite_store *s, const struct verdict *v)
{
    if (v->refused)
        log_error("the store refused a statement",
                  kv_text("statement", store_statement_names[v->refused_statement]),
                  kv_text("reason", sqlite3_errstr(v->refused)));
    if (!v->is_new || s->is_failing == (v->error != 0))
        return;
    s->is_failing = v->error != 0;
    if (s->is_failing)
        log_error("the store cannot write", kv_text("reason", v->text));
    else
        log_info("the store can write again");
}

static void hand_over(struct sqlite_store *s)
{
    if (!s->submitted.first)
        return;
    uv_mutex_lock(&s->lock);
    tx_list_move(&s->waiting, &s->submitted);
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

static void on_turn_end(uv_prepare_t *handle)
{
    hand_over(handle->data);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sqlite_store *s = handle->data;

    if (--s->handles_open > 0)
        return;
    uv_cond_destroy(&s->wake);
    uv_mutex_destroy(&s->lock);
    sqlite_db_close(s->db);
    if (s->on_closed)
        s->on_closed(s->owner);
    mem_free(s);
}

static void close_handles(struct sqlite_store *s)
{
    uv_close((uv_handle_t *)&s->at_turn_end, on_handle_closed);
    uv_close((uv_handle_t *)&s->at_done, on_handle_closed);
}

/* The writer has nothing left: it closes the file and says so. */
static void stop_writer(struct sqlite_store *s)
{
    uv_mutex_lock(&s->lock);
    s->must_stop = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

/* --- a copy that has its pages ---------------------------------------------------------------- */

static void seal_copy(uv_work_t *work)
{
    sqlite_copy_seal(((struct sqlite_store *)work->data)->copy);
}

static void on_copy_sealed(uv_work_t *work, int status)
{
    struct sqlite_store *s = work->data;
    struct sqlite_copy *c = s->copy;
    struct store_copied copied = { c->path, c->bytes, c->made_us, c->why };

    (void)status;
    s->copy = NULL;
    s->copied(s->copy_owner, c->result, &copied);
    sqlite_copy_free(c);
    uv_async_send(&s->at_done); /* on_done closes if that was what it waited for */
}

/* The pool's thread uses no more than the copy. */
static void take_copy(struct sqlite_store *s, bool is_cancelled)
{
    if (is_cancelled)
        sqlite_copy_cancel(s->copy);
    s->copy_work.data = s;
    ASSERT(uv_queue_work(s->base.loop, &s->copy_work, seal_copy, on_copy_sealed) == 0);
}

static void on_done(uv_async_t *handle)
{
    struct sqlite_store *s = handle->data;
    struct tx_list done;
    struct verdict verdict;
    struct store_tx *tx;
    bool has_stopped, has_copy, is_cancelled;

    tx_list_init(&done);
    uv_mutex_lock(&s->lock);
    tx_list_move(&done, &s->done);
    verdict = s->verdict;
    s->verdict.is_new = false;
    s->verdict.refused = 0;
    has_stopped = s->db == NULL;
    has_copy = s->copy_state == COPY_DONE;
    is_cancelled = s->is_copy_cancelled;
    if (has_copy)
        s->copy_state = COPY_NONE;
    uv_mutex_unlock(&s->lock);
    log_verdict(s, &verdict);
    if (has_copy)
        take_copy(s, is_cancelled);
    while ((tx = tx_list_pop(&done)) != NULL) {
        store_finish(&s->base, tx);
    }
    if (has_stopped) {
        uv_thread_join(&s->writer);
        close_handles(s);
    } else if (s->is_closing && s->base.queued == 0 && !s->copy && !s->must_stop) {
        stop_writer(s);
    }
}

/* --- store.h ---------------------------------------------------------------------------------- */

static void init_loop_side(struct sqlite_store *s, uv_loop_t *loop)
{
    s->base.loop = loop;
    tx_list_init(&s->submitted);
    tx_list_init(&s->waiting);
    tx_list_init(&s->done);
    uv_prepare_init(loop, &s->at_turn_end);
    s->at_turn_end.data = s;
    uv_prepare_start(&s->at_turn_end, on_turn_end);
    uv_async_init(loop, &s->at_done, on_done);
    s->at_done.data = s;
    s->handles_open = 2;
    uv_mutex_init(&s->lock);
    uv_cond_init(&s->wake);
}

static void close_store(struct store *base, void (*on_closed)(void *owner), void *owner)
{
    struct sqlite_store *s = (struct sqlite_store *)base;

    ASSERT(!s->is_closing);
    s->is_closing = true;
    s->on_closed = on_closed;
    s->owner = owner;
    hand_over(s);
    uv_mutex_lock(&s->lock);
    s->is_copy_cancelled = true;
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->at_done); /* on_done closes when nothing is under way */
}

static enum err copy(struct store *base, const char *path,
                     void (*done)(void *owner, enum err e, const struct store_copied *copied),
                     void *owner)
{
    struct sqlite_store *s = (struct sqlite_store *)base;

    if (s->copy || s->is_closing)
        return ERR_AGAIN;
    s->copy = sqlite_copy_new(path);
    s->copied = done;
    s->copy_owner = owner;
    uv_mutex_lock(&s->lock);
    s->copy_state = COPY_WANTED;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    return ERR_OK;
}

static void submit(struct store *base, struct store_tx *tx)
{
    struct sqlite_store *s = (struct sqlite_store *)base;

    ASSERT(!s->must_stop);
    tx_list_push(&s->submitted, tx);
}

static void describe(const struct store *base, struct store_state *out_state)
{
    const struct sqlite_store *s = (const struct sqlite_store *)base;

    out_state->promise = s->is_full_sync ? "what is acknowledged survives a loss of power"
                                         : "what is acknowledged survives the death of any process, "
                                           "but perhaps not a loss of power";
}

static const struct store_driver driver = { .name = "sqlite",
                                            .submit = submit,
                                            .close = close_store,
                                            .copy = copy,
                                            .describe = describe };

enum err sqlite_open(uv_loop_t *loop, const struct store_options *options, struct store **out_store,
                     struct buf *why)
{
    struct sqlite_db *db;
    struct sqlite_store *s;
    enum err e;

    if ((e = sqlite_db_open(options, &db, why)) != ERR_OK)
        return e;
    s = mem_new(struct sqlite_store);
    s->base.driver = &driver;
    s->is_full_sync = options->is_full_sync;
    s->db = db;
    s->base.max_queued = options->max_queued;
    init_loop_side(s, loop);
    if (uv_thread_create(&s->writer, write_all, s) != 0) {
        buf_printf(why, "%s: no thread for it can be started", options->path);
        close_handles(s);
        return ERR_IO;
    }
    *out_store = &s->base;
    return ERR_OK;
}
