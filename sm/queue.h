/* The session's queue (ARCHITECTURE §4): what its client has not taken yet. In flight (the channel's window), then waiting in memory,
 * then rows of the store: in this order, and in this order it goes down. What a client leaves lying for store_after_ms gets a row as well,
 * so that nobody else waits for it. */
#ifndef SM_QUEUE_H
#define SM_QUEUE_H

#include "common/list.h"
#include "proto/frame.h"

struct bytes;
struct channel_down;
struct origin;
struct session;

enum queue_source {
    QUEUE_LIVE,
    QUEUE_OFFLINE, /* a row of the offline store: marked, not deleted, once it is written (offline.c) */
    QUEUE_COPY,    /* kept only: the gate had the frame before this process did. A row that holds its id, read or not, is never to be sent */
};

struct queue_item {
    struct list at;
    enum queue_source source;
    int64_t seq;           /* of its row; 0: it has none */
    bool is_committed;     /* its row is */
    struct frame_id id;    /* zeroed: none */
    struct bytes *payload;
    struct origin *origin; /* NULL once a row or nobody waits for it */
};

/* A down frame in flight whose row must be deleted or marked before it is final. It pins the frame. */
struct queue_kept {
    struct list at;
    enum queue_source source;
    int64_t seq;
    bool is_committed, is_settling;
    struct frame_id id;
    struct channel_down *down;
};

/* Embedded in the session. */
struct queue {
    struct list waiting;   /* struct queue_item */
    struct list kept;      /* struct queue_kept */
    uint32_t frames, bytes; /* of waiting */
    int64_t last_seq;      /* given to a row */
    int64_t read_seq;      /* rows up to it are in memory */
    bool has_rows;         /* there may be rows behind it: what is new goes there too */
    bool is_reading;
    uint32_t puts;         /* rows put behind, so far */
    bool is_marked;
    uint64_t mark;         /* the last frame made when the timer was set */
};

void queue_init(struct queue *q);
/* Forgets what is in memory, rows stay. */
void queue_fini(struct queue *q);

struct queue_item *queue_item_new(struct bytes *payload, const struct frame_id *id, struct origin *origin);
void queue_item_free(struct queue_item *item);

/* Sends it, or lets it wait its turn. */
void queue_add(struct session *s, struct queue_item *take_item);
/* A frame of this id is in flight, and may be pushed again: nothing would be sent. */
bool queue_knows(const struct session *s, const struct frame_id *id);
/* Control elements of ours (<end/>): goes down at once, behind what is in flight and before what waits. */
void queue_add_now(struct session *s, struct str payload);

/* The channel is synced: rows of what the gate had already are never sent, and what waits and is there already is not sent either. */
void queue_adopt(struct session *s);
/* The window has grown, the session is synced or its c2s can be reached: sends what may go. */
void queue_pump(struct session *s);
/* Sends again what is not known to be written. */
void queue_repeat(struct session *s);
/* Frames were confirmed as written: their rows can go. */
void queue_settle(struct session *s);
/* store_after_ms have passed. */
void queue_on_timer(struct session *s);

#endif
