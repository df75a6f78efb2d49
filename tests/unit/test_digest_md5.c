/* The response of DIGEST-MD5, as strangers send it. */
#include "sm/auth/digest_md5.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MUST                                                                                       \
    "nonce=\"OA6MG9tEQGm2hh\",cnonce=\"OA6MHXh6VqTrRk\",nc=00000001,digest-uri=\"xmpp/h.example\"," \
    "response=d388dad90d4bbd760a152321f2143af7"
#define NAMED "username=\"chris\"," MUST

static enum err read_text(struct str text, struct digest_md5 *out, struct arena *arena)
{
    return digest_md5_read(text, arena, out);
}

/* §4's example, but for its service. */
static void a_response_is_taken_apart(void **state)
{
    struct arena arena = { 0 };
    struct digest_md5 d;

    (void)state;
    assert_int_equal(read_text(STR("charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",nc=00000001,"
                                   "cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\","
                                   "response=d388dad90d4bbd760a152321f2143af7,qop=auth"), &d, &arena), ERR_OK);
    assert_true(str_is(d.username, "chris"));
    assert_true(str_is(d.realm, "elwood.innosoft.com"));
    assert_true(str_is(d.nonce, "OA6MG9tEQGm2hh"));
    assert_true(str_is(d.digest_uri, "imap/elwood.innosoft.com"));
    assert_false(str_is_set(d.authzid));
    assert_int_equal(d.count, 1);
    assert_true(d.is_auth);
    arena_fini(&arena);
}

static void names_are_unquoted(void **state)
{
    static const struct {
        struct str text;
        const char *username;
    } rows[] = {
        { STR("username=\"a\\\"b\\\\c\\d\"," MUST), "a\"b\\cd" },
        { STR("username=\"a,b=c\"," MUST), "a,b=c" },
        { STR("username=\"\xc3\xa4\",charset=utf-8," MUST), "\xc3\xa4" },
        { STR("username=\"\xc3\xa4\",charset=\"UTF-8\"," MUST), "\xc3\xa4" },
        { STR(" , USERNAME = \"chris\" ,,\r\n\t" MUST " , "), "chris" },
        { STR("other=\"user,name=\\\"x\\\"\",third=token," NAMED), "chris" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct digest_md5 d;

        if (read_text(rows[i].text, &d, &arena) != ERR_OK || !str_is(d.username, rows[i].username))
            fail_msg("row %zu", i);
        assert_false(str_is_set(d.realm));
        arena_fini(&arena);
    }
}

static void what_has_another_grammar_is_malformed(void **state)
{
    static const struct str rows[] = {
        STR(""), STR(","), STR(MUST), STR("username"), STR("username="), STR("=\"chris\"," MUST),
        STR("username=chris," MUST), STR("username=\"chris," MUST), STR("username=\"\"," MUST),
        STR("username=\"chris\\"), STR("username=\"a\0b\"," MUST), STR("username=\"a\nb\"," MUST),
        STR("username=\"a\\\nb\"," MUST), STR("username=\"\xc3\xa4\"," MUST), STR("username=\"\xe4\"," MUST),
        STR("username=\"\xe4\",charset=utf-8," MUST), STR(NAMED "," NAMED), STR(NAMED ",username=\"b\""),
        STR(NAMED ",USERNAME=\"b\""), STR(NAMED ",realm=\"a\",realm=\"a\""), STR(NAMED ",realm=\"\xff\""),
        STR(NAMED " realm=\"a\""), STR(NAMED ",realm"), STR(NAMED ";realm=\"a\""), STR(NAMED ",x=\"a\"b"),
        STR(NAMED ",charset=latin1"), STR(NAMED ",charset=\"\""), STR(NAMED ",authzid=\"\""), STR(NAMED ",\0"),
        STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=1,digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af7"),
        STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=0000000A,digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af7"),
        STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=\"00000001\",digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af7"),
        STR("username=\"chris\",nonce=\"\",cnonce=\"c\",nc=00000001,digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af7"),
        STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af"),
        STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"a\",response=D388DAD90D4BBD760A152321F2143AF7"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct digest_md5 d = { .count = 77 };

        if (read_text(rows[i], &d, &arena) != ERR_MALFORMED || d.count != 77)
            fail_msg("row %zu: %.*s", i, STR_ARG(rows[i]));
        arena_fini(&arena);
    }
}

