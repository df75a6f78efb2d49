/* What session*.c share, and what the process's other parts (wire, acks, peers, adopt, boot) ask of sessions. sm/session.h is for those that
 * deal in stanzas. */
#ifndef SM_SESSION_PARTS_H
#define SM_SESSION_PARTS_H

#include "sm/session.h"

struct store_rows;
struct stanza;

/* --- session.c: life and frames ---------------------------------------------------------------------------------- */

void session_tables_init(struct sm *sm);
void session_tables_fini(struct sm *sm); /* frees all; rows stay */

struct session_seed {
    uint8_t id[FRAME_SESSION_BYTES];
    struct account *account;   /* pinned by the session */
    struct str c2s, conn, addr;
    int64_t opened_us;
    bool is_new;
};
/* In the tables, without a resource. */
struct session *session_new(struct sm *sm, const struct session_seed *seed);
/* Rows stay as they are. */
void session_free(struct session *s);
/* By the hexadecimal form; NULL. */
struct session *session_find(const struct sm *sm, struct str id_text);

/* A verified <adopt/> whose account is there: opens the session and, when its row is committed, sends <success/>. */
void session_open(struct sm *sm, struct account *a, const struct control_adopt *adopt, struct link *via);

/* A numbered frame of a c2s. */
void session_on_frame(struct sm *sm, struct link *l, const struct frame *f);
/* h and f that came up. */
void session_confirm(struct session *s, uint64_t e, uint64_t h, uint64_t f);

void session_set_state(struct session *s, enum session_state state);

/* --- session_stream.c: what a client says ------------------------------------------------------------------------ */

/* The payload of a frame that was taken. origin is the caller's. */
void session_take(struct session *s, struct str payload, struct origin *origin);
/* What waited for the binding. */
void session_take_held(struct session *s);

/* --- session_bind.c ---------------------------------------------------------------------------------------------- */

/* An iq set with <bind/> (RFC 6120 §7). */
void session_bind(struct session *s, struct stanza *iq, struct origin *origin);
/* Puts a loaded session back in its place. */
void session_attach(struct session *s, struct str resource);
/* Out of its account and the table of full JIDs. */
void session_detach(struct session *s);

/* --- session_end.c ----------------------------------------------------------------------------------------------- */

/* The client is gone. What was not delivered is dealt with, then the row goes, then the frame that said so (origin; or NULL) is taken
 * over and the session is freed. */
void session_over(struct session *s, struct origin *origin);
/* <end/> goes down, as session_end noted it. */
void session_send_end(struct session *s);
/* The timer of a session that is over: the store failed, and is asked again. */
void session_over_retry(struct session *s);
/* Its acknowledgement left: frees it if that was the last. */
void session_after_ack(struct session *s);

/* --- session_row.c ----------------------------------------------------------------------------------------------- */

/* done's owner is borrowed until then. */
void session_row_put(struct session *s, void (*done)(void *owner, enum err e, int64_t changes), void *owner);
void session_row_bind(struct session *s, struct str resource, void (*done)(void *owner, enum err e, int64_t changes), void *owner);
void session_row_delete(struct session *s, void (*done)(void *owner, enum err e, int64_t changes), void *owner);
/* One of SESSION_ALL, its account in memory: SESSION_LOADED. NULL when the row makes no sense (logged). */
struct session_row {
    struct str id, account, c2s, conn, addr, resource, presence, directed; /* presence absent: none */
    int64_t opened_us;
    int64_t priority, wishes, up;
};
void session_row_read(struct store_rows *rows, struct session_row *out_row);
struct session *session_load(struct sm *sm, struct account *a, const struct session_row *row);

/* --- session_peer.c: c2s come and go ----------------------------------------------------------------------------- */

struct peer;
/* It can be reached (again) by this router: asks for what is not synced, ends what another instance held, repeats. */
void session_peer_path_found(struct peer *p, struct link *l);
void session_peer_path_lost(struct peer *p, struct link *l);
/* It did not come back in time. */
void session_peer_lost(struct peer *p);
void session_on_synced(struct sm *sm, struct link *l, const struct frame *f, struct control_synced *answer);
/* A frame came by another router than before. */
void session_move(struct session *s, struct link *via);

#endif
