/* The channel between a gate (c2s, which holds a client's socket) and the owner of the session (an
 * sm): numbered frames in both directions, confirmed, repeated, fenced by epochs (LINK.md §6,
 * ARCHITECTURE.md §4). Rules only: no sockets, no clocks, no XML.
 *
 * Up is from the gate to the owner, down the other way.
 *   n  number of a frame; a receiver takes only the last one + 1 and drops every other in silence.
 *   h  up frames to n <= h are taken over; down frames to n <= h are written to the client's
 * socket. f  final: down, the gate may forget its copies to n <= f; up, the gate has forgotten (and
 * never repeats) what it kept to n <= f. A down frame is final when it is written, nothing pins it
 * and the up frame it was derived from is final: from then on no owner can derive it again. An up
 * frame is final when its gate has forgotten it, or when the store's counter covers it (a later
 * owner starts behind both).
 *
 * Who drives it: link.h's owner hands in what arrives and sends what is pushed; after a link is
 * lost and another chosen, or when the other end is back, the gate sends again all of g->kept, the
 * owner all of o->downs that is not written, both in order. */
#ifndef PROTO_CHANNEL_H
#define PROTO_CHANNEL_H

#include "common/bytes.h"
#include "common/list.h"
#include "proto/frame.h"

/* At most so many down frames of a session are not final: what its gate remembers ids of, and its
 * owner entries. When half of them are used, an f is due at once. */
enum { CHANNEL_MAX_UNFINAL = 1024 };

enum channel_verdict {
    CHANNEL_TAKE,  /* use it */
    CHANNEL_DROP,  /* repeated, too early, or of another epoch: ignore it in silence */
};

struct channel_window {
    uint32_t max_frames;
    uint32_t max_bytes; /* one frame is always admitted into an empty window */
};

/* --- the gate's end --------------------------------------------------------------------------- */

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
    uint32_t copy_first, copy_count, copy_cap;
    struct channel_copy *copies; /* those with an id, of down_final < n <= down_last, oldest first,
                                    from copy_first */
};

static inline const struct channel_copy *channel_gate_copies(const struct channel_gate *g)
{
    return g->copies + g->copy_first;
}

/* epoch: of the owner that opened the session. */
void channel_gate_init(struct channel_gate *g, uint64_t epoch);
void channel_gate_fini(struct channel_gate *g);

/* Keeps payload (takes a reference of its own) and gives it the next n. The caller checks the
 * window first. */
uint64_t channel_gate_push(struct channel_gate *g, struct bytes *payload);
bool channel_gate_is_open(const struct channel_gate *g, const struct channel_window *w);

/* A frame came down. TAKE: remembered with its id; the caller writes it to the socket, then says
 * channel_gate_written. Its h and f are the caller's to hand to channel_gate_confirm, whatever the
 * verdict. n 0 is never taken: the frame has only h and f. */
enum channel_verdict channel_gate_down(struct channel_gate *g, uint64_t e, uint64_t n,
                                       const struct frame_id *id_or_null);
/* h and f of a frame or an ack that came down: they count only when e is the epoch followed, and
 * only as far as they can be true. Returns whether something that was kept is now forgotten: an f
 * is due (it is up_taken), and the window has grown. */
bool channel_gate_confirm(struct channel_gate *g, uint64_t e, uint64_t h, uint64_t f);
/* Down frames to n are in the client's socket: an h is due. */
void channel_gate_written(struct channel_gate *g, uint64_t n);

/* A new owner's <sync e/>: true when it is followed (its epoch is higher than that followed, or the
 * same again) and must be answered with up_last.. down_written and the copies; false when it is
 * older and must be ignored. After the answer the caller repeats what is kept. */
bool channel_gate_sync(struct channel_gate *g, uint64_t e);

/* --- the owner's end -------------------------------------------------------------------------- */

struct channel_owner;

/* An up frame that the owner took. It is taken over when all its holds are released, and, since h
 * is cumulative, those before it. */
struct channel_up {
    struct list at;
    struct channel_owner *owner; /* NULL when the session is gone */
    uint64_t n;
    uint32_t holds; /* what must happen before it counts as taken over */
    uint32_t refs;  /* the owner's list and down frames derived from it; freed when neither refs nor
                       holds are left */
    uint32_t parts; /* how many ids were derived from it so far */
    bool is_final;
};

/* A down frame until it is final. */
struct channel_down {
    struct list at;
    uint64_t n;
    struct frame_id id;    /* zeroed: none */
    struct bytes *payload; /* NULL once written */
    struct channel_up *origin; /* or NULL */
    uint32_t
        pins; /* reasons not to be final yet (a row of the store that is to be deleted first) */
    bool is_written;
    bool is_released;      /* origin's hold was given back, or none is needed (written or stored) */
    bool is_known; /* has an id that may be pushed again: a copy at the gate, or out of the store */
};

