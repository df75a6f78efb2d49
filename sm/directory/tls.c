/* See tls.h. The handshake is done here, with a deadline; then the session becomes a layer of
 * libldap's socket, between it and the descriptor, and goes with it. */
#include "sm/directory/tls.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <lber.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct dir_tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    int fd;
};

static void free_tls(struct dir_tls *t)
{
    if (!t)
        return;
    if (t->session)
        gnutls_deinit(t->session);
    if (t->credentials)
        gnutls_certificate_free_credentials(t->credentials);
    mem_free(t);
}

/* --- the layer --------------------------------------------------------------------------------- */

static ssize_t pull(gnutls_transport_ptr_t owner, void *to, size_t n)
{
    return read(((struct dir_tls *)owner)->fd, to, n);
}

static ssize_t push(gnutls_transport_ptr_t owner, const void *from, size_t n)
{
    return send(((struct dir_tls *)owner)->fd, from, n, MSG_NOSIGNAL);
}

static int on_setup(Sockbuf_IO_Desc *at, void *tls)
{
    at->sbiod_pvt = tls;
    return 0;
}

static int on_remove(Sockbuf_IO_Desc *at)
{
    free_tls(at->sbiod_pvt);
    at->sbiod_pvt = NULL;
    return 0;
}

static int on_ctrl(Sockbuf_IO_Desc *at, int option, void *value)
{
    struct dir_tls *t = at->sbiod_pvt;

    if (option == LBER_SB_OPT_DATA_READY && gnutls_record_check_pending(t->session) > 0)
        return 1;
    return LBER_SBIOD_CTRL_NEXT(at, option, value);
}

/* libldap reads errno. A server that wants to begin again (TLS 1.2) is not followed. */
static ber_slen_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    errno = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? EWOULDBLOCK : ECONNRESET;
    return -1;
}

static ber_slen_t on_read(Sockbuf_IO_Desc *at, void *to, ber_len_t n)
{
    return result_of(gnutls_record_recv(((struct dir_tls *)at->sbiod_pvt)->session, to, n));
}

static ber_slen_t on_write(Sockbuf_IO_Desc *at, void *from, ber_len_t n)
{
    return result_of(gnutls_record_send(((struct dir_tls *)at->sbiod_pvt)->session, from, n));
}

static int on_close(Sockbuf_IO_Desc *at)
{
    (void)gnutls_bye(((struct dir_tls *)at->sbiod_pvt)->session, GNUTLS_SHUT_WR); /* once, or not */
    return 0;
}

static Sockbuf_IO layer = { on_setup, on_remove, on_ctrl, on_read, on_write, on_close };

/* --- the handshake ----------------------------------------------------------------------------- */

static bool fail(struct buf *why, const char *what, int rc)
{
    buf_printf(why, "TLS: %s%s", what, gnutls_strerror(rc));
    return false;
}

static bool load(struct dir_tls *t, const struct dir_tls_want *want, struct buf *why)
{
    int rc = gnutls_certificate_allocate_credentials(&t->credentials);

    if (rc >= 0 && !want->is_unverified)
        rc = gnutls_certificate_set_x509_trust_file(t->credentials, want->ca_file,
                                                    GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return fail(why, "the file ca cannot be used: ", rc);
    if (want->cert_file)
        rc = gnutls_certificate_set_x509_key_file(t->credentials, want->cert_file, want->key_file,
                                                  GNUTLS_X509_FMT_PEM);
    return rc >= 0 || fail(why, "the files cert and key cannot be used: ", rc);
}

static bool is_number(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool make(struct dir_tls *t, const struct dir_tls_want *want, struct buf *why)
{
    static const char versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    int rc = gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (rc >= 0)
        rc = gnutls_priority_set_direct(t->session, versions, NULL);
    if (rc >= 0)
        rc = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials);
    if (rc >= 0 && !is_number(want->name))
        rc = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, want->name, strlen(want->name));
    if (rc < 0)
        return fail(why, "", rc);
    if (!want->is_unverified)
        gnutls_session_set_verify_cert(t->session, want->name, 0);
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, pull);
    gnutls_transport_set_push_function(t->session, push);
    gnutls_handshake_set_timeout(t->session, 0); /* the deadline is ours */
    return true;
}

static uint64_t now_ms(void)
{
    enum { NS_IN_MS = 1000000 };

    return uv_hrtime() / NS_IN_MS;
}

static int shake_hands(struct dir_tls *t, int64_t timeout_ms)
{
    uint64_t end = now_ms() + (uint64_t)timeout_ms, at;
    int rc;

    while ((rc = gnutls_handshake(t->session)) < 0 && !gnutls_error_is_fatal(rc)) {
        struct pollfd p = { .fd = t->fd };

        if ((at = now_ms()) >= end)
            return GNUTLS_E_TIMEDOUT;
        p.events = gnutls_record_get_direction(t->session) ? POLLOUT : POLLIN;
        (void)poll(&p, 1, (int)(end - at));
    }
    return rc;
}

static void note(struct dir_tls *t, struct dir_tls_seen *seen)
{
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(t->session, &n);
    const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(t->session));
    const char *cipher = gnutls_ciphersuite_get(t->session);

    if (version && cipher)
        buf_printf(&seen->version, "%s %s", version, cipher);
    if (n > 0)
        buf_add(&seen->certificate, str_of((const char *)chain[0].data, chain[0].size));
}

/* What is wrong with the certificate, in GnuTLS's words: "The certificate chain uses expired …". */
static void explain(struct dir_tls *t, int rc, struct buf *why)
{
    gnutls_datum_t text = { 0 };

    if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
        gnutls_certificate_verification_status_print(
            gnutls_session_get_verify_cert_status(t->session), GNUTLS_CRT_X509, &text, 0) == 0)
        buf_printf(why, "TLS: %s", text.data);
    else if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
        buf_printf(why, "TLS: the server says: %s",
                   gnutls_alert_get_name(gnutls_alert_get(t->session)));
    else
        fail(why, "", rc);
    gnutls_free(text.data);
    while (why->n > 0 && why->p[why->n - 1] == ' ')
        why->n--;
}

bool dir_tls_start(LDAP *ld, int fd, const struct dir_tls_want *want, struct dir_tls_seen *seen,
                   struct buf *why)
{
    struct dir_tls *t = mem_new(struct dir_tls);
    Sockbuf *sockbuf = NULL;
    int rc;

    t->fd = fd;
    if (!load(t, want, why) || !make(t, want, why)) {
        free_tls(t);
        return false;
    }
    rc = shake_hands(t, want->timeout_ms);
    note(t, seen);
    if (rc < 0)
        explain(t, rc, why);
    else if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sockbuf) != LDAP_OPT_SUCCESS ||
             ber_sockbuf_add_io(sockbuf, &layer, LBER_SBIOD_LEVEL_TRANSPORT, t) != 0)
        rc = GNUTLS_E_INTERNAL_ERROR;
    if (rc >= 0)
        return true;
    free_tls(t);
    return false;
}