static void what_it_is_asked_for_is_told(void **state)
{
    static const struct {
        struct str text;
        bool is_auth;
        uint32_t count;
    } rows[] = {
        { STR(NAMED), true, 1 },
        { STR(NAMED ",qop=auth"), true, 1 },
        { STR(NAMED ",qop=\"auth\""), true, 1 },
        { STR(NAMED ",qop=auth-int"), false, 1 },
        { STR(NAMED ",qop=auth-conf,cipher=rc4"), false, 1 },
        { STR(NAMED ",qop=\"\""), false, 1 },
        { STR("username=\"chris\",nonce=\"n\",cnonce=\"c\",nc=fffffffe,digest-uri=\"a\",response=d388dad90d4bbd760a152321f2143af7"), true, 0xfffffffe },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct digest_md5 d;

        assert_int_equal(read_text(rows[i].text, &d, &arena), ERR_OK);
        if (d.is_auth != rows[i].is_auth || d.count != rows[i].count)
            fail_msg("row %zu", i);
        arena_fini(&arena);
    }
}

static void a_service_is_this_hosts_or_anothers(void **state)
{
    static const struct {
        struct str uri;
        bool is_for;
    } rows[] = {
        { STR("xmpp/h.example"), true },   { STR("XMPP/H.Example"), true },
        { STR("imap/h.example"), false },  { STR("xmpp/g.example"), false },
        { STR("xmpp"), false },            { STR("xmpp/"), false },
        { STR(""), false },                { STR("xmpp/h.example/"), false },
        { STR("xmpp/h.example/h.example"), false }, { STR("xmpp/g.example/h.example"), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct digest_md5 d = { .digest_uri = rows[i].uri };

        if (digest_md5_is_for(&d, STR("h.example")) != rows[i].is_for)
            fail_msg("row %zu", i);
    }
}

/* The most of a message that is one text, and one byte more; and as many texts as fit. */
static void its_length_has_a_limit(void **state)
{
    char text[DIGEST_MD5_MAX_BYTES + 1];
    struct str start = STR(NAMED ",x=\"");
    struct arena arena = { 0 };
    struct digest_md5 d;

    (void)state;
    memset(text, 'y', sizeof text);
    memcpy(text, start.p, start.n);
    text[DIGEST_MD5_MAX_BYTES - 1] = '"';
    assert_int_equal(read_text(str_of(text, DIGEST_MD5_MAX_BYTES), &d, &arena), ERR_OK);
    text[DIGEST_MD5_MAX_BYTES] = ' ';
    assert_int_equal(read_text(str_of(text, DIGEST_MD5_MAX_BYTES + 1), &d, &arena), ERR_LIMIT);
    for (size_t i = start.n - 3; i + 5 <= DIGEST_MD5_MAX_BYTES; i += 5)
        memcpy(text + i, "x=\"\",", 5);
    assert_int_equal(read_text(str_of(text, start.n - 3 + (DIGEST_MD5_MAX_BYTES - start.n + 3) / 5 * 5), &d, &arena), ERR_OK);
    assert_true(arena.total <= 2 * 2 * (DIGEST_MD5_MAX_BYTES + 64));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(names_are_unquoted),
        cmocka_unit_test(what_has_another_grammar_is_malformed),
        cmocka_unit_test(what_it_is_asked_for_is_told),
        cmocka_unit_test(a_service_is_this_hosts_or_anothers),
        cmocka_unit_test(its_length_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
