/* Addresses: proto/jid.h. The numbered rows are those of RFC 7622 §3.5. */
#include "common/buf.h"
#include "proto/jid.h"
#include "proto/jid_escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct row {
    const char *text, *full; /* full NULL: malformed */
} rows[] = {
    { "juliet@example.com", "juliet@example.com" },                   /* 1 */
    { "juliet@example.com/foo", "juliet@example.com/foo" },           /* 2 */
    { "juliet@example.com/foo bar", "juliet@example.com/foo bar" },   /* 3 */
    { "juliet@example.com/foo@bar", "juliet@example.com/foo@bar" },   /* 4 */
    { "foo\\20bar@example.com", "foo\\20bar@example.com" },           /* 5 */
    { "fussball@example.com", "fussball@example.com" },               /* 6 */
    { "fu\u00dfball@example.com", "fu\u00dfball@example.com" },       /* 7 */
    { "\u03c0@example.com", "\u03c0@example.com" },                   /* 8 */
    { "\u03a3@example.com/foo", "\u03c3@example.com/foo" },           /* 9 */
    { "\u03c3@example.com/foo", "\u03c3@example.com/foo" },           /* 10 */
    { "\u03c2@example.com/foo", "\u03c2@example.com/foo" },           /* 11 */
    { "king@example.com/\u265a", "king@example.com/\u265a" },         /* 12 */
    { "example.com", "example.com" },                                 /* 13 */
    { "example.com/foobar", "example.com/foobar" },                   /* 14 */
    { "a.example.com/b@example.net", "a.example.com/b@example.net" }, /* 15 */
    { "\"juliet\"@example.com", NULL },                               /* 16 */
    { "foo bar@example.com", NULL },                                  /* 17 */
    { "juliet@example.com/ foo", NULL },                              /* 18 */
    { "@example.com/", NULL },                                        /* 19 */
    { "henry\u2163@example.com", NULL },                              /* 20 */
    { "\u265a@example.com", NULL },                                   /* 21 */
    { "juliet@", NULL },                                              /* 22 */
    { "/foobar", NULL },                                              /* 23 */
    /* Case, width and composition */
    { "Juliet@EXAMPLE.com/Balcony", "juliet@example.com/Balcony" },
    { "J\u00dcRGEN@example.com", "j\u00fcrgen@example.com" },
    { "ju\u0308rgen@example.com", "j\u00fcrgen@example.com" },
    { "\uff2a\uff35\uff2c@example.com", "jul@example.com" },
    { "\uff20@example.com", NULL }, /* fullwidth "@" becomes what no localpart may hold */
    { "\u212b@example.com",
      NULL }, /* ANGSTROM SIGN is another code point in NFKC: RFC 8264 §9.17 */
    { "\ufb01x@example.com", NULL }, /* a ligature has a compatibility mapping */
    { "\u0130@example.com", "i\u0307@example.com" },
    { "a@example.com/\u00c5\u3000b", "a@example.com/\u00c5 b" }, /* every space becomes U+0020 */
    { "a@example.com/\uff21", "a@example.com/\uff21" },          /* OpaqueString maps no width */
    { "a@example.com/\u2163", "a@example.com/\u2163" },
    /* Empty and doubled separators */
    { "", NULL },
    { "@", NULL },
    { "/", NULL },
    { "a@", NULL },
    { "@b", NULL },
    { "a@b/", NULL },
    { "a@@b", NULL },
    { "a@b@c", NULL },
    { "a@b//c", "a@b//c" },
    { "a@b/c/d", "a@b/c/d" },
    { "b/@", "b/@" },
    /* §3.3.1 */
    { "a\"b@c", NULL },
    { "a&b@c", NULL },
    { "a'b@c", NULL },
    { "a:b@c", NULL },
    { "a<b@c", NULL },
    { "a>b@c", NULL },
    { "a!#$%()*+,-.;=?[\\]^_`{|}~b@c", "a!#$%()*+,-.;=?[\\]^_`{|}~b@c" },
    { "a\u00adb@c", NULL },
    { "a\tb@c", NULL },
    { "a\x7f@c", NULL },
    /* Bytes that are no UTF-8 */
    { "\xff@c", NULL },
    { "a@b/\xc0\x80", NULL },
    { "a@b/\xed\xa0\x80", NULL },
    { "\xe2\x99@b", NULL },
    { "a@\xff.com", NULL },
    /* Domains */
    { "a@example.com.", "a@example.com" },
    { "a@EXAMPLE.com./x", "a@example.com/x" },
    { "a@example.com..", NULL },
    { "a@.", NULL },
    { "a@.example.com", NULL },
    { "a@example..com", NULL },
    { "a@-example.com", NULL },
    { "a@example-.com", NULL },
    { "a@exa_mple.com", NULL },
    { "a@exa mple.com", NULL },
    { "a@ab--cd.com", NULL },
    { "a@localhost", "a@localhost" },
    { "a@xn--bcher-kva.example", "a@b\u00fccher.example" },
    { "a@XN--BCHER-KVA.example", "a@b\u00fccher.example" },
    { "a@B\u00dcCHER.example", "a@b\u00fccher.example" },
    { "a@bu\u0308cher.example", "a@b\u00fccher.example" },
    { "a@xn--zzzzzzzzzzz.example", NULL },
    { "a@xn--a.example", NULL },
    { "a@xn--byn---kva.example", NULL }, /* hides a label with "--" as third and fourth */
    { "a@b\u00fccher\u3002example", "a@b\u00fccher.example" },
    { "a@\uff45xample.com", "a@example.com" },
    { "a@fu\u00df.example", "a@fu\u00df.example" },
    { "a@\u265a.example", NULL },
    { "a@\u05d0\u05d1.example", "a@\u05d0\u05d1.example" },
    { "a@127.0.0.1", "a@127.0.0.1" },
    { "a@[::1]", "a@[::1]" },
    { "a@[2001:DB8:0:0:0:0:0:1]/x", "a@[2001:db8::1]/x" },
    { "a@[::1", NULL },
    { "a@[::g]", NULL },
    { "a@[fe80::1%25eth0]", NULL },
    { "a@[]", NULL },
    { "a@::1", NULL },
    /* Right to left */
    { "\u05d0\u05d1@example.com", "\u05d0\u05d1@example.com" },
    { "a\u05d0@example.com", NULL },
    { "\u05d0a@example.com", NULL },
};

