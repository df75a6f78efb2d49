/* The pure parts of presence: priorities (RFC 6121 §4.7.2.3), and one presence made another's by
 * its to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/ns.h"
#include "sm/presence_parts.h"

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

static void a_priority_is_one_number_from_minus_128_to_127(void **state)
{
    static const struct {
        const char *children;
        enum err expected;
        int priority;
    } cases[] = {
        { "", ERR_OK, 0 },
        { "<show>away</show>", ERR_OK, 0 },
        { "<priority>0</priority>", ERR_OK, 0 },
        { "<priority>127</priority>", ERR_OK, 127 },
        { "<priority>-128</priority>", ERR_OK, -128 },
        { "<priority> 5\n</priority>", ERR_OK, 5 },
        { "<priority>+5</priority>", ERR_OK, 5 },
        { "<priority xmlns='other'>500</priority>", ERR_OK, 0 },
        { "<priority>128</priority>", ERR_MALFORMED, 0 },
        { "<priority>-129</priority>", ERR_MALFORMED, 0 },
        { "<priority/>", ERR_MALFORMED, 0 },
        { "<priority>high</priority>", ERR_MALFORMED, 0 },
        { "<priority>1.5</priority>", ERR_MALFORMED, 0 },
        { "<priority>+-5</priority>", ERR_MALFORMED, 0 },
        { "<priority>99999999999999999999</priority>", ERR_MALFORMED, 0 },
        { "<priority><b/>1</priority>", ERR_MALFORMED, 0 },
        { "<priority>1</priority><priority>1</priority>", ERR_MALFORMED, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = { 0 };
        struct str text = arena_printf(&arena, "<presence xmlns='" NS_CLIENT "'>%s</presence>",
                                       cases[i].children);
        struct xml *presence;
        int8_t priority;
        enum err e;

        assert_int_equal(xml_parse(parser, XML_ALONE, &xml_default_limits, text, &arena, &presence),
                         XML_OK);
        e = presence_priority(presence, &priority);
        if (e != cases[i].expected || (e == ERR_OK && priority != cases[i].priority))
            fail_msg("%s: %d, priority %d", cases[i].children, (int)e, priority);
        arena_fini(&arena);
    }
}

static void a_to_is_spliced_into_a_written_presence(void **state)
{
    struct buf out = { 0 };

    (void)state;
    presence_write_to(&out, STR("<presence xmlns='jabber:client' from='a@b/c'/>"), STR("d@e/it's"));
    assert_true(
        str_is(buf_str(&out), "<presence to='d@e/it&apos;s' xmlns='jabber:client' from='a@b/c'/>"));
    buf_fini(&out);
}

static void what_is_written_for_an_element_takes_a_to(void **state)
{
    struct stanza *s = stanza_new(STANZA_PRESENCE, TYPE_UNAVAILABLE);
    struct buf out = { 0 }, with_to = { 0 };
    struct xml *back;

    (void)state;
    xml_add_text(xml_add(s->el, &s->arena, NULL, "status"), &s->arena, STR("bye"));
    xml_write(&out, s->el, STR_NONE);
    presence_write_to(&with_to, buf_str(&out), STR("d@e"));
    assert_int_equal(
        xml_parse(parser, XML_ALONE, &xml_default_limits, buf_str(&with_to), &s->arena, &back),
        XML_OK);
    assert_true(str_is(xml_attr(back, "to"), "d@e"));
    assert_true(str_is(xml_attr(back, "type"), "unavailable"));
    assert_true(str_is(xml_text(xml_child(back, NS_CLIENT, "status"), &s->arena), "bye"));
    buf_fini(&out);
    buf_fini(&with_to);
    stanza_unref(s);
}

static void directed_presence_is_remembered_up_to_a_limit(void **state)
{
    struct session s = { 0 };
    struct arena arena = { 0 };
    struct jid full, other;

    (void)state;
    list_init(&s.directed);
    assert_true(presence_remember(&s, STR("room@muc.example/nick")));
    jid_split(STR("room@muc.example/nick"), &full);
    jid_split(STR("room@muc.example/other"), &other);
    assert_true(presence_is_directed(&s, &full));
    assert_false(presence_is_directed(&s, &other));
    assert_true(presence_remember(&s, STR("room@muc.example")));
    assert_true(presence_is_directed(&s, &other)); /* its bare JID was told */
    assert_true(presence_forget(&s, &full));
    assert_false(presence_forget(&s, &full));
    while (s.directed_count < PRESENCE_MAX_DIRECTED)
        assert_true(
            presence_remember(&s, arena_printf(&arena, "u%u@example.net", s.directed_count)));
    assert_false(presence_remember(&s, STR("one@too.many")));
    presence_forget_all(&s);
    assert_int_equal(s.directed_count, 0);
    assert_true(list_is_empty(&s.directed));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_priority_is_one_number_from_minus_128_to_127),
        cmocka_unit_test(a_to_is_spliced_into_a_written_presence),
        cmocka_unit_test(what_is_written_for_an_element_takes_a_to),
        cmocka_unit_test(directed_presence_is_remembered_up_to_a_limit),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
