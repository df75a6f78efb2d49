/* Credentials: which certificates they show. Handshakes are in test_net.c. */
#include "common/tls.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct certs certs;

static int setup(void **state)
{
    (void)state;
    certs_init(&certs, "test CA");
    certs_make(&certs, "a.example");
    certs_make(&certs, "b.example");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certs_fini(&certs);
    return 0;
}

static struct tls_creds *load(const char *const *names, size_t count)
{
    char paths[4][160], file[96];
    struct tls_cert items[2];
    struct tls_options options = { .certs = items, .cert_count = count };
    struct tls_creds *creds = NULL;
    struct buf why = { 0 };

    for (size_t i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s.pem", names[i]);
        certs_path(&certs, file, paths[2 * i]);
        snprintf(file, sizeof file, "%s.key", names[i]);
        certs_path(&certs, file, paths[2 * i + 1]);
        items[i] = (struct tls_cert){ .cert_file = paths[2 * i], .key_file = paths[2 * i + 1] };
    }
    assert_int_equal(tls_creds_new(&options, &creds, &why), ERR_OK);
    buf_fini(&why);
    return creds;
}

/* As openssl and sha256sum would: of the DER. */
static void digest_of(const char *name, char out_hex[65])
{
    unsigned char digest[32];
    char file[96], path[160];
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    size_t n = sizeof digest;

    snprintf(file, sizeof file, "%s.pem", name);
    certs_path(&certs, file, path);
    assert_int_equal(gnutls_load_file(path, &pem), 0);
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, digest, &n), 0);
    for (size_t i = 0; i < n; i++)
        snprintf(out_hex + 2 * i, 3, "%02x", digest[i]);
    gnutls_x509_crt_deinit(crt);
    gnutls_free(pem.data);
}

static void test_each_certificate_is_told_with_names_end_and_digest(void **state)
{
    static const char *const names[] = { "a.example", "b.example" };
    struct tls_creds *creds = load(names, 2);
    struct tls_own_cert cert;
    struct arena arena = { 0 };
    size_t at = 0;
    char hex[65];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_true(tls_creds_next_cert(creds, &at, &arena, &cert));
        assert_true(str_is(cert.names, names[i]));
        digest_of(names[i], hex);
        assert_true(str_is(cert.sha256, hex));
        assert_true(cert.expiry >= tls_creds_expiry(creds) && cert.expiry > time(NULL));
    }
    assert_false(tls_creds_next_cert(creds, &at, &arena, &cert));
    assert_int_equal(at, 2);
    arena_fini(&arena);
    tls_creds_unref(creds);
}

static void test_credentials_without_a_certificate_show_none(void **state)
{
    struct tls_creds *creds = load(NULL, 0);
    struct tls_own_cert cert;
    struct arena arena = { 0 };
    size_t at = 0;

    (void)state;
    assert_false(tls_creds_next_cert(creds, &at, &arena, &cert));
    tls_creds_unref(creds);
}

static void test_a_pair_that_does_not_match_is_refused_and_named(void **state)
{
    char cert[160], key[160];
    struct tls_cert item = { .cert_file = cert, .key_file = key };
    struct tls_options options = { .certs = &item, .cert_count = 1 };
    struct tls_creds *creds = NULL;
    struct buf why = { 0 };

    (void)state;
    certs_path(&certs, "a.example.pem", cert);
    certs_path(&certs, "b.example.key", key);
    assert_int_equal(tls_creds_new(&options, &creds, &why), ERR_MALFORMED);
    assert_true(memmem(why.p, why.n, "b.example.key", strlen("b.example.key")) != NULL);
    buf_fini(&why);
}

static void test_a_key_that_is_not_there_is_told_from_one_that_is_none(void **state)
{
    char cert[160], key[160];
    struct tls_cert item = { .cert_file = cert, .key_file = key };
    struct tls_options options = { .certs = &item, .cert_count = 1 };
    struct tls_creds *creds = NULL;
    struct buf why = { 0 };

    (void)state;
    certs_path(&certs, "a.example.pem", cert);
    certs_path(&certs, "no.key", key);
    assert_int_equal(tls_creds_new(&options, &creds, &why), ERR_IO);
    certs_path(&certs, "a.example.pem", key);
    assert_int_equal(tls_creds_new(&options, &creds, &why), ERR_MALFORMED);
    certs_path(&certs, "a.example.key", cert);
    certs_path(&certs, "a.example.key", key);
    assert_int_equal(tls_creds_new(&options, &creds, &why), ERR_MALFORMED);
    buf_fini(&why);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_certificate_is_told_with_names_end_and_digest),
        cmocka_unit_test(test_credentials_without_a_certificate_show_none),
        cmocka_unit_test(test_a_pair_that_does_not_match_is_refused_and_named),
        cmocka_unit_test(test_a_key_that_is_not_there_is_told_from_one_that_is_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
