/* TLS sessions on memory: GnuTLS reads from what net hands in and writes to what net sends, so it
 * makes no system call. Credentials are tls_creds.c's. */
#include "common/tls_private.h"

#include "common/log.h"
#include "common/mem.h"

#include <errno.h>

struct tls_session {
    gnutls_session_t s;
    struct tls_creds *creds;
    struct str input;   /* during a call: what GnuTLS has not read yet */
    struct buf *output; /* during a call */
    const char *reason;
    bool is_server, is_secure, is_dead;
};

static ssize_t on_pull(gnutls_transport_ptr_t from, void *out, size_t n)
{
    struct tls_session *s = from;

    if (s->input.n == 0) {
        gnutls_transport_set_errno(s->s, EAGAIN);
        return -1;
    }
    if (n > s->input.n)
        n = s->input.n;
    memcpy(out, s->input.p, n);
    s->input = str_of(s->input.p + n, s->input.n - n);
    return (ssize_t)n;
}

static int on_pull_timeout(gnutls_transport_ptr_t from, unsigned ms)
{
    struct tls_session *s = from;

    (void)ms;
    return s->input.n > 0;
}

static ssize_t on_push(gnutls_transport_ptr_t to, const void *bytes, size_t n)
{
    struct tls_session *s = to;

    ASSERT(s->output != NULL);
    buf_add(s->output, str_of(bytes, n));
    return (ssize_t)n;
}

enum { MAX_HANDSHAKE_BYTES = 2 * TLS_MAX_PEER_BYTES };

static const char *refusal_of(unsigned status)
{
    return status & GNUTLS_CERT_REVOKED              ? "the certificate is revoked"
           : status & GNUTLS_CERT_SIGNER_NOT_FOUND   ? "the certificate's issuer is not known"
           : status & GNUTLS_CERT_EXPIRED            ? "the certificate has expired"
           : status & GNUTLS_CERT_NOT_ACTIVATED      ? "the certificate is not valid yet"
           : status & GNUTLS_CERT_PURPOSE_MISMATCH   ? "the certificate is for another purpose"
           : status & GNUTLS_CERT_INSECURE_ALGORITHM ? "the certificate's algorithm is too weak"
                                                     : "the certificate does not verify";
}