static void all_rows_give_their_normal_form(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct jid jid = { 0 }, again;
        enum err e = jid_parse(str_from(rows[i].text), &arena, &jid);

        if ((e == ERR_OK) != (rows[i].full != NULL) ||
            (e == ERR_OK && !str_is(jid.full, rows[i].full))) {
            print_error("%s: %s '%.*s'\n", rows[i].text, err_text(e), STR_ARG(jid.full));
            wrong++;
        }
        if (e == ERR_OK) {
            assert_int_equal(jid_parse(jid.full, &arena, &again), ERR_OK);
            assert_true(jid_eq(&jid, &again));
        }
        arena_fini(&arena);
    }
    assert_int_equal(wrong, 0);
}

static void parts_point_into_the_full_address(void **state)
{
    static const char *const texts[] = { "A@b.c/R", "b.c", "b.c/R", "A@b.c", "\u00dc@b.c/\u00dc" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena arena = { 0 };
        struct jid jid, split;

        assert_int_equal(jid_parse(str_from(texts[i]), &arena, &jid), ERR_OK);
        jid_split(jid.full, &split);
        assert_true(split.bare.p == jid.bare.p && split.bare.n == jid.bare.n);
        assert_true(split.local.p == jid.local.p && split.local.n == jid.local.n);
        assert_true(split.domain.p == jid.domain.p && split.domain.n == jid.domain.n);
        assert_true(split.resource.p == jid.resource.p && split.resource.n == jid.resource.n);
        assert_true(str_eq(jid.bare, str_of(jid.full.p, jid.bare.n)));
        assert_int_equal(jid_is_bare(&jid), !strchr(texts[i], '/'));
        arena_fini(&arena);
    }
}

static enum err parse_sizes(size_t local, size_t label, size_t labels, size_t resource)
{
    char text[4096];
    size_t n = 0;
    struct arena arena = { 0 };
    struct jid jid;
    enum err e;

    memset(text, 'x', local);
    n += local;
    text[n++] = '@';
    for (size_t i = 0; i < labels; i++) {
        memset(text + n, 'd', label);
        n += label;
        text[n++] = '.';
    }
    text[n - 1] = '/';
    memset(text + n, 'r', resource);
    n += resource;
    e = jid_parse(str_of(text, n), &arena, &jid);
    arena_fini(&arena);
    return e;
}

static void lengths_are_limited_to_1023_bytes_a_part(void **state)
{
    (void)state;
    assert_int_equal(parse_sizes(1023, 3, 2, 1023), ERR_OK);
    assert_int_equal(parse_sizes(1024, 3, 2, 1023), ERR_MALFORMED);
    assert_int_equal(parse_sizes(1023, 3, 2, 1024), ERR_MALFORMED);
    assert_int_equal(parse_sizes(1, 63, 3, 1), ERR_OK);
    assert_int_equal(parse_sizes(1, 64, 1, 1), ERR_MALFORMED);
    assert_int_equal(parse_sizes(1, 62, 4, 1), ERR_OK);        /* 251 bytes */
    assert_int_equal(parse_sizes(1, 63, 4, 1), ERR_MALFORMED); /* 255 */
}

