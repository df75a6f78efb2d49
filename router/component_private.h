/* What the files of component share; nobody else includes it. */
#ifndef ROUTER_COMPONENT_PRIVATE_H
#define ROUTER_COMPONENT_PRIVATE_H

#include "proto/scan.h"
#include "proto/stanza.h"
#include "proto/stream.h"
#include "router/component.h"

enum {
    COMPONENT_LINGER_MS = 2000,
    COMPONENT_MAX_GUESTS = 64, /* accepted, handshake not done */
    COMPONENT_MARGIN_BYTES = 16384, /* what is added to a stanza on its way must fit a frame, too */
    COMPONENT_HEADER_BYTES = 4096,
    COMPONENT_PAUSE_BYTES = 4 << 20, /* so much waits for a session manager: components wait too */
    COMPONENT_RESUME_MS = 100,
};

enum component_phase {
    COMPONENT_SECURING,
    COMPONENT_OPENING, /* waits for the stream header */
    COMPONENT_SHAKING, /* waits for <handshake/> */
    COMPONENT_ACTIVE,
    COMPONENT_OVER, /* freed as soon as nothing on the stack uses it */
};

struct component {
    struct components *all;
    struct list at;
    struct conn *conn;
    enum component_phase phase;
    char *domain; /* once the header named a configured one */
    char stream_id[33];
    struct scan scan;
    struct buf partial;
    struct timer timer; /* until active: the limit; then, while paused: when to look again */
    bool is_busy, is_paused;
    uint64_t up_ms, stanzas_in, stanzas_out;
};

struct components {
    struct router *router;
    struct listener *listener;
    struct tls_creds *creds; /* NULL: no TLS */
    struct list all;         /* struct component */
    struct table by_domain;  /* struct component, active */
    struct table known;      /* struct component_known */
    unsigned guests;
};

/* A configured one. */
struct component_known {
    char *domain; /* normalised */
    struct buf secret;
};

/* component.c */
struct component *component_new(struct components *cs, struct conn *c);
extern const struct conn_events component_events;
void component_over(struct component *c,
                    const char *reason); /* closes; frees now or at the end of the callback */
void component_fail(struct component *c, enum stream_error e,
                    const char *reason);                  /* a stream error first */
void component_write(struct component *c, struct xml *x); /* of jabber:client; changed */

/* component_stream.c: header, handshake */
void component_take_header(struct component *c, struct str bytes);
void component_take_handshake(struct component *c, struct str bytes);
void component_answer_header(struct component *c, struct str to);

/* component_stanza.c */
void component_take_stanza(struct component *c, struct str bytes);

#endif
