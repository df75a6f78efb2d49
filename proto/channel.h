/* The channel between a gate (c2s, which holds a client's socket) and the owner of the session (an sm): numbered frames in
 * both directions, confirmed, repeated, fenced by epochs (LINK.md §6, ARCHITECTURE.md §4). Rules only: no sockets, no clocks, no XML.
 *
 * Up is from the gate to the owner, down the other way.
 *   n  number of a frame; a receiver takes only the last one + 1 and drops every other in silence.
 *   h  up frames to n <= h are taken over; down frames to n <= h are written to the client's socket.
 *   f  final: down, the gate may forget its copies to n <= f; up, the gate has forgotten (and never repeats) what it kept to n <= f.
 * A down frame is final when it is written, nothing pins it and the up frame it was derived from is final: from then on no owner
 * can derive it again. */
#ifndef PROTO_CHANNEL_H
#define PROTO_CHANNEL_H

#include "common/bytes.h"
#include "common/list.h"
#include "proto/frame.h"

enum channel_verdict {
    CHANNEL_TAKE,  /* use it */
    CHANNEL_DROP,  /* repeated, too early, or of another epoch: ignore it in silence */
};

struct channel_window {
    uint32_t max_frames;
    uint32_t max_bytes; /* one frame is always admitted into an empty window */
};

/* --- the gate's end ------------------------------------------------------------------------------------------- */

struct channel_kept {
    struct list at;
    uint64_t n;
    struct bytes *payload;
};

struct channel_copy {
    uint64_t n;
    struct frame_id id;
};

struct channel_gate {
    uint64_t epoch;        /* the owner's that it follows */
    uint64_t up_last;      /* n of the last frame sent */
    uint64_t up_taken;     /* h heard; also the f that the gate says */
    uint64_t down_last;    /* n of the last frame taken */
    uint64_t down_written; /* the h that the gate says */
    uint64_t down_final;   /* f heard */
    struct list kept;      /* struct channel_kept, up_taken < n <= up_last, oldest first */
    uint32_t kept_bytes;
    uint32_t copy_count, copy_cap;
    struct channel_copy *copies; /* those with an id, of down_final < n <= down_last, oldest first */
};

/* epoch: of the owner that opened the session. */
void channel_gate_init(struct channel_gate *g, uint64_t epoch);
void channel_gate_fini(struct channel_gate *g);

/* Keeps payload (takes a reference of its own) and gives it the next n. The caller checks the window first. */
uint64_t channel_gate_push(struct channel_gate *g, struct bytes *payload);
bool channel_gate_is_open(const struct channel_gate *g, const struct channel_window *w);

/* A frame came down: its h and f count only when e is the epoch followed. n 0: only h and f. */
enum channel_verdict channel_gate_down(struct channel_gate *g, uint64_t e, uint64_t n, const struct frame_id *id_or_null);
/* Returns whether something that was kept is now forgotten. */
bool channel_gate_confirm(struct channel_gate *g, uint64_t e, uint64_t h, uint64_t f);
/* Down frames to n are in the client's socket. */
void channel_gate_written(struct channel_gate *g, uint64_t n);

/* A new owner's <sync e/>: true when it is followed (its epoch is higher than that followed, or the same again) and must be
 * answered with up_last.. down_written and the copies; false when it is older and must be ignored. After the answer the caller repeats what is kept. */
bool channel_gate_sync(struct channel_gate *g, uint64_t e);

/* --- the owner's end ------------------------------------------------------------------------------------------ */

struct channel_owner;

/* An up frame that the owner took. It is taken over when all its holds are released, and, since h is cumulative, those before it. */
struct channel_up {
    struct list at;
    struct channel_owner *owner; /* NULL when the session is gone */
    uint64_t n;
    uint32_t holds; /* what must happen before it counts as taken over */
    uint32_t refs;  /* the owner's list and down frames derived from it */
    uint32_t parts; /* how many ids were derived from it so far */
    bool is_final;
};

