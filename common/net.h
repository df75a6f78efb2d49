/* Byte streams on the loop: TCP and Unix sockets, in clear or under TLS, batched. All that is
 * written in one turn of the loop leaves in one write (and, under TLS, in as few records as the
 * protocol permits). Reading goes through one buffer of the process; an idle connection holds no
 * buffer. */
#ifndef COMMON_NET_H
#define COMMON_NET_H

#include "common/str.h"
#include "common/tls.h"

#include <sys/types.h>
#include <uv.h>

struct net;      /* one a loop */
struct conn;     /* one byte stream */
struct listener;

/* An address as it is written in configuration: "127.0.0.1:5222", "[::1]:5222", "*:5222" (IPv6 and
 * IPv4), "host.example:5222" (for dialling: resolved by uv_getaddrinfo), "unix:/run/x.sock". */
struct net_address {
    bool is_unix;
    char host[256]; /* or the path */
    uint16_t port;
};
NODISCARD enum err net_address_parse(struct str text, struct net_address *out_address);

struct net *net_new(uv_loop_t *loop);

/* Closes what is left; freed by the loop. */
void net_close(struct net *n);
uv_loop_t *net_loop(const struct net *n);

/* What the owner of a connection hears. None is called from inside a call that the owner makes on
 * that connection, except where said. After conn_close nothing is called any more. */
struct conn_events {
    /* Plain bytes, borrowed for the call. The owner may close, pause or start TLS in it. */
    void (*on_data)(void *owner, struct conn *c, struct str bytes);
    /* The TLS handshake is done. */
    void (*on_secure)(void *owner, struct conn *c);
    /* A connection that was dialled is up (before TLS). */
    void (*on_connected)(void *owner, struct conn *c);
    /* Bytes have gone to the socket: conn_sent() has grown. May be NULL. */
    void (*on_sent)(void *owner, struct conn *c);
    /* The end: by the peer, by an error, or because the out queue passed its limit (ERR_LIMIT).
     * The owner must still call conn_close. */
    void (*on_end)(void *owner, struct conn *c, enum err why);
};

struct listener_options {
    struct net_address address;
    int backlog;
    int inherited_fd;     /* a listening socket handed over by the service manager, or -1 */
    unsigned unix_mode;   /* permissions of a Unix socket's path, as 0660 */
    const char *unix_group; /* or NULL */
};

/* Begins to listen. on_accept must give the new connection an owner (conn_set_owner) or close it.
 * A stale path of a Unix socket is replaced, a live one is ERR_EXISTS. why: one sentence. */
NODISCARD enum err listener_open(struct net *n, const struct listener_options *options,
                                 void (*on_accept)(void *owner, struct conn *c), void *owner,
                                 struct listener **out_listener, struct buf *why);
void listener_close(struct listener *l); /* NULL is fine */
void listener_set_owner(struct listener *l, void *owner);

/* While paused new connections wait in the kernel's queue. */
void listener_pause(struct listener *l, bool is_paused);

/* The port that the kernel gave, where 0 was asked. */
uint16_t listener_port(const struct listener *l);

/* Dials. Name resolution and connecting are bounded by timeout_ms; failure is reported through
 * on_end. */
struct conn *conn_dial(struct net *n, const struct net_address *address, uint64_t timeout_ms,
                       const struct conn_events *events, void *owner);

/* Reading begins when the owner is first set. */
void conn_set_owner(struct conn *c, const struct conn_events *events, void *owner);

/* Begins TLS. sni: whom a client asks for, or NULL. already_read: bytes that came behind what the
 * owner used up (PROXY protocol); what comes after STARTTLS in clear must not be passed on but ends
 * the connection. What was written before and has not left yet leaves in clear first. */
void conn_start_tls(struct conn *c, struct tls_creds *creds, bool is_server, const char *sni,
                    struct str already_read);
bool conn_is_secure(const struct conn *c);

/* Copies into the pending output; leaves with everything else at the end of this turn. */
void conn_write(struct conn *c, struct str bytes);

/* Total of plain bytes given to conn_write, and of those that have entered the socket. */
uint64_t conn_queued(const struct conn *c);
uint64_t conn_sent(const struct conn *c);

/* Above this many bytes queued and not sent the connection ends with ERR_LIMIT. 0: no limit (the
 * default is 4 MiB). */
void conn_set_queue_limit(struct conn *c, size_t max_bytes);

/* No data is delivered while paused. */
void conn_pause(struct conn *c, bool is_paused);

/* Writes what is pending, TLS close_notify and FIN, then waits at most linger_ms for the peer's
 * FIN. The owner hears nothing more; c must not be used again. linger_ms 0: at once, pending output
 * is lost. */
void conn_close(struct conn *c, uint64_t linger_ms);

/* TLS facts, after on_secure. */
void conn_tls_facts(struct conn *c, struct arena *arena, struct tls_facts *out_facts);
const char *conn_tls_reason(const struct conn *c);

/* "192.0.2.1:1234", "[::1]:1234" or "unix:PATH", NUL-terminated. */
void conn_peer_text(const struct conn *c, char out_text[64]);
/* The peer's address without the port: 4 or 16 bytes (an IPv4-mapped IPv6 address gives 4), or 0
 * for a Unix socket. */
size_t conn_peer_ip(const struct conn *c, uint8_t out_ip[16]);
bool conn_is_unix(const struct conn *c);
/* The uid at the other end of a Unix socket (SO_PEERCRED). */
NODISCARD enum err conn_peer_uid(const struct conn *c, uid_t *out_uid);
/* And its process; 0 when that is in another PID namespace. */
NODISCARD enum err conn_peer_process(const struct conn *c, uid_t *out_uid, pid_t *out_pid);

#endif
