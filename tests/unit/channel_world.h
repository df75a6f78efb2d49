/* A small world for the channel's rules: gates with clients, owners that crash or wake up late, a store with fencing, and links that
 * lose, delay and repeat. One step is one event; which one, the test chooses. Whatever is chosen, it must hold that
 *   - a client gets nothing twice, and what one sender sent in order;
 *   - what was acknowledged (h at the sender's gate) is at the recipient's gate or in the store;
 *   - when all is quiet, everything has arrived, everything is final, and nothing is kept.
 * Here: what the world is made of. channel_ends.h: how gates and owners behave. channel_events.h: what may happen, and what is checked. */
#ifndef TESTS_CHANNEL_WORLD_H
#define TESTS_CHANNEL_WORLD_H

#include "common/mem.h"
#include "proto/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS = 3, PROCS = 5, MAX_COUNT = 8, QUEUE = 48, PENDING = 64, PATHS = 2 };

/* What a test's world is like. */
struct world_spec {
    int sessions, frames; /* clients; stanzas that each of the senders sends */
    int senders;          /* sessions 0 to senders - 1 */
    bool is_mixed;        /* everybody writes to everybody, to two at once as well; otherwise all to the last session */
    struct channel_window window;
    int starts, losses, delays, stores, saves, notes, gate_deaths; /* how often that may happen */
};

enum msg_kind { MSG_FRAME, MSG_SYNC, MSG_SYNCED, MSG_GONE };
struct msg {
    enum msg_kind kind;
    uint64_t e, n, h, f;
    struct frame_id id;
    struct bytes *payload;
    struct channel_synced synced;
};
struct queue {
    struct msg at[QUEUE];
    int count;
};

/* What waits in an owner's memory for a session's window; a row: it is in the store. */
struct pending {
    struct frame_id id;
    struct bytes *payload;
    struct channel_up *up;
    bool is_row;
};
struct row {
    struct frame_id id;
    struct bytes *payload;
};
struct rows {
    struct row at[PENDING];
    int count;
};
struct deletion {
    int session;
    struct channel_down *down;
};

struct proc {
    bool is_alive;
    struct channel_owner o[SESSIONS];
    bool is_ended[SESSIONS], is_ack_due[SESSIONS];
    struct pending pending[SESSIONS][PENDING];
    int pending_count[SESSIONS];
    struct deletion deletions[SESSIONS * PENDING];
    int deletion_count;
};

struct world {
    struct world_spec spec;
    struct channel_gate gates[SESSIONS];
    bool is_gate_gone[SESSIONS];
    int pushed[SESSIONS];
    struct proc procs[PROCS];
    int started;                        /* processes so far; the last one's epoch is this */
    struct queue up[PATHS][PROCS][SESSIONS], down[PATHS][PROCS][SESSIONS]; /* path 1: delayed */
    bool is_broken[PROCS][SESSIONS];
    /* the store */
    bool exists[SESSIONS];
    uint64_t counter[SESSIONS];
    struct rows rows[SESSIONS];
    /* what the clients were given: by recipient, sender, count */
    uint8_t got[SESSIONS][SESSIONS][MAX_COUNT + 1];
    uint64_t last_got[SESSIONS][SESSIONS];
    const char *wrong; /* the first rule that was broken */
};

static struct world w;

#define MUST(condition, sentence) \
    do { \
        if (!(condition) && !w.wrong) \
            w.wrong = (sentence); \
    } while (0)

/* --- what a frame leads to ---------------------------------------------------------------------------------------- */

enum { NOTE_SENDER = 255 }; /* a frame of the owner's own: no id, nobody counts it */

static struct bytes *payload_of(int sender, uint64_t count)
{
    char text[2] = { (char)sender, (char)count };

    return bytes_new(str_of(text, sizeof text));
}

static struct frame_id id_of(int sender, uint64_t count, uint32_t part)
{
    struct frame_id id = { .count = count, .part = part };

    memset(id.session, sender + 1, sizeof id.session);
    return id;
}

/* Bits of the sessions that frame count of this sender goes to. */
static unsigned recipients_of(int sender, uint64_t count)
{
    unsigned mix = (unsigned)sender * 5 + (unsigned)count * 3;

    if (!w.spec.is_mixed)
        return 1u << (w.spec.sessions - 1);
    return 1u << (mix % (unsigned)w.spec.sessions) | 1u << ((mix / 2) % (unsigned)w.spec.sessions);
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

static void msg_fini(struct msg *m)
{
    bytes_unref(m->payload);
    mem_free(m->synced.copies);
}

static void queue_clear(struct queue *q)
{
    for (int i = 0; i < q->count; i++)
        msg_fini(&q->at[i]);
    q->count = 0;
}

static struct msg queue_take(struct queue *q)
{
    struct msg m = q->at[0];

    memmove(q->at, q->at + 1, (size_t)--q->count * sizeof *q->at);
    return m;
}

/* A full queue ends the link. */
static void queue_put(struct queue *q, int p, int s, struct msg m)
{
    if (w.is_broken[p][s] || q->count == QUEUE) {
        w.is_broken[p][s] = true;
        msg_fini(&m);
        return;
    }
    q->at[q->count++] = m;
}

/* --- the store ---------------------------------------------------------------------------------------------------- */

static int rows_find(const struct rows *r, const struct frame_id *id)
{
    for (int i = 0; i < r->count; i++)
        if (frame_id_eq(&r->at[i].id, id))
            return i;
    return -1;
}

static void rows_remove(struct rows *r, int i)
{
    bytes_unref(r->at[i].payload);
    memmove(r->at + i, r->at + i + 1, (size_t)(--r->count - i) * sizeof *r->at);
}

#endif
