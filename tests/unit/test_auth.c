/* Logins against a real store, with a small SCRAM client of the test's own. */
#include "tests/unit/auth_bench.h"

/* --- mechanisms ------------------------------------------------------------------------------- */

static void assert_list(struct bench *b, const struct auth_facts *facts, const char *expected)
{
    struct arena arena = { 0 };
    struct buf got = { 0 };

    for (const char **name = auth_mechanisms(b->auth, facts, &arena); *name; name++)
        buf_printf(&got, "%s ", *name);
    if (!str_is(buf_str(&got), expected))
        fail_msg("%.*s", STR_ARG(buf_str(&got)));
    buf_fini(&got);
    arena_fini(&arena);
}

static void mechanisms_are_offered_by_what_the_connection_has_strongest_first(void **state)
{
    static const char *const two[] = { "PLAIN", "SCRAM-SHA-256", NULL };
    static const char *const exposed[] = { "PLAIN", "EXTERNAL", NULL };
    struct auth_facts limited = tls_bound;

    assert_list(*state, &tls_bound,
                "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 "
                "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
    assert_list(*state, &tls_alone, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
    assert_list(*state, &no_tls, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 ");
    limited.mechanisms = two;
    assert_list(*state, &limited, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN ");
    limited.refused = exposed;
    assert_list(*state, &limited, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 ");
    limited.mechanisms = NULL;
    assert_list(*state, &limited,
                "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 "
                "SCRAM-SHA-256 SCRAM-SHA-1 ");
}

static void a_mechanism_that_is_not_offered_is_refused(void **state)
{
    static const char *const one[] = { "SCRAM-SHA-256", NULL }, *const plain[] = { "PLAIN", NULL };
    struct auth_facts limited = { .host = STR(HOST), .is_tls = true, .mechanisms = one },
                      refused = { .host = STR(HOST), .is_tls = true, .refused = plain };
    static const struct {
        const struct auth_facts *facts;
        const char *mechanism;
        enum auth_failure failure;
    } rows[] = {
        { &tls_alone, "SCRAM-SHA-256-PLUS", AUTH_INVALID_MECHANISM },
        { &tls_alone, "scram-sha-256", AUTH_INVALID_MECHANISM },
        { &tls_alone, "ANONYMOUS", AUTH_INVALID_MECHANISM },
        { &tls_alone, "DIGEST-MD5", AUTH_INVALID_MECHANISM },
        { &tls_alone, "", AUTH_INVALID_MECHANISM },
        { &no_tls, "PLAIN", AUTH_ENCRYPTION_REQUIRED },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(b, rows[i].facts, rows[i].mechanism, STR("\0juliet\0pencil"));
        assert_failed(b, rows[i].failure, rows[i].mechanism);
    }
    start(b, &limited, "PLAIN", STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_INVALID_MECHANISM, "not allowed by the host");
    start(b, &refused, "PLAIN", STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_INVALID_MECHANISM, "refused to this connection");
}

/* RFC 6331: only by name, only where a directory holds clear passwords, only under TLS. */
static void digest_md5_is_offered_where_it_was_asked_for(void **state)
{
    static const char *const named[] = { "DIGEST-MD5", NULL }, *const other[] = { "PLAIN", NULL };
    static const struct {
        struct auth_facts facts;
        const char *expected;
    } rows[] = {
        { { .is_tls = true, .mechanisms = named, .directory = "d", .sources = { AUTH_SOURCE_USER_PASSWORD } }, "DIGEST-MD5 " },
        { { .is_tls = true, .mechanisms = named, .directory = "d", .sources = { AUTH_SOURCE_DERIVED, AUTH_SOURCE_USER_PASSWORD } }, "DIGEST-MD5 " },
        { { .is_tls = true, .mechanisms = named, .directory = "d", .sources = { AUTH_SOURCE_AUTH_PASSWORD } }, "" },
        { { .is_tls = true, .mechanisms = named, .directory = "d" }, "" },
        { { .is_tls = true, .mechanisms = named }, "" },
        { { .is_tls = true, .mechanisms = other, .directory = "d", .sources = { AUTH_SOURCE_USER_PASSWORD } }, "PLAIN " },
        { { .is_tls = true, .mechanisms = named, .refused = named, .directory = "d", .sources = { AUTH_SOURCE_USER_PASSWORD } }, "" },
        { { .is_tls = false, .mechanisms = named, .directory = "d", .sources = { AUTH_SOURCE_USER_PASSWORD } }, "" },
        { { .is_tls = true, .directory = "d", .sources = { AUTH_SOURCE_USER_PASSWORD } },
          "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN " },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth_facts facts = rows[i].facts;

        facts.host = STR(HOST);
        assert_list(*state, &facts, rows[i].expected);
    }
}

/* --- logins ----------------------------------------------------------------------------------- */

static void every_scram_mechanism_logs_in_with_each_binding(void **state)
{
    static const struct {
        const struct auth_facts *facts;
        struct login login;
    } rows[] = {
        { &no_tls, { "SCRAM-SHA-1", "n,,", STR_NONE, "juliet", "pencil" } },
        { &no_tls, { "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "pencil" } },
        { &no_tls, { "SCRAM-SHA-512", "n,,", STR_NONE, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-1", "n,,", STR_NONE, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-512", "n,,", STR_NONE, "juliet", "pencil" } },
        { &tls_alone, { "SCRAM-SHA-256", "y,,", STR_NONE, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-1-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-512-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "pencil" } },
        { &tls_bound,
          { "SCRAM-SHA-1-PLUS", "p=tls-server-end-point,,", END_POINT, "juliet", "pencil" } },
        { &tls_bound,
          { "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", END_POINT, "juliet", "pencil" } },
        { &tls_bound, { "SCRAM-SHA-512-PLUS", "p=tls-unique,,", UNIQUE, "juliet", "pencil" } },
        { &tls_alone, { "SCRAM-SHA-256", "n,a=juliet@" HOST ",", STR_NONE, "juliet", "pencil" } },
        { &tls_alone,
          { "SCRAM-SHA-256", "n,a=Juliet@EXAMPLE.com,", STR_NONE, "juliet", "pencil" } },
        { &tls_alone, { "SCRAM-SHA-256", "n,,", STR_NONE, "JULIET", "pencil" } },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, rows[i].facts, &rows[i].login);
        assert_success(b, rows[i].login.mechanism);
    }
}

static void a_wrong_password_is_not_authorized_and_counts_as_a_guess(void **state)
{
    static const struct login rows[] = {
        { "SCRAM-SHA-1", "n,,", STR_NONE, "juliet", "pencils" },
        { "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "Pencil" },
        { "SCRAM-SHA-512", "n,,", STR_NONE, "juliet", "x" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "x" },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, &tls_bound, &rows[i]);
        assert_failed(b, AUTH_NOT_AUTHORIZED, rows[i].mechanism);
        assert_true(b->counts);
        assert_false(b->has_detail);
        assert_true(str_is(buf_str(&b->claimed), "juliet"));
    }
}

static void another_channel_is_not_authorized_and_is_no_guess_at_the_password(void **state)
{
    static const struct login rows[] = {
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", STR("another binding"), "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", END_POINT, "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", STR_NONE, "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", END_POINT, "juliet", "x" },
        { "SCRAM-SHA-256", "n,,", EXPORTER, "juliet", "pencil" }, /* c= is not the header of before */
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, &tls_bound, &rows[i]);
        assert_failed(b, AUTH_NOT_AUTHORIZED, rows[i].mechanism);
        assert_false(b->counts);
        assert_true(b->has_detail);
        assert_true(str_is(buf_str(&b->claimed), "juliet"));
    }
}

static void a_binding_that_does_not_fit_the_mechanism_or_the_offer_is_refused(void **state)
{
    static const struct {
        struct login login;
        enum auth_failure failure;
    } rows[] = {
        { { "SCRAM-SHA-256", "y,,", STR_NONE, "juliet", "pencil" },
          AUTH_NOT_AUTHORIZED }, /* a downgrade */
        { { "SCRAM-SHA-256", "p=tls-exporter,,", EXPORTER, "juliet", "pencil" },
          AUTH_MALFORMED_REQUEST },
        { { "SCRAM-SHA-256-PLUS", "n,,", STR_NONE, "juliet", "pencil" }, AUTH_MALFORMED_REQUEST },
        { { "SCRAM-SHA-256-PLUS", "y,,", STR_NONE, "juliet", "pencil" }, AUTH_MALFORMED_REQUEST },
        { { "SCRAM-SHA-256-PLUS", "p=tls-unheard-of,,", STR_NONE, "juliet", "pencil" },
          AUTH_NOT_AUTHORIZED },
    };
    struct auth_facts exporter_alone = tls_bound;
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, &tls_bound, &rows[i].login);
        assert_failed(b, rows[i].failure, rows[i].login.gs2);
        assert_int_equal(b->counts, rows[i].failure != AUTH_NOT_AUTHORIZED);
    }
    exporter_alone.cb_unique = STR_NONE; /* TLS 1.3 */
    log_in(b, &exporter_alone,
           &(struct login){ "SCRAM-SHA-1-PLUS", "p=tls-unique,,", UNIQUE, "juliet", "pencil" });
    assert_failed(b, AUTH_NOT_AUTHORIZED, "tls-unique on TLS 1.3");
    assert_false(b->counts);
}

static void an_authzid_of_somebody_else_is_invalid(void **state)
{
    static const char *const rows[] = {
        "n,a=romeo@" HOST ",", "n,a=juliet@example.net,", "n,a=juliet@" HOST "/balcony,",
        "n,a=juliet,",         "n,a=" HOST ",",           "n,a=@,",
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, &tls_alone,
               &(struct login){ "SCRAM-SHA-256", rows[i], STR_NONE, "juliet", "pencil" });
        assert_failed(b, AUTH_INVALID_AUTHZID, rows[i]);
    }
    start(b, &tls_alone, "PLAIN", STR("romeo@" HOST "\0juliet\0pencil"));
    assert_failed(b, AUTH_INVALID_AUTHZID, "PLAIN");
}

static void plain_logs_in_and_refuses(void **state)
{
    static const struct {
        struct str message;
        enum auth_failure failure; /* AUTH_OK: success */
    } rows[] = {
        { STR("\0juliet\0pencil"), AUTH_OK },
        { STR("\0Juliet\0pencil"), AUTH_OK },
        { STR("juliet@" HOST "\0juliet\0pencil"), AUTH_OK },
        { STR("\0juliet\0pencils"), AUTH_NOT_AUTHORIZED },
        { STR("\0nobody\0pencil"), AUTH_NOT_AUTHORIZED },
        { STR("\0juliet@" HOST "\0pencil"), AUTH_NOT_AUTHORIZED },
        { STR("\0jul iet\0pencil"), AUTH_NOT_AUTHORIZED },
        { STR("\0juliet\0pen\x01"
              "cil"),
          AUTH_NOT_AUTHORIZED },
        { STR("\0juliet\0"), AUTH_MALFORMED_REQUEST },
        { STR("juliet"), AUTH_MALFORMED_REQUEST },
        { STR(""), AUTH_MALFORMED_REQUEST },
        { STR("\0juliet\0pencil\0"), AUTH_MALFORMED_REQUEST },
        { STR("\0juliet\0\xff\xfe"), AUTH_MALFORMED_REQUEST },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(b, &tls_alone, "PLAIN", rows[i].message);
        if (rows[i].failure == AUTH_OK)
            assert_success(b, "PLAIN");
        else
            assert_failed(b, rows[i].failure, "PLAIN");
        assert_int_equal(b->counts, rows[i].failure != AUTH_OK);
    }
}

static void without_an_initial_response_the_client_is_asked_for_one(void **state)
{
    struct bench *b = *state;

    start(b, &tls_alone, "PLAIN", STR_NONE);
    assert_int_equal(b->step, AUTH_CHALLENGE);
    assert_int_equal(b->data.n, 0);
    respond(b, STR("\0juliet\0pencil"));
    assert_success(b, "PLAIN");
    start(b, &tls_alone, "SCRAM-SHA-1", STR_NONE);
    assert_int_equal(b->step, AUTH_CHALLENGE);
    respond(b, STR("n,,n=juliet,r=" NONCE));
    assert_int_equal(b->step, AUTH_CHALLENGE);
    assert_true(str_starts_with(buf_str(&b->data), STR("r=" NONCE)));
}

/* --- passwords -------------------------------------------------------------------------------- */

static void passwords_are_set_for_new_accounts_and_changed_for_old_ones_only(void **state)
{
    struct bench *b = *state;

    assert_int_equal(set_password(b, "juliet@" HOST, "other", true), ERR_EXISTS);
    assert_int_equal(set_password(b, "romeo@" HOST, "other", false), ERR_NOT_FOUND);
    start(b, &tls_alone, "PLAIN", STR("\0romeo\0other"));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "was not made");
    assert_int_equal(set_password(b, "juliet@" HOST, "", false), ERR_MALFORMED);
    assert_int_equal(set_password(b, "juliet@" HOST,
                                  "a\x01"
                                  "b",
                                  false),
                     ERR_MALFORMED);
    start(b, &tls_alone, "PLAIN", STR("\0juliet\0pencil"));
    assert_success(b, "unchanged");
    assert_int_equal(set_password(b, "juliet@" HOST, "other", false), ERR_OK);
    start(b, &tls_alone, "PLAIN", STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "the old one");
    log_in(b, &tls_alone, &(struct login){ "SCRAM-SHA-512", "n,,", STR_NONE, "juliet", "other" });
    assert_success(b, "the new one");
}

static void a_password_under_way_at_the_end_is_not_stored_and_says_so(void **state)
{
    struct bench *b = *state;
    unsigned before = b->passwords;

    auth_set_password(b->auth, STR("romeo@" HOST), STR("pencil"), true, on_password, b);
    close_all(b);
    assert_int_equal(b->passwords, before + 1);
    assert_int_equal(b->password_err, ERR_CLOSED);
    open_all(b);
    start(b, &tls_alone, "PLAIN", STR("\0romeo\0pencil"));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "was not made");
}

