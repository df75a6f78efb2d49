/* The channel of LINK.md §6 as a model for spin: its rules, and nothing else. The names are those of proto/channel.h.
 *
 * Clients behind SENDERS gates write FRAMES stanzas each to one client behind another gate. All these sessions have one owner at a
 * time; OWNERS of them follow each other, each a new epoch. An owner may be killed at any point, or sleep at any point and wake up when
 * others have taken over.
 *
 * Nothing that was said is ever unsaid: `said[e]` holds what owner e and the gates told each other, and each side may hear it at any time later,
 * or never. So frames that are lost, late, or repeated need no step of their own.
 *
 * What must hold:
 *   - the client is given no stanza twice, and each sender's in order           (asserted where the recipient's gate takes a frame)
 *   - what a sender's gate forgets is at the recipient's gate or in the store   (asserted where h is heard)
 *   - when nothing more can happen, everything has arrived, is final, and nothing is kept (asserted at timeout)
 *
 * Each -DBAD_… leaves one rule out, and must fail; tests/lint/model.sh runs them all. */

#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef FRAMES
#define FRAMES 1
#endif
#ifndef OWNERS
#define OWNERS 2
#endif
#ifndef STORES
#define STORES 1 /* how often a client is found to be slow */
#endif

#define IDS (SENDERS * FRAMES)
#define ID(s, n) ((s) * FRAMES + (n) - 1) /* the frame id: what is derived from up frame n of session s */
#define SENDER(id) ((id) / FRAMES)
#define COUNT(id) ((id) % FRAMES + 1)
#define MAX_N (2 * IDS)

#define FOR_EACH_ID(i, body) i = 0; do :: i < IDS -> body; i++ :: else -> break od; i = 0

/* What went between owner e and the gates so far. */
typedef link {
    bit is_started;            /* <sync e=/> was sent to every gate */
    bit up_synced[SENDERS];    /* the sender's gate answered: up_taken */
    byte up_base[SENDERS];
    byte h[SENDERS];           /* owner: taken over */
    byte up_f[SENDERS];        /* sender's gate: forgotten */
    bit down_synced;           /* the recipient's gate answered: down_last, its copies (n by id) */
    byte down_base;
    byte copies[IDS];
    byte frame[MAX_N + 1];     /* owner: down frame n is this id + 1 */
    byte sent;                 /* the last of them */
    byte written;              /* recipient's gate: h */
    byte f;                    /* owner: final */
};
link said[OWNERS + 1];

/* The store. */
byte db_epoch = 0;
bit row[IDS];                  /* waits for the client in the store */
byte stores_left = STORES;

/* What the client got. */
bit got[IDS];
byte last_got[SENDERS];
byte copy[IDS];                /* the recipient's gate: n of the copy of this id */
byte gone_by[SENDERS];         /* the senders' gates: up_taken */

/* --- a sender's gate ----------------------------------------------------------------------------------------- */

proctype sender_gate(byte s)
{
    byte epoch = 1, n;

end:
    do
    /* Follows only a higher epoch; may miss one altogether. Answers with up_taken, and repeats what it keeps. */
    :: d_step { epoch + 1 <= OWNERS && said[epoch + 1].is_started -> epoch = epoch + 1;
                said[epoch].up_base[s] = gone_by[s]; said[epoch].up_f[s] = gone_by[s]; said[epoch].up_synced[s] = 1 }
    :: d_step { epoch + 2 <= OWNERS && said[(epoch + 2 <= OWNERS -> epoch + 2 : 0)].is_started -> epoch = epoch + 2;
                said[epoch].up_base[s] = gone_by[s]; said[epoch].up_f[s] = gone_by[s]; said[epoch].up_synced[s] = 1 }
    /* h: forgets what is taken over, and says so (f). */
    :: d_step { said[epoch].h[s] > gone_by[s] ->
                do
                :: gone_by[s] < said[epoch].h[s] ->
                   gone_by[s]++;
                   n = gone_by[s];
                   assert(got[ID(s, n)] || row[ID(s, n)]) /* nothing acknowledged is lost */
                :: else -> break
                od;
                n = 0;
                said[epoch].up_f[s] = gone_by[s] }
    od
}

