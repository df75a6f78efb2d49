/* EXTERNAL, from a chain to an account: what the store says of it, and what happens meanwhile. */
#include "tests/unit/auth_bench.h"
#include "tests/unit/certs.h"

#define XMPP "1.3.6.1.5.5.7.8.5"

static struct certs certs;
static struct buf chain; /* of juliet's certificate */

static int make_certificates(void **state)
{
    static const char der[] = "\x0c\x12juliet@example.com";
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;

    (void)state;
    certs_init(&certs, "test CA");
    key = certs_key();
    crt = certs_crt(&certs, key, "x");
    ASSERT(gnutls_x509_crt_set_subject_alt_othername(crt, XMPP, der, sizeof der - 1,
                                                     GNUTLS_FSAN_SET) == 0);
    ASSERT(gnutls_x509_crt_sign2(crt, certs.ca, certs.ca_key, GNUTLS_DIG_SHA256, 0) == 0);
    ASSERT(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
    buf_add(&chain, str_of(pem.data, pem.size));
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    buf_fini(&chain);
    certs_fini(&certs);
    return 0;
}

static void believe(struct bench *b, size_t count)
{
    char ca[160];
    struct auth_authority authority = { .host = HOST, .ca_file = ca };
    struct buf why = { 0 };

    certs_path(&certs, "ca.pem", ca);
    assert_int_equal(auth_set_authorities(b->auth, &authority, count, &why), ERR_OK);
}

static struct auth_facts facts_now(void)
{
    return (struct auth_facts){ .host = STR(HOST),
                                .is_tls = true,
                                .chain = buf_str(&chain),
                                .is_chain_good = true };
}

static void on_done(void *owner, enum err e, int64_t changes)
{
    assert_int_equal(e, ERR_OK);
    *(int64_t *)owner = changes;
}

static void expire(struct bench *b)
{
    struct store_tx *tx = store_begin(b->store);
    int64_t changed = -1;

    store_add(tx, STORE_ACCOUNT_EXPIRE);
    store_bind_int(tx, 1);
    store_bind_text(tx, STR("juliet@" HOST));
    store_submit(tx, on_done, &changed);
    while (changed < 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(changed, 1);
}

static void a_certificate_is_enough(void **state)
{
    struct bench *b = *state;
    struct auth_facts facts = facts_now();

    believe(b, 1);
    start(b, &facts, "EXTERNAL", STR(""));
    assert_success(b, "without authorization identity");
    start(b, &facts, "EXTERNAL", STR("juliet@" HOST));
    assert_success(b, "with its own");
    start(b, &facts, "EXTERNAL", STR("romeo@" HOST));
    assert_failed(b, AUTH_INVALID_AUTHZID, "with another's");
    assert_false(b->counts); /* nothing was guessed */
}

static void it_is_offered_for_a_good_chain_under_tls_alone(void **state)
{
    struct bench *b = *state;
    struct auth_facts facts = facts_now();
    struct arena arena = { 0 };

    believe(b, 1);
    assert_string_equal(auth_mechanisms(b->auth, &facts, &arena)[0], "EXTERNAL");
    facts.is_chain_good = false;
    assert_string_not_equal(auth_mechanisms(b->auth, &facts, &arena)[0], "EXTERNAL");
    start(b, &facts, "EXTERNAL", STR(""));
    assert_failed(b, AUTH_INVALID_MECHANISM, "a chain that was not good");
    facts = facts_now();
    facts.is_tls = false;
    start(b, &facts, "EXTERNAL", STR(""));
    assert_failed(b, AUTH_INVALID_MECHANISM, "no TLS");
    arena_fini(&arena);
}

static void who_must_change_the_password_is_told_so(void **state)
{
    struct bench *b = *state;
    struct auth_facts facts = facts_now();

    believe(b, 1);
    expire(b);
    start(b, &facts, "EXTERNAL", STR(""));
    assert_failed(b, AUTH_CREDENTIALS_EXPIRED, "an account that an administrator expired");
    assert_true(str_is(buf_str(&b->claimed), "juliet@" HOST));
}

static void a_chain_that_is_no_longer_believed_opens_nothing(void **state)
{
    struct bench *b = *state;
    struct auth_facts facts = facts_now();

    believe(b, 1);
    believe(b, 0); /* a reload took the key out */
    start(b, &facts, "EXTERNAL", STR(""));
    assert_failed(b, AUTH_TEMPORARY_AUTH_FAILURE, "a host without authority");
    believe(b, 1);
    facts.chain = STR("nothing");
    start(b, &facts, "EXTERNAL", STR(""));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "a chain that is none");
}

/* As when the client goes while the thread pool is at it: nothing is told, nothing is lost. */
static void an_exchange_may_go_while_its_certificate_is_checked(void **state)
{
    struct bench *b = *state;
    struct auth_facts facts = facts_now();
    unsigned before = b->answers;

    believe(b, 1);
    for (size_t i = 0; i < 20; i++) {
        struct auth_exchange *x = auth_exchange_new(b->auth, &facts, on_answer, b);

        auth_start(x, STR("EXTERNAL"), STR(""));
        auth_exchange_free(x);
        if (i == 10)
            believe(b, i % 2); /* a reload in between */
    }
    believe(b, 1);
    start(b, &facts, "EXTERNAL", STR(""));
    assert_success(b, "the next one");
    assert_int_equal(b->answers, before + 1);
}

static void on_certificate(void *owner, const struct auth_certificate *c)
{
    (void)c;
    ++*(unsigned *)owner;
}

static void a_check_that_is_forgotten_tells_nobody_and_too_many_are_refused(void **state)
{
    struct bench *b = *state;
    struct auth_certificate_check *checks[1024];
    unsigned told = 0;

    believe(b, 1);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        checks[i] = auth_certificate_check(b->auth, STR(HOST), STR("none"), on_certificate, &told);
        assert_non_null(checks[i]);
    }
    assert_null(auth_certificate_check(b->auth, STR(HOST), STR("none"), on_certificate, &told));
    assert_null(auth_certificate_check(b->auth, STR("other.example"), STR("none"), on_certificate,
                                       &told));
    for (size_t i = 1; i < ARRAY_LEN(checks); i++)
        auth_certificate_forget(checks[i]);
    while (told == 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(told, 1); /* tear_down runs the others to their end */
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_certificate_is_enough),
        WITH_BENCH(it_is_offered_for_a_good_chain_under_tls_alone),
        WITH_BENCH(who_must_change_the_password_is_told_so),
        WITH_BENCH(a_chain_that_is_no_longer_believed_opens_nothing),
        WITH_BENCH(an_exchange_may_go_while_its_certificate_is_checked),
        WITH_BENCH(a_check_that_is_forgotten_tells_nobody_and_too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