/* Inside the handshake, so that the other side gets the alert that says what is wrong. */
static int on_verify(gnutls_session_t gs)
{
    struct tls_session *s = gnutls_session_get_ptr(gs);
    unsigned status = 0;

    if (gnutls_certificate_verify_peers2(gs, &status) == 0 && status == 0)
        return 0;
    s->reason = refusal_of(status);
    return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

static void set_up_server(struct tls_session *s)
{
    const struct tls_creds *c = s->creds;

    if (c->ticket_key.size > 0)
        gnutls_session_ticket_enable_server(s->s, &c->ticket_key);
    if (c->client_auth == TLS_CLIENT_AUTH_NONE)
        return;
    gnutls_certificate_server_set_request(
        s->s, c->client_auth == TLS_CLIENT_AUTH_ASK ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_REQUIRE);
    if (c->client_auth == TLS_CLIENT_AUTH_REQUIRE)
        gnutls_session_set_verify_function(s->s, on_verify);
    else /* strangers: GnuTLS keeps what they show as long as the session lives */
        gnutls_handshake_set_max_packet_length(s->s, MAX_HANDSHAKE_BYTES);
}

struct tls_session *tls_session_new(struct tls_creds *creds, bool is_server, const char *sni)
{
    struct tls_session *s = mem_new(struct tls_session);
    unsigned flags =
        (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;

    if (creds->ticket_key.size == 0)
        flags |= GNUTLS_NO_TICKETS;
    if (mem_keeps_nothing()) { /* records pass through GnuTLS's memory in clear */
        gnutls_free = mem_free;
        gnutls_realloc = mem_realloc;
    }
    s->creds = tls_creds_ref(creds);
    s->is_server = is_server;
    s->reason = "";
    ASSERT(gnutls_init(&s->s, flags) == GNUTLS_E_SUCCESS);
    ASSERT(gnutls_priority_set(s->s, creds->priorities) == GNUTLS_E_SUCCESS);
    ASSERT(gnutls_credentials_set(s->s, GNUTLS_CRD_CERTIFICATE, creds->cred) == GNUTLS_E_SUCCESS);
    gnutls_session_set_ptr(s->s, s);
    gnutls_transport_set_ptr(s->s, s);
    gnutls_transport_set_pull_function(s->s, on_pull);
    gnutls_transport_set_pull_timeout_function(s->s, on_pull_timeout);
    gnutls_transport_set_push_function(s->s, on_push);
    gnutls_handshake_set_timeout(s->s, GNUTLS_INDEFINITE_TIMEOUT); /* time is the owner's */
    if (creds->alpn_count > 0)
        gnutls_alpn_set_protocols(s->s, creds->alpn, creds->alpn_count,
                                  is_server ? GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE
                                            : 0);
    if (is_server)
        set_up_server(s);
    else if (sni)
        gnutls_server_name_set(s->s, GNUTLS_NAME_DNS, sni, strlen(sni));
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (!s)
        return;
    gnutls_deinit(s->s);
    tls_creds_unref(s->creds);
    mem_free(s);
}

/* A warning does not end anything; what else GnuTLS says does, and the other side is told. */
static enum err give_up(struct tls_session *s, int r)
{
    enum err e = ERR_MALFORMED;

    s->is_dead = true;
    if (r == GNUTLS_E_PREMATURE_TERMINATION)
        return ERR_CLOSED;
    if (*s->reason == '\0')
        s->reason = r == GNUTLS_E_FATAL_ALERT_RECEIVED
                        ? gnutls_alert_get_name(gnutls_alert_get(s->s))
                        : gnutls_strerror(r);
    if (!s->reason)
        s->reason = "an unknown alert";
    if (!s->is_secure || r == GNUTLS_E_FATAL_ALERT_RECEIVED)
        e = ERR_DENIED;
    if (r != GNUTLS_E_FATAL_ALERT_RECEIVED)
        gnutls_alert_send_appropriate(s->s, r);
    log_debug("TLS failed", kv_text("reason", s->reason));
    return e;
}

/* Returns ERR_AGAIN when more input is needed. */
static enum err handshake(struct tls_session *s)
{
    int r;

    do {
        r = gnutls_handshake(s->s);
    } while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED ||
             r == GNUTLS_E_GOT_APPLICATION_DATA);
    if (r == GNUTLS_E_AGAIN)
        return ERR_AGAIN;
    if (r < 0)
        return give_up(s, r);
    s->is_secure = true;
    return ERR_OK;
}

static enum err decrypt(struct tls_session *s, struct buf *plain)
{
    for (;;) {
        ssize_t r;

        buf_reserve(plain, 16384);
        r = gnutls_record_recv(s->s, plain->p + plain->n, plain->cap - plain->n);
        if (r > 0) {
            plain->n += (size_t)r;
            continue;
        }
        if (r == GNUTLS_E_AGAIN && s->input.n == 0)
            return ERR_OK;
        if (r == 0) {
            s->is_dead = true;
            return ERR_CLOSED;
        }
        if (r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED &&
            r != GNUTLS_E_WARNING_ALERT_RECEIVED)
            return give_up(s, (int)r); /* renegotiation (GNUTLS_E_REHANDSHAKE) is one of them */
    }
}

enum err tls_session_feed(struct tls_session *s, struct str bytes, struct buf *plain,
                          struct buf *cipher)
{
    enum err e = ERR_OK;

    if (s->is_dead)
        return ERR_CLOSED;
    s->input = bytes;
    s->output = cipher;
    if (!s->is_secure)
        e = handshake(s);
    if (e == ERR_OK)
        e = decrypt(s, plain);
    s->input = STR_NONE;
    s->output = NULL;
    return e == ERR_AGAIN ? ERR_OK : e;
}

enum err tls_session_start(struct tls_session *s, struct buf *cipher)
{
    enum err e;

    s->output = cipher;
    e = handshake(s);
    s->output = NULL;
    return e == ERR_AGAIN ? ERR_OK : e;
}

bool tls_session_is_secure(const struct tls_session *s)
{
    return s->is_secure;
}

void tls_session_encrypt(struct tls_session *s, struct str plain, struct buf *cipher)
{
    s->output = cipher;
    while (plain.n > 0 && !s->is_dead) {
        ssize_t r = gnutls_record_send(s->s, plain.p, plain.n);

        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            continue; /* ours never blocks; a KeyUpdate may come between */
        if (r <= 0) {
            s->is_dead = true; /* an alert came before: the reader reports it */
            break;
        }
        plain = str_of(plain.p + r, plain.n - (size_t)r);
    }
    s->output = NULL;
}

void tls_session_end(struct tls_session *s, struct buf *cipher)
{
    if (s->is_dead && !s->is_secure)
        return;
    s->output = cipher;
    gnutls_bye(s->s, GNUTLS_SHUT_WR);
    s->output = NULL;
}

const char *tls_session_reason(const struct tls_session *s)
{
    return s->reason;
}

/* --- facts ------------------------------------------------------------------------------------ */

static struct str binding(struct tls_session *s, gnutls_channel_binding_t type, struct arena *arena)
{
    gnutls_datum_t data = { 0 };
    struct str copy;

    if (gnutls_session_channel_binding(s->s, type, &data) != GNUTLS_E_SUCCESS)
        return STR_NONE;
    copy = arena_str(arena, str_of(data.data, data.size));
    gnutls_free(data.data);
    return copy;
}

static struct str own_end_point(struct tls_session *s, struct arena *arena)
{
    struct tls_creds *c = s->creds;
    const gnutls_datum_t *own = gnutls_certificate_get_ours(s->s);
    struct str value;
    char *copy;

    for (size_t i = 0; own && i < c->end_point_count; i++)
        if (c->end_points[i].der == own->data)
            return arena_str(arena, c->end_points[i].value);
    value = binding(s, GNUTLS_CB_TLS_SERVER_END_POINT, arena);
    if (!own || !str_is_set(value))
        return value;
    copy = mem_alloc(value.n);
    memcpy(copy, value.p, value.n);
    c->end_points = mem_realloc(c->end_points, (c->end_point_count + 1) * sizeof *c->end_points);
    c->end_points[c->end_point_count++] =
        (struct tls_end_point){ own->data, str_of(copy, value.n) };
    return value;
}

/* Without the extended master secret (RFC 7627) neither binds to this connection alone (RFC 9266
 * §3, RFC 5929 §10.1). */
static void add_bindings(struct tls_session *s, struct arena *arena, struct tls_facts *f)
{
    bool is_tls13 = gnutls_protocol_get_version(s->s) >= GNUTLS_TLS1_3;
    bool has_master = is_tls13 || gnutls_session_ext_master_secret_status(s->s);

    f->cb_end_point = s->is_server ? own_end_point(s, arena)
                                   : binding(s, GNUTLS_CB_TLS_SERVER_END_POINT, arena);
    if (has_master)
        f->cb_exporter = binding(s, GNUTLS_CB_TLS_EXPORTER, arena);
    if (!is_tls13 && has_master)
        f->cb_unique = binding(s, GNUTLS_CB_TLS_UNIQUE, arena);
}

static void add_peer_names(gnutls_x509_crt_t leaf, struct arena *arena, struct tls_facts *f)
{
    char name[TLS_NAME_BYTES];
    struct str *names;
    size_t count = 0;

    for (unsigned at = 0; tls_next_dns_name(leaf, &at, name);)
        count++;
    names = arena_alloc(arena, (count + 1) * sizeof *names);
    for (unsigned at = 0; f->peer_dns_count < count && tls_next_dns_name(leaf, &at, name);)
        names[f->peer_dns_count++] = arena_str(arena, str_from(name));
    f->peer_dns_names = names;
}

static void add_pem(const gnutls_datum_t *der, struct buf *pem)
{
    gnutls_datum_t text = { 0 };

    if (gnutls_pem_base64_encode2("CERTIFICATE", der, &text) != GNUTLS_E_SUCCESS)
        return;
    buf_add(pem, str_of(text.data, text.size));
    gnutls_free(text.data);
}

static bool is_too_long(const gnutls_datum_t *chain, unsigned count)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++)
        bytes += chain[i].size;
    return count > TLS_MAX_PEER_CERTS || bytes > TLS_MAX_PEER_BYTES;
}

