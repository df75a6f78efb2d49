/* Links between our own executables (LINK.md): TLS 1.3 with certificates or a Unix socket, the
 * XEP-0114 stream and handshake, hello, frames, keepalive, reconnecting. The only file of proto/
 * that knows sockets and clocks. */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "common/conf.h"
#include "common/net.h"
#include "common/timer.h"
#include "proto/frame.h"

enum link_role { LINK_ROLE_ROUTER, LINK_ROLE_C2S, LINK_ROLE_S2S, LINK_ROLE_SM };
extern const char *const link_role_names[]; /* "router" "c2s" "s2s" "sm" NULL */

/* One configured peer. The same struct is an item of the section peer "NAME" of every process's
 * file. */
struct link_peer_conf {
    char *name;        /* its component name, which is also the DNS name in its certificate (or its
                          socket's) */
    int role;          /* enum link_role */
    char *dial;        /* address to dial, or NULL: the peer dials us */
    char *accept;      /* "unix:/path" of its own where it dials us, or NULL: it comes by the TLS
                          listener */
    char *secret_file; /* of the XEP-0114 handshake */
    int64_t uid;       /* at the other end of a Unix socket; -1: our own, or user's */
    char *user;        /* the same by name, or NULL */
};

/* What every process's file says about links, top level. */
struct link_conf {
    char *name;        /* our own component name */
    char *listen;      /* "ADDRESS:PORT" for TLS links of peers that dial us, or NULL */
    char *cert_file, *key_file, *ca_file, *crl_file; /* needed as soon as one link is TCP */
    int64_t max_payload;     /* of one frame, both ways */
    int64_t queue_limit;     /* bytes waiting for one link; beyond, that link ends */
    struct conf_items peers; /* struct link_peer_conf */
};

/* Rows for the top-level table; at is the offset of the struct link_conf in the process's struct.
 */
#define LINK_CONF_KEYS(at) \
    { "name", CONF_TEXT, (at) + offsetof(struct link_conf, name), NULL, 0, 0, NULL, CONF_AT_START, "This process's component name; the DNS name in its link certificate." }, \
    { "link_listen", CONF_TEXT, (at) + offsetof(struct link_conf, listen), "", 0, 0, NULL, CONF_AT_START, "Address and port for TLS links of peers that dial this process." }, \
    { "link_cert", CONF_PATH, (at) + offsetof(struct link_conf, cert_file), "", 0, 0, NULL, CONF_AT_RELOAD, "Certificate for TLS links, PEM, leaf first." }, \
    { "link_key", CONF_PATH, (at) + offsetof(struct link_conf, key_file), "", 0, 0, NULL, CONF_AT_RELOAD, "Key of link_cert, PEM." }, \
    { "link_ca", CONF_PATH, (at) + offsetof(struct link_conf, ca_file), "", 0, 0, NULL, CONF_AT_RELOAD, "The link CA (one or more certificates, PEM); the system's are never trusted." }, \
    { "link_crl", CONF_PATH, (at) + offsetof(struct link_conf, crl_file), "", 0, 0, NULL, CONF_AT_RELOAD, "Revocation list of the link CA, PEM." }, \
    { "link_max_payload", CONF_SIZE, (at) + offsetof(struct link_conf, max_payload), "1M", 65536, 67108864, NULL, CONF_AT_START, "The largest payload of one frame." }, \
    { "link_queue", CONF_SIZE, (at) + offsetof(struct link_conf, queue_limit), "64M", 1048576, 4294967296, NULL, CONF_AT_START, "Bytes that may wait for one link; beyond this the link ends." }
extern const struct conf_key link_peer_keys[]; /* of the section peer "NAME" */

struct link;  /* one that is up, or is being made */
struct links; /* all of a process */

