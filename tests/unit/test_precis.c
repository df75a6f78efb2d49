/* PRECIS classes, contextual rules, profiles and the Bidi Rule: proto/precis.h. */
#include "proto/precis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct class_row {
    uint32_t code;
    enum precis_class class;
} class_rows[] = {
    { ' ', PRECIS_FREE_PVAL },       { '!', PRECIS_PVALID },         { '~', PRECIS_PVALID },
    { 0x7f, PRECIS_DISALLOWED },     { 0x00, PRECIS_DISALLOWED },    { 0x85, PRECIS_DISALLOWED },
    { 0xa0, PRECIS_FREE_PVAL },      { 0xad, PRECIS_DISALLOWED },    { 0xb7, PRECIS_CONTEXTO },
    { 0xdf, PRECIS_PVALID },         { 0xe9, PRECIS_PVALID },        { 0xd7, PRECIS_FREE_PVAL },
    { 0x1c5, PRECIS_FREE_PVAL },     { 0x300, PRECIS_PVALID },       { 0x34f, PRECIS_DISALLOWED },
    { 0x375, PRECIS_CONTEXTO },      { 0x378, PRECIS_UNASSIGNED },   { 0x3c2, PRECIS_PVALID },
    { 0x5d0, PRECIS_PVALID },        { 0x5f3, PRECIS_CONTEXTO },     { 0x640, PRECIS_DISALLOWED },
    { 0x660, PRECIS_CONTEXTO },      { 0x6f9, PRECIS_CONTEXTO },     { 0x6fd, PRECIS_PVALID },
    { 0x7fa, PRECIS_DISALLOWED },    { 0xf0b, PRECIS_PVALID },       { 0x1100, PRECIS_DISALLOWED },
    { 0x11ff, PRECIS_DISALLOWED },   { 0xa960, PRECIS_DISALLOWED },  { 0xd7b0, PRECIS_DISALLOWED },
    { 0xac00, PRECIS_PVALID },       { 0x200b, PRECIS_DISALLOWED },  { 0x200c, PRECIS_CONTEXTJ },
    { 0x200d, PRECIS_CONTEXTJ },     { 0x200e, PRECIS_DISALLOWED },  { 0x2028, PRECIS_DISALLOWED },
    { 0x20dd, PRECIS_FREE_PVAL },    { 0x2126, PRECIS_FREE_PVAL },   { 0x2163, PRECIS_FREE_PVAL },
    { 0x265a, PRECIS_FREE_PVAL },    { 0x3000, PRECIS_FREE_PVAL },   { 0x3007, PRECIS_PVALID },
    { 0x302e, PRECIS_DISALLOWED },   { 0x3031, PRECIS_DISALLOWED },  { 0x303b, PRECIS_DISALLOWED },
    { 0x30fb, PRECIS_CONTEXTO },     { 0x4e00, PRECIS_PVALID },      { 0xe000, PRECIS_DISALLOWED },
    { 0xfb01, PRECIS_FREE_PVAL },    { 0xfdd0, PRECIS_DISALLOWED },  { 0xfe0f, PRECIS_DISALLOWED },
    { 0xfeff, PRECIS_DISALLOWED },   { 0xff21, PRECIS_FREE_PVAL },   { 0xffff, PRECIS_DISALLOWED },
    { 0x1f600, PRECIS_FREE_PVAL },   { 0xe0001, PRECIS_DISALLOWED }, { 0xe0fff, PRECIS_UNASSIGNED },
    { 0x10ffff, PRECIS_DISALLOWED },
};

static void each_code_point_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(class_rows); i++)
        if (precis_class_of(class_rows[i].code) != class_rows[i].class)
            fail_msg("U+%04X is %d", class_rows[i].code, precis_class_of(class_rows[i].code));
}

typedef enum err prepare_fn(struct str text, struct arena *arena, struct str *out);

static const struct profile_row {
    const char *text, *username, *opaque; /* NULL: malformed */
} profile_rows[] = {
    /* RFC 8265 §3.5 and §4.3 */
    { "juliet@example.com", "juliet@example.com", "juliet@example.com" },
    { "fussball", "fussball", "fussball" },
    { "fu\u00dfball", "fu\u00dfball", "fu\u00dfball" },
    { "\u03c0", "\u03c0", "\u03c0" },
    { "\u03a3", "\u03c3", "\u03a3" },
    { "\u03c3", "\u03c3", "\u03c3" },
    { "\u03c2", "\u03c2", "\u03c2" },
    { "foo bar", NULL, "foo bar" },
    { "", NULL, NULL },
    { "henry\u2163", NULL, "henry\u2163" },
    { "\u221e", NULL, "\u221e" },
    { "correct horse battery staple", NULL, "correct horse battery staple" },
    { "Correct Horse Battery Staple", NULL, "Correct Horse Battery Staple" },
    { "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5" },
    { "Jack of \u2666s", NULL, "Jack of \u2666s" },
    { "foo\u1680bar", NULL, "foo bar" },
    { "my cat is a \tby", NULL, NULL },
    /* Width, case, composition */
    { "\uff21\uff22", "ab", "\uff21\uff22" },
    { "\uff76", "\u30ab", "\uff76" },
    { "\uff76\uff9e", "\u30ac", "\uff76\uff9e" }, /* halfwidth voiced mark: width first, then NFC */
    { "\u3000", NULL, " " },
    { "e\u0301", "\u00e9", "\u00e9" },
    { "E\u0301", "\u00e9", "\u00c9" },
    { "\u0130", "i\u0307", "\u0130" },
    { "\u01c5", NULL, "\u01c5" },
    { "\u1e9e", "\u00df", "\u1e9e" },
    /* Contextual rules, RFC 5892 Appendix A */
    { "l\u00b7l", "l\u00b7l", "l\u00b7l" },
    { "L\u00b7L", NULL,
      NULL }, /* the rule is for small letters, and the class is asked before the case is mapped */
    { "a\u00b7l", NULL, NULL },
    { "\u00b7", NULL, NULL },
    { "\u0375\u03b1", "\u0375\u03b1", "\u0375\u03b1" },
    { "\u0375a", NULL, NULL },
    { "\u05d0\u05f3", "\u05d0\u05f3", "\u05d0\u05f3" },
    { "a\u05f4", NULL, NULL },
    { "\u30fb\u30ab", "\u30fb\u30ab", "\u30fb\u30ab" },
    { "a\u30fb", NULL, NULL },
    { "\u0627\u0660", "\u0627\u0660", "\u0627\u0660" },
    { "\u0627\u06f0", "\u0627\u06f0", "\u0627\u06f0" },
    { "\u0627\u0660\u06f0", NULL, NULL },
    { "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937" },
    { "\u0915\u200d\u0937", NULL, NULL },
    { "\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937" },
    { "\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e",
      "\u0645\u06cc\u200c\u062e" },       /* joins on both sides */
    { "\u0627\u200c\u062e", NULL, NULL }, /* alef does not join to the left */
    { "a\u200cb", NULL, NULL },
    { "\u200c", NULL, NULL },
    /* Never */
    { "a\u00adb", NULL, NULL },
    { "a\u0378", NULL, NULL },
    { "a\ufe0f", NULL, NULL },
    { "\u1100\u1161", NULL, NULL },
    { "\ue000", NULL, NULL },
    { "\xff", NULL, NULL },
    { "a\xc0\x80", NULL, NULL },
};