struct channel_owner {
    uint64_t epoch;
    bool is_synced;        /* false: nothing may be sent or taken yet */
    uint64_t up_last;      /* n of the last frame taken */
    uint64_t up_taken;     /* the h that the owner says */
    uint64_t up_final;     /* f heard, or the store's counter */
    struct list ups;       /* struct channel_up, up_final < n <= up_last, oldest first */
    uint64_t down_last;    /* n of the last frame made */
    uint64_t down_written; /* h heard */
    uint64_t down_final;   /* the f that the owner says */
    struct list downs;     /* struct channel_down, down_final < n <= down_last, oldest first */
    struct list *unwritten; /* the first of downs that is not written, or the head */
    uint32_t flight_frames, flight_bytes; /* made and not written */
    uint32_t known_count;  /* of downs */
    /* Callbacks only take note: they must not finish or end any channel. */
    void (*on_taken)(
        struct channel_owner *o); /* up_taken is more than the gate has heard; an ack is due */
    /* May be NULL. d is now written: the moment to delete its row of the store (pin it until that
     * is committed). */
    void (*on_written)(struct channel_owner *o, struct channel_down *d);
    /* Whether this id can never be handed to channel_owner_push again, by this owner or a later
     * one. True when no row of the store that is still to be sent to this session (or may, while
     * they are not loaded) holds it, and its sender's session either exists no more (not in the
     * store either), or channel_owner_has_final says so for it and id->count. Asked by
     * channel_owner_finish, for at most one entry a call that is not settled. NULL (only where no
     * id is ever known): never settled. */
    bool (*is_settled)(struct channel_owner *o, const struct frame_id *id);
};

/* A session that this owner opens itself (synced at once), or, with is_new false, one that it
 * loaded from the store. on_written and is_settled are set by the caller afterwards. */
void channel_owner_init(struct channel_owner *o, uint64_t epoch, bool is_new,
                        void (*on_taken)(struct channel_owner *));
/* The session is over: every hold that its down frames have on others' up frames is released (what
 * was not written and matters, the caller has dealt with), and its own up frames are orphaned
 * (their derived frames become final). Only when channel_owner_is_idle and the session's row is
 * gone from the store for good: what is still under way would be pushed after its copies were
 * forgotten, and a later owner that still found the row would be sent its frames again. (When the
 * process ends none of this matters.) */
void channel_owner_fini(struct channel_owner *o);
/* All that was taken is taken over: nothing that an up frame led to is under way. */
static inline bool channel_owner_is_idle(const struct channel_owner *o)
{
    return o->up_taken == o->up_last;
}

/* A frame came up. TAKE: *out_up has one hold, the caller's, to be given back with
 * channel_up_release when it was handled. */
enum channel_verdict channel_owner_up(struct channel_owner *o, uint64_t e, uint64_t n,
                                      struct channel_up **out_up);
/* h and f of a frame or an ack that came up. Returns whether the window has grown. */
bool channel_owner_confirm(struct channel_owner *o, uint64_t e, uint64_t h, uint64_t f);
/* The store's counter of this session is committed as n: a later owner will be given no less as
 * stored_up, so that the frames to n are final even before their gate has forgotten them.
 * (Optional; it helps those who wait for a gate that is away.) */
void channel_owner_stored(struct channel_owner *o, uint64_t n);
/* Whether the up frame of that number is final: never again taken by any owner. */
bool channel_owner_has_final(const struct channel_owner *o, uint64_t n);

struct channel_up *channel_up_hold(struct channel_up *up);    /* NULL is passed through */
void channel_up_release(struct channel_up *up);               /* NULL is fine */

/* Whether one more may be pushed: by what is not written (w) and by what is not final
 * (CHANNEL_MAX_UNFINAL). */
bool channel_owner_is_open(const struct channel_owner *o, const struct channel_window *w);

/* Makes a down frame. Only when synced. Takes a reference to payload.
 * id      NULL or zeroed: none.
 * origin  the up frame it was derived from, of which the caller has a hold (another is taken until
 * this is written or stored); NULL without id: nothing waits for it; NULL with an id: it comes out
 * of the store, where it was put under that id, and its sender may yet send it again. Returns NULL
 * when the id is known (a copy at the gate, or pushed out of the store): then nothing is to be
 * sent, and the origin is held until that one is written. channel_owner_known finds it, so that it
 * can be pinned; when it is written already, on_written will not be called. */
struct channel_down *channel_owner_push(struct channel_owner *o, const struct frame_id *id,
                                        struct bytes *payload, struct channel_up *origin);
/* The frame of this id that a push of it would be answered with, or NULL. */
struct channel_down *channel_owner_known(const struct channel_owner *o, const struct frame_id *id);
/* It is in the store under its id: the origin need not wait for the client. Pin it until that row
 * is deleted. */
void channel_down_stored(struct channel_down *d);
void channel_down_pin(struct channel_down *d);
void channel_down_unpin(
    struct channel_owner *o,
    struct channel_down *d); /* d may be gone after the next channel_owner_finish */

/* Moves down_final on as far as the rules allow and frees what became final. To be called after a
 * confirm or an unpin, and once a second while downs is not empty (others' up frames become final
 * meanwhile). Returns whether it moved: an f is due, but there is no hurry before half of
 * CHANNEL_MAX_UNFINAL is used; and channel_owner_is_open may have become true. */
bool channel_owner_finish(struct channel_owner *o);

/* The gate's answer to <sync/>. stored_up is the counter from the store. Afterwards is_synced;
 * numbers go on behind the answer's; the copies stand in downs, known, with their n, and so do the
 * frames that the gate has not written yet. The answer stays the caller's. ERR_EXISTS when it is
 * synced already (an answer that came twice), ERR_MALFORMED when the numbers contradict each other:
 * nothing changed. */
struct channel_synced {
    uint64_t up_taken;     /* the h it has heard; it repeats from there */
    uint64_t down_last, down_written;
    struct channel_copy *copies;
    uint32_t copy_count;
};
NODISCARD enum err channel_owner_synced(struct channel_owner *o, uint64_t stored_up,
                                        const struct channel_synced *answer);

#endif
