/* Names of client certificates (certificate.h). */
#include "sm/auth/certificate.h"

#include "proto/jid.h"

#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>

#define OID_SUBJECT_ALT_NAME "2.5.29.17"
#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* id-on-xmppAddr, RFC 6120 §13.7.1.4 */

enum { MAX_TEXT = 1024, TAG_UTF8_STRING = 0x0c, LONG_LENGTH = 0x80 };

static const char *const words[CERTIFICATE_RULE_COUNT] = {
    [CERTIFICATE_XMPP_ADDR] = "xmppaddr",
    [CERTIFICATE_MAIL] = "mail",
    [CERTIFICATE_COMMON_NAME] = "cn",
    [CERTIFICATE_UID] = "uid",
};

bool certificate_rule_find(struct str word, enum certificate_rule *out_rule)
{
    for (size_t i = 0; i < CERTIFICATE_RULE_COUNT; i++)
        if (str_is(word, words[i])) {
            *out_rule = (enum certificate_rule)i;
            return true;
        }
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* X.690 §8.1.3, §10.1: the shortest form of the length, and no other. */
struct str certificate_utf8(struct str der)
{
    const uint8_t *p = (const uint8_t *)der.p;
    size_t header = 2, n;

    if (der.n < 2 || p[0] != TAG_UTF8_STRING)
        return STR_NONE;
    n = p[1];
    if (n == (LONG_LENGTH | 1)) {
        header = 3;
        n = der.n >= header && p[2] >= LONG_LENGTH ? p[2] : 0;
    } else if (n == (LONG_LENGTH | 2)) {
        header = 4;
        n = der.n >= header && p[2] > 0 ? (size_t)p[2] << 8 | p[3] : 0;
    } else if (n >= LONG_LENGTH) {
        n = 0;
    }
    if (n == 0 || der.n != header + n || memchr(p + header, '\0', n))
        return STR_NONE;
    return str_of(p + header, n);
}

static void add(struct certificate_names *names, enum certificate_rule rule, struct str value,
                struct arena *arena)
{
    if (value.n > 0)
        names->values[rule][names->counts[rule]++] = arena_str(arena, value);
}

static struct str mail_of(gnutls_datum_t san)
{
    return memchr(san.data, '\0', san.size) ? STR_NONE : str_of(san.data, san.size);
}

static void take_name(struct certificate_names *names, unsigned type, gnutls_datum_t san,
                      gnutls_datum_t oid, struct arena *arena)
{
    if (!san.data || san.size == 0)
        return;
    if (type == GNUTLS_SAN_RFC822NAME)
        add(names, CERTIFICATE_MAIL, mail_of(san), arena);
    else if (type == GNUTLS_SAN_OTHERNAME && oid.size > 0 &&
             str_is(str_from((const char *)oid.data), OID_XMPP_ADDR))
        add(names, CERTIFICATE_XMPP_ADDR, certificate_utf8(str_of(san.data, san.size)), arena);
}

static size_t count_of(gnutls_subject_alt_names_t sans)
{
    gnutls_datum_t san, oid;
    unsigned n = 0, type;

    while (gnutls_subject_alt_names_get(sans, n, &type, &san, &oid) == 0)
        n++;
    return n;
}

static void take_names(struct certificate_names *names, gnutls_subject_alt_names_t sans,
                       struct arena *arena)
{
    size_t count = count_of(sans);

    names->values[CERTIFICATE_XMPP_ADDR] = arena_alloc(arena, (count + 1) * sizeof(struct str));
    names->values[CERTIFICATE_MAIL] = arena_alloc(arena, (count + 1) * sizeof(struct str));
    for (unsigned i = 0; i < count; i++) {
        gnutls_datum_t san = { 0 }, oid = { 0 };
        unsigned type;

        if (gnutls_subject_alt_names_get(sans, i, &type, &san, &oid) == 0)
            take_name(names, type, san, oid, arena);
    }
}

static void read_alternatives(gnutls_x509_crt_t crt, struct certificate_names *names,
                              struct arena *arena)
{
    gnutls_subject_alt_names_t sans;
    gnutls_datum_t der = { 0 };

    if (gnutls_x509_crt_get_extension_by_oid2(crt, OID_SUBJECT_ALT_NAME, 0, &der, NULL) < 0)
        return;
    if (gnutls_subject_alt_names_init(&sans) == 0) {
        if (gnutls_x509_ext_import_subject_alt_names(&der, sans, 0) == 0)
            take_names(names, sans, arena);
        gnutls_subject_alt_names_deinit(sans);
    }
    gnutls_free(der.data);
}

/* The one value of a type in the subject. */
static void read_subject(gnutls_x509_crt_t crt, const char *oid, enum certificate_rule rule,
                         struct certificate_names *names, struct arena *arena)
{
    char text[MAX_TEXT];
    size_t n = sizeof text;

    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, 1, 0, text, &n) !=
        GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return;
    n = sizeof text;
    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, text, &n) < 0 || memchr(text, '\0', n))
        return;
    names->values[rule] = arena_alloc(arena, sizeof(struct str));
    add(names, rule, str_of(text, n), arena);
}

void certificate_read(struct gnutls_x509_crt_int *crt, struct arena *arena,
                      struct certificate_names *out_names)
{
    *out_names = (struct certificate_names){ 0 };
    read_alternatives(crt, out_names, arena);
    read_subject(crt, GNUTLS_OID_X520_COMMON_NAME, CERTIFICATE_COMMON_NAME, out_names, arena);
    read_subject(crt, GNUTLS_OID_LDAP_UID, CERTIFICATE_UID, out_names, arena);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Absent: no account of this host. */
static struct str account_of(enum certificate_rule rule, struct str value, struct str host,
                             struct arena *arena)
{
    struct jid jid;
    struct str local;

    if (rule == CERTIFICATE_XMPP_ADDR || rule == CERTIFICATE_MAIL) {
        if (jid_parse(value, arena, &jid) != ERR_OK || !jid_is_bare(&jid) ||
            !str_is_set(jid.local) || !str_eq(jid.domain, host))
            return STR_NONE;
        return jid.bare;
    }
    if (jid_prepare_local(value, arena, &local) != ERR_OK)
        return STR_NONE;
    return arena_printf(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(host));
}

static bool has(const struct str *addresses, size_t count, struct str address)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(addresses[i], address))
            return true;
    return false;
}

static size_t take_rule(const struct certificate_names *names, enum certificate_rule rule,
                        struct str host, struct arena *arena,
                        struct str out_addresses[CERTIFICATE_MAX_ADDRESSES])
{
    size_t count = 0;

    for (size_t i = 0; i < names->counts[rule]; i++) {
        struct str account = account_of(rule, names->values[rule][i], host, arena);

        if (!str_is_set(account) || has(out_addresses, count, account))
            continue;
        if (count == CERTIFICATE_MAX_ADDRESSES)
            return count + 1;
        out_addresses[count++] = account;
    }
    return count;
}

size_t certificate_addresses(const struct certificate_names *names,
                             const enum certificate_rule *rules, size_t rule_count,
                             struct str host, struct arena *arena,
                             struct str out_addresses[CERTIFICATE_MAX_ADDRESSES])
{
    size_t count = 0;

    for (size_t i = 0; i < rule_count && count == 0; i++)
        count = take_rule(names, rules[i], host, arena, out_addresses);
    return count;
}
