/* The pure parts of archives: what is worth keeping, whose wishes hold, ids that nobody forges, and
 * messages with an id in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "common/bytes.h"
#include "proto/ns.h"
#include "sm/archive.h"

static struct xml_parser *parser;

static int set_up(void **state)
{
    (void)state;
    parser = xml_parser_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xml_parser_free(parser);
    return 0;
}

static struct stanza *parse(const char *text)
{
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NONE);

    assert_int_equal(
        xml_parse(parser, XML_ALONE, &xml_default_limits, str_from(text), &st->arena, &st->el),
        XML_OK);
    assert_int_equal(stanza_read(st), STANZA_OK);
    return st;
}

#define MESSAGE(type, inner) \
    "<message xmlns='" NS_CLIENT "' from='a@x/r' to='b@x' type='" type "'>" inner "</message>"
#define BODY "<body>b</body>"
#define HINT(name) "<" name " xmlns='" NS_HINTS "'/>"
#define ID(by, id) "<stanza-id xmlns='" NS_SID "' by='" by "' id='" id "'/>"
#define GOOD "00112233445566778899aabbccddeeff"

static void worth_is_what_the_rules_say(void **state)
{
    static const struct {
        const char *text;
        bool is_worth, is_forbidden;
    } rows[] = {
        { MESSAGE("chat", BODY), true, false },
        { MESSAGE("normal", BODY), true, false },
        { MESSAGE("unheard-of", BODY), true, false }, /* RFC 6121 §5.2.2: normal */
        { MESSAGE("chat", ""), false, false },
        { MESSAGE("chat", "<subject>s</subject>"), false, false },
        { MESSAGE("chat", "<body xmlns='urn:other'/>"), false, false },
        { MESSAGE("headline", BODY), false, false },
        { MESSAGE("groupchat", BODY), false, false },
        { MESSAGE("error", BODY HINT("store")), false, false },
        { MESSAGE("error", BODY HINT("no-store")), false, false },
        { MESSAGE("chat", HINT("store")), true, false },
        { MESSAGE("headline", HINT("store")), false, false },
        { MESSAGE("chat", BODY HINT("no-store")), false, true },
        { MESSAGE("chat", BODY HINT("store") HINT("no-store")), false, true },
        { MESSAGE("chat", BODY HINT("no-permanent-store")), false, false },
        { MESSAGE("chat", BODY HINT("no-copy")), true, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stanza *st = parse(rows[i].text);

        assert_int_equal(archive_is_worth(st), rows[i].is_worth);
        assert_int_equal(archive_forbids_store(st), rows[i].is_forbidden);
        stanza_unref(st);
    }
}

static struct jid jid_of(const char *text)
{
    struct jid jid;

    jid_split(str_from(text), &jid);
    return jid;
}

static void the_nearest_wish_holds(void **state)
{
    static const struct {
        const char *who;
        bool by_always, by_never, by_roster; /* of one who is no contact, under each default */
    } rows[] = {
        { "x@y/z", true, false, false },
        { "always@y", true, true, true },
        { "always@y/any", true, true, true },
        { "never@y/any", false, false, false },
        { "never@y/but", true, true, true },
        { "one@y/desk", false, false, false },
        { "one@y/phone", true, false, false },
        { "y", true, false, false },
    };
    static const struct {
        const char *jid;
        bool is_never;
    } lists[] = { { "always@y", false }, { "never@y", false }, { "never@y", true },
                  { "never@y/but", false }, { "one@y/desk", true } };
    struct archive_wishes w;

    (void)state;
    archive_wishes_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        archive_wishes_add(&w, &(struct jid[]){ jid_of(lists[i].jid) }[0], lists[i].is_never);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct jid who = jid_of(rows[i].who);

        w.by_default = ARCHIVE_ALWAYS;
        assert_int_equal(archive_wishes_keep(&w, &who, false), rows[i].by_always);
        w.by_default = ARCHIVE_NEVER;
        assert_int_equal(archive_wishes_keep(&w, &who, true), rows[i].by_never);
        w.by_default = ARCHIVE_ROSTER;
        assert_int_equal(archive_wishes_keep(&w, &who, false), rows[i].by_roster);
        assert_int_equal(archive_wishes_keep(&w, &who, true), rows[i].by_always);
    }
    archive_wishes_clear(&w);
    assert_int_equal(w.by_default, ARCHIVE_ALWAYS);
    assert_int_equal(w.jids.count, 0);
}

