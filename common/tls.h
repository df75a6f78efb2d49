/* TLS through GnuTLS, without any socket: net.c feeds and drains it. What a certificate means is
 * decided by whoever asks for the facts. */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include "common/arena.h"
#include "common/buf.h"

struct tls_creds;
struct tls_session; /* net.c's */

struct tls_cert {
    const char *cert_file; /* PEM chain, leaf first */
    const char *key_file;  /* PEM */
    /* A host that it is for, or NULL: a server picks it by SNI for this one, too, when a wildcard
     * in it covers the host. (GnuTLS compares names as they are written.) */
    const char *host;
};

/* ASK: a client may show none, or one that does not verify; the facts say so. REQUIRE: the
 * handshake fails then. */
enum tls_client_auth { TLS_CLIENT_AUTH_NONE, TLS_CLIENT_AUTH_ASK, TLS_CLIENT_AUTH_REQUIRE };

/* A chain of a client that was asked. Above it the chain is not verified; far above, GnuTLS refuses
 * the handshake. */
enum { TLS_MAX_PEER_CERTS = 8, TLS_MAX_PEER_BYTES = 16 * 1024 };

struct tls_options {
    const struct tls_cert
        *certs; /* a server picks by SNI among their names, the first when none fits */
    size_t cert_count;
    const char *ca_file; /* trusted for the other side's certificate; NULL: none is verified */
    const char *crl_file;         /* or NULL */
    enum tls_client_auth client_auth;
    bool only_tls13;              /* else TLS 1.2 and 1.3 */
    const char *const
        *alpn;    /* NULL-terminated, in order of preference; NULL: none. A server that offers some
                     refuses a client that offers only others (RFC 7301 §3.2) */
    bool tickets; /* session resumption, TLS 1.3 and 1.2 tickets with a key of this process, rotated
                     by GnuTLS */
};

/* Loads everything; nothing is kept from a half-good set. Counted: sessions hold a reference, so
 * credentials may be replaced at any time (SIGHUP) and old sessions go on. why  on failure one
 * sentence that names the file. */
NODISCARD enum err tls_creds_new(const struct tls_options *options, struct tls_creds **out_creds,
                                 struct buf *why);
struct tls_creds *tls_creds_ref(struct tls_creds *c);
void tls_creds_unref(struct tls_creds *c);

/* Seconds since 1970 at which the earliest of its certificates ends. */
int64_t tls_creds_expiry(const struct tls_creds *c);

/* One of the certificates that it shows, as files on a disk may no longer say. In the arena. */
struct tls_own_cert {
    struct str names;  /* DNS names, with commas between */
    struct str sha256; /* of the whole, in lower-case hexadecimal digits */
    int64_t expiry;    /* seconds since 1970, of this one without its chain */
};

/* In the order of the options they were made with; false at the end. */
bool tls_creds_next_cert(const struct tls_creds *c, size_t *at, struct arena *arena,
                         struct tls_own_cert *out_cert);

/* Whether one of its certificates names this host (RFC 9525 DNS-ID, wildcard in the leftmost
 * label). */
bool tls_creds_covers(const struct tls_creds *c, struct str host);

/* Checks a chain (PEM, leaf first) of a peer seen earlier against the CA and the revocation list of
 * these credentials. Returns ERR_OK, ERR_DENIED, ERR_MALFORMED. */
NODISCARD enum err tls_creds_verify(const struct tls_creds *c, struct str chain);

/* What is known once the handshake is done. Absent where there is none. All in the arena. */
struct tls_facts {
    struct str version;      /* "TLS1.3" */
    struct str cipher;       /* "AES-256-GCM" */
    struct str sni;
    struct str alpn;
    struct str cb_exporter;  /* tls-exporter, RFC 9266: raw bytes; TLS 1.3, and 1.2 with extended
                                master secret */
    struct str cb_end_point; /* tls-server-end-point, RFC 5929 */
    struct str cb_unique;    /* tls-unique, RFC 5929; below TLS 1.3 only */
    bool has_peer_cert;
    bool is_peer_verified;   /* chain and dates against ca_file, and not revoked; where a client was
                                asked, also that it is for clients (extendedKeyUsage), and within
                                the limits below; says nothing about names */
    const char *peer_refusal; /* a constant: why it is not verified; NULL: it is, or none */
    struct str peer_chain;   /* PEM, leaf first; absent above the limits */
    const struct str *peer_dns_names;
    size_t peer_dns_count;
    int64_t peer_expiry;     /* seconds since 1970 */
};

/* --- for net.c -------------------------------------------------------------------------------- */

/* sni  the name a client asks for, or NULL. */
struct tls_session *tls_session_new(struct tls_creds *creds, bool is_server, const char *sni);
void tls_session_free(struct tls_session *s);

/* Gives it what came from the socket and appends to plain what it decrypts, and to cipher what must
 * be sent. Returns ERR_OK, ERR_CLOSED (close_notify), ERR_DENIED (handshake refused, or an alert;
 * the reason is logged at debug and named by tls_session_reason), ERR_MALFORMED. */
NODISCARD enum err tls_session_feed(struct tls_session *s, struct str bytes, struct buf *plain,
                                    struct buf *cipher);

/* Begins a client's handshake: appends the ClientHello. */
NODISCARD enum err tls_session_start(struct tls_session *s, struct buf *cipher);

bool tls_session_is_secure(const struct tls_session *s);

/* Encrypts into records as large as the protocol permits; only when secure. */
void tls_session_encrypt(struct tls_session *s, struct str plain, struct buf *cipher);

/* Appends close_notify. */
void tls_session_end(struct tls_session *s, struct buf *cipher);
void tls_session_facts(struct tls_session *s, struct arena *arena, struct tls_facts *out_facts);

/* Why the handshake failed; a constant text of GnuTLS, or "". */
const char *tls_session_reason(const struct tls_session *s);

#endif
