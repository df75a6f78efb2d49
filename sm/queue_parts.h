/* What queue.c and queue_rows.c share. */
#ifndef SM_QUEUE_PARTS_H
#define SM_QUEUE_PARTS_H

#include "sm/session.h"

static inline struct queue_item *queue_item_at(struct list *at)
{
    return CONTAINER_OF(at, struct queue_item, at);
}

static inline struct queue_kept *queue_kept_at(struct list *at)
{
    return CONTAINER_OF(at, struct queue_kept, at);
}

/* d came out of a row (or of a copy of one): pinned until the row is deleted or marked. */
void queue_keep(struct session *s, struct channel_down *d, const struct queue_item *item);
/* Puts it behind the rows that are there already; its origin waits for the commit. */
void queue_store_behind(struct session *s, struct queue_item *take_item);
/* Gives rows to all that has none: first what is in flight and holds somebody up, then what waits. */
void queue_store_all(struct session *s);
/* Reads the next rows into memory. */
void queue_read(struct session *s);
/* Into the list that waits in memory, whatever its limits. */
void queue_wait(struct session *s, struct queue_item *take_item);

#endif