static void passwords_are_compared_in_their_prepared_form(void **state)
{
    struct bench *b = *state;

    /* OpaqueString (RFC 8265 §4.2): e + combining acute is é; a no-break space is a space. */
    assert_int_equal(set_password(b, "juliet@" HOST, "cafe\xcc\x81\xc2\xa0x", false), ERR_OK);
    start(b, &tls_alone, "PLAIN", STR("\0juliet\0caf\xc3\xa9 x"));
    assert_success(b, "composed");
    log_in(b, &tls_alone,
           &(struct login){ "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "caf\xc3\xa9 x" });
    assert_success(b, "SCRAM");
}

static void failures_have_the_names_of_rfc_6120(void **state)
{
    (void)state;
    for (int f = 0; f < AUTH_FAILURE_COUNT; f++)
        assert_non_null(auth_failure_name((enum auth_failure)f));
    assert_string_equal(auth_failure_name(AUTH_NOT_AUTHORIZED), "not-authorized");
    assert_string_equal(auth_failure_name(AUTH_TEMPORARY_AUTH_FAILURE), "temporary-auth-failure");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(mechanisms_are_offered_by_what_the_connection_has_strongest_first),
        TEST(a_mechanism_that_is_not_offered_is_refused),
        TEST(digest_md5_is_offered_where_it_was_asked_for),
        TEST(every_scram_mechanism_logs_in_with_each_binding),
        TEST(a_wrong_password_is_not_authorized_and_counts_as_a_guess),
        TEST(another_channel_is_not_authorized_and_is_no_guess_at_the_password),
        TEST(a_binding_that_does_not_fit_the_mechanism_or_the_offer_is_refused),
        TEST(an_authzid_of_somebody_else_is_invalid),
        TEST(plain_logs_in_and_refuses),
        TEST(without_an_initial_response_the_client_is_asked_for_one),
        TEST(passwords_are_set_for_new_accounts_and_changed_for_old_ones_only),
        TEST(a_password_under_way_at_the_end_is_not_stored_and_says_so),
        TEST(passwords_are_compared_in_their_prepared_form),
        cmocka_unit_test(failures_have_the_names_of_rfc_6120),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
