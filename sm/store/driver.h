/* What a driver of the store is to store.c, which has what all of them share. */
#ifndef SM_STORE_DRIVER_H
#define SM_STORE_DRIVER_H

#include "sm/store/tx.h"

struct store_driver {
    const char *name; /* as the configuration has it */
    void (*submit)(struct store *s, struct store_tx *tx);
    void (*close)(struct store *s, void (*on_closed)(void *owner), void *owner);
    enum err (*copy)(struct store *s, const char *path,
                     void (*done)(void *owner, enum err e, const struct store_copied *copied),
                     void *owner);
    void (*describe)(const struct store *s, struct store_state *out_state);
};

/* The first member of each driver's own. */
struct store {
    const struct store_driver *driver;
    uv_loop_t *loop;
    uint32_t max_queued;
    uint32_t queued; /* submitted, not yet called back */
};

/* As store_open. */
NODISCARD enum err sqlite_open(uv_loop_t *loop, const struct store_options *options,
                               struct store **out_store, struct buf *why);
NODISCARD enum err postgres_open(uv_loop_t *loop, const struct store_options *options,
                                 struct store **out_store, struct buf *why);

/* Calls tx back and frees it. */
void store_finish(struct store *s, struct store_tx *tx);

#endif
