/* Names of client certificates, and whose accounts they mean; and what their chains are checked
 * against. */
#include "sm/auth/trust.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOST STR("example.com")
#define XMPP "1.3.6.1.5.5.7.8.5"

static struct certs certs;

static int setup(void **state)
{
    (void)state;
    certs_init(&certs, "test CA");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certs_fini(&certs);
    return 0;
}

/* --- encodings -------------------------------------------------------------------------------- */

static void an_address_is_one_utf8_string_and_nothing_behind_it(void **state)
{
    static const struct {
        struct str der;
        const char *text; /* NULL: none */
    } rows[] = {
        { STR("\x0c\x03" "a@b"), "a@b" },
        { STR("\x0c\x02\xc3\xa4"), "\xc3\xa4" },
        { STR(""), NULL },
        { STR("\x0c"), NULL },
        { STR("\x0c\x00"), NULL },                 /* empty */
        { STR("\x0c\x03" "a@"), NULL },             /* cut short */
        { STR("\x0c\x03" "a@bc"), NULL },           /* more behind it */
        { STR("\x0c\x03" "a@b\0"), NULL },
        { STR("\x0c\x03" "a\0b"), NULL },           /* a NUL */
        { STR("\x16\x03" "a@b"), NULL },            /* IA5String */
        { STR("\x13\x03" "a@b"), NULL },            /* PrintableString */
        { STR("\x1e\x06\0a\0@\0b"), NULL },         /* BMPString */
        { STR("\x30\x05\x0c\x03" "a@b"), NULL },    /* in a sequence */
        { STR("\x2c\x05\x0c\x03" "a@b"), NULL },    /* of parts */
        { STR("\x0c\x80" "a@b\0\0"), NULL },        /* of no definite length */
        { STR("\x0c\x81\x03" "a@b"), NULL },        /* not the shortest form */
        { STR("\x0c\x82\x00\x03" "a@b"), NULL },
        { STR("\x0c\x81"), NULL },
        { STR("\x0c\x82\xff"), NULL },
        { STR("\x0c\x83\x00\x00\x03" "a@b"), NULL },
        { STR("\x0c\x84\xff\xff\xff\xff" "a"), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = certificate_utf8(rows[i].der);

        if (!str_eq(text, str_from(rows[i].text)) || str_is_set(text) != (rows[i].text != NULL))
            fail_msg("row %zu: %.*s", i, STR_ARG(text));
    }
}

static void long_addresses_are_read(void **state)
{
    char der[4 + 2047];

    (void)state;
    memset(der, 'x', sizeof der);
    memcpy(der, "\x0c\x81\xff", 3);
    assert_int_equal(certificate_utf8(str_of(der, 3 + 255)).n, 255);
    memcpy(der, "\x0c\x82\x07\xff", 4);
    assert_int_equal(certificate_utf8(str_of(der, sizeof der)).n, 2047);
}

static void words_name_rules(void **state)
{
    static const char *const words[] = { "xmppaddr", "mail", "cn", "uid" };
    enum certificate_rule rule;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_true(certificate_rule_find(str_from(words[i]), &rule));
        assert_int_equal(rule, i);
    }
    assert_false(certificate_rule_find(STR("XMPPADDR"), &rule));
    assert_false(certificate_rule_find(STR(""), &rule));
}

/* --- certificates of tests -------------------------------------------------------------------- */

enum { XMPP_ADDR = 1, MAIL, DNS, OTHER };

/* An otherName's text as UTF8String. */
static void add_name(gnutls_x509_crt_t crt, int type, const char *text)
{
    struct buf der = { 0 };

    if (type == MAIL || type == DNS) {
        ASSERT(gnutls_x509_crt_set_subject_alt_name(
                   crt, type == MAIL ? GNUTLS_SAN_RFC822NAME : GNUTLS_SAN_DNSNAME, text,
                   (unsigned)strlen(text), GNUTLS_FSAN_APPEND) == 0);
        return;
    }
    buf_add_char(&der, '\x0c');
    buf_add_char(&der, (char)strlen(text));
    buf_add(&der, str_from(text));
    ASSERT(gnutls_x509_crt_set_subject_alt_othername(crt, type == XMPP_ADDR ? XMPP : "1.2.3.4",
                                                     der.p, (unsigned)der.n,
                                                     GNUTLS_FSAN_APPEND) == 0);
    buf_fini(&der);
}

static gnutls_x509_crt_t begin(const char *cn, gnutls_x509_privkey_t *out_key)
{
    *out_key = certs_key();
    return certs_crt(&certs, *out_key, cn);
}

