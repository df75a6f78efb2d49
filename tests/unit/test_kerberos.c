/* The outside of Kerberos tokens, principals as names of accounts, and what the library is told. */
#include "sm/auth/kerberos.h"
#include "sm/auth/kerberos_conf.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define OID "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

static void a_request_is_one_whole_token_of_kerberos_5(void **state)
{
    static const struct {
        struct str token;
        bool is_request, is_answer;
    } rows[] = {
        { STR("\x60\x0d" OID "\x01\x00"), true, false },
        { STR("\x60\x0d" OID "\x02\x00"), false, true },
        { STR("\x60\x0d" OID "\x03\x00"), false, false }, /* an error */
        { STR("\x60\x0f" OID "\x01\x00xy"), true, false },
        { STR("\x60\x81\x0f" OID "\x01\x00xy"), true, false },
        { STR("\x60\x82\x00\x0f" OID "\x01\x00xy"), true, false },
        { STR("\x60\x83\x00\x00\x0f" OID "\x01\x00xy"), true, false },
        { STR("\x60\x84\x00\x00\x00\x0f" OID "\x01\x00xy"), false, false },
        { STR("\x60\x80" OID "\x01\x00"), false, false },  /* an indefinite length */
        { STR("\x60\x0c" OID "\x01\x00"), false, false },  /* more than it says */
        { STR("\x60\x0e" OID "\x01\x00"), false, false },  /* less */
        { STR("\x60\x0c" OID "\x01"), false, false },
        { STR("\x60\x0b" OID), false, false },
        { STR("\x61\x0d" OID "\x01\x00"), false, false },
        { STR("\x60\x82\x00"), false, false },
        { STR("\x60"), false, false },
        { STR(""), false, false },
        { STR_NONE, false, false },
        /* SPNEGO, IAKERB, NTLM, and an AP-REQ without its header */
        { STR("\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02\x01\x00"), false, false },
        { STR("\x60\x0a\x06\x06\x2b\x06\x01\x05\x02\x05\x05\x01"), false, false },
        { STR("NTLMSSP\0\1\0\0\0"), false, false },
        { STR("\x6e\x82\x02\xba\x30"), false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (kerberos_is_request(rows[i].token) != rows[i].is_request ||
            kerberos_is_answer(rows[i].token) != rows[i].is_answer)
            fail_msg("row %zu", i);
}

static void a_request_has_64_kib_at_most(void **state)
{
    static char token[KERBEROS_TOKEN_MAX_BYTES + 1] = "\x60\x83\x00\xff\xfb" OID "\x01\x00";

    (void)state;
    assert_true(kerberos_is_request(str_of(token, KERBEROS_TOKEN_MAX_BYTES)));
    memcpy(token, "\x60\x83\x00\xff\xfc", 5);
    assert_false(kerberos_is_request(str_of(token, KERBEROS_TOKEN_MAX_BYTES + 1)));
}

static void a_principal_is_a_person_of_a_listed_realm_or_nobody(void **state)
{
    static const char *const realms[] = { "EXAMPLE.ORG", "CORP.EXAMPLE", NULL };
    static const struct {
        struct str text;
        const char *name; /* NULL: nobody */
        const char *why;
    } rows[] = {
        { STR("juliet@EXAMPLE.ORG"), "juliet", NULL },
        { STR("juliet@CORP.EXAMPLE"), "juliet", NULL },
        { STR("juliet"), "juliet", NULL }, /* of the default realm */
        { STR("J\xc3\xbclia@EXAMPLE.ORG"), "J\xc3\xbclia", NULL },
        { STR("juliet@example.org"), NULL, "realm" },
        { STR("juliet@EXAMPLE.ORGX"), NULL, "realm" },
        { STR("juliet@EXAMPLE.OR"), NULL, "realm" },
        { STR("juliet@"), NULL, "realm" },
        { STR("juliet@EXAMPLE.ORG\0X"), NULL, "realm" },
        { STR("juliet@x@EXAMPLE.ORG"), NULL, "characters" },
        { STR("juliet\\@x@EXAMPLE.ORG"), NULL, "characters" },
        { STR("a\\/b@EXAMPLE.ORG"), NULL, "characters" },
        { STR("\xff@EXAMPLE.ORG"), NULL, "characters" },
        { STR("juliet/admin@EXAMPLE.ORG"), NULL, "instance" },
        { STR("host/a.example@EXAMPLE.ORG"), NULL, "instance" },
        { STR("/juliet@EXAMPLE.ORG"), NULL, "instance" },
        { STR("PC1$@EXAMPLE.ORG"), NULL, "machine" },
        { STR("@EXAMPLE.ORG"), NULL, "name" },
        { STR(""), NULL, "name" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str name = STR_NONE;
        const char *why = kerberos_read_person(rows[i].text, "EXAMPLE.ORG", realms, &name);

        if ((why == NULL) != (rows[i].name != NULL))
            fail_msg("row %zu: %s", i, why ? why : "somebody");
        if (why && !strstr(why, rows[i].why))
            fail_msg("row %zu: %s", i, why);
        if (!why)
            assert_true(str_is(name, rows[i].name));
    }
}

static void without_realms_there_is_nobody(void **state)
{
    static const char *const none[] = { NULL };
    struct str name;

    (void)state;
    assert_non_null(kerberos_read_person(STR("juliet@R"), "R", none, &name));
    assert_non_null(kerberos_read_person(STR("juliet"), "R", NULL, &name));
}

/* --- settings ----------------------------------------------------------------------------------- */

static void on_path(void *owner, const char *path, bool is_folder)
{
    buf_printf(owner, "%s%s\n", path, is_folder ? "/" : "");
}

static void what_the_sites_configuration_includes_is_told(void **state)
{
    char folder[] = "/tmp/sallyport-krb5-XXXXXX", first[64], second[64];
    struct buf found = { 0 }, expected = { 0 }, why = { 0 };
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(first, sizeof first, "%s/a", folder);
    snprintf(second, sizeof second, "%s/b", folder);
    f = fopen(first, "w");
    fprintf(f, "includedir %s/d/\n # include /no\nincluded = /no\ninclude relative\ninclude\t%s  \n", folder, second);
    fclose(f);
    f = fopen(second, "w");
    fprintf(f, "include %s\n", second); /* itself */
    fclose(f);
    buf_printf(&found, "%s:%s/none", first, folder);
    buf_add_char(&found, '\0');
    setenv("KRB5_CONFIG", found.p, 1);
    buf_clear(&found);
    assert_int_equal(kerberos_conf_prepare("R", &why), ERR_OK);
    assert_true(str_starts_with(str_from(getenv("KRB5_CONFIG")), STR("/proc/self/fd/")));
    assert_string_equal(getenv("KRB5RCACHENAME"), "none:");
    kerberos_conf_each(on_path, &found);
    buf_printf(&expected, "%s\n%s/d//\n%s\n%s\n%s\n%s\n%s/none\n", first, folder, second, second, second, second, folder);
    if (!str_eq(buf_str(&found), buf_str(&expected)))
        fail_msg("%.*s", STR_ARG(buf_str(&found)));
    unlink(first);
    unlink(second);
    rmdir(folder);
    buf_fini(&found);
    buf_fini(&expected);
}

static void our_settings_stand_in_memory(void **state)
{
    struct str rest = str_from(getenv("KRB5_CONFIG"));
    char *path = str_dup(str_cut(&rest, ':')), text[1024];
    FILE *f = fopen(path, "r");
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    assert_non_null(strstr(text, "default_realm = R\n"));
    assert_non_null(strstr(text, "dns_canonicalize_hostname = false\n"));
    assert_non_null(strstr(text, "permitted_enctypes = aes camellia\n"));
    fclose(f);
    mem_free(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_one_whole_token_of_kerberos_5),
        cmocka_unit_test(a_request_has_64_kib_at_most),
        cmocka_unit_test(a_principal_is_a_person_of_a_listed_realm_or_nobody),
        cmocka_unit_test(without_realms_there_is_nobody),
        cmocka_unit_test(what_the_sites_configuration_includes_is_told),
        cmocka_unit_test(our_settings_stand_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
