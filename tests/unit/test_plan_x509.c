/* Link certificates: what is made can be checked, what does not belong together is refused; tables
 * in their three forms. */
#include "deploy/ctl/plan_table.h"
#include "deploy/ctl/plan_x509.h"

#include <gnutls/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { DAY = 86400 };

struct set {
    struct buf ca_key, ca, key, cert, why;
};

static void make(struct set *s, const char *ca_name, const char *name, int64_t days)
{
    struct plan_x509_issuer issuer;
    struct plan_x509_wish wish;

    *s = (struct set){ 0 };
    assert_int_equal(plan_x509_new_key(&s->ca_key, &s->why), ERR_OK);
    assert_int_equal(plan_x509_make_ca(buf_str(&s->ca_key), ca_name, time(NULL), &s->ca, &s->why),
                     ERR_OK);
    assert_int_equal(plan_x509_new_key(&s->key, &s->why), ERR_OK);
    issuer = (struct plan_x509_issuer){ buf_str(&s->ca), buf_str(&s->ca_key) };
    wish = (struct plan_x509_wish){ buf_str(&s->key), name, time(NULL), days * DAY };
    assert_int_equal(plan_x509_issue(&issuer, &wish, &s->cert, &s->why), ERR_OK);
}

static void fini(struct set *s)
{
    buf_fini(&s->ca_key);
    buf_fini(&s->ca);
    buf_fini(&s->key);
    buf_fini(&s->cert);
    buf_fini(&s->why);
}

static void a_certificate_fits_its_key_its_name_and_its_ca_alone(void **state)
{
    struct set a, b;

    (void)state;
    make(&a, "one", "c2s-1.internal", 90);
    make(&b, "two", "c2s-1.internal", 90);
    assert_int_equal(plan_x509_check(buf_str(&a.cert), buf_str(&a.key), "c2s-1.internal",
                                     buf_str(&a.ca), &a.why),
                     ERR_OK);
    assert_int_equal(
        plan_x509_check(buf_str(&a.cert), buf_str(&a.key), "c2s-1.internal", STR_NONE, &a.why),
        ERR_OK);
    assert_int_equal(plan_x509_check(buf_str(&a.cert), buf_str(&b.key), "c2s-1.internal",
                                     buf_str(&a.ca), &a.why),
                     ERR_DENIED);
    assert_int_equal(plan_x509_check(buf_str(&a.cert), buf_str(&a.key), "c2s-2.internal",
                                     buf_str(&a.ca), &a.why),
                     ERR_DENIED);
    assert_int_equal(plan_x509_check(buf_str(&a.cert), buf_str(&a.key), "c2s-1.internal",
                                     buf_str(&b.ca), &a.why),
                     ERR_DENIED);
    assert_int_equal(
        plan_x509_check(STR("nothing"), buf_str(&a.key), "c2s-1.internal", buf_str(&a.ca), &a.why),
        ERR_MALFORMED);
    fini(&a);
    fini(&b);
}

