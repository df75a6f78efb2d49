/* Logins against a real store: with a small SCRAM client of the test's own, and with GNU SASL as a
 * second opinion. */
#include "sm/auth/auth.h"

#include "common/mem.h"
#include "sm/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gsasl.h>

#define HOST "example.com"
#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
#define EXPORTER STR("0123456789abcdef0123456789abcdef")
#define END_POINT STR("end\0point")
#define UNIQUE STR("unique\xff")

/* One process: loop, store, auth, and what the last exchange said. */
struct bench {
    uv_loop_t loop;
    char folder[64], path[96];
    uint32_t max_queued;
    struct store *store;
    struct auth *auth;
    struct auth_exchange *x;
    unsigned answers, passwords;
    enum err password_err;
    enum auth_step step;
    enum auth_failure failure;
    bool counts;
    struct buf data, account, claimed;
};

static void on_answer(void *owner, const struct auth_result *r)
{
    struct bench *b = owner;

    b->answers++;
    b->step = r->step;
    b->failure = r->step == AUTH_FAILED ? r->failure : AUTH_OK;
    b->counts = r->step == AUTH_FAILED && r->counts;
    buf_clear(&b->data);
    buf_clear(&b->account);
    buf_clear(&b->claimed);
    buf_add(&b->data, r->data);
    buf_add(&b->account, r->account);
    buf_add(&b->claimed, r->claimed);
}

static void on_password(void *owner, enum err e)
{
    struct bench *b = owner;

    b->passwords++;
    b->password_err = e;
}

static enum err set_password(struct bench *b, const char *account, const char *password,
                             bool is_new)
{
    unsigned before = b->passwords;

    auth_set_password(b->auth, str_from(account), str_from(password), is_new, on_password, b);
    assert_int_equal(b->passwords, before); /* never from inside the call */
    while (b->passwords == before)
        uv_run(&b->loop, UV_RUN_ONCE);
    return b->password_err;
}

