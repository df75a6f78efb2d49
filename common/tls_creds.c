/* Credentials: certificates with their keys, a CA, a revocation list, and what is offered with
 * them. RFC 9325 says which algorithms are still good. */
#include "common/tls_private.h"

#include "common/mem.h"

#include <gnutls/abstract.h>
#include <stdio.h>
#include <string.h>

/* Ephemeral elliptic curves and AEAD alone (RFC 9325 §4.2); no SHA-1 signature. */
#define PRIORITY_REST                                                                              \
    ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:-"  \
    "MAC-ALL:+AEAD"                                                                                \
    ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-X448:+GROUP-SECP521R1"     \
    ":-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE"

/* Parsed once a process: a session then only refers to them. */
static gnutls_priority_t shared_priorities(bool only_tls13)
{
    static gnutls_priority_t made[2];
    const char *text = only_tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" PRIORITY_REST
                                  : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" PRIORITY_REST;

    if (!made[only_tls13])
        ASSERT(gnutls_priority_init(&made[only_tls13], text, NULL) == GNUTLS_E_SUCCESS);
    return made[only_tls13];
}

static enum err fail(struct buf *why, const char *what, const char *file, int r)
{
    buf_printf(why, "%s %s: %s", what, file, gnutls_strerror(r));
    return r == GNUTLS_E_FILE_ERROR ? ERR_IO : ERR_MALFORMED;
}

bool tls_next_dns_name(gnutls_x509_crt_t crt, unsigned *at, char name[TLS_NAME_BYTES])
{
    for (;;) {
        size_t n = TLS_NAME_BYTES - 1;
        int r = gnutls_x509_crt_get_subject_alt_name(crt, (*at)++, name, &n, NULL);

        if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (r < 0)
            return false;
        name[n] = '\0';
        if (r == GNUTLS_SAN_DNSNAME && n > 0 && strlen(name) == n)
            return true;
    }
}

static void note_names(struct tls_creds *c, gnutls_x509_crt_t leaf)
{
    char name[TLS_NAME_BYTES];

    for (unsigned at = 0; tls_next_dns_name(leaf, &at, name);) {
        c->names = mem_realloc(c->names, (c->name_count + 1) * sizeof *c->names);
        c->names[c->name_count++] = str_from(mem_strdup(name));
    }
}

/* RFC 9525 §6.3: a wildcard stands for the whole leftmost label and for no more. */
static bool name_covers(struct str name, struct str host)
{
    struct str rest = host;

    if (!str_starts_with(name, STR("*.")))
        return str_eq_nocase(name, host);
    if (str_cut(&rest, '.').n == 0 || !str_is_set(rest))
        return false;
    return str_eq_nocase(str_of(name.p + 2, name.n - 2), rest);
}

/* A chain in memory that is GnuTLS's as soon as it is among the credentials. */
enum { MAX_CHAIN = 16 };

struct chain {
    gnutls_pcert_st certs[MAX_CHAIN];
    unsigned count;
};

static void chain_free(struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++)
        gnutls_pcert_deinit(&chain->certs[i]);
    chain->count = 0;
}

