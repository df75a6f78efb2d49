/* Certificates through GnuTLS. See plan_x509.h. RFC 5280. */
#include "deploy/ctl/plan_x509_parts.h"

#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>

enum { SERIAL_BYTES = 16, HOUR = 3600 };
#define CA_LIFETIME ((int64_t)10 * 365 * 24 * HOUR)

/* --- certificates ----------------------------------------------------------------------------- */

static enum err import_cert(struct str pem, gnutls_x509_crt_t *out_cert, struct buf *why)
{
    gnutls_datum_t d = plan_x509_datum(pem);
    int r = gnutls_x509_crt_init(out_cert);

    if (r == 0 && (r = gnutls_x509_crt_import(*out_cert, &d, GNUTLS_X509_FMT_PEM)) != 0) {
        gnutls_x509_crt_deinit(*out_cert);
        *out_cert = NULL;
    }
    if (r == 0)
        return ERR_OK;
    (void)plan_x509_fail(why, "the certificate cannot be read", r);
    return ERR_MALFORMED;
}

/* What every certificate has: version, a random serial (RFC 5280 §4.1.2.2: positive), name, key,
 * its identifier. */
static int set_common(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name,
                      int64_t from, int64_t to)
{
    unsigned char serial[SERIAL_BYTES], id[64];
    size_t n = sizeof id;
    int r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);

    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
    if (r < 0 || (r = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
        (r = gnutls_x509_crt_set_serial(crt, serial, sizeof serial)) < 0 ||
        (r = gnutls_x509_crt_set_activation_time(crt, (time_t)from)) < 0 ||
        (r = gnutls_x509_crt_set_expiration_time(crt, (time_t)to)) < 0 ||
        (r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                           (unsigned)strlen(name))) < 0 ||
        (r = gnutls_x509_crt_set_key(crt, key)) < 0 ||
        (r = gnutls_x509_crt_get_key_id(crt, 0, id, &n)) < 0)
        return r;
    return gnutls_x509_crt_set_subject_key_id(crt, id, n);
}

static enum err export_cert(gnutls_x509_crt_t crt, int r, struct buf *out, struct buf *why)
{
    gnutls_datum_t pem;

    if (r >= 0)
        r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0)
        return plan_x509_fail(why, "no certificate can be made", r);
    plan_x509_take(out, &pem);
    return ERR_OK;
}

enum err plan_x509_make_ca(struct str key_pem, const char *name, int64_t now, struct buf *out,
                           struct buf *why)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    enum err e = plan_x509_import_key(key_pem, &key, why);
    int r;

    if (e != ERR_OK)
        return e;
    r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = set_common(crt, key, name, now - HOUR, now + CA_LIFETIME);
    if (r >= 0)
        r = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (r >= 0)
        r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    e = export_cert(crt, r, out, why);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return e;
}

struct parts {
    gnutls_x509_crt_t ca;
    gnutls_x509_privkey_t ca_key;
};

static void close_issuer(struct parts *p)
{
    gnutls_x509_crt_deinit(p->ca);
    gnutls_x509_privkey_deinit(p->ca_key);
}

static enum err open_issuer(const struct plan_x509_issuer *issuer, struct parts *p, struct buf *why)
{
    enum err e;

    *p = (struct parts){ 0 };
    e = import_cert(issuer->cert, &p->ca, why);
    if (e == ERR_OK)
        e = plan_x509_import_key(issuer->key, &p->ca_key, why);
    if (e != ERR_OK)
        close_issuer(p);
    return e;
}