static void sign(gnutls_x509_crt_t crt)
{
    ASSERT(gnutls_x509_crt_sign2(crt, certs.ca, certs.ca_key, GNUTLS_DIG_SHA256, 0) == 0);
}

/* --- mapping ---------------------------------------------------------------------------------- */

struct row {
    const char *cn, *uid;
    struct {
        int type;
        const char *text;
    } names[4];
    const char *map;      /* words with spaces between */
    const char *accounts; /* the same */
};

static size_t rules_of(const char *map, enum certificate_rule *rules)
{
    struct str rest = str_from(map);
    size_t n = 0;

    while (rest.n > 0)
        ASSERT(certificate_rule_find(str_cut(&rest, ' '), &rules[n++]));
    return n;
}

static void check_row(const struct row *row)
{
    struct str found[CERTIFICATE_MAX_ADDRESSES];
    enum certificate_rule rules[CERTIFICATE_RULE_COUNT];
    struct certificate_names names;
    struct arena arena = { 0 };
    struct buf text = { 0 };
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt = begin(row->cn, &key);
    size_t n;

    if (row->uid)
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_LDAP_UID, 0, row->uid,
                                      (unsigned)strlen(row->uid));
    for (size_t i = 0; i < ARRAY_LEN(row->names) && row->names[i].type; i++)
        add_name(crt, row->names[i].type, row->names[i].text);
    sign(crt);
    certificate_read(crt, &arena, &names);
    n = certificate_addresses(&names, rules, rules_of(row->map, rules), HOST, &arena, found);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s%.*s", i ? " " : "", STR_ARG(found[i]));
    if (!str_eq(buf_str(&text), str_from(row->accounts)))
        fail_msg("%s, %s: %.*s instead of %s", row->cn, row->map, STR_ARG(buf_str(&text)),
                 row->accounts);
    buf_fini(&text);
    arena_fini(&arena);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static void a_certificate_means_these_accounts(void **state)
{
    static const struct row rows[] = {
        { "x", NULL, { { XMPP_ADDR, "a@example.com" } }, "xmppaddr", "a@example.com" },
        { "x", NULL, { { XMPP_ADDR, "A@EXAMPLE.com" } }, "xmppaddr", "a@example.com" },
        { "x", NULL, { { XMPP_ADDR, "a@example.com" }, { XMPP_ADDR, "b@example.com" } }, "xmppaddr",
          "a@example.com b@example.com" },
        { "x", NULL, { { XMPP_ADDR, "a@example.com" }, { XMPP_ADDR, "A@example.com" } }, "xmppaddr",
          "a@example.com" },
        { "x", NULL, { { XMPP_ADDR, "a@example.net" }, { XMPP_ADDR, "b@example.com" } }, "xmppaddr",
          "b@example.com" },
        { "x", NULL, { { XMPP_ADDR, "a@example.com.evil" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "example.com" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "*.example.com" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "*@example.com" } }, "xmppaddr", "*@example.com" }, /* a name */
        { "x", NULL, { { XMPP_ADDR, "a@example.com/desk" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "a b@example.com" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "\xff@example.com" } }, "xmppaddr", "" },
        { "x", NULL, { { XMPP_ADDR, "" } }, "xmppaddr", "" },
        { "x", NULL, { { OTHER, "a@example.com" }, { DNS, "example.com" } }, "xmppaddr mail", "" },
        { "a", "b", { { MAIL, "c@example.com" } }, "xmppaddr", "" },
        { "a", "b", { { MAIL, "c@example.com" } }, "mail", "c@example.com" },
        { "a", "b", { { MAIL, "c@example.net" } }, "mail cn", "a@example.com" },
        { "a", "b", { { MAIL, "c@example.com" }, { XMPP_ADDR, "d@example.com" } }, "mail xmppaddr",
          "c@example.com" },
        { "a", "b", { { MAIL, "c@example.com" }, { XMPP_ADDR, "d@example.com" } },
          "xmppaddr mail cn uid", "d@example.com" },
        { "a", "b", { { 0 } }, "cn", "a@example.com" },
        { "a", "b", { { 0 } }, "uid cn", "b@example.com" },
        { "a", NULL, { { 0 } }, "uid", "" },
        { "Juliet Capulet", NULL, { { 0 } }, "cn", "" }, /* no local part has a space */
        { "a@example.com", NULL, { { 0 } }, "cn", "" },
        { "*", NULL, { { 0 } }, "mail", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

static void of_several_common_names_none_counts(void **state)
{
    struct certificate_names names;
    struct arena arena = { 0 };
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt = begin("a", &key);

    (void)state;
    ASSERT(gnutls_x509_crt_set_dn(crt, "CN=a,CN=b,UID=c,UID=d", NULL) == 0);
    sign(crt);
    certificate_read(crt, &arena, &names);
    assert_int_equal(names.counts[CERTIFICATE_COMMON_NAME], 0);
    assert_int_equal(names.counts[CERTIFICATE_UID], 0);
    arena_fini(&arena);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static size_t with_addresses(size_t count, const char *domain, struct arena *arena)
{
    static const enum certificate_rule rules[] = { CERTIFICATE_XMPP_ADDR };
    struct str found[CERTIFICATE_MAX_ADDRESSES];
    struct certificate_names names;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt = begin("x", &key);
    char text[64];
    size_t n;

    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "u%zu@%s", i, domain);
        add_name(crt, XMPP_ADDR, text);
    }
    add_name(crt, XMPP_ADDR, "last@example.com");
    sign(crt);
    certificate_read(crt, arena, &names);
    assert_int_equal(names.counts[CERTIFICATE_XMPP_ADDR], count + 1);
    n = certificate_addresses(&names, rules, 1, HOST, arena, found);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return n;
}

static void of_two_hundred_names_those_of_the_host_count_and_too_many_are_told(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    assert_int_equal(with_addresses(200, "example.net", &arena), 1);
    assert_int_equal(with_addresses(CERTIFICATE_MAX_ADDRESSES - 1, "example.com", &arena),
                     CERTIFICATE_MAX_ADDRESSES);
    assert_true(with_addresses(200, "example.com", &arena) > CERTIFICATE_MAX_ADDRESSES);
    arena_fini(&arena);
}

/* --- chains ----------------------------------------------------------------------------------- */

struct kind {
    const char *purpose;
    int64_t begin_s, end_s; /* from now */
    unsigned usage;
    bool is_ca, is_foreign;
    unsigned rsa_bits;
};

static const struct kind good = { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE };

static gnutls_x509_privkey_t key_of(const struct kind *k)
{
    gnutls_x509_privkey_t key;

    if (k->rsa_bits == 0)
        return certs_key();
    gnutls_x509_privkey_init(&key);
    ASSERT(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, k->rsa_bits, 0) == 0);
    return key;
}

/* NAME.pem. */
static void issue(const char *name, const struct kind *k)
{
    gnutls_x509_privkey_t key = key_of(k);
    gnutls_x509_crt_t crt = certs_crt(&certs, key, name);
    gnutls_x509_privkey_t other = certs_key();
    char file[96];

    gnutls_x509_crt_set_activation_time(crt, time(NULL) + k->begin_s);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + k->end_s);
    gnutls_x509_crt_set_key_usage(crt, k->usage);
    if (k->is_ca)
        gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
    if (k->purpose)
        gnutls_x509_crt_set_key_purpose_oid(crt, k->purpose, 0);
    add_name(crt, XMPP_ADDR, "a@example.com");
    ASSERT(gnutls_x509_crt_sign2(crt, certs.ca, k->is_foreign ? other : certs.ca_key,
                                 GNUTLS_DIG_SHA256, 0) == 0);
    snprintf(file, sizeof file, "%s.pem", name);
    certs_export_crt(&certs, crt, file);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_privkey_deinit(other);
}

