/* What the files of link share; nobody else includes it. */
#ifndef PROTO_LINK_PRIVATE_H
#define PROTO_LINK_PRIVATE_H

#include "common/arena.h"
#include "common/list.h"
#include "common/table.h"
#include "proto/link.h"
#include "proto/scan.h"
#include "proto/stream.h"
#include "proto/xml.h"

enum {
    LINK_CONNECT_MS = 5000,
    LINK_AUTH_MS = 5000, /* from the socket to hello */
    LINK_KEEPALIVE_MS = 2000,
    LINK_MAX_SILENT = 3, /* keepalives that may be missing */
    LINK_BACKOFF_MIN_MS = 50,
    LINK_BACKOFF_MAX_MS = 5000,
    LINK_STEADY_MS = 5000, /* up for so long: the next loss is not the same trouble again */
    LINK_LINGER_MS = 1000,
    LINK_REPORT_MS = 15000,
    LINK_MAX_GUESTS = 256, /* accepted and not yet up */
    LINK_DAMP_MS = 10000,
    LINK_DAMP_COUNT = 5,     /* replacements in that time; then the newcomer is refused */
    LINK_CROWDED_MS = 10000,  /* between two complaints */
    LINK_SETUP_BYTES = 4096, /* of one element before the link is up */
};

/* Each waits for one thing; what else comes ends the link. */
enum link_phase {
    PHASE_CONNECTING, /* the socket */
    PHASE_SECURING,   /* TLS */
    PHASE_HEADER,     /* the other side's stream header */
    PHASE_HANDSHAKE,  /* <handshake>: the proof at the responder, the empty answer at the initiator
                       */
    PHASE_HELLO,
    PHASE_UP,
    PHASE_DOOMED, /* over; the owner hears of it at the end of the turn */
};

/* One configured peer. */
struct link_peer {
    const struct link_peer_conf *conf;
    struct links *ls;
    struct str name;
    struct net_address dial, accept;
    bool is_dialled, is_unix;
    int64_t uid; /* at the other end of a Unix socket; -1: our own */
    struct buf secret;
    struct listener *listener; /* of its own Unix path; or NULL */
    struct link *current;      /* up */
    struct link *attempt;      /* dialled by us and not up yet */
    struct timer retry;
    uint64_t backoff_ms;
    uint64_t damp_since_ms;
    unsigned damp_count;
    const char *last_error;
};

struct link {
    struct links *ls;
    struct list at; /* links->all */
    struct link_peer
        *peer; /* NULL while nobody knows who it is, and when it is no longer configured */
    struct conn *conn;
    char *name; /* the peer's, "" while unknown */
    enum link_role role;
    enum link_phase phase;
    bool is_dialled, is_unix, was_up, has_received;
    unsigned silent;        /* keepalive times without a byte */
    uint64_t queued_before; /* conn_queued at the last keepalive */
    struct timer timer;     /* until up: the limit; then keepalive */
    struct scan scan;
    struct buf partial; /* of an element or a frame that is not whole yet */
    size_t needed;      /* bytes of that frame in all; 0: not known */
    char stream_id[33];
    char instance[17];
    struct arena *cert; /* names holds; until the peer is known */
    struct tls_facts facts;
    char *chain; /* PEM, to be checked again at reload */
    int64_t cert_expiry;
    uint64_t up_ms, frames_in, frames_out, bytes_in;
    void *data;
};

struct links {
    struct net *net;
    struct timers *timers;
    enum link_role role;
    struct link_conf *conf; /* a copy of its own */
    const struct link_events *events;
    void *owner;
    char instance[17];
    struct xml_parser *parser;
    struct tls_creds *creds;   /* NULL: no link is TCP */
    struct listener *listener; /* for TLS */
    struct link_peer **peers;
    size_t peer_count;
    struct table by_name; /* struct link_peer */
    struct list all;      /* struct link */
    unsigned guests;
    uint64_t crowded_ms; /* when there were too many of them */
    struct buf scratch;
    uv_idle_t doom; /* runs when links are doomed */
    bool is_closing, is_reporting;
    struct timer report;
};

/* link.c: one link, from socket to end */
struct link *link_new(struct links *ls, struct link_peer *peer, struct conn *c, bool is_dialled);
extern const struct conn_events link_conn_events;
void link_set_phase(struct link *l, enum link_phase phase);
void link_begin(
    struct link *l); /* the socket is there and, where needed, secure: the stream begins */
void link_doom(struct link *l, const char *why); /* ends it at the end of the turn */
void link_fail(struct link *l, enum stream_error e,
               const char *why);     /* tells the peer, logs, audits, dooms */
void link_fail_certificate(struct link *l, enum stream_error e,
                           const char *why); /* the same, for what its certificate is */
void link_audit_refused(const struct link *l, const char *cause, const char *reason);
void link_take_down(struct link *l); /* now; l is freed */

/* link_setup.c: header, handshake, hello */
bool link_identify(struct link *l); /* the certificate or the uid; false: refused */
struct str link_setup_take(struct link *l, struct str bytes); /* returns what is behind hello */
void link_setup_start(struct link *l);
void link_setup_answer(struct link *l); /* the responder's stream header */

/* link_peer.c: dialling, replacement */
bool link_peer_admit(struct link *l); /* hello is there; false: refused */
void link_peer_lost(struct link_peer *p, struct link *l);
void link_peer_dial(struct link_peer *p);
void link_peer_stop(struct link_peer *p);

/* link_report.c: metrics */
void link_report(struct link *l); /* it came up */
void link_creds_seen(const struct links *ls);

/* link_conf.c: from configuration to peers */
struct link_conf *link_conf_copy(const struct link_conf *conf);
void link_conf_free(struct link_conf *conf); /* NULL is fine */
NODISCARD enum err link_peers_load(struct links *ls, const struct link_conf *conf,
                                   struct link_peer ***out_peers, size_t *out_count,
                                   struct buf *why);
void link_peers_free(struct link_peer **peers, size_t count);
NODISCARD enum err link_creds_load(const struct link_conf *conf, struct tls_creds **out_creds,
                                   struct buf *why);

#endif