static void an_id_has_one_form(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        { GOOD, true },
        { "00112233445566778899AABBCCDDEEFF", false },
        { "00112233445566778899aabbccddeef", false },
        { "00112233445566778899aabbccddeeff00", false },
        { "00112233445566778899aabbccddeefg", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t id[ARCHIVE_ID_BYTES];
        char text[ARCHIVE_ID_TEXT + 1];

        assert_int_equal(archive_id_read(str_from(rows[i].text), id), rows[i].is_good);
        if (!rows[i].is_good)
            continue;
        archive_id_text(id, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void only_ids_by_the_account_are_taken_out(void **state)
{
    struct stanza *st = parse(MESSAGE("chat", ID("b@x", GOOD) BODY ID("B@X", "2") ID("b@x/r", "3")
                                                  ID("@", "4") ID("c@x", GOOD) ID("b@x", "6")));
    uint8_t id[ARCHIVE_ID_BYTES];
    struct buf out = { 0 };

    (void)state;
    assert_true(archive_id_of(st, STR("b@x"), id));
    archive_strip(st, STR("b@x"));
    assert_false(archive_id_of(st, STR("b@x"), id));
    assert_true(archive_id_of(st, STR("c@x"), id));
    xml_write(&out, st->el, STR_NONE);
    assert_true(str_is(buf_str(&out), MESSAGE("chat", BODY ID("b@x/r", "3") ID("@", "4")
                                                          ID("c@x", GOOD))));
    buf_fini(&out);
    stanza_unref(st);
}

static void a_stored_message_gets_its_id_back(void **state)
{
    struct buf out = { 0 };

    (void)state;
    archive_write(&out, STR(MESSAGE("chat", BODY)), STR(GOOD), STR("o'x@x"), STR("x"), 1);
    assert_true(str_is(buf_str(&out),
                       MESSAGE("chat", BODY "<delay xmlns='" NS_DELAY "' from='x' stamp="
                                            "'1970-01-01T00:00:00.000001Z'/>" ID("o&apos;x@x",
                                                                                 GOOD))));
    buf_clear(&out);
    archive_write(&out, STR(MESSAGE("chat", BODY)), STR_NONE, STR("b@x"), STR("x"), 0);
    assert_true(str_is(buf_str(&out), MESSAGE("chat", BODY)));
    buf_clear(&out);
    archive_write(&out, STR("<damaged/>"), STR(GOOD), STR("b@x"), STR("x"), 1);
    assert_true(str_is(buf_str(&out), "<damaged/>"));
    buf_fini(&out);
}

static void a_result_is_told_from_everything_else(void **state)
{
    struct archive_row row = { .stamp_us = 0, .id_text = GOOD };
    struct jid full = jid_of("b@x/r");
    struct buf out = { 0 };
    struct stanza *st;

    (void)state;
    row.written = bytes_new(STR(MESSAGE("chat", BODY)));
    archive_write_result(&out, &row, STR("'q"), &full);
    buf_add_char(&out, '\0');
    st = parse(out.p);
    assert_true(archive_is_result(st));
    assert_true(str_is(xml_attr(xml_child(st->el, NS_MAM, "result"), "queryid"), "'q"));
    stanza_unref(st);
    st = parse("<message xmlns='" NS_CLIENT "' from='b@x/r' to='b@x/s'><result xmlns='" NS_MAM
               "'/></message>");
    assert_false(archive_is_result(st)); /* of a client */
    stanza_unref(st);
    bytes_unref(row.written);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worth_is_what_the_rules_say),
        cmocka_unit_test(the_nearest_wish_holds),
        cmocka_unit_test(an_id_has_one_form),
        cmocka_unit_test(only_ids_by_the_account_are_taken_out),
        cmocka_unit_test(a_stored_message_gets_its_id_back),
        cmocka_unit_test(a_result_is_told_from_everything_else),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
