/* The pure parts of the roster: reading a set (RFC 6121 §2.3.3), writing items, the store's form of
 * groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mem.h"
#include "proto/ns.h"
#include "sm/roster_parts.h"
#include "sm/roster_walk.h"

#define OWN "juliet@example.com"

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

static enum stanza_error read_set(const char *children, struct arena *arena, struct roster_set *out)
{
    struct str text = arena_printf(arena, "<query xmlns='" NS_ROSTER "'>%s</query>", children);
    struct xml *query;

    assert_int_equal(xml_parse(parser, XML_ALONE, &xml_default_limits, text, arena, &query),
                     XML_OK);
    return roster_set_read(query, STR(OWN), arena, out);
}

static void a_set_gets_the_error_that_rfc_6121_names(void **state)
{
    static const struct {
        const char *children;
        enum stanza_error expected;
    } cases[] = {
        { "<item jid='nurse@example.com'/>", STANZA_OK },
        { "<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>", STANZA_OK },
        { "<item jid='example.net'/>", STANZA_OK },
        { "<item jid='nurse@example.com' subscription='both'/>", STANZA_OK }, /* §2.1.5: ignored */
        { "<item jid='nurse@example.com' ask='subscribe' approved='true'/>", STANZA_OK },
        { "", STANZA_BAD_REQUEST },
        { "<item jid='a@example.com'/><item jid='b@example.com'/>", STANZA_BAD_REQUEST },
        { "<item/>", STANZA_BAD_REQUEST },
        { "<item jid=''/>", STANZA_BAD_REQUEST },
        { "<other/>", STANZA_BAD_REQUEST },
        { "<item jid='@example.com'/>", STANZA_JID_MALFORMED },
        { "<item jid='a@b@example.com'/>", STANZA_JID_MALFORMED },
        { "<item jid='a@example.com'><group>x</group><group>x</group></item>", STANZA_BAD_REQUEST },
        { "<item jid='a@example.com'><group>x</group><group>X</group></item>",
          STANZA_OK }, /* resourceparts keep case */
        { "<item jid='a@example.com'><group/></item>", STANZA_NOT_ACCEPTABLE },
        { "<item jid='a@example.com'><group></group></item>", STANZA_NOT_ACCEPTABLE },
        { "<item jid='" OWN "'/>", STANZA_NOT_ALLOWED },
        { "<item jid='JULIET@example.com'/>", STANZA_NOT_ALLOWED },
        { "<item jid='" OWN "' subscription='remove'/>",
          STANZA_OK }, /* not in the roster: found out later */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = { 0 };
        struct roster_set set;
        enum stanza_error e = read_set(cases[i].children, &arena, &set);

        if (e != cases[i].expected)
            fail_msg("%s: %d instead of %d", cases[i].children, (int)e, (int)cases[i].expected);
        arena_fini(&arena);
    }
}

static void names_and_groups_have_a_longest_length(void **state)
{
    static const struct {
        size_t name, group;
        enum stanza_error expected;
    } cases[] = {
        { ROSTER_MAX_NAME, ROSTER_MAX_GROUP, STANZA_OK },
        { ROSTER_MAX_NAME + 1, 1, STANZA_NOT_ACCEPTABLE },
        { 1, ROSTER_MAX_GROUP + 1, STANZA_NOT_ACCEPTABLE },
    };
    char text[2048];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = { 0 };
        struct roster_set set;
        struct str item =
            arena_printf(&arena, "<item jid='a@example.com' name='%.*s'><group>%.*s</group></item>",
                         (int)cases[i].name, text, (int)cases[i].group, text);

        assert_int_equal(read_set(item.p, &arena, &set), cases[i].expected);
        arena_fini(&arena);
    }
}

static void an_item_has_no_more_groups_than_allowed(void **state)
{
    struct arena arena = { 0 };
    struct buf item = { 0 };
    struct roster_set set;

    (void)state;
    buf_add(&item, STR("<item jid='a@example.com'>"));
    for (int i = 0; i < ROSTER_MAX_GROUPS; i++)
        buf_printf(&item, "<group>g%d</group>", i);
    assert_int_equal(
        read_set(arena_printf(&arena, "%.*s</item>", STR_ARG(buf_str(&item))).p, &arena, &set),
        STANZA_OK);
    buf_add(&item, STR("<group>one more</group>"));
    assert_int_equal(
        read_set(arena_printf(&arena, "%.*s</item>", STR_ARG(buf_str(&item))).p, &arena, &set),
        STANZA_NOT_ACCEPTABLE);
    buf_fini(&item);
    arena_fini(&arena);
}

static void a_set_is_read_with_normalised_address_and_empty_name_as_none(void **state)
{
    struct arena arena = { 0 };
    struct roster_set set;

    (void)state;
    assert_int_equal(
        read_set("<item jid='Romeo@EXAMPLE.net' name=''><group>A</group><group>B</group></item>",
                 &arena, &set),
        STANZA_OK);
    assert_true(str_is(set.jid.full, "romeo@example.net"));
    assert_false(str_is_set(set.name));
    assert_int_equal(set.groups.count, 2);
    assert_string_equal(set.groups.items[1], "B");
    assert_false(set.is_remove);
    assert_int_equal(
        read_set("<item jid='romeo@example.net' subscription='remove' name='x'/>", &arena, &set),
        STANZA_OK);
    assert_true(set.is_remove);
    arena_fini(&arena);
}