static struct trust *trust_of(bool has_crl)
{
    static char ca[160], crl[160];
    static const char *const lists[] = { crl };
    struct trust_options options = { .ca_file = ca, .crl_files = lists, .crl_count = has_crl };
    struct trust *t = NULL;
    struct buf why = { 0 };

    certs_path(&certs, "ca.pem", ca);
    certs_path(&certs, "crl.pem", crl);
    if (trust_new(&options, &t, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    return t;
}

static const char *check_file(const struct trust *t, const char *file, time_t now)
{
    struct certificate_names names = { 0 };
    struct arena arena = { 0 };
    char path[160];
    gnutls_datum_t pem;
    const char *refusal;

    certs_path(&certs, file, path);
    ASSERT(gnutls_load_file(path, &pem) == 0);
    refusal = trust_check(t, str_of(pem.data, pem.size), now, &arena, &names);
    assert_int_equal(names.counts[CERTIFICATE_XMPP_ADDR], refusal ? 0 : 1);
    gnutls_free(pem.data);
    arena_fini(&arena);
    return refusal;
}

static void a_chain_is_checked_for_all_that_rfc_6120_asks(void **state)
{
    const struct {
        struct kind kind;
        const char *refusal;
    } rows[] = {
        { good, NULL },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
            .purpose = GNUTLS_KP_TLS_WWW_CLIENT }, NULL },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
            .purpose = GNUTLS_KP_ANY }, NULL },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
            .purpose = GNUTLS_KP_TLS_WWW_SERVER }, "the certificate is for another purpose" },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
            .is_foreign = true }, "the certificate does not verify" },
        { { .begin_s = -60, .end_s = -30, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE },
          "the certificate has expired" },
        { { .begin_s = 60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE },
          "the certificate is not valid yet" },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_KEY_ENCIPHERMENT },
          "the certificate is not for signatures" },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE, .is_ca = true },
          "the certificate is an authority's" },
        { { .begin_s = -60, .end_s = 3600, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE, .rsa_bits = 1024 },
          "the certificate's algorithm is too weak" },
    };
    struct trust *t = trust_of(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *refusal;

        issue("row", &rows[i].kind);
        refusal = check_file(t, "row.pem", time(NULL));
        if (!str_eq(str_from(refusal), str_from(rows[i].refusal)))
            fail_msg("row %zu: %s", i, refusal ? refusal : "good");
    }
    trust_unref(t);
}

