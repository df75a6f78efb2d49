/* Sessions: one client's stream after <success/>, the owner's end of its channel (proto/channel.h), and what RFC 6121 keeps for a resource.
 * They survive this process: their row has what a new owner needs. */
#ifndef SM_SESSION_H
#define SM_SESSION_H

#include "proto/channel.h"
#include "sm/account.h"
#include "sm/csi.h"
#include "sm/queue.h"

struct peer;

enum session_state {
    SESSION_OPENING,   /* <success/> is being committed and sent */
    SESSION_BINDING,   /* authenticated, no resource yet */
    SESSION_ACTIVE,    /* bound */
    SESSION_LOADED,    /* out of the store after a start; waits for <synced/> */
    SESSION_ENDING,    /* <end/> is on its way down or was taken: nothing more is derived from it */
};

/* A JID that directed presence was sent to (RFC 6121 §4.6). */
struct session_directed {
    struct list at;
    struct jid to;     /* texts owned */
};

struct session {
    struct sm *sm;
    uint8_t id[FRAME_SESSION_BYTES];
    char id_text[FRAME_SESSION_TEXT + 1];
    enum session_state state;
    struct channel_owner channel;
    struct list acks_at;       /* in the list of those that owe an ack */
    struct link *via;          /* the router it uses; NULL while there is none */
    char *c2s;                 /* the holder's component name */
    char *conn;                /* INSTANCE-CONN */
    char *addr;                /* the client's, for `sallyportctl sessions` and the audit log */
    struct account *account;   /* NULL before it is bound */
    struct list account_at;
    struct jid jid;            /* full once bound, bare before; texts owned */
    const struct sm_host_conf *host;
    /* RFC 6121 §4: presence */
    struct bytes *presence;    /* the last broadcast available presence, stamped, without to; NULL: not available */
    int8_t priority;
    bool is_interested;        /* asked for the roster (§2.2) */
    bool has_roster_version;   /* its client knows versions (§2.6) */
    bool wants_blocklist;      /* asked for it, and hears of changes (XEP-0191 §3.3) */
    uint8_t archive_queries;   /* under way (archive_query.c) */
    bool has_carbons;          /* its client wants copies (XEP-0280) */
    struct csi csi;            /* whether its client is looked at, and what waits until it is */
    struct list directed;      /* struct session_directed */
    uint32_t directed_count;
    int64_t opened_us;
    struct timer timer;
    /* What follows is for session*.c, queue.c, acks.c and peers.c alone. */
    struct account *home;      /* pinned from the start; account is the same once bound */
    struct peer *peer;         /* of c2s */
    struct list peer_at;
    char *address;             /* "C2S/INSTANCE-CONN": conn points into it */
    struct queue queue;
    struct list unsettled_at;  /* in the list of those with down frames that are not final */
    struct list held;          /* frames that wait until the binding is committed */
    uint64_t stored_up;        /* the counter of its row, while it is loaded */
    struct origin *end_origin; /* of the frame that ended it */
    enum stream_error end_error; /* that we ended it with */
    char *end_text;
    uint32_t redeliveries;     /* what still keeps the row */
    bool is_holding, is_over, is_row_gone, is_by_frame;
    bool is_ahead;             /* its rows are delivered again, and what is new for the account waits (deliver_stop) */
    bool is_counting;          /* its counter is being committed (settle.c) */
};

/* Sends a stanza down to this session's client. payload: the stanza, whole, with xmlns='jabber:client', to and from stamped.
 * origin: what it follows from (NULL: nothing waits for it). Never fails: what the window does not admit is queued or stored; what comes for
 * a session that is ending is dealt with as for one that is gone. */
void session_send(struct session *s, struct str payload, struct origin *origin);
/* The same for bytes that go to many. */
void session_send_bytes(struct session *s, struct bytes *payload, struct origin *origin);
/* Writes the stanza and sends it. */
void session_send_stanza(struct session *s, const struct stanza *stanza, struct origin *origin);

/* One that is loaded and not yet heard of is as available as it was: no contact shall see a change. */
static inline bool session_is_available(const struct session *s)
{
    return (s->state == SESSION_ACTIVE || s->state == SESSION_LOADED) && s->presence != NULL;
}

/* Writes presence, priority, directed presence and what its client has asked for into the session's row; origin waits for the commit. */
void session_save(struct session *s, struct origin *origin);

/* Ends it from our side: the stream error (STREAM_OK: none) goes down; presence, directed presence and what was not delivered are dealt with. */
void session_end(struct session *s, enum stream_error error, struct str text);

#endif
