/* The store's interface, before the driver that does the work. */
#include "sm/store/driver.h"

#include "common/mem.h"

enum err store_open(uv_loop_t *loop, const struct store_options *options, struct store **out_store,
                    struct buf *why)
{
    return options->server ? postgres_open(loop, options, out_store, why)
                           : sqlite_open(loop, options, out_store, why);
}

void store_close(struct store *s, void (*on_closed)(void *owner), void *owner)
{
    s->driver->close(s, on_closed, owner);
}

enum err store_copy(struct store *s, const char *path,
                    void (*done)(void *owner, enum err e, const struct store_copied *copied),
                    void *owner)
{
    return s->driver->copy(s, path, done, owner);
}

uv_loop_t *store_loop(const struct store *s)
{
    return s->loop;
}

bool store_is_busy(const struct store *s)
{
    return s->queued >= s->max_queued;
}

void store_describe(const struct store *s, struct store_state *out_state)
{
    *out_state = (struct store_state){ .driver = s->driver->name };
    s->driver->describe(s, out_state);
}

struct store_tx *store_begin(struct store *s)
{
    struct store_tx *tx = mem_new(struct store_tx);

    tx->store = s;
    return tx;
}

void store_discard(struct store_tx *tx)
{
    tx_free(tx);
}

static void submit(struct store_tx *tx)
{
    ASSERT(tx->unbound == 0);
    tx->store->queued++;
    tx->store->driver->submit(tx->store, tx);
}

void store_submit(struct store_tx *tx, void (*done)(void *owner, enum err e, int64_t changes),
                  void *owner)
{
    tx->kind = TX_WRITE;
    tx->done = done;
    tx->owner = owner;
    submit(tx);
}

void store_query(struct store_tx *tx,
                 void (*done)(void *owner, enum err e, struct store_rows *rows), void *owner)
{
    ASSERT(tx->statements == 1);
    tx->kind = TX_QUERY;
    tx->rows_done = done;
    tx->owner = owner;
    submit(tx);
}

void store_finish(struct store *s, struct store_tx *tx)
{
    s->queued--;
    tx_call_back(tx);
    tx_free(tx);
}