static void what_is_no_chain_is_refused(void **state)
{
    struct trust *t = trust_of(false);
    struct certificate_names names;
    struct arena arena = { 0 };
    struct buf many = { 0 };
    char path[160];
    gnutls_datum_t pem;

    (void)state;
    issue("row", &good);
    certs_path(&certs, "row.pem", path);
    ASSERT(gnutls_load_file(path, &pem) == 0);
    for (size_t i = 0; i < 9; i++)
        buf_add(&many, str_of(pem.data, pem.size));
    assert_non_null(trust_check(t, buf_str(&many), time(NULL), &arena, &names));
    assert_non_null(trust_check(t, STR(""), time(NULL), &arena, &names));
    assert_non_null(trust_check(t, STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                                time(NULL), &arena, &names));
    assert_non_null(trust_check(t, str_of(pem.data, pem.size / 2), time(NULL), &arena, &names));
    gnutls_free(pem.data);
    buf_fini(&many);
    arena_fini(&arena);
    trust_unref(t);
}

static void a_list_revokes_and_grows_stale(void **state)
{
    struct trust *t;

    (void)state;
    issue("bad", &good);
    issue("row", &good);
    certs_revoke(&certs, "bad");
    t = trust_of(true);
    assert_null(check_file(t, "row.pem", time(NULL)));
    assert_string_equal(check_file(t, "bad.pem", time(NULL)), "the certificate is revoked");
    assert_null(trust_stale_file(t, time(NULL)));
    assert_non_null(trust_stale_file(t, time(NULL) + 2 * 86400));
    assert_string_equal(check_file(t, "row.pem", time(NULL) + 2 * 86400), TRUST_STALE);
    trust_unref(t);
}

static void files_that_change_are_noticed_and_read_again(void **state)
{
    struct trust *t, *fresh = NULL;
    struct buf why = { 0 };
    char path[160];

    (void)state;
    issue("row", &good);
    certs_revoke(&certs, NULL);
    t = trust_of(true);
    assert_false(trust_is_changed(t));
    assert_null(check_file(t, "row.pem", time(NULL)));
    certs_revoke(&certs, "row");
    assert_true(trust_is_changed(t));
    assert_int_equal(trust_again(t, &fresh, &why), ERR_OK);
    assert_string_equal(check_file(fresh, "row.pem", time(NULL)), "the certificate is revoked");
    assert_null(check_file(t, "row.pem", time(NULL))); /* the old one is what it was */
    trust_unref(fresh);
    certs_path(&certs, "crl.pem", path);
    unlink(path);
    assert_true(trust_is_changed(t));
    assert_int_equal(trust_again(t, &fresh, &why), ERR_MALFORMED);
    assert_non_null(memmem(why.p, why.n, path, strlen(path)));
    buf_fini(&why);
    trust_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_one_utf8_string_and_nothing_behind_it),
        cmocka_unit_test(long_addresses_are_read),
        cmocka_unit_test(words_name_rules),
        cmocka_unit_test(a_certificate_means_these_accounts),
        cmocka_unit_test(of_several_common_names_none_counts),
        cmocka_unit_test(of_two_hundred_names_those_of_the_host_count_and_too_many_are_told),
        cmocka_unit_test(a_chain_is_checked_for_all_that_rfc_6120_asks),
        cmocka_unit_test(what_is_no_chain_is_refused),
        cmocka_unit_test(a_list_revokes_and_grows_stale),
        cmocka_unit_test(files_that_change_are_noticed_and_read_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
