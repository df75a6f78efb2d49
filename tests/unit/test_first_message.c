/* What clients may claim in their first SASL message, row by row. */
#include "sm/auth/first_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    struct str message;
    enum err e;
    char flag;
    const char *binding, *authzid, *user, *password;
};

static void assert_text(struct str got, const char *expected, struct str message)
{
    if (!str_eq(got, str_from(expected)) || str_is_set(got) != (expected != NULL))
        fail_msg("%.*s: got %.*s", STR_ARG(message), STR_ARG(got));
}

static void check_row(const struct row *row, enum err e, const struct first_message *m)
{
    if (e != row->e)
        fail_msg("%.*s: %s", STR_ARG(row->message), err_text(e));
    if (e != ERR_OK)
        return;
    assert_int_equal(m->binding_flag, row->flag);
    assert_text(m->binding_name, row->binding, row->message);
    assert_text(m->authzid, row->authzid, row->message);
    assert_text(m->user, row->user, row->message);
    assert_text(m->password, row->password, row->message);
}

static void scram_messages_are_read_as_rfc_5802_writes_them(void **state)
{
    static const struct row rows[] = {
        { STR("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), ERR_OK, 'n', NULL, NULL, "user", NULL },
        { STR("y,,n=user,r=x"), ERR_OK, 'y', NULL, NULL, "user", NULL },
        { STR("p=tls-exporter,,n=user,r=x"), ERR_OK, 'p', "tls-exporter", NULL, "user", NULL },
        { STR("p=tls-unique,a=u@h,n=user,r=x"), ERR_OK, 'p', "tls-unique", "u@h", "user", NULL },
        { STR("n,a=a=2Cb=3Dc,n=x=2C=3Dy,r=x"), ERR_OK, 'n', NULL, "a,b=c", "x,=y", NULL },
        { STR("n,,n=\xc3\xa4,r=x"), ERR_OK, 'n', NULL, NULL, "\xc3\xa4", NULL },
        { STR("n,,n=u,r=x,future=1"), ERR_OK, 'n', NULL, NULL, "u", NULL },
        { STR(""), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("q,,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("p,,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("p=,,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("p=tls unique,,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,a=,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,b=z,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=u"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=u,r="), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=u,r=a b"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,r=x,n=u"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,m=ext,n=u,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=a=b,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=a=2c,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=a=2,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=a=,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=\xc3,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=u\0v,r=x"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("n,,n=u,r=x,e=\0"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u\0p"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct first_message m;

        check_row(&rows[i], first_message_read_scram(rows[i].message, &arena, &m), &m);
        arena_fini(&arena);
    }
}

static void plain_messages_are_read_as_rfc_4616_writes_them(void **state)
{
    static const struct row rows[] = {
        { STR("\0tim\0tanstaaftanstaaf"), ERR_OK, 0, NULL, NULL, "tim", "tanstaaftanstaaf" },
        { STR("Ursel\0Kurt\0xipj3plmq"), ERR_OK, 0, NULL, "Ursel", "Kurt", "xipj3plmq" },
        { STR("\0u\0\xc3\xa4"), ERR_OK, 0, NULL, NULL, "u", "\xc3\xa4" },
        { STR(""), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("u"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u\0"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0\0p"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u\0p\0"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u\0p\0q"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0\xff\0p"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\0u\0\xff"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
        { STR("\xff\0u\0p"), ERR_MALFORMED, 0, NULL, NULL, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct first_message m;

        check_row(&rows[i], first_message_read_plain(rows[i].message, &arena, &m), &m);
        arena_fini(&arena);
    }
}

static void too_long_is_refused_before_it_is_read(void **state)
{
    char text[FIRST_MESSAGE_MAX_BYTES + 1];
    struct arena arena = { 0 };
    struct first_message m;

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(first_message_read_plain(str_of(text, sizeof text), &arena, &m), ERR_LIMIT);
    assert_int_equal(first_message_read_scram(str_of(text, sizeof text), &arena, &m), ERR_LIMIT);
    assert_int_equal(arena.total, 0);
}

static void a_final_message_has_binding_nonce_and_proof_in_this_order(void **state)
{
    static const struct {
        struct str message;
        bool is_good;
    } rows[] = {
        { STR("c=biws,r=abc,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), true },
        { STR("c=biws,r=abc,x=1,p=AAAA"), true },
        { STR("c=biws,r=abc"), false },
        { STR("c=biws,r=abc,p="), false },
        { STR("c=biws,r=abc,p=AAA"), false },
        { STR("c=biws,r=abc,p=A*AA"), false },
        { STR("c=biws,r=abc,p=AAAA,x=1"), false },
        { STR("c=biws,r=,p=AAAA"), false },
        { STR("c=,r=abc,p=AAAA"), false },
        { STR("r=abc,c=biws,p=AAAA"), false },
        { STR("c=biws"), false },
        { STR("c"), false },
        { STR(""), false },
        { STR("c=biws,r=abc,,p=AAAA"), false },
    };

    struct str binding;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (first_message_is_scram_final(rows[i].message, &binding) != rows[i].is_good)
            fail_msg("%.*s", STR_ARG(rows[i].message));
        if (rows[i].is_good)
            assert_true(str_is(binding, "biws"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_messages_are_read_as_rfc_5802_writes_them),
        cmocka_unit_test(plain_messages_are_read_as_rfc_4616_writes_them),
        cmocka_unit_test(too_long_is_refused_before_it_is_read),
        cmocka_unit_test(a_final_message_has_binding_nonce_and_proof_in_this_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