/* --- the recipient's gate ------------------------------------------------------------------------------------ */

byte down_last = 0, down_written = 0, down_final = 0;

/* Takes the next frame of owner e, with its copy. */
#define TAKE(e) \
    x = said[e].frame[down_last + 1] - 1; \
    down_last++; \
    assert(!got[x]);                          /* nothing is doubled */ \
    assert(COUNT(x) > last_got[SENDER(x)]);   /* in order */ \
    got[x] = 1; \
    last_got[SENDER(x)] = COUNT(x); \
    copy[x] = down_last; \
    x = 0

#ifdef BAD_COPIES
#define ANSWER_COPIES skip
#else
#define ANSWER_COPIES FOR_EACH_ID(i, said[epoch].copies[i] = copy[i])
#endif

#define ANSWER \
    ANSWER_COPIES; \
    said[epoch].down_base = down_last; \
    said[epoch].sent = down_last; \
    said[epoch].written = down_written; \
    said[epoch].down_synced = 1

proctype recipient_gate()
{
    byte epoch = 1, x, i;

end:
    do
    :: d_step { epoch + 1 <= OWNERS && said[epoch + 1].is_started -> epoch = epoch + 1; ANSWER }
    :: d_step { epoch + 2 <= OWNERS && said[(epoch + 2 <= OWNERS -> epoch + 2 : 0)].is_started -> epoch = epoch + 2; ANSWER }
    :: d_step { down_last < said[epoch].sent -> TAKE(epoch) }
#ifdef BAD_EPOCH
    :: d_step { epoch > 1 && down_last < said[1].sent -> TAKE(1) }
#endif
    :: d_step { down_written < down_last -> down_written++; said[epoch].written = down_written }
    :: d_step { down_final < said[epoch].f -> down_final = said[epoch].f;
                FOR_EACH_ID(i, if :: copy[i] <= down_final -> copy[i] = 0 :: else fi) }
    od
}

/* --- an owner ------------------------------------------------------------------------------------------------ */

#define IS_WRITTEN(id) (down_n[id] > 0 && said[e].written >= down_n[id])
#define IS_TAKEN(id) (up_synced[SENDER(id)] && COUNT(id) <= up_last[SENDER(id)] && COUNT(id) > said[e].up_base[SENDER(id)])

/* Everything derived from it is with the next holder (written) or in the store. */
#ifdef BAD_H
#define IS_TAKEN_OVER(id) (true)
#else
#define IS_TAKEN_OVER(id) (IS_WRITTEN(id) || has_row[id])
#endif

/* Nobody can derive it again: its gate has forgotten the up frame. */
#ifdef BAD_FINAL
#define IS_SETTLED(id) (true)
#else
#define IS_SETTLED(id) (up_synced[SENDER(id)] && said[e].up_f[SENDER(id)] >= COUNT(id))
#endif

/* No row pins it. */
#ifdef BAD_PIN
#define IS_PINNED(id) (false)
#else
#define IS_PINNED(id) (has_row[id])
#endif

#define IS_FINAL(n) (said[e].written >= (n) && (is_of[n] == 0 || (!IS_PINNED(is_of[n] - 1) && IS_SETTLED(is_of[n] - 1))))

#define PUSH(id) \
    said[e].sent++; \
    said[e].frame[said[e].sent] = (id) + 1; \
    down_n[id] = said[e].sent; \
    is_of[said[e].sent] = (id) + 1

/* A transaction begins with this: the store refuses an owner that was replaced, and it ends. */
#define COMMIT if :: db_epoch != e -> goto dead :: else fi

/* The next up frame of s: only the one behind the last. */
#define TAKE_UP(s) \
    d_step { up_synced[s] && up_last[s] < FRAMES -> up_last[s]++ }