static struct roster_item *add(struct roster *r, const char *jid, uint8_t subscription,
                               bool is_listed)
{
    struct roster_item *item;
    struct jid j;

    jid_split(str_from(jid), &j);
    item = roster_add(r, &j);
    item->state = subscription;
    item->is_listed = is_listed;
    return item;
}

static void an_item_is_written_as_clients_read_it(void **state)
{
    static const struct {
        uint8_t subscription;
        const char *name, *group, *expected;
    } cases[] = {
        { 0, NULL, NULL, "<item jid='a@b' subscription='none'/>" },
        { ROSTER_PENDING_IN, NULL, NULL, "<item jid='a@b' subscription='none'/>" },
        { ROSTER_PENDING_OUT, NULL, NULL, "<item jid='a@b' subscription='none' ask='subscribe'/>" },
        { ROSTER_FROM | ROSTER_PENDING_OUT, "x", NULL,
          "<item jid='a@b' name='x' subscription='from' ask='subscribe'/>" },
        { ROSTER_APPROVED, NULL, NULL, "<item jid='a@b' subscription='none' approved='true'/>" },
        { ROSTER_TO | ROSTER_FROM, "<&'", "R&D",
          "<item jid='a@b' name='&lt;&amp;&apos;' "
          "subscription='both'><group>R&amp;D</group></item>" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *group = (char *)cases[i].group;
        struct conf_list groups = { .items = &group, .count = group ? 1 : 0 };
        struct roster *r = roster_new();
        struct roster_item *item = add(r, "a@b", cases[i].subscription, true);
        struct buf out = { 0 };

        struct account a = { .roster = r };
        struct roster_look look;

        roster_item_set_name(item, str_from(cases[i].name), &groups);
        look = roster_look(&a, NULL, &item->jid);
        roster_write_item(&out, NULL, &item->jid, &look);
        if (!str_is(buf_str(&out), cases[i].expected))
            fail_msg("%.*s instead of %s", STR_ARG(buf_str(&out)), cases[i].expected);
        buf_fini(&out);
        roster_free(r);
    }
}

static void a_pending_request_is_not_in_the_result(void **state)
{
    struct roster *r = roster_new();
    struct account a = { .roster = r };
    struct jid stranger;
    struct buf out = { 0 };

    (void)state;
    jid_split(STR("stranger@b"), &stranger);
    r->version = 7;
    add(r, "stranger@b", ROSTER_PENDING_IN, false);
    assert_true(roster_write_query(&out, &a, 10000));
    assert_true(str_is(buf_str(&out), "<query xmlns='jabber:iq:roster' ver='7'></query>"));
    buf_clear(&out);
    roster_write_push(&out, &a, &stranger);
    assert_true(str_is(buf_str(&out), "<query xmlns='jabber:iq:roster' ver='7'><item "
                                      "jid='stranger@b' subscription='remove'/></query>"));
    assert_int_equal(roster_count(r, false), 1);
    assert_int_equal(roster_count(r, true), 0);
    buf_fini(&out);
    roster_free(r);
}

static void versions_grow_and_begin_with_the_time(void **state)
{
    struct roster *r = roster_new();
    struct roster_item *item = add(r, "a@b", 0, true);
    uint64_t first;

    (void)state;
    roster_touch(r, item);
    first = r->version;
    assert_true(first > 1000000);
    assert_int_equal(item->version, first);
    roster_touch(r, NULL);
    assert_int_equal(r->version, first + 1);
    assert_int_equal(item->version, first);
    roster_free(r);
}

static void groups_come_back_from_the_store_as_they_were(void **state)
{
    static const char *const texts[] = { "Friends", "a,b;c", "two\nlines", "\xc3\xa9t\xc3\xa9" };
    struct conf_list groups = { .items = (char **)texts, .count = ARRAY_LEN(texts) }, back;
    struct arena arena = { 0 };
    struct buf out = { 0 };

    (void)state;
    for (size_t n = 0; n <= ARRAY_LEN(texts); n++) {
        groups.count = n;
        buf_clear(&out);
        roster_write_groups(&out, &groups);
        roster_read_groups(buf_str(&out), &arena, &back);
        assert_int_equal(back.count, n);
        for (size_t i = 0; i < n; i++)
            assert_string_equal(back.items[i], texts[i]);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_gets_the_error_that_rfc_6121_names),
        cmocka_unit_test(names_and_groups_have_a_longest_length),
        cmocka_unit_test(an_item_has_no_more_groups_than_allowed),
        cmocka_unit_test(a_set_is_read_with_normalised_address_and_empty_name_as_none),
        cmocka_unit_test(an_item_is_written_as_clients_read_it),
        cmocka_unit_test(a_pending_request_is_not_in_the_result),
        cmocka_unit_test(versions_grow_and_begin_with_the_time),
        cmocka_unit_test(groups_come_back_from_the_store_as_they_were),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