static int sign_leaf(gnutls_x509_crt_t crt, const struct parts *issuer, const char *dns_name)
{
    unsigned char id[64];
    size_t n = sizeof id;
    int r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, dns_name,
                                                 (unsigned)strlen(dns_name), GNUTLS_FSAN_SET);

    if (r < 0 || (r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
        (r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
        (r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0 ||
        (r = gnutls_x509_crt_get_subject_key_id(issuer->ca, id, &n, NULL)) < 0 ||
        (r = gnutls_x509_crt_set_authority_key_id(crt, id, n)) < 0)
        return r;
    return gnutls_x509_crt_sign2(crt, issuer->ca, issuer->ca_key, GNUTLS_DIG_SHA256, 0);
}

enum err plan_x509_issue(const struct plan_x509_issuer *issuer, const struct plan_x509_wish *wish,
                         struct buf *out, struct buf *why)
{
    struct parts p;
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    enum err e = open_issuer(issuer, &p, why);
    int64_t end, wanted = wish->now + wish->lifetime_s;
    int r;

    if (e != ERR_OK)
        return e;
    e = plan_x509_import_key(wish->key, &key, why);
    if (e == ERR_OK) {
        end = (int64_t)gnutls_x509_crt_get_expiration_time(p.ca);
        r = gnutls_x509_crt_init(&crt);
        if (r >= 0)
            r = set_common(crt, key, wish->dns_name, wish->now - HOUR, wanted < end ? wanted : end);
        if (r >= 0)
            r = sign_leaf(crt, &p, wish->dns_name);
        e = export_cert(crt, r, out, why);
    }
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    close_issuer(&p);
    return e;
}

enum err plan_x509_request(struct str key_pem, const char *dns_name, struct buf *out,
                           struct buf *why)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crq_t crq = NULL;
    gnutls_datum_t pem;
    enum err e = plan_x509_import_key(key_pem, &key, why);
    int r;

    if (e != ERR_OK)
        return e;
    r = gnutls_x509_crq_init(&crq);
    if (r < 0 || (r = gnutls_x509_crq_set_version(crq, 1)) < 0 ||
        (r = gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, dns_name,
                                           (unsigned)strlen(dns_name))) < 0 ||
        (r = gnutls_x509_crq_set_key(crq, key)) < 0 ||
        (r = gnutls_x509_crq_set_subject_alt_name(
             crq, GNUTLS_SAN_DNSNAME, dns_name, (unsigned)strlen(dns_name), GNUTLS_FSAN_SET)) < 0 ||
        (r = gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0)) < 0 ||
        (r = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem)) < 0)
        e = plan_x509_fail(why, "no request can be made", r);
    else
        plan_x509_take(out, &pem);
    gnutls_x509_crq_deinit(crq);
    gnutls_x509_privkey_deinit(key);
    return e;
}

/* --- revocation ------------------------------------------------------------------------------- */

static int add_serials(gnutls_x509_crl_t crl, struct str serials, int64_t now)
{
    int r = 0;

    while (serials.n > 0 && r >= 0) {
        struct str line = str_trim(str_cut(&serials, '\n'));
        struct buf bytes = { 0 };

        if (line.n == 0)
            continue;
        if (buf_add_hex_decoded(&bytes, line) != ERR_OK)
            r = GNUTLS_E_PARSING_ERROR;
        else
            r = gnutls_x509_crl_set_crt_serial(crl, bytes.p, bytes.n, (time_t)now);
        buf_fini(&bytes);
    }
    return r;
}

/* Grows with time (RFC 5280 §5.2.3); big-endian, positive. */
static int set_number(gnutls_x509_crl_t crl, int64_t now)
{
    unsigned char number[9];

    for (int i = 0; i < 9; i++)
        number[8 - i] = i < 8 ? (unsigned char)((uint64_t)now >> (8 * i)) : 0;
    for (size_t i = 0; i < 8; i++)
        if (number[i] != 0 || number[i + 1] >= 0x80)
            return gnutls_x509_crl_set_number(crl, number + i, sizeof number - i);
    return gnutls_x509_crl_set_number(crl, number + 8, 1);
}