static void lengths_are_those_of_the_normal_form(void **state)
{
    struct buf b = { 0 };
    struct arena arena = { 0 };
    struct str out;

    (void)state;
    for (int i = 0; i < 1023; i++)
        buf_add(&b, STR("\uff41"));
    assert_int_equal(jid_prepare_local(buf_str(&b), &arena, &out), ERR_OK);
    assert_int_equal(out.n, 1023);
    buf_clear(&b);
    for (int i = 0; i < 512; i++)
        buf_add(&b, STR("\u00fc"));
    assert_int_equal(jid_prepare_local(buf_str(&b), &arena, &out), ERR_MALFORMED);
    arena_fini(&arena);
    buf_fini(&b);
}

static void a_nul_byte_is_malformed_everywhere(void **state)
{
    static const struct str texts[] = {
        { "a\0b@c.d", 7 },   { "a@c\0.d", 6 },    { "a@b/\0", 5 },
        { "\u00fc\0@b", 5 }, { "a@\u00fc\0", 5 }, { "a@[::1\0]", 8 }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena arena = { 0 };
        struct jid jid;

        assert_int_equal(jid_parse(texts[i], &arena, &jid), ERR_MALFORMED);
        arena_fini(&arena);
    }
}

static void passwords_keep_case_and_leading_spaces(void **state)
{
    struct arena arena = { 0 };
    struct str out;

    (void)state;
    assert_int_equal(jid_prepare_password(STR(" Correct Horse "), &arena, &out), ERR_OK);
    assert_true(str_is(out, " Correct Horse "));
    assert_int_equal(jid_prepare_password(STR("\u03c0\u00df\u00e5 \u1680x"), &arena, &out), ERR_OK);
    assert_true(str_is(out, "\u03c0\u00df\u00e5  x"));
    assert_int_equal(jid_prepare_password(STR("Ja\u0308r"), &arena, &out), ERR_OK);
    assert_true(str_is(out, "J\u00e4r"));
    assert_int_equal(jid_prepare_password(STR(""), &arena, &out), ERR_MALFORMED);
    assert_int_equal(jid_prepare_password(STR("a\tb"), &arena, &out), ERR_MALFORMED);
    arena_fini(&arena);
}

static void made_addresses_equal_parsed_ones(void **state)
{
    struct arena arena = { 0 };
    struct jid made, parsed;

    (void)state;
    jid_make(STR("a"), STR("b.c"), STR("r"), &arena, &made);
    assert_int_equal(jid_parse(STR("a@b.c/r"), &arena, &parsed), ERR_OK);
    assert_true(jid_eq(&made, &parsed) && jid_eq_bare(&made, &parsed));
    jid_make(STR_NONE, STR("b.c"), STR_NONE, &arena, &made);
    assert_true(str_is(made.full, "b.c") && jid_is_bare(&made) && !str_is_set(made.local));
    arena_fini(&arena);
}

/* --- jid_escape.h (XEP-0106) --- */

static void names_are_escaped_and_back(void **state)
{
    static const struct {
        struct str name, local;
    } names[] = {
        { STR("anna maria"), STR("anna\\20maria") },
        { STR("d'artagnan"), STR("d\\27artagnan") },
        { STR("a&b/c:d<e>f\"g@h"), STR("a\\26b\\2fc\\3ad\\3ce\\3ef\\22g\\40h") },
        { STR("c:\\net"), STR("c\\3a\\net") },         /* a backslash stays where nobody is misled */
        { STR("c\\3aode"), STR("c\\5c3aode") },
        { STR("c\\5cd"), STR("c\\5c5cd") },
        { STR("plain"), STR("plain") },
        { STR(""), STR("") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf out = { 0 };

        jid_escape(&out, names[i].name);
        assert_true(str_eq(buf_str(&out), names[i].local));
        buf_clear(&out);
        jid_unescape(&out, names[i].local);
        assert_true(str_eq(buf_str(&out), names[i].name));
        buf_fini(&out);
    }
}

static void what_is_no_escape_stays(void **state)
{
    static const struct str names[] = { STR("\\"), STR("a\\2"), STR("a\\2g"), STR("a\\2F"), STR("\\20a"), STR("a\\20"), STR("a\\99b") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf out = { 0 };

        jid_unescape(&out, names[i]);
        assert_true(str_eq(buf_str(&out), names[i]));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_escaped_and_back),
        cmocka_unit_test(what_is_no_escape_stays),
        cmocka_unit_test(all_rows_give_their_normal_form),
        cmocka_unit_test(parts_point_into_the_full_address),
        cmocka_unit_test(lengths_are_limited_to_1023_bytes_a_part),
        cmocka_unit_test(lengths_are_those_of_the_normal_form),
        cmocka_unit_test(a_nul_byte_is_malformed_everywhere),
        cmocka_unit_test(passwords_keep_case_and_leading_spaces),
        cmocka_unit_test(made_addresses_equal_parsed_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