/* A down frame until it is final. */
struct channel_down {
    struct list at;
    uint64_t n;
    struct frame_id id;    /* zeroed: none */
    struct bytes *payload; /* NULL once written */
    struct channel_up *origin; /* or NULL: nothing waits for it and it can never be derived again */
    uint32_t pins;         /* reasons not to be final yet (a row of the store that is to be deleted first) */
    bool is_written;
    bool is_released;      /* origin's hold was given back (written or stored) */
};

struct channel_owner {
    uint64_t epoch;
    bool is_synced;        /* false: nothing may be sent or taken yet */
    uint64_t up_last;      /* n of the last frame taken */
    uint64_t up_taken;     /* the h that the owner says */
    uint64_t up_final;     /* f heard */
    struct list ups;       /* struct channel_up, up_final < n <= up_last */
    uint64_t down_last;    /* n of the last frame made */
    uint64_t down_written; /* h heard */
    uint64_t down_final;   /* the f that the owner says */
    struct list downs;     /* struct channel_down, down_final < n <= down_last */
    uint32_t flight_frames, flight_bytes; /* made and not written */
    uint32_t copy_count;
    struct channel_copy *copies; /* told by the gate in the answer to <sync/>: not to be sent again */
    void (*on_taken)(struct channel_owner *o); /* up_taken has grown; an <ack> is due */
};

/* A session that this owner opens itself (synced at once), or, with is_new false, one that it loaded from the store. */
void channel_owner_init(struct channel_owner *o, uint64_t epoch, bool is_new, void (*on_taken)(struct channel_owner *));
/* The session is over: every hold that its down frames have on others' up frames is released, and its own up frames are
 * orphaned (their derived frames become final). */
void channel_owner_fini(struct channel_owner *o);

/* A frame came up. TAKE: *out_up has one hold, the caller's, to be given back with channel_up_release when it was handled. */
enum channel_verdict channel_owner_up(struct channel_owner *o, uint64_t e, uint64_t n, struct channel_up **out_up);
/* h and f of a frame or an ack that came up. Returns whether the window has grown. */
bool channel_owner_confirm(struct channel_owner *o, uint64_t e, uint64_t h, uint64_t f);

struct channel_up *channel_up_hold(struct channel_up *up);    /* NULL is passed through */
void channel_up_release(struct channel_up *up);               /* NULL is fine */

bool channel_owner_is_open(const struct channel_owner *o, const struct channel_window *w);

/* Makes a down frame. id zeroed: none. origin NULL or the up frame it was derived from (a hold is taken until it is
 * written or stored). Takes a reference to payload.
 * Returns NULL when a copy at the gate has this id already: then nothing is to be sent, and the origin is held until that copy is written. */
struct channel_down *channel_owner_push(struct channel_owner *o, const struct frame_id *id, struct bytes *payload,
                                        struct channel_up *origin);
/* It is in the store under its id: the origin need not wait for the client. */
void channel_down_stored(struct channel_down *d);
void channel_down_pin(struct channel_down *d);
void channel_down_unpin(struct channel_owner *o, struct channel_down *d); /* may free d */

/* Moves down_final on as far as the rules allow. Returns whether it moved: an f is due, but there is no hurry. */
bool channel_owner_finish(struct channel_owner *o);

/* The gate's answer to <sync/>. copies are taken over (owned, mem_free). stored_up is the counter from the store.
 * Afterwards is_synced. ERR_MALFORMED when the numbers contradict each other (nothing changed). */
struct channel_synced {
    uint64_t up_taken;     /* the h it has heard; it repeats from there */
    uint64_t down_last, down_written;
    struct channel_copy *copies;
    uint32_t copy_count;
};
NODISCARD enum err channel_owner_synced(struct channel_owner *o, uint64_t stored_up, const struct channel_synced *answer);

#endif