enum err plan_x509_crl(const struct plan_x509_issuer *issuer, struct str serials, int64_t now,
                       struct buf *out, struct buf *why)
{
    struct parts p;
    gnutls_x509_crl_t crl = NULL;
    gnutls_datum_t pem;
    enum err e = open_issuer(issuer, &p, why);
    unsigned char id[64];
    size_t n = sizeof id;
    int r;

    if (e != ERR_OK)
        return e;
    r = gnutls_x509_crl_init(&crl);
    if (r < 0 || (r = gnutls_x509_crl_set_version(crl, 2)) < 0 ||
        (r = gnutls_x509_crl_set_this_update(crl, (time_t)(now - HOUR))) < 0 ||
        (r = gnutls_x509_crl_set_next_update(crl, gnutls_x509_crt_get_expiration_time(p.ca))) < 0 ||
        (r = add_serials(crl, serials, now)) < 0 ||
        (r = gnutls_x509_crt_get_subject_key_id(p.ca, id, &n, NULL)) < 0 ||
        (r = gnutls_x509_crl_set_authority_key_id(crl, id, n)) < 0 ||
        (r = set_number(crl, now)) < 0 ||
        (r = gnutls_x509_crl_sign2(crl, p.ca, p.ca_key, GNUTLS_DIG_SHA256, 0)) < 0 ||
        (r = gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem)) < 0)
        e = plan_x509_fail(why, "no revocation list can be made", r);
    else
        plan_x509_take(out, &pem);
    gnutls_x509_crl_deinit(crl);
    close_issuer(&p);
    return e;
}

/* --- checks ----------------------------------------------------------------------------------- */

enum err plan_x509_read(struct str cert, struct plan_x509_facts *out, struct buf *why)
{
    gnutls_x509_crt_t crt = NULL;
    unsigned char serial[32];
    size_t n = sizeof serial;
    struct buf hex = { 0 };
    enum err e = import_cert(cert, &crt, why);

    if (e != ERR_OK)
        return e;
    if (gnutls_x509_crt_get_serial(crt, serial, &n) < 0) {
        e = plan_x509_fail(why, "the certificate has no serial", 0);
    } else {
        buf_add_hex(&hex, str_of(serial, n));
        memcpy(out->serial, hex.p, hex.n);
        out->serial[hex.n] = '\0';
        out->not_after = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
    }
    buf_fini(&hex);
    gnutls_x509_crt_deinit(crt);
    return e;
}

static bool is_same_key(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    unsigned char a[64], b[64];
    size_t na = sizeof a, nb = sizeof b;

    return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &nb) == 0 && na == nb &&
           memcmp(a, b, na) == 0;
}

enum err plan_x509_check(struct str cert, struct str key_pem, const char *dns_name,
                         struct str ca_pem, struct buf *why)
{
    gnutls_x509_crt_t crt = NULL, ca = NULL;
    gnutls_x509_privkey_t key = NULL;
    unsigned status = 0;
    enum err e = import_cert(cert, &crt, why);

    if (e == ERR_OK && ca_pem.n)
        e = import_cert(ca_pem, &ca, why);
    if (e == ERR_OK)
        e = plan_x509_import_key(key_pem, &key, why);
    if (e == ERR_OK && !is_same_key(crt, key)) {
        buf_printf(why, "it is for another key");
        e = ERR_DENIED;
    } else if (e == ERR_OK && !gnutls_x509_crt_check_hostname2(
                                  crt, dns_name, GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS)) {
        buf_printf(why, "it is not for the name %s", dns_name);
        e = ERR_DENIED;
    } else if (e == ERR_OK && ca &&
               (gnutls_x509_crt_verify(crt, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) <
                    0 ||
                status != 0)) {
        buf_printf(why, "it is of another CA");
        e = ERR_DENIED;
    }
    gnutls_x509_crt_deinit(crt);
    if (ca)
        gnutls_x509_crt_deinit(ca);
    gnutls_x509_privkey_deinit(key);
    return e;
}
