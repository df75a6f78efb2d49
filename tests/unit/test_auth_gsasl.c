/* Logins of GNU SASL's client, which is loaded when the test runs: a second opinion on both ends. */
#include "tests/unit/auth_bench.h"

#include <dlfcn.h>
#include <gsasl.h>

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(gnu_sasl_logs_in_and_believes_us),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