struct link_events {
    /* The link is up: hello is exchanged. */
    void (*on_up)(void *owner, struct link *l);
    /* One frame; its texts are borrowed for the call. raw is the whole frame as it came, for
     * forwarding it unchanged. */
    void (*on_frame)(void *owner, struct link *l, const struct frame *f, struct str raw);
    /* All that had arrived in this read was handed out: time to write what was collected. May be
     * NULL. */
    void (*on_batch)(void *owner, struct link *l);
    /* It is gone; l must not be used after this call. Called only after on_up. */
    void (*on_down)(void *owner, struct link *l);
};

/* Opens listeners and begins to dial. Listeners stay open and dialling goes on until links_close.
 * conf is copied. */
NODISCARD enum err links_open(struct net *net, struct timers *timers, enum link_role own_role,
                              const struct link_conf *conf, const struct link_events *events,
                              void *owner, struct links **out_links, struct buf *why);

/* Everything that links_open reads, without opening anything: for --check. why: one line. */
NODISCARD enum err links_check(enum link_role own_role, const struct link_conf *conf,
                               struct buf *why);

/* What they need of the operating system, for the hook of service_spec. */
struct confine;
void links_confine(enum link_role own_role, const struct link_conf *conf, struct confine *c);

/* From now on the process's metrics go to every router it is linked to: when a link comes up, and
 * every 15 s. Not for routers. */
void links_report_metrics(struct links *ls);

/* When the certificate for links ends, seconds since 1970; 0: there is none, every link is a Unix
 * socket. */
int64_t links_cert_expiry(const struct links *ls);

/* Takes over peers, certificates and the revocation list; links of peers that are no longer listed,
 * whose role changed or whose certificate is revoked end. conf is copied. On failure the old state
 * stays. */
NODISCARD enum err links_reload(struct links *ls, const struct link_conf *conf, struct buf *why);

/* Ends all; on_down is called for those that are up. */
void links_close(struct links *ls);

/* The random 64 bits, chosen at start, of this process, as 16 hexadecimal digits. */
struct str links_own_instance(const struct links *ls);

struct str link_name(const struct link *l);
enum link_role link_role(const struct link *l);
/* The peer's instance: 16 hexadecimal digits. */
struct str link_instance(const struct link *l);
void *link_data(const struct link *l); /* the owner's own, NULL at first */
void link_set_data(struct link *l, void *data);
/* The link of that name if it is up. */
struct link *links_find(const struct links *ls, struct str name);
/* Whether a peer of that name is configured, up or not. */
bool links_is_peer(const struct links *ls, struct str name);
/* Walks those that are up; *at starts at 0. */
struct link *links_next(const struct links *ls, size_t *at);

/* Leaves with everything else at the end of this turn. A full queue ends the link (on_down comes
 * later in the turn). A payload larger than link_max_payload is our bug: it is logged and not sent.
 */
void link_send(struct link *l, const struct frame *f);
/* The same for a frame that is whole already. */
void link_send_raw(struct link *l, struct str raw);
size_t link_queued_bytes(const struct link *l);
/* Ends it because of what the peer did; logged and audited with the sentence. */
void link_refuse(struct link *l, const char *sentence);

/* Of every configured peer. */
struct link_status {
    struct str name, instance; /* instance absent when down */
    enum link_role role;
    bool is_up, is_dialled, is_unix;
    uint64_t since_ms, frames_in, frames_out, bytes_in, bytes_out, queued;
    int64_t peer_cert_expiry; /* 0 for a Unix socket */
    const char *last_error;   /* "" when there was none */
};
/* false when there is no more; *at starts at 0. */
bool links_status_next(const struct links *ls, size_t *at, struct link_status *out_status);

/* Answers the command `links` with a row for each of them. */
struct ctl_request;
void links_answer(const struct links *ls, struct ctl_request *r);

/* SHA-1(stream id ‖ secret) in lower-case hexadecimal, XEP-0114 §3; for components too. */
void link_handshake(struct str stream_id, struct str secret, char out_hex[41]);

#endif
