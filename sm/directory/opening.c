/* Opening a connection, in one of libuv's threads: names, TCP, TLS and the service account's bind
 * may all wait, each for at most the configured time (a ticket of Kerberos for as long as its
 * library likes). Nothing in here touches the loop's data.
 * The socket is ours (dial.c), so that each step has a limit and a time of its own, and so that the
 * name that a certificate must have need not be the one that was dialled. It never blocks: half an
 * answer holds neither this thread nor, later, the loop. */
#include "sm/directory/parts.h"

#include "common/mem.h"
#include "sm/directory/kerberos_bind.h"
#include "sm/directory/tls.h"
#include "sm/directory/uri.h"

#include <openldap.h>
#include <string.h>
#include <unistd.h>

static void leave(struct dir_opening *o)
{
    if (o->ld)
        ldap_unbind_ext(o->ld, NULL, NULL);
    o->ld = NULL;
}

static void fail(struct dir_opening *o, const char *step, int rc)
{
    char *text = NULL;

    if (o->ld)
        ldap_get_option(o->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    buf_printf(&o->why, "%s: %s", step, ldap_err2string(rc));
    if (text && text[0])
        buf_printf(&o->why, " (%s)", text);
    ldap_memfree(text);
    leave(o);
}

/* --- options ----------------------------------------------------------------------------------- */

static void set_options(struct dir_opening *o)
{
    int64_t ms = o->options.connect_ms;
    struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    int version = LDAP_VERSION3;

    ldap_set_option(o->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(o->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(o->ld, LDAP_OPT_NETWORK_TIMEOUT, &limit);
    ldap_set_option(o->ld, LDAP_OPT_TIMEOUT, &limit);
}

/* --- steps ------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    enum { NS_IN_MS = 1000000 };

    return uv_hrtime() / NS_IN_MS;
}

static bool reach(struct dir_opening *o, const struct directory_uri *u)
{
    struct dir_dialling in = { o->uri, o->options.connect_ms, o->options.keepalive_ms,
                               o->options.unacked_ms };
    struct dir_dialled out;
    int rc;
    bool is_there = dir_dial(&in, &out, &o->why);

    o->step = out.is_resolved ? DIR_CONNECT : DIR_RESOLVE;
    o->ms[DIR_RESOLVE] = out.resolve_ms;
    o->ms[DIR_CONNECT] = out.connect_ms;
    buf_fini(&o->address);
    o->address = out.address;
    if (!is_there)
        return false;
    rc = ldap_init_fd(out.fd, u->scheme == DIRECTORY_LDAPI ? LDAP_PROTO_IPC : LDAP_PROTO_TCP,
                      o->uri, &o->ld);
    if (rc == LDAP_SUCCESS) {
        o->fd = out.fd;
        return true;
    }
    o->ld = NULL;
    close(out.fd);
    fail(o, "connecting", rc);
    return false;
}

/* "[::1]" is "::1" to certificates. */
static char *host_of(const struct directory_uri *u)
{
    struct str host = u->host;

    if (host.n > 2 && host.p[0] == '[')
        host = str_of(host.p + 1, host.n - 2);
    return str_dup(host);
}

static char *name_of(const struct dir_opening *o, const struct directory_uri *u)
{
    return o->tls_name ? mem_strdup(o->tls_name) : host_of(u);
}

static bool shake_hands(struct dir_opening *o, const struct directory_uri *u)
{
    char *name = name_of(o, u);
    struct dir_tls_want want = { .ca_file = o->options.ca_file,
                                 .cert_file = o->options.cert_file,
                                 .key_file = o->options.key_file,
                                 .name = name,
                                 .is_unverified = o->is_unverified,
                                 .timeout_ms = o->options.connect_ms };
    struct dir_tls_seen seen = { 0 };
    bool is_done = dir_tls_start(o->ld, o->fd, &want, &seen, &o->why);

    buf_fini(&o->tls);
    buf_fini(&o->certificate);
    o->tls = seen.version;
    o->certificate = seen.certificate;
    mem_free(name);
    if (!is_done)
        leave(o);
    return is_done;
}

/* RFC 4511 §4.14. A server that does not want to is left: nothing goes to it in clear. */
static bool start_tls(struct dir_opening *o)
{
    int rc = ldap_extended_operation_s(o->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, NULL, NULL);

    if (rc == LDAP_SUCCESS)
        return true;
    fail(o, "StartTLS", rc);
    return false;
}

static bool encrypt(struct dir_opening *o, const struct directory_uri *u)
{
    bool is_ldaps = u->scheme == DIRECTORY_LDAPS, is_done;
    uint64_t begin = now_ms();

    if (u->scheme == DIRECTORY_LDAPI || !(is_ldaps || o->options.is_start_tls))
        return true;
    o->step = DIR_TLS;
    is_done = (is_ldaps || start_tls(o)) && shake_hands(o, u);
    o->ms[DIR_TLS] = now_ms() - begin;
    return is_done;
}

/* It is there, and says no. */
static bool is_refusal(int rc)
{
    return rc == LDAP_INVALID_CREDENTIALS || rc == LDAP_INAPPROPRIATE_AUTH ||
           rc == LDAP_INSUFFICIENT_ACCESS || rc == LDAP_AUTH_METHOD_NOT_SUPPORTED ||
           rc == LDAP_STRONG_AUTH_REQUIRED || rc == LDAP_UNWILLING_TO_PERFORM;
}

static int bind_by_kerberos(struct dir_opening *o, const struct directory_uri *u)
{
    char *host = host_of(u);
    struct dir_kerberos want = { .keytab = o->options.keytab,
                                 .principal = o->options.principal,
                                 .host = host };
    int rc = dir_kerberos_bind(o->ld, &want);

    mem_free(host);
    return rc;
}

/* EXTERNAL is one message (RFC 4513 §5.2.3): who we are, the certificate or the kernel has said. */
static void bind_service(struct dir_opening *o, const struct directory_uri *u)
{
    static const char *const names[] = {
        [DIRECTORY_SIMPLE] = "bind of the service account",
        [DIRECTORY_EXTERNAL] = "bind of the service account by EXTERNAL",
        [DIRECTORY_GSSAPI] = "bind of the service account by GSSAPI",
    };
    const struct directory_options *with = &o->options;
    struct berval secret = { .bv_len = with->bind_password.n,
                             .bv_val = (char *)(uintptr_t)with->bind_password.p };
    struct berval nobody_else = { .bv_len = 0, .bv_val = (char *)"" };
    uint64_t begin = now_ms();
    int rc;

    o->step = DIR_SERVICE_BIND;
    if (with->bind == DIRECTORY_EXTERNAL)
        rc = ldap_sasl_bind_s(o->ld, NULL, "EXTERNAL", &nobody_else, NULL, NULL, NULL);
    else if (with->bind == DIRECTORY_GSSAPI)
        rc = bind_by_kerberos(o, u);
    else
        rc = ldap_sasl_bind_s(o->ld, with->bind_dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
    o->ms[DIR_SERVICE_BIND] = now_ms() - begin;
    o->is_refused = is_refusal(rc);
    if (rc != LDAP_SUCCESS)
        fail(o,
             with->bind == DIRECTORY_SIMPLE && !with->bind_dn ? "anonymous bind"
                                                              : names[with->bind],
             rc);
}

void dir_opening_run(struct dir_opening *o)
{
    struct directory_uri u;

    if (directory_uri_read(o->uri, &u) != ERR_OK) {
        buf_printf(&o->why, "uri: malformed");
        return;
    }
    if (!reach(o, &u))
        return;
    set_options(o);
    if (encrypt(o, &u) && !o->is_unverified)
        bind_service(o, &u);
}

/* --- for the loop ------------------------------------------------------------------------------ */

void dir_opening_init(struct dir_opening *o, const struct directory_options *options,
                      const char *uri, const char *tls_name)
{
    *o = (struct dir_opening){ .uri = mem_strdup(uri),
                               .tls_name = tls_name ? mem_strdup(tls_name) : NULL };
    dir_options_copy(&o->options, options);
}

void dir_opening_fini(struct dir_opening *o)
{
    leave(o);
    dir_options_fini(&o->options);
    buf_fini(&o->why);
    buf_fini(&o->tls);
    buf_fini(&o->certificate);
    buf_fini(&o->address);
    mem_free(o->uri);
    mem_free(o->tls_name);
}

static void on_thread(uv_work_t *work)
{
    dir_opening_run(work->data);
}

static void on_opened(uv_work_t *work, int status)
{
    struct dir_opening *o = work->data;

    ASSERT(status == 0); /* we cancel nothing */
    o->opened(o);
    dir_opening_fini(o);
    mem_free(o);
}

void dir_opening_start(uv_loop_t *loop, const struct directory_options *options, const char *uri,
                       const char *tls_name, void (*opened)(struct dir_opening *o), void *owner)
{
    struct dir_opening *o = mem_new(struct dir_opening);

    dir_opening_init(o, options, uri, tls_name);
    o->work.data = o;
    o->owner = owner;
    o->opened = opened;
    ASSERT(uv_queue_work(loop, &o->work, on_thread, on_opened) == 0);
}