static size_t count_wrong(prepare_fn *prepare, const char *text, const char *expected)
{
    struct arena arena = { 0 };
    struct str out = STR_NONE, again;
    enum err e = prepare(str_from(text), &arena, &out);
    bool right = (e == ERR_OK) == (expected != NULL) && (e != ERR_OK || str_is(out, expected));

    if (!right)
        print_error("'%s' gives %s '%.*s'\n", text, err_text(e), STR_ARG(out));
    if (e == ERR_OK && (prepare(out, &arena, &again) != ERR_OK || !str_eq(out, again))) {
        print_error("'%s' does not settle\n", text);
        right = false;
    }
    arena_fini(&arena);
    return !right;
}

static void each_profile_gives_its_form(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(profile_rows); i++) {
        wrong += count_wrong(precis_username, profile_rows[i].text, profile_rows[i].username);
        wrong += count_wrong(precis_opaque, profile_rows[i].text, profile_rows[i].opaque);
    }
    assert_int_equal(wrong, 0);
}

/* Whatever a single code point becomes, it stays. */
static void every_code_point_settles(void **state)
{
    (void)state;
    for (uint32_t code = 0x80; code < 0x20000; code++) {
        struct arena arena = { 0 };
        struct str out, again;
        char text[4] = { (char)(0xf0 | code >> 18), (char)(0x80 | (code >> 12 & 63)),
                         (char)(0x80 | (code >> 6 & 63)), (char)(0x80 | (code & 63)) };
        struct str s = str_of(text, 4);

        if (code < 0x800) {
            text[2] = (char)(0xc0 | code >> 6);
            s = str_of(text + 2, 2);
        } else if (code < 0x10000) {
            text[1] = (char)(0xe0 | code >> 12);
            s = str_of(text + 1, 3);
        }
        if (precis_username(s, &arena, &out) == ERR_OK) {
            assert_int_equal(precis_username(out, &arena, &again), ERR_OK);
            assert_true(str_eq(out, again));
        }
        arena_fini(&arena);
    }
}

static const struct bidi_row {
    uint32_t codes[6];
    bool ok;
} bidi_rows[] = {
    { { 'a', 'b' }, true },
    { { '1', 'a' }, true }, /* nothing from right to left: no rule */
    { { 0x5d0, 0x5d1 }, true },
    { { 0x5d0, '1' }, true },
    { { 0x5d0, '1', 0x300 }, true },
    { { 0x5d0, '-', 0x5d1 }, true },
    { { 0x627, 0x661 }, true },
    { { 'a', 0x5d0 }, false },        /* rule 5 */
    { { 0x5d0, 'a' }, false },        /* rule 2 */
    { { '1', 0x5d0 }, false },        /* rule 1 */
    { { 0x661, 0x627 }, false },      /* rule 1 */
    { { 0x5d0, '-' }, false },        /* rule 3 */
    { { 0x5d0, '-', 0x300 }, false }, /* rule 3 */
    { { 0x627, '1', 0x661 }, false }, /* rule 4 */
};

static void the_bidi_rule_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bidi_rows); i++) {
        size_t n = 0;

        while (n < 6 && bidi_rows[i].codes[n])
            n++;
        if (precis_is_bidi_ok(bidi_rows[i].codes, n) != bidi_rows[i].ok)
            fail_msg("row %zu", i);
    }
    assert_true(precis_is_bidi_ok(NULL, 0));
}

static void domains_are_mapped_as_users_write_them(void **state)
{
    struct arena arena = { 0 };
    struct str out;

    (void)state;
    assert_int_equal(precis_map_domain(STR("B\u00dcCHER\u3002\uff25xample"), &arena, &out), ERR_OK);
    assert_true(str_is(out, "b\u00fccher.example"));
    assert_int_equal(precis_map_domain(STR("\xff"), &arena, &out), ERR_MALFORMED);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_point_has_its_class),
        cmocka_unit_test(each_profile_gives_its_form),
        cmocka_unit_test(every_code_point_settles),
        cmocka_unit_test(the_bidi_rule_holds),
        cmocka_unit_test(domains_are_mapped_as_users_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
