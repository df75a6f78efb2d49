/* Opening a connection, in one of libuv's threads: names, TCP, TLS and the service account's bind
 * may all wait, each for at most the configured time. Nothing in here touches the loop's data. */
#include "sm/directory/conn.h"

#include "common/mem.h"

#include <fcntl.h>
#include <string.h>

static void fail(struct dir_opening *o, const char *step, int rc)
{
    char *text = NULL;

    if (o->ld)
        ldap_get_option(o->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    buf_printf(&o->why, "%s: %s", step, ldap_err2string(rc));
    if (text && text[0])
        buf_printf(&o->why, " (%s)", text);
    ldap_memfree(text);
    if (o->ld)
        ldap_unbind_ext(o->ld, NULL, NULL);
    o->ld = NULL;
}

/* The certificate must be the CA's and have the URI's name; libldap checks both. */
static int set_tls(struct dir_opening *o)
{
    int demand = LDAP_OPT_X_TLS_DEMAND, minimum = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, no = 0;
    int rc = ldap_set_option(o->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);

    if (rc == LDAP_OPT_SUCCESS)
        rc = ldap_set_option(o->ld, LDAP_OPT_X_TLS_CACERTFILE, o->ca_file);
    if (rc == LDAP_OPT_SUCCESS)
        rc = ldap_set_option(o->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &minimum);
    if (rc == LDAP_OPT_SUCCESS)
        rc = ldap_set_option(o->ld, LDAP_OPT_X_TLS_NEWCTX, &no);
    return rc;
}

static void set_options(struct dir_opening *o)
{
    struct timeval limit = { .tv_sec = o->timeout_ms / 1000,
                             .tv_usec = o->timeout_ms % 1000 * 1000 };
    int version = LDAP_VERSION3, idle = 60, probes = 3, interval = 20;

    ldap_set_option(o->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(o->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(o->ld, LDAP_OPT_NETWORK_TIMEOUT, &limit);
    ldap_set_option(o->ld, LDAP_OPT_TIMEOUT, &limit);
    ldap_set_option(o->ld, LDAP_OPT_X_KEEPALIVE_IDLE, &idle);
    ldap_set_option(o->ld, LDAP_OPT_X_KEEPALIVE_PROBES, &probes);
    ldap_set_option(o->ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, &interval);
}

static void note_tls(struct dir_opening *o)
{
    char *version = NULL, *cipher = NULL;

    ldap_get_option(o->ld, LDAP_OPT_X_TLS_VERSION, &version);
    ldap_get_option(o->ld, LDAP_OPT_X_TLS_CIPHER, &cipher);
    if (version)
        buf_printf(&o->tls, "%s %s", version, cipher ? cipher : "");
    ldap_memfree(version);
    ldap_memfree(cipher);
}

/* An answer that is only half there must not hold the loop. */
static bool make_nonblocking(LDAP *ld)
{
    int fd = -1, flags;

    if (ldap_get_option(ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return false;
    flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void on_thread(uv_work_t *work)
{
    struct dir_opening *o = work->data;
    struct berval password = { .bv_len = o->password.n, .bv_val = o->password.p };
    bool is_ldaps = strncasecmp(o->uri, "ldaps:", 6) == 0;
    int rc = ldap_initialize(&o->ld, o->uri);

    if (rc != LDAP_SUCCESS) {
        fail(o, "uri", rc);
        return;
    }
    set_options(o);
    if ((is_ldaps || o->is_start_tls) && (rc = set_tls(o)) != LDAP_OPT_SUCCESS) {
        fail(o, "the CA file cannot be used", LDAP_LOCAL_ERROR);
        return;
    }
    if ((rc = ldap_connect(o->ld)) != LDAP_SUCCESS) {
        fail(o, is_ldaps ? "connecting with TLS" : "connecting", rc);
        return;
    }
    if (o->is_start_tls && (rc = ldap_start_tls_s(o->ld, NULL, NULL)) != LDAP_SUCCESS) {
        fail(o, "StartTLS", rc);
        return;
    }
    note_tls(o);
    rc = ldap_sasl_bind_s(o->ld, o->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
    o->is_refused = rc == LDAP_INVALID_CREDENTIALS;
    if (rc != LDAP_SUCCESS)
        fail(o, o->bind_dn ? "bind of the service account" : "anonymous bind", rc);
    else if (!make_nonblocking(o->ld))
        fail(o, "connecting", LDAP_LOCAL_ERROR);
}

static void on_opened(uv_work_t *work, int status)
{
    struct dir_opening *o = work->data;

    ASSERT(status == 0); /* we cancel nothing */
    o->opened(o);
    if (o->ld)
        ldap_unbind_ext(o->ld, NULL, NULL);
    mem_wipe(o->password.p, o->password.cap);
    buf_fini(&o->password);
    buf_fini(&o->why);
    buf_fini(&o->tls);
    mem_free(o->uri);
    mem_free(o->ca_file);
    mem_free(o->bind_dn);
    mem_free(o);
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void dir_opening_start(uv_loop_t *loop, const struct directory_options *options, const char *uri,
                       void (*opened)(struct dir_opening *o), void *owner)
{
    struct dir_opening *o = mem_new(struct dir_opening);

    o->work.data = o;
    o->owner = owner;
    o->opened = opened;
    o->uri = copy(uri);
    o->ca_file = copy(options->ca_file);
    o->bind_dn = copy(options->bind_dn);
    buf_reserve(&o->password, options->bind_password.n + 1);
    buf_add(&o->password, options->bind_password);
    o->is_start_tls = options->is_start_tls && strncasecmp(uri, "ldap:", 5) == 0;
    o->timeout_ms = options->connect_ms;
    ASSERT(uv_queue_work(loop, &o->work, on_thread, on_opened) == 0);
}