/* NULL: it verifies. Of a client that was asked, that its certificate is for clients (RFC 5280
 * §4.2.1.12): one without the extension is for anything. */
static const char *verify_peer(struct tls_session *s)
{
    gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                      .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
    bool is_asked = s->is_server && s->creds->client_auth == TLS_CLIENT_AUTH_ASK;
    unsigned status = 0;
    int r;

    if (!s->creds->has_ca)
        return "no CA is configured";
    r = gnutls_certificate_verify_peers(s->s, &purpose, is_asked ? 1 : 0, &status);
    return r == 0 && status == 0 ? NULL : refusal_of(status);
}

static void add_peer(struct tls_session *s, struct arena *arena, struct tls_facts *f)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(s->s, &count);
    gnutls_x509_crt_t leaf;
    struct buf pem = { 0 };

    if (!chain || count == 0)
        return;
    if (is_too_long(chain, count)) {
        f->has_peer_cert = true;
        f->peer_refusal = "the chain is too long";
        return;
    }
    ASSERT(gnutls_x509_crt_init(&leaf) == GNUTLS_E_SUCCESS);
    if (gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) {
        f->has_peer_cert = true;
        f->peer_expiry = gnutls_x509_crt_get_expiration_time(leaf);
        add_peer_names(leaf, arena, f);
        f->peer_refusal = verify_peer(s);
        f->is_peer_verified = !f->peer_refusal;
    }
    gnutls_x509_crt_deinit(leaf);
    for (unsigned i = 0; i < count; i++)
        add_pem(&chain[i], &pem);
    f->peer_chain = arena_str(arena, buf_str(&pem));
    buf_fini(&pem);
}

void tls_session_facts(struct tls_session *s, struct arena *arena, struct tls_facts *out_facts)
{
    struct tls_facts f = { 0 };
    char sni[TLS_NAME_BYTES];
    size_t n = sizeof sni - 1;
    unsigned type;
    gnutls_datum_t alpn;

    f.version = str_from(gnutls_protocol_get_name(gnutls_protocol_get_version(s->s)));
    f.cipher = str_from(gnutls_cipher_get_name(gnutls_cipher_get(s->s)));
    if (s->is_server && gnutls_server_name_get(s->s, sni, &n, &type, 0) == GNUTLS_E_SUCCESS)
        f.sni = arena_str(arena, str_from(sni));
    if (gnutls_alpn_get_selected_protocol(s->s, &alpn) == GNUTLS_E_SUCCESS)
        f.alpn = arena_str(arena, str_of(alpn.data, alpn.size));
    add_bindings(s, arena, &f);
    add_peer(s, arena, &f);
    *out_facts = f;
}
