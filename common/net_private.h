/* What the files of net share; nobody else includes it. */
#ifndef COMMON_NET_PRIVATE_H
#define COMMON_NET_PRIVATE_H

#include "common/buf.h"
#include "common/list.h"
#include "common/metric.h"
#include "common/net.h"

enum {
    NET_READ_BYTES = 65536,
    NET_ENCRYPT_BYTES = 65536, /* of plain text at a time: what waits longer waits unencrypted */
    NET_SPARE_OUTPUTS = 64,
    NET_SPARE_BYTES = 65536, /* a larger buffer is not kept for the next connection */
    NET_QUEUE_DEFAULT = 4 << 20,
};

/* The output of one connection; it has one only while something waits. */
struct net_out {
    struct net_out *next; /* of the spare ones */
    struct buf plain;     /* given to conn_write; plain_at bytes of it are encrypted already */
    size_t plain_at;
    struct buf wire;   /* for the socket: clear or encrypted */
    size_t wire_plain; /* how many bytes of conn_write it stands for */
    struct buf flight; /* given to uv_write, must not move */
    size_t flight_plain;
    bool is_writing;
    uv_write_t request;
};

struct net {
    uv_loop_t *loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;    /* runs only to keep the loop from waiting while something is dirty */
    struct list dirty; /* connections that have something to do at the end of this turn */
    struct list conns;
    struct list listeners;
    struct net_out *spare;
    unsigned spare_count;
    unsigned users; /* open handles of its own, listeners and connections; freed at 0 */
    bool is_closing;
    bool has_waiting; /* a listener that was resumed has a connection to hand out */
    struct buf plain; /* what one read decrypts to; valid during one callback */
    struct buf cipher;
    char read_bytes[NET_READ_BYTES];
};

/* OPEN is the only state in which the owner hears anything but on_connected and on_end. */
enum conn_state { CONN_DIALLING, CONN_OPEN, CONN_ENDED, CONN_LINGERING, CONN_CLOSING };

/* Input that could not be handed out when it came. */
struct net_held {
    bool is_cipher;
    struct buf bytes;
};

struct net_dial;
struct net_linger;

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct net *net;
    struct list at;       /* net->conns */
    struct list dirty_at; /* net->dirty; a list of its own when clean */
    const struct conn_events *events;
    void *owner;
    struct tls_session *tls;
    struct net_out *out;
    struct net_held *held;
    union {
        struct net_dial *dial;     /* while DIALLING */
        struct net_linger *linger; /* from LINGERING to the end */
    } x;
    uint64_t queued, sent;
    size_t queue_limit;
    enum err pending_end; /* ERR_OK: none; to be reported at the end of the turn */
    uint8_t state;        /* enum conn_state */
    uint8_t refs;         /* open handles and requests; freed at 0 */
    bool is_unix : 1;
    bool is_paused : 1;
    bool is_eof : 1;    /* the peer's FIN came */
    bool is_broken : 1; /* nothing can be written any more */
    bool is_shut : 1;   /* our FIN was asked for */
    bool has_said_bye : 1;
    bool has_dial : 1; /* which member of x */
};

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct net *net;
    struct list at;
    void (*on_accept)(void *owner, struct conn *c);
    void *owner;
    bool is_unix, is_paused, has_waiting, is_closing;
};

/* net.c */
void net_unref(struct net *n);
void net_mark_dirty(struct conn *c);

/* net_conn.c */
struct conn *conn_new(struct net *n, bool is_unix);
void conn_ref(struct conn *c);
void conn_unref(struct conn *c);
void conn_opened(struct conn *c); /* the socket is connected */
void conn_start_reading(struct conn *c);
void conn_fail_later(struct conn *c, enum err why);
void conn_end(struct conn *c, enum err why);
void conn_close_now(struct conn *c);
void conn_turn(struct conn *c); /* what was put off to the end of the turn */

static inline bool conn_is_live(const struct conn *c)
{
    return c->state == CONN_OPEN;
}

/* net_out.c */
struct net_out *net_out_of(struct conn *c);
void net_out_wire(struct conn *c, struct str bytes);
void net_out_to_clear(struct conn *c);
void net_out_flush(struct conn *c);
void net_out_discard(struct conn *c);
void net_out_free_spare(struct net *n);

/* net_close.c */
void net_linger_start(struct conn *c, uint64_t ms);
void net_linger_turn(struct conn *c);
void net_linger_stop(struct conn *c);

/* net_listen.c */
void net_accept_waiting(struct net *n);

/* net_address.c */
void net_sockaddr_text(const struct sockaddr *address, char out_text[64]);
/* Fills out_storage from a numeric host; false when it is a name. */
bool net_address_numeric(const struct net_address *a, struct sockaddr_storage *out_storage);

/* net_dial.c */
void net_dial_abort(struct conn *c);

/* net_metrics.c */
extern struct metric net_metric_connections, net_metric_accepted, net_metric_received,
    net_metric_sent, net_metric_overflows;
void net_metrics_register(void);

#endif
