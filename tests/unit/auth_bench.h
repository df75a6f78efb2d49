/* For the tests of logins: a process's worth of loop, store and auth, what the last exchange said, and a small SCRAM client. */
#ifndef TESTS_UNIT_AUTH_BENCH_H
#define TESTS_UNIT_AUTH_BENCH_H

#include "sm/auth/auth.h"

#include "common/mem.h"
#include "sm/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define HOST "example.com"
#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
#define EXPORTER STR("0123456789abcdef0123456789abcdef")
#define END_POINT STR("end\0point")
#define UNIQUE STR("unique\xff")

#define UNUSED __attribute__((unused)) /* not every test needs all of it */

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
    bool counts, has_detail;
    struct buf data, account, claimed;
};

UNUSED static void on_answer(void *owner, const struct auth_result *r)
{
    struct bench *b = owner;

    b->answers++;
    b->step = r->step;
    b->failure = r->step == AUTH_FAILED ? r->failure : AUTH_OK;
    b->counts = r->step == AUTH_FAILED && r->counts;
    b->has_detail = r->step == AUTH_FAILED && r->detail != NULL;
    buf_clear(&b->data);
    buf_clear(&b->account);
    buf_clear(&b->claimed);
    buf_add(&b->data, r->data);
    buf_add(&b->account, r->account);
    buf_add(&b->claimed, r->claimed);
}

UNUSED static void on_password(void *owner, enum err e)
{
    struct bench *b = owner;

    b->passwords++;
    b->password_err = e;
}

UNUSED static enum err set_password(struct bench *b, const char *account, const char *password,
                             bool is_new)
{
    unsigned before = b->passwords;

    auth_set_password(b->auth, str_from(account), str_from(password), is_new, on_password, b);
    assert_int_equal(b->passwords, before); /* never from inside the call */
    while (b->passwords == before)
        uv_run(&b->loop, UV_RUN_ONCE);
    return b->password_err;
}

UNUSED static void open_all(struct bench *b)
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

UNUSED static void close_all(struct bench *b)
{
    auth_exchange_free(b->x);
    b->x = NULL;
    auth_free(b->auth);
    store_close(b->store, NULL, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
}

UNUSED static int set_up(void **state)
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

UNUSED static int tear_down(void **state)
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

UNUSED static const struct auth_facts no_tls = { .host = STR(HOST) };
UNUSED static const struct auth_facts tls_alone = { .host = STR(HOST), .is_tls = true };
UNUSED static const struct auth_facts tls_bound = { .host = STR(HOST),
                                             .is_tls = true,
                                             .cb_exporter = EXPORTER,
                                             .cb_end_point = END_POINT,
                                             .cb_unique = UNIQUE };

UNUSED static void wait_for_answer(struct bench *b, unsigned before)
{
    assert_int_equal(b->answers, before); /* never from inside the call */
    while (b->answers == before)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->answers, before + 1);
}

UNUSED static void start(struct bench *b, const struct auth_facts *facts, const char *mechanism,
                  struct str initial)
{
    unsigned before = b->answers;

    auth_exchange_free(b->x);
    b->x = auth_exchange_new(b->auth, facts, on_answer, b);
    auth_start(b->x, str_from(mechanism), initial);
    wait_for_answer(b, before);
}

UNUSED static void respond(struct bench *b, struct str response)
{
    unsigned before = b->answers;

    auth_respond(b->x, response);
    wait_for_answer(b, before);
}

UNUSED static void assert_failed(struct bench *b, enum auth_failure expected, const char *what)
{
    if (b->step != AUTH_FAILED || b->failure != expected)
        fail_msg("%s: step %d, %s instead of %s", what, b->step, auth_failure_name(b->failure),
                 auth_failure_name(expected));
}

UNUSED static void assert_success(struct bench *b, const char *what)
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

UNUSED static gnutls_mac_algorithm_t mac_of(const char *mechanism)
{
    if (str_starts_with(str_from(mechanism), STR("SCRAM-SHA-512")))
        return GNUTLS_MAC_SHA512;
    return str_starts_with(str_from(mechanism), STR("SCRAM-SHA-256")) ? GNUTLS_MAC_SHA256
                                                                      : GNUTLS_MAC_SHA1;
}

UNUSED static struct str field(struct str message, char key)
{
    struct str rest = message;

    while (str_is_set(rest)) {
        struct str part = str_cut(&rest, ',');

        if (part.n >= 2 && part.p[0] == key && part.p[1] == '=')
            return str_of(part.p + 2, part.n - 2);
    }
    return STR_NONE;
}

UNUSED static void first_bare(struct buf *out, const struct login *l)
{
    buf_printf(out, "n=%s,r=" NONCE, l->user);
}

UNUSED static void say_first(struct bench *b, const struct auth_facts *facts, const struct login *l)
{
    struct buf first = { 0 };

    buf_printf(&first, "%s", l->gs2);
    first_bare(&first, l);
    start(b, facts, l->mechanism, buf_str(&first));
    buf_fini(&first);
}

/* SaltedPassword for a server-first-message. RFC 5802 §3. */
UNUSED static void salt_password(const struct login *l, struct str server_first, uint8_t *out)
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

UNUSED static void hmac(const struct login *l, const uint8_t *key, struct str text, uint8_t *out)
{
    gnutls_mac_algorithm_t mac = mac_of(l->mechanism);

    assert_int_equal(gnutls_hmac_fast(mac, key, gnutls_hmac_get_len(mac), text.p, text.n, out), 0);
}

/* Writes the client-final-message into out and the ServerSignature that must follow, in base64,
 * into signature. */
UNUSED static void make_final(const struct login *l, struct str server_first, struct buf *out,
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
UNUSED static void log_in(struct bench *b, const struct auth_facts *facts, const struct login *l)
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

#endif
