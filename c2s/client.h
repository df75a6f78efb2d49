/* One client: its socket, its phase, the elements that come in. What is sent up and down for its
 * session is gate.h's; headers and errors are client_stream.h's. A client lives on without its
 * socket until what it said is taken over. */
#ifndef C2S_CLIENT_H
#define C2S_CLIENT_H

#include "c2s/c2s.h"
#include "c2s/rate.h"
#include "c2s/upstream.h"
#include "proto/channel.h"
#include "proto/control.h"
#include "proto/scan.h"

struct door;
struct host;

enum phase {
    PHASE_PROXY,         /* waits for the PROXY protocol's header */
    PHASE_HANDSHAKE,     /* TLS */
    PHASE_HEADER,        /* waits for a stream header; not authenticated */
    PHASE_OFFER_TLS,     /* STARTTLS and nothing else was offered */
    PHASE_OPENING,       /* waits for the session manager's features */
    PHASE_OFFER_SASL,    /* waits for the client's next step of authentication */
    PHASE_ASKED,         /* waits for the session manager's answer to it */
    PHASE_AUTHENTICATED, /* has a session; waits for the new stream header */
    PHASE_ACTIVE,        /* stanzas */
    PHASE_GONE,          /* no socket; its gate waits for h */
    PHASE_DEAD,          /* freed when the turn ends */
    PHASE_COUNT
};

/* Why a client is not read. */
enum hold {
    HOLD_ANSWER = 1,   /* a session manager is to answer first */
    HOLD_WINDOW = 2,   /* of its own */
    HOLD_UPSTREAM = 4, /* of its session manager */
    HOLD_RATE = 8,
};

/* Down frames to n are written when the socket has taken this many bytes. */
struct client_mark {
    uint64_t n, queued;
};

/* Until there is a session: what the stream header said, for <open/>. */
struct client_greeting {
    char *lang, *from; /* NULL: not given */
};

struct client {
    struct c2s *c2s;
    struct door *door;
    struct conn *conn; /* NULL in PHASE_GONE and PHASE_DEAD */
    uint64_t number;
    uint64_t since_ms; /* accepted at; in PHASE_ACTIVE: something was heard at */
    struct host *host; /* NULL before a good header */
    struct client_greeting *greeting;
    struct address *address;
    struct upstream
        *upstream; /* whom it was opened at, or the owner of its session; NULL: nobody yet */
    struct path *path;         /* NULL: none at the moment */
    struct list path_at;
    struct list waiting_at;
    struct list owing_at;
    struct timer timer;        /* authentication, then idleness, then the gate that is left */
    struct timer rate_timer;
    struct buf in; /* the front of an element, and what is not looked at while held; mostly empty */
    uint32_t scanned;          /* bytes of in that the scanner has seen */
    uint16_t port;
    uint8_t ip_bytes;
    uint8_t phase; /* enum phase; changed by client_set_phase alone */
    uint8_t holds; /* enum hold, or-ed */
    uint8_t owes;  /* gate.c's */
    bool is_open;  /* a session manager knows of it, without a session */
    uint8_t ip[16];
    struct scan scan;
    struct rate bytes, stanzas;
    char session[FRAME_SESSION_TEXT]; /* zeroed: none */
    struct channel_gate gate;
    struct client_mark marks[2];
};

extern const char *const client_phase_names[PHASE_COUNT];

/* A connection that was accepted. */
void client_new(struct c2s *c2s, struct door *door, struct conn *conn);
/* The client of a session that was opened too late for it: only a gate, which tells the owner that
 * it is gone. */
struct client *client_new_gone(struct c2s *c2s, uint64_t number);
struct client *client_find(struct c2s *c2s, uint64_t number);

void client_set_phase(struct client *c, enum phase phase);

static inline bool client_has_session(const struct client *c)
{
    return c->session[0] != '\0';
}

/* Stops and goes on reading, each for its reasons. */
void client_hold(struct client *c, enum hold why);
void client_release(struct client *c, enum hold why);

/* The limits of its host, or the file's alone. Borrowed. */
const struct control_host *client_limits(const struct client *c);

/* Ends the connection: a stream error (if any) and the closing tag as far as the phase permits,
 * then tells the session manager. Nothing happens to one that has no socket any more. */
void client_end(struct client *c, const struct control_end *end);
/* The common case: we end it because of error. */
void client_fail(struct client *c, enum stream_error error, const char *text);
/* It is over, and nobody is told. */
void client_die(struct client *c);
/* Of those that died. */
void client_free_dead(struct c2s *c2s);

/* A path is lost, or there is one again: opens an unauthenticated client at a session manager, or
 * lets it wait. */
void client_open_upstream(struct client *c);

/* Its address in frames, "C2S/INSTANCE-CONN", NUL-terminated. Returns the length. */
size_t client_write_address(const struct client *c, char *out, size_t max);

#endif
