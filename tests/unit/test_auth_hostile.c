/* Logins of those who do not exist, and of clients that do not keep to the protocol. */
#include "tests/unit/auth_bench.h"

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
    static const char *const users[] = { "nobody", "not a local part", "juliet@example.com",
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(unknown_users_are_answered_like_known_ones),
        TEST(the_salt_of_an_unknown_user_survives_a_restart),
        TEST(an_account_belongs_to_its_host),
        TEST(malformed_first_messages_are_malformed_requests),
        TEST(malformed_final_messages_are_malformed_requests),
        TEST(oversize_messages_are_refused),
        TEST(what_comes_out_of_order_is_a_malformed_request),
        TEST(nothing_is_heard_of_an_exchange_that_was_freed),
        TEST(when_the_store_is_busy_the_failure_is_temporary_and_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