static int load_key(const char *file, gnutls_privkey_t *out_key)
{
    gnutls_datum_t pem;
    int r = gnutls_load_file(file, &pem);

    if (r < 0)
        return r;
    ASSERT(gnutls_privkey_init(out_key) == GNUTLS_E_SUCCESS);
    r = gnutls_privkey_import_x509_raw(*out_key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    mem_wipe(pem.data, pem.size);
    gnutls_free(pem.data);
    if (r < 0)
        gnutls_privkey_deinit(*out_key);
    return r;
}

static int load_chain(const char *file, struct chain *out_chain)
{
    gnutls_datum_t pem;
    int r = gnutls_load_file(file, &pem);

    if (r < 0)
        return r;
    out_chain->count = MAX_CHAIN;
    r = gnutls_pcert_list_import_x509_raw(out_chain->certs, &out_chain->count, &pem,
                                          GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(pem.data);
    if (r < 0)
        out_chain->count = 0;
    return r;
}

static gnutls_x509_crt_t certificate_of(struct chain *chain, unsigned i)
{
    gnutls_x509_crt_t crt = NULL;

    ASSERT(gnutls_pcert_export_x509(&chain->certs[i], &crt) == GNUTLS_E_SUCCESS);
    return crt;
}

static void note_chain(struct tls_creds *c, struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++) {
        gnutls_x509_crt_t crt = certificate_of(chain, i);
        int64_t expiry = gnutls_x509_crt_get_expiration_time(crt);

        if (c->expiry == 0 || expiry < c->expiry)
            c->expiry = expiry;
        if (i == 0)
            note_names(c, crt);
        gnutls_x509_crt_deinit(crt);
    }
}

/* Puts chain and key among the credentials, to be picked for the names in the leaf, and for the
 * host if one of these covers it. Takes both when it succeeds. */
static int add_pair(struct tls_creds *c, const char *host, struct chain *chain,
                    gnutls_privkey_t key)
{
    size_t first = c->name_count, count = 0;
    const char **names;
    int r;

    note_chain(c, chain);
    names = mem_alloc((c->name_count - first + 1) * sizeof *names);
    for (size_t i = first; i < c->name_count; i++)
        names[count++] = c->names[i].p;
    for (size_t i = first; host && i < c->name_count; i++) {
        if (name_covers(c->names[i], str_from(host))) {
            names[count++] = host;
            break;
        }
    }
    r = gnutls_certificate_set_key(c->cred, names, (int)count, chain->certs, (int)chain->count,
                                   key);
    mem_free(names);
    return r;
}

static enum err load_cert(struct tls_creds *c, const struct tls_cert *cert, struct buf *why)
{
    struct chain chain = { .count = 0 };
    gnutls_privkey_t key;
    int r = load_chain(cert->cert_file, &chain);

    if (r >= 0 && (r = load_key(cert->key_file, &key)) >= 0 &&
        (r = add_pair(c, cert->host, &chain, key)) < 0)
        gnutls_privkey_deinit(key);
    if (r >= 0)
        return ERR_OK;
    chain_free(&chain);
    buf_printf(why, "cannot use certificate %s with key %s: %s", cert->cert_file, cert->key_file,
               gnutls_strerror(r));
    return r == GNUTLS_E_FILE_ERROR ? ERR_IO : ERR_MALFORMED;
}

static enum err load_trust(struct tls_creds *c, const struct tls_options *o, struct buf *why)
{
    int r;

    if (!o->ca_file)
        return ERR_OK;
    r = gnutls_certificate_set_x509_trust_file(c->cred, o->ca_file, GNUTLS_X509_FMT_PEM);
    if (r <= 0)
        return fail(why, "cannot read CA file", o->ca_file, r ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
    c->has_ca = true;
    if (!o->crl_file)
        return ERR_OK;
    r = gnutls_certificate_set_x509_crl_file(c->cred, o->crl_file, GNUTLS_X509_FMT_PEM);
    if (r <= 0)
        return fail(why, "cannot read revocation list", o->crl_file,
                    r ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
    return ERR_OK;
}

static void take_alpn(struct tls_creds *c, const char *const *alpn)
{
    for (; alpn && *alpn; alpn++) {
        ASSERT(c->alpn_count < TLS_MAX_ALPN);
        c->alpn[c->alpn_count].data = (unsigned char *)mem_strdup(*alpn);
        c->alpn[c->alpn_count++].size = (unsigned)strlen(*alpn);
    }
}

enum err tls_creds_new(const struct tls_options *options, struct tls_creds **out_creds,
                       struct buf *why)
{
    struct tls_creds *c = mem_new(struct tls_creds);
    enum err e;

    c->refs = 1;
    c->client_auth = options->client_auth;
    c->priorities = shared_priorities(options->only_tls13);
    ASSERT(gnutls_certificate_allocate_credentials(&c->cred) == GNUTLS_E_SUCCESS);
    gnutls_certificate_set_flags(c->cred,
                                 GNUTLS_CERTIFICATE_API_V2); /* else loading tells no index */
    for (size_t i = 0; i < options->cert_count; i++)
        if ((e = load_cert(c, &options->certs[i], why)) != ERR_OK)
            goto fail;
    if ((e = load_trust(c, options, why)) != ERR_OK)
        goto fail;
    take_alpn(c, options->alpn);
    /* A key of its own for each set: a ticket won where no certificate is asked for must not open
     * the door of one where it is. */
    if (options->tickets)
        ASSERT(gnutls_session_ticket_key_generate(&c->ticket_key) == GNUTLS_E_SUCCESS);
    *out_creds = c;
    return ERR_OK;
fail:
    tls_creds_unref(c);
    return e;
}

struct tls_creds *tls_creds_ref(struct tls_creds *c)
{
    c->refs++;
    return c;
}

void tls_creds_unref(struct tls_creds *c)
{
    if (!c || --c->refs > 0)
        return;
    gnutls_certificate_free_credentials(c->cred);
    mem_wipe(c->ticket_key.data, c->ticket_key.size);
    gnutls_free(c->ticket_key.data);
    for (unsigned i = 0; i < c->alpn_count; i++)
        mem_free(c->alpn[i].data);
    for (size_t i = 0; i < c->name_count; i++)
        mem_free((char *)c->names[i].p);
    mem_free(c->names);
    for (size_t i = 0; i < c->end_point_count; i++)
        mem_free((char *)c->end_points[i].value.p);
    mem_free(c->end_points);
    mem_free(c);
}

int64_t tls_creds_expiry(const struct tls_creds *c)
{
    return c->expiry;
}

static struct str hex_of(const unsigned char *bytes, size_t n, struct arena *arena)
{
    char *text = arena_alloc(arena, 2 * n + 1);

    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return str_of(text, 2 * n);
}

bool tls_creds_next_cert(const struct tls_creds *c, size_t *at, struct arena *arena,
                         struct tls_own_cert *out_cert)
{
    unsigned char digest[32];
    char name[TLS_NAME_BYTES];
    size_t n = sizeof digest;
    struct str names = { 0 };
    gnutls_datum_t der;
    gnutls_x509_crt_t crt;

    if (gnutls_certificate_get_crt_raw(c->cred, (unsigned)*at, 0, &der) < 0)
        return false;
    ++*at;
    ASSERT(gnutls_fingerprint(GNUTLS_DIG_SHA256, &der, digest, &n) == GNUTLS_E_SUCCESS);
    ASSERT(gnutls_x509_crt_init(&crt) == GNUTLS_E_SUCCESS);
    ASSERT(gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS);
    for (unsigned i = 0; tls_next_dns_name(crt, &i, name);)
        names = arena_printf(arena, "%.*s%s%s", STR_ARG(names), names.n ? "," : "", name);
    *out_cert = (struct tls_own_cert){
        .names = names,
        .sha256 = hex_of(digest, n, arena),
        .expiry = gnutls_x509_crt_get_expiration_time(crt),
    };
    gnutls_x509_crt_deinit(crt);
    return true;
}

bool tls_creds_covers(const struct tls_creds *c, struct str host)
{
    for (size_t i = 0; i < c->name_count; i++)
        if (name_covers(c->names[i], host))
            return true;
    return false;
}

enum err tls_creds_verify(const struct tls_creds *c, struct str chain)
{
    gnutls_datum_t pem = { (unsigned char *)chain.p, (unsigned)chain.n };
    gnutls_x509_trust_list_t trusted;
    gnutls_x509_crt_t *crts = NULL;
    unsigned count = 0, status = 0;
    int r;

    if (!c->has_ca)
        return ERR_DENIED;
    if (gnutls_x509_crt_list_import2(&crts, &count, &pem, GNUTLS_X509_FMT_PEM, 0) < 0)
        return ERR_MALFORMED;
    gnutls_certificate_get_trust_list(c->cred, &trusted);
    r = gnutls_x509_trust_list_verify_crt2(trusted, crts, count, NULL, 0, 0, &status, NULL);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_free(crts);
    return r == 0 && status == 0 ? ERR_OK : ERR_DENIED;
}
