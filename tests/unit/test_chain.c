/* Hosts with both backends: whose an account is; what a directory's values are good for; when a mark may be believed. */
#include "sm/auth/chain.h"
#include "sm/auth/derived.h"
#include "sm/auth/directory_keys.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_account_belongs_to_one_backend(void **state)
{
    static const struct {
        enum auth_order order;
        bool has_own_keys, has_entry, is_directorys;
    } rows[] = {
        { AUTH_STORE_FIRST, false, false, true }, /* nobody's, so far */
        { AUTH_STORE_FIRST, true, false, false },
        { AUTH_STORE_FIRST, false, true, true },
        { AUTH_STORE_FIRST, true, true, false },
        { AUTH_DIRECTORY_FIRST, false, false, true },
        { AUTH_DIRECTORY_FIRST, true, false, false },
        { AUTH_DIRECTORY_FIRST, false, true, true },
        { AUTH_DIRECTORY_FIRST, true, true, true },
        { AUTH_ALONE, true, false, true }, /* keys from before the host had a directory */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (chain_is_directorys(rows[i].order, rows[i].has_own_keys, rows[i].has_entry) != rows[i].is_directorys)
            fail_msg("row %zu", i);
}

/* The keys of RFC 7677 §3's example, in the form of RFC 5803. */
#define KEYS "W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void values_of_rfc_5803_are_read(void **state)
{
    static const struct {
        struct str value;
        uint32_t iterations; /* 0: refused */
    } rows[] = {
        { STR("SCRAM-SHA-256$4096:" KEYS), 4096 },
        { STR(" SCRAM-SHA-256 $ 4096:" KEYS " "), 4096 },
        { STR("SCRAM-SHA-256$10000000:" KEYS), 10000000 },
        { STR("SCRAM-SHA-256$4095:" KEYS), 0 },
        { STR("SCRAM-SHA-256$10000001:" KEYS), 0 },
        { STR("SCRAM-SHA-256$99999999999:" KEYS), 0 },
        { STR("SCRAM-SHA-1$4096:" KEYS), 0 }, /* keys of another length */
        { STR("scram-sha-256$4096:" KEYS), 0 },
        { STR("MD5$c2FsdA==$ZGlnZXN0"), 0 },
        { STR("SCRAM-SHA-256$4096:"), 0 },
        { STR("SCRAM-SHA-256$4096$" KEYS), 0 },
        { STR("SCRAM-SHA-256"), 0 },
        { STR("$$"), 0 },
        { STR(""), 0 },
        { STR_NONE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scram_keys keys = { 0 };
        enum err e = directory_keys_read(rows[i].value, &keys);

        if (e != (rows[i].iterations ? ERR_OK : ERR_MALFORMED) || keys.iterations != rows[i].iterations)
            fail_msg("row %zu: %s", i, err_text(e));
    }
}

static void a_value_with_a_scheme_is_no_password(void **state)
{
    static const struct {
        struct str value;
        const char *password; /* NULL: none */
    } rows[] = {
        { STR("pencil"), "pencil" },
        { STR("{CLEARTEXT}pencil"), "pencil" },
        { STR("{cleartext}pencil"), "pencil" },
        { STR("{SSHA}c2FsdA=="), NULL },
        { STR("{crypt}x"), NULL },
        { STR("{}x"), NULL },
        { STR("{open"), "{open" },
        { STR("a{SSHA}"), "a{SSHA}" },
        { STR("{CLEARTEXT}"), NULL },
        { STR("a\0b"), NULL },
        { STR(""), NULL },
        { STR_NONE, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str password = STR_NONE;
        bool is_one = directory_keys_read_clear(rows[i].value, &password);

        if (is_one != (rows[i].password != NULL) || (is_one && !str_is(password, rows[i].password)))
            fail_msg("row %zu", i);
    }
}

static void a_mark_counts_when_no_other_password_can_have_it(void **state)
{
    enum { NOW = 1767268800 }; /* 2026-01-01 12:00:00 UTC, day 20454 */
    static const struct {
        struct str mark;
        bool is_settled;
    } rows[] = {
        { STR("pwdChangedTime=20260101115958Z"), true },
        { STR("pwdChangedTime=20260101115959Z"), false },
        { STR("pwdChangedTime=20260101120000Z"), false },
        { STR("krbLastPwdChange=20260101120001Z"), false },
        { STR("shadowLastChange=20453"), true },
        { STR("shadowLastChange=20454"), false },
        { STR("shadowLastChange=soon"), false },
        { STR("pwdLastSet=134118000000000000"), true },
        { STR("pwdLastSet"), false },
        { STR_NONE, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (derived_is_settled(rows[i].mark, NOW) != rows[i].is_settled)
            fail_msg("row %zu", i);
}

static void sources_have_names(void **state)
{
    (void)state;
    assert_int_equal(auth_source_find("authPassword"), AUTH_SOURCE_AUTH_PASSWORD);
    assert_int_equal(auth_source_find("userPassword"), AUTH_SOURCE_USER_PASSWORD);
    assert_int_equal(auth_source_find("derived"), AUTH_SOURCE_DERIVED);
    assert_int_equal(auth_source_find("userpassword"), AUTH_SOURCE_NONE);
    assert_int_equal(auth_source_find(""), AUTH_SOURCE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_belongs_to_one_backend),
        cmocka_unit_test(values_of_rfc_5803_are_read),
        cmocka_unit_test(a_value_with_a_scheme_is_no_password),
        cmocka_unit_test(a_mark_counts_when_no_other_password_can_have_it),
        cmocka_unit_test(sources_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