/* It goes down, unless its id is known: then its copy stands for it. */
#define PUSH_UP(s) \
    d_step { is_synced && up_synced[s] && pushed[s] < up_last[s] -> pushed[s]++; \
             if :: down_n[ID(s, pushed[s])] == 0 -> PUSH(ID(s, pushed[s])) :: else fi }
#define SAY_H(s) \
    d_step { up_synced[s] && said[e].h[s] < up_last[s] && IS_TAKEN_OVER(ID(s, said[e].h[s] + 1)) -> said[e].h[s]++ }
#define HEAR_UP_SYNCED(s) \
    d_step { !up_synced[s] && said[e].up_synced[s] -> up_synced[s] = 1; up_last[s] = said[e].up_base[s]; \
             pushed[s] = up_last[s]; said[e].h[s] = up_last[s] }
/* Written: its row can go. */
#define DELETE_ROW(id) \
    atomic { has_row[id] && IS_WRITTEN(id) -> COMMIT; row[id] = 0; has_row[id] = 0 }

proctype owner(byte e)
{
    bit is_synced, up_synced[SENDERS], has_row[IDS];
    byte up_last[SENDERS], pushed[SENDERS], down_n[IDS], is_of[MAX_N + 1], i;

    /* It takes the sessions over in the store, loads the rows and sends <sync/>. */
    d_step {
        db_epoch == e - 1 -> db_epoch = e;
        FOR_EACH_ID(i, has_row[i] = row[i]);
        said[e].is_started = 1
    }
end:
    do
    :: e < OWNERS -> goto dead /* kill -9 */
    :: HEAR_UP_SYNCED(0)
    :: TAKE_UP(0)
    :: PUSH_UP(0)
    :: SAY_H(0)
#if SENDERS > 1
    :: HEAR_UP_SYNCED(1)
    :: TAKE_UP(1)
    :: PUSH_UP(1)
    :: SAY_H(1)
#endif
    /* The copies are known: their ids are not sent again. Rows go first. */
    :: d_step { !is_synced && said[e].down_synced -> is_synced = 1;
                FOR_EACH_ID(i, down_n[i] = said[e].copies[i]; if :: down_n[i] > 0 -> is_of[down_n[i]] = i + 1 :: else fi);
                FOR_EACH_ID(i, if :: has_row[i] && down_n[i] == 0 -> PUSH(i) :: else fi) }
    /* A slow client: all that was taken and is not written goes to the store, in one transaction. */
    :: atomic { stores_left > 0 && is_synced -> COMMIT; stores_left--;
                d_step { FOR_EACH_ID(i, if :: IS_TAKEN(i) && !IS_WRITTEN(i) -> row[i] = 1; has_row[i] = 1 :: else fi) } }
    :: DELETE_ROW(0)
#if SENDERS * FRAMES > 1
    :: DELETE_ROW(1)
#endif
#if SENDERS * FRAMES > 2
    :: DELETE_ROW(2)
#endif
#if SENDERS * FRAMES > 3
    :: DELETE_ROW(3)
#endif
    /* f: as far as everything is final. */
    :: d_step { is_synced && said[e].f < said[e].sent && IS_FINAL(said[e].f + 1) -> said[e].f++ }
    od;
dead:
    skip
}

/* --- the world ----------------------------------------------------------------------------------------------- */

init {
    byte i;

    atomic {
        i = 0;
        do
        :: i < SENDERS -> said[1].up_synced[i] = 1; run sender_gate(i); i++
        :: else -> break
        od;
        said[1].down_synced = 1;
        run recipient_gate();
        i = 1;
        do
        :: i <= OWNERS -> run owner(i); i++
        :: else -> break
        od;
        i = 0
    }
    timeout ->
    d_step {
        i = 0;
        do
        :: i < IDS ->
           assert(got[i]);                     /* everything arrives */
           assert(gone_by[SENDER(i)] == FRAMES); /* and is taken over */
           assert(copy[i] == 0 && !row[i]);    /* and final */
           i++
        :: else -> break
        od
    }
}