static void it_ends_when_it_should_and_never_after_its_ca(void **state)
{
    static const struct {
        int64_t days, expected;
    } rows[] = { { 90, 90 }, { 1, 1 }, { 20000, 3650 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct set s;
        struct plan_x509_facts facts;

        make(&s, "one", "c2s-1.internal", rows[i].days);
        assert_int_equal(plan_x509_read(buf_str(&s.cert), &facts, &s.why), ERR_OK);
        assert_true(llabs((long long)(facts.not_after - time(NULL) - rows[i].expected * DAY)) < 60);
        assert_int_equal(strlen(facts.serial), 32);
        fini(&s);
    }
}

static void an_encrypted_key_opens_with_its_passphrase_alone(void **state)
{
    struct buf key = { 0 }, sealed = { 0 }, opened = { 0 }, why = { 0 };

    (void)state;
    assert_int_equal(plan_x509_new_key(&key, &why), ERR_OK);
    assert_int_equal(plan_x509_encrypt_key(buf_str(&key), "a long passphrase", &sealed, &why),
                     ERR_OK);
    assert_true(str_starts_with(buf_str(&sealed), STR("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
    assert_int_equal(plan_x509_decrypt_key(buf_str(&sealed), "another passphrase", &opened, &why),
                     ERR_DENIED);
    assert_int_equal(opened.n, 0);
    assert_int_equal(plan_x509_decrypt_key(buf_str(&sealed), "a long passphrase", &opened, &why),
                     ERR_OK);
    assert_true(str_eq(buf_str(&opened), buf_str(&key)));
    buf_fini(&key);
    buf_fini(&sealed);
    buf_fini(&opened);
    buf_fini(&why);
}

static bool is_revoked(struct str list, struct str cert)
{
    gnutls_datum_t l = { (unsigned char *)list.p, (unsigned)list.n },
                   c = { (unsigned char *)cert.p, (unsigned)cert.n };
    gnutls_x509_crl_t crl;
    gnutls_x509_crt_t crt;
    int r;

    gnutls_x509_crl_init(&crl);
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_crl_import(crl, &l, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_x509_crt_import(crt, &c, GNUTLS_X509_FMT_PEM), 0);
    r = gnutls_x509_crt_check_revocation(crt, &crl, 1);
    gnutls_x509_crl_deinit(crl);
    gnutls_x509_crt_deinit(crt);
    return r == 1;
}

static void a_revocation_list_holds_the_serials_it_was_given(void **state)
{
    struct set s;
    struct plan_x509_issuer issuer;
    struct plan_x509_facts facts;
    struct buf empty = { 0 }, full = { 0 };

    (void)state;
    make(&s, "one", "c2s-1.internal", 90);
    issuer = (struct plan_x509_issuer){ buf_str(&s.ca), buf_str(&s.ca_key) };
    assert_int_equal(plan_x509_read(buf_str(&s.cert), &facts, &s.why), ERR_OK);
    assert_int_equal(plan_x509_crl(&issuer, STR(""), time(NULL), &empty, &s.why), ERR_OK);
    assert_int_equal(plan_x509_crl(&issuer, str_from(facts.serial), time(NULL), &full, &s.why),
                     ERR_OK);
    assert_false(is_revoked(buf_str(&empty), buf_str(&s.cert)));
    assert_true(is_revoked(buf_str(&full), buf_str(&s.cert)));
    buf_clear(&full);
    assert_int_equal(plan_x509_crl(&issuer, STR("no hexadecimal"), time(NULL), &full, &s.why),
                     ERR_IO);
    buf_fini(&empty);
    buf_fini(&full);
    fini(&s);
}

static void a_table_is_quoted_as_each_form_demands(void **state)
{
    static const struct plan_column columns[] = { { "name", false }, { "what", true } };
    struct str cells[] = { STR("a"), STR("say \"x\", y\\"), STR("=1+1"), STR("") };
    const struct plan_table t = { columns, 2, cells, 2 };
    static const char *const expected[] = {
        [PLAN_TEXT] = "name\na\n    what: say \"x\", y\\\n=1+1\n",
        [PLAN_CSV] = "name,what\r\n\"a\",\"say \"\"x\"\", y\\\"\r\n\"'=1+1\",\"\"\r\n",
        [PLAN_JSON] = "[\n {\"name\": \"a\", \"what\": \"say \\\"x\\\", y\\\\\"},\n {\"name\": "
                      "\"=1+1\", \"what\": \"\"}\n]\n",
    };

    (void)state;
    for (enum plan_format f = PLAN_TEXT; f <= PLAN_JSON; f++) {
        struct buf out = { 0 };

        plan_table_print(&t, f, &out);
        buf_add_char(&out, '\0');
        assert_string_equal(out.p, expected[f]);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_fits_its_key_its_name_and_its_ca_alone),
        cmocka_unit_test(it_ends_when_it_should_and_never_after_its_ca),
        cmocka_unit_test(an_encrypted_key_opens_with_its_passphrase_alone),
        cmocka_unit_test(a_revocation_list_holds_the_serials_it_was_given),
        cmocka_unit_test(a_table_is_quoted_as_each_form_demands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