static void open_all(struct bench *b)
{
    struct store_options store_options = { .path = b->path, .max_queued = b->max_queued };
    struct auth_options options = { .scram_iterations = 4096 };
    struct buf why = { 0 };

    if (store_open(&b->loop, &store_options, &b->store, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    options.store = b->store;
    if (auth_new(&options, &b->auth, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
}

static void close_all(struct bench *b)
{
    auth_exchange_free(b->x);
    b->x = NULL;
    auth_free(b->auth);
    store_close(b->store, NULL, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
}

static int set_up(void **state)
{
    struct bench *b = mem_new(struct bench);

    snprintf(b->folder, sizeof b->folder, "/tmp/sallyport-auth-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/store.db", b->folder);
    b->max_queued = 1000;
    uv_loop_init(&b->loop);
    open_all(b);
    assert_int_equal(set_password(b, "juliet@" HOST, "pencil", true), ERR_OK);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    char wal[128];

    close_all(b);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    snprintf(wal, sizeof wal, "%s-wal", b->path);
    unlink(wal);
    unlink(b->path);
    rmdir(b->folder);
    buf_fini(&b->data);
    buf_fini(&b->account);
    buf_fini(&b->claimed);
    mem_free(b);
    return 0;
}

/* --- talking ---------------------------------------------------------------------------------- */

static const struct auth_facts no_tls = { .host = STR(HOST) };
static const struct auth_facts tls_alone = { .host = STR(HOST), .is_tls = true };
static const struct auth_facts tls_bound = { .host = STR(HOST),
                                             .is_tls = true,
                                             .cb_exporter = EXPORTER,
                                             .cb_end_point = END_POINT,
                                             .cb_unique = UNIQUE };

static void wait_for_answer(struct bench *b, unsigned before)
{
    assert_int_equal(b->answers, before); /* never from inside the call */
    while (b->answers == before)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->answers, before + 1);
}

static void start(struct bench *b, const struct auth_facts *facts, const char *mechanism,
                  struct str initial)
{
    unsigned before = b->answers;

    auth_exchange_free(b->x);
    b->x = auth_exchange_new(b->auth, facts, on_answer, b);
    auth_start(b->x, str_from(mechanism), initial);
    wait_for_answer(b, before);
}

static void respond(struct bench *b, struct str response)
{
    unsigned before = b->answers;

    auth_respond(b->x, response);
    wait_for_answer(b, before);
}

static void assert_failed(struct bench *b, enum auth_failure expected, const char *what)
{
    if (b->step != AUTH_FAILED || b->failure != expected)
        fail_msg("%s: step %d, %s instead of %s", what, b->step, auth_failure_name(b->failure),
                 auth_failure_name(expected));
}

static void assert_success(struct bench *b, const char *what)
{
    if (b->step != AUTH_SUCCESS)
        fail_msg("%s: %s", what, auth_failure_name(b->failure));
    assert_true(str_is(buf_str(&b->account), "juliet@" HOST));
}

/* --- a SCRAM client --------------------------------------------------------------------------- */

struct login {
    const char *mechanism;
    const char *gs2;    /* "n,,", "p=tls-exporter,," */
    struct str binding; /* what this client believes */
    const char *user, *password;
};

static gnutls_mac_algorithm_t mac_of(const char *mechanism)
{
    if (str_starts_with(str_from(mechanism), STR("SCRAM-SHA-512")))
        return GNUTLS_MAC_SHA512;
    return str_starts_with(str_from(mechanism), STR("SCRAM-SHA-256")) ? GNUTLS_MAC_SHA256
                                                                      : GNUTLS_MAC_SHA1;
}

static struct str field(struct str message, char key)
{
    struct str rest = message;

    while (str_is_set(rest)) {
        struct str part = str_cut(&rest, ',');

        if (part.n >= 2 && part.p[0] == key && part.p[1] == '=')
            return str_of(part.p + 2, part.n - 2);
    }
    return STR_NONE;
}

static void first_bare(struct buf *out, const struct login *l)
{
    buf_printf(out, "n=%s,r=" NONCE, l->user);
}

static void say_first(struct bench *b, const struct auth_facts *facts, const struct login *l)
{
    struct buf first = { 0 };

    buf_printf(&first, "%s", l->gs2);
    first_bare(&first, l);
    start(b, facts, l->mechanism, buf_str(&first));
    buf_fini(&first);
}

/* SaltedPassword for a server-first-message. RFC 5802 §3. */
static void salt_password(const struct login *l, struct str server_first, uint8_t *out)
{
    gnutls_mac_algorithm_t mac = mac_of(l->mechanism);
    gnutls_datum_t password = { (unsigned char *)(uintptr_t)l->password,
                                (unsigned)strlen(l->password) },
                   salt;
    struct buf bytes = { 0 };
    uint64_t iterations;

    assert_int_equal(buf_add_base64_decoded(&bytes, field(server_first, 's')), ERR_OK);
    assert_int_equal(str_to_u64(field(server_first, 'i'), &iterations), ERR_OK);
    salt = (gnutls_datum_t){ (unsigned char *)bytes.p, (unsigned)bytes.n };
    assert_int_equal(
        gnutls_pbkdf2(mac, &password, &salt, (unsigned)iterations, out, gnutls_hmac_get_len(mac)),
        0);
    buf_fini(&bytes);
}

static void hmac(const struct login *l, const uint8_t *key, struct str text, uint8_t *out)
{
    gnutls_mac_algorithm_t mac = mac_of(l->mechanism);

    assert_int_equal(gnutls_hmac_fast(mac, key, gnutls_hmac_get_len(mac), text.p, text.n, out), 0);
}

/* Writes the client-final-message into out and the ServerSignature that must follow, in base64,
 * into signature. */
static void make_final(const struct login *l, struct str server_first, struct buf *out,
                       struct buf *signature)
{
    size_t n = gnutls_hmac_get_len(mac_of(l->mechanism));
    uint8_t salted[64], key[64], stored[64], proof[64], server_key[64], server_signature[64];
    struct buf bound = { 0 }, said = { 0 };

    buf_add(&bound, str_from(l->gs2));
    buf_add(&bound, l->binding);
    buf_add(out, STR("c="));
    buf_add_base64(out, buf_str(&bound));
    buf_printf(out, ",r=%.*s", STR_ARG(field(server_first, 'r')));
    first_bare(&said, l);
    buf_printf(&said, ",%.*s,%.*s", STR_ARG(server_first), STR_ARG(buf_str(out)));
    salt_password(l, server_first, salted);
    hmac(l, salted, STR("Client Key"), key);
    assert_int_equal(
        gnutls_hash_fast((gnutls_digest_algorithm_t)mac_of(l->mechanism), key, n, stored), 0);
    hmac(l, stored, buf_str(&said), proof);
    for (size_t i = 0; i < n; i++)
        proof[i] ^= key[i];
    buf_add(out, STR(",p="));
    buf_add_base64(out, str_of(proof, n));
    hmac(l, salted, STR("Server Key"), server_key);
    hmac(l, server_key, buf_str(&said), server_signature);
    buf_add(signature, STR("v="));
    buf_add_base64(signature, str_of(server_signature, n));
    buf_fini(&bound);
    buf_fini(&said);
}

/* The whole of it; on success the server's signature is checked. */
static void log_in(struct bench *b, const struct auth_facts *facts, const struct login *l)
{
    struct buf final = { 0 }, signature = { 0 };

    say_first(b, facts, l);
    if (b->step == AUTH_CHALLENGE) {
        make_final(l, buf_str(&b->data), &final, &signature);
        respond(b, buf_str(&final));
    }
    if (b->step == AUTH_SUCCESS)
        assert_true(str_eq(buf_str(&b->data), buf_str(&signature)));
    buf_fini(&final);
    buf_fini(&signature);
}

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
    struct auth_facts limited = tls_bound;

    assert_list(*state, &tls_bound,
                "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 "
                "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
    assert_list(*state, &tls_alone, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
    assert_list(*state, &no_tls, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 ");
    limited.mechanisms = two;
    assert_list(*state, &limited, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN ");
}

static void a_mechanism_that_is_not_offered_is_refused(void **state)
{
    static const char *const one[] = { "SCRAM-SHA-256", NULL };
    struct auth_facts limited = { .host = STR(HOST), .is_tls = true, .mechanisms = one };
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

static void a_wrong_password_and_a_wrong_binding_are_not_authorized_and_count(void **state)
{
    static const struct login rows[] = {
        { "SCRAM-SHA-1", "n,,", STR_NONE, "juliet", "pencils" },
        { "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "Pencil" },
        { "SCRAM-SHA-512", "n,,", STR_NONE, "juliet", "x" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "x" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", STR("another binding"), "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", END_POINT, "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", STR_NONE, "juliet", "pencil" },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_in(b, &tls_bound, &rows[i]);
        assert_failed(b, AUTH_NOT_AUTHORIZED, rows[i].mechanism);
        assert_true(b->counts);
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
    }
    exporter_alone.cb_unique = STR_NONE; /* TLS 1.3 */
    log_in(b, &exporter_alone,
           &(struct login){ "SCRAM-SHA-1-PLUS", "p=tls-unique,,", UNIQUE, "juliet", "pencil" });
    assert_failed(b, AUTH_NOT_AUTHORIZED, "tls-unique on TLS 1.3");
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

/* --- those who do not exist ------------------------------------------------------------------- */

/* "r=…,s=…,i=…" without the parts that differ by nature. */
static void assert_same_shape(struct str a, struct str b)
{
    assert_int_equal(a.n, b.n);
    assert_int_equal(field(a, 'r').n, field(b, 'r').n);
    assert_int_equal(field(a, 's').n, field(b, 's').n);
    assert_true(str_eq(field(a, 'i'), field(b, 'i')));
}

static void unknown_users_are_answered_like_known_ones(void **state)
{
    static const char *const mechanisms[] = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" };
    static const char *const users[] = { "nobody", "not a local part", "juliet@" HOST,
                                         "\xef\xbf\xbd" };
    struct buf known = { 0 }, salt = { 0 };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(mechanisms) * ARRAY_LEN(users); i++) {
        struct login l = { mechanisms[i % 3], "n,,", STR_NONE, "juliet", "pencil" };

        buf_clear(&known);
        buf_clear(&salt);
        say_first(b, &tls_alone, &l);
        buf_add(&known, buf_str(&b->data));
        l.user = users[i / 3];
        say_first(b, &tls_alone, &l);
        assert_int_equal(b->step, AUTH_CHALLENGE);
        assert_same_shape(buf_str(&b->data), buf_str(&known));
        buf_add(&salt, field(buf_str(&b->data), 's'));
        log_in(b, &tls_alone, &l);
        assert_failed(b, AUTH_NOT_AUTHORIZED, l.user);
        assert_true(b->counts);
        say_first(b, &tls_alone, &l); /* the same salt at each try */
        assert_true(str_eq(field(buf_str(&b->data), 's'), buf_str(&salt)));
        assert_false(str_eq(field(buf_str(&known), 's'), buf_str(&salt)));
    }
    buf_fini(&known);
    buf_fini(&salt);
}

static void the_salt_of_an_unknown_user_survives_a_restart(void **state)
{
    static const struct login l = { "SCRAM-SHA-256", "n,,", STR_NONE, "nobody", "pencil" };
    struct buf salt = { 0 };
    struct bench *b = *state;

    say_first(b, &tls_alone, &l);
    buf_add(&salt, field(buf_str(&b->data), 's'));
    close_all(b);
    open_all(b);
    say_first(b, &tls_alone, &l);
    assert_true(str_eq(field(buf_str(&b->data), 's'), buf_str(&salt)));
    buf_fini(&salt);
}

static void an_account_belongs_to_its_host(void **state)
{
    struct auth_facts elsewhere = { .host = STR("example.net"), .is_tls = true };
    struct bench *b = *state;

    start(b, &elsewhere, "PLAIN", STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "another host");
    assert_int_equal(set_password(b, "juliet@example.net", "eraser", true), ERR_OK);
    start(b, &elsewhere, "PLAIN", STR("\0juliet\0eraser"));
    assert_int_equal(b->step, AUTH_SUCCESS);
    assert_true(str_is(buf_str(&b->account), "juliet@example.net"));
}

/* --- what clients should not do --------------------------------------------------------------- */

static void malformed_first_messages_are_malformed_requests(void **state)
{
    static const struct str rows[] = {
        STR(""),
        STR("n"),
        STR("n,,"),
        STR("n,,n=juliet"),
        STR("n,,n=juliet,r="),
        STR("n,,n=ju=liet,r=x"),
        STR("\0juliet\0pencil"),
        STR("n,,m=1,n=juliet,r=x"),
        STR("n,,n=jul\0iet,r=x"),
        STR("n,,n=\xff,r=x"),
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(b, &tls_alone, "SCRAM-SHA-256", rows[i]);
        assert_failed(b, AUTH_MALFORMED_REQUEST, "first message");
    }
}

static void malformed_final_messages_are_malformed_requests(void **state)
{
    static const struct str rows[] = {
        STR(""),
        STR("c=biws"),
        STR("c=biws,r=x"),
        STR("n,,n=juliet,r=x"),
        STR("c=biws,r=" NONCE ",p=*"),
        STR("\0"),
    };
    static const struct login l = { "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "pencil" };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say_first(b, &tls_alone, &l);
        respond(b, rows[i]);
        assert_failed(b, AUTH_MALFORMED_REQUEST, "final message");
    }
    say_first(b, &tls_alone, &l);
    respond(b, STR("c=biws,r=" NONCE ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    assert_failed(b, AUTH_NOT_AUTHORIZED, "a nonce that is the client's alone");
}

static void oversize_messages_are_refused(void **state)
{
    struct str large = { mem_alloc(1 << 20), 1 << 20 };
    struct bench *b = *state;

    memset((char *)(uintptr_t)large.p, 'a', large.n);
    start(b, &tls_alone, "PLAIN", large);
    assert_failed(b, AUTH_MALFORMED_REQUEST, "PLAIN");
    start(b, &tls_alone, "SCRAM-SHA-1", large);
    assert_failed(b, AUTH_MALFORMED_REQUEST, "SCRAM first");
    start(b, &tls_alone, "SCRAM-SHA-1", STR("n,,n=juliet,r=" NONCE));
    respond(b, large);
    assert_failed(b, AUTH_MALFORMED_REQUEST, "SCRAM final");
    mem_free((void *)(uintptr_t)large.p);
}

static void what_comes_out_of_order_is_a_malformed_request(void **state)
{
    struct bench *b = *state;
    unsigned before;

    start(b, &tls_alone, "PLAIN", STR("\0juliet\0pencil"));
    assert_success(b, "PLAIN");
    respond(b, STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_MALFORMED_REQUEST, "after success");
    b->x = (auth_exchange_free(b->x), auth_exchange_new(b->auth, &tls_alone, on_answer, b));
    respond(b, STR("n,,n=juliet,r=x"));
    assert_failed(b, AUTH_MALFORMED_REQUEST, "before a mechanism");
    b->x = (auth_exchange_free(b->x), auth_exchange_new(b->auth, &tls_alone, on_answer, b));
    auth_start(b->x, STR("PLAIN"), STR("\0juliet\0pencil"));
    before = b->answers;
    respond(
        b,
        STR("\0juliet\0pencil")); /* while the first is under way: one failure, nothing after it */
    assert_failed(b, AUTH_MALFORMED_REQUEST, "two at once");
    start(b, &tls_alone, "PLAIN", STR("\0juliet\0pencil"));
    assert_success(b, "afterwards");
    assert_int_equal(b->answers, before + 2);
}

static void nothing_is_heard_of_an_exchange_that_was_freed(void **state)
{
    struct bench *b = *state;

    for (int turns = 0; turns < 8; turns++) {
        struct auth_exchange *x;
        unsigned heard;

        x = auth_exchange_new(b->auth, &tls_alone, on_answer, b);
        auth_start(x, STR("PLAIN"), STR("\0juliet\0pencil"));
        for (int i = 0; i < turns; i++)
            uv_run(&b->loop, UV_RUN_NOWAIT);
        heard = b->answers;
        auth_exchange_free(x);
        start(b, &tls_alone, "SCRAM-SHA-1", STR("n,,n=juliet,r=" NONCE));
        assert_int_equal(b->answers, heard + 1);
    }
    auth_exchange_free(NULL);
}

static void when_the_store_is_busy_the_failure_is_temporary_and_does_not_count(void **state)
{
    struct bench *b = *state;

    close_all(b);
    b->max_queued = 0;
    open_all(b);
    start(b, &tls_alone, "PLAIN", STR("\0juliet\0pencil"));
    assert_failed(b, AUTH_TEMPORARY_AUTH_FAILURE, "busy");
    assert_false(b->counts);
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

/* --- GNU SASL, loaded when the test runs ------------------------------------------------------ */

static struct {
    __typeof__(&gsasl_init) init;
    __typeof__(&gsasl_done) done;
    __typeof__(&gsasl_client_start) client_start;
    __typeof__(&gsasl_step) step;
    __typeof__(&gsasl_finish) finish;
    __typeof__(&gsasl_property_set) property_set;
    __typeof__(&gsasl_callback_set) callback_set;
    __typeof__(&gsasl_free) free;
} gs;

static bool load_gsasl(void)
{
    static const char *const names[] = { "gsasl_init",         "gsasl_done",   "gsasl_client_start",
                                         "gsasl_step",         "gsasl_finish", "gsasl_property_set",
                                         "gsasl_callback_set", "gsasl_free" };
    void *library = dlopen("libgsasl.so.18", RTLD_NOW);

    _Static_assert(sizeof gs == sizeof names, "one name each, in the order of the struct");
    for (size_t i = 0; library && i < ARRAY_LEN(names); i++)
        if (!(((void **)(void *)&gs)[i] = dlsym(library, names[i])))
            return false;
    return library != NULL;
}

static int on_property(Gsasl *ctx, Gsasl_session *session, Gsasl_property property)
{
    (void)ctx, (void)session, (void)property;
    return GSASL_NO_CALLBACK;
}

static void give_properties(Gsasl_session *session, const struct login *l)
{
    struct buf binding = { 0 };

    gs.property_set(session, GSASL_AUTHID, l->user);
    gs.property_set(session, GSASL_PASSWORD, l->password);
    if (str_is_set(l->binding)) {
        buf_add_base64(&binding, l->binding);
        buf_add_char(&binding, '\0');
        gs.property_set(session,
                        str_is(str_from(l->gs2), "p=tls-exporter,,") ? GSASL_CB_TLS_EXPORTER
                                                                     : GSASL_CB_TLS_UNIQUE,
                        binding.p);
    }
    buf_fini(&binding);
}

/* Both talk until one has enough; returns whether GNU SASL is content with us, too. */
static bool talk(struct bench *b, Gsasl_session *session, const struct login *l)
{
    char *out = NULL;
    size_t n = 0;
    int rc = gs.step(session, NULL, 0, &out, &n);

    start(b, str_is_set(l->binding) ? &tls_bound : &tls_alone, l->mechanism, str_of(out, n));
    while (b->step != AUTH_FAILED && rc == GSASL_NEEDS_MORE) {
        gs.free(out);
        out = NULL;
        rc = gs.step(session, b->data.p, b->data.n, &out, &n);
        if (b->step == AUTH_CHALLENGE)
            respond(b, str_of(out, n));
    }
    gs.free(out);
    return rc == GSASL_OK;
}

static void gnu_sasl_logs_in_and_believes_us(void **state)
{
    static const struct login rows[] = {
        { "SCRAM-SHA-1", "n,,", STR_NONE, "juliet", "pencil" },
        { "SCRAM-SHA-256", "n,,", STR_NONE, "juliet", "pencil" },
        { "SCRAM-SHA-1-PLUS", "p=tls-unique,,", UNIQUE, "juliet", "pencil" },
        { "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", EXPORTER, "juliet", "pencil" },
        { "PLAIN", "", STR_NONE, "juliet", "pencil" },
    };
    struct bench *b = *state;

    if (!load_gsasl())
        skip();
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct login l = rows[i / 2];
        Gsasl_session *session;
        Gsasl *ctx;
        bool is_content;

        if (i % 2)
            l.password = "wrong";
        assert_int_equal(gs.init(&ctx), GSASL_OK);
        gs.callback_set(ctx, on_property);
        assert_int_equal(gs.client_start(ctx, l.mechanism, &session), GSASL_OK);
        give_properties(session, &l);
        is_content = talk(b, session, &l);
        if (i % 2) {
            assert_failed(b, AUTH_NOT_AUTHORIZED, l.mechanism);
        } else {
            assert_success(b, l.mechanism);
            assert_true(is_content);
        }
        gs.finish(session);
        gs.done(ctx);
    }
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
        TEST(every_scram_mechanism_logs_in_with_each_binding),
        TEST(a_wrong_password_and_a_wrong_binding_are_not_authorized_and_count),
        TEST(a_binding_that_does_not_fit_the_mechanism_or_the_offer_is_refused),
        TEST(an_authzid_of_somebody_else_is_invalid),
        TEST(plain_logs_in_and_refuses),
        TEST(without_an_initial_response_the_client_is_asked_for_one),
        TEST(unknown_users_are_answered_like_known_ones),
        TEST(the_salt_of_an_unknown_user_survives_a_restart),
        TEST(an_account_belongs_to_its_host),
        TEST(malformed_first_messages_are_malformed_requests),
        TEST(malformed_final_messages_are_malformed_requests),
        TEST(oversize_messages_are_refused),
        TEST(what_comes_out_of_order_is_a_malformed_request),
        TEST(nothing_is_heard_of_an_exchange_that_was_freed),
        TEST(when_the_store_is_busy_the_failure_is_temporary_and_does_not_count),
        TEST(passwords_are_set_for_new_accounts_and_changed_for_old_ones_only),
        TEST(passwords_are_compared_in_their_prepared_form),
        TEST(gnu_sasl_logs_in_and_believes_us),
        cmocka_unit_test(failures_have_the_names_of_rfc_6120),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
