/* XEP-0280 §6.1 row by row, the form of a copy (§7, §8), and how one is told from everything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "proto/ns.h"
#include "sm/carbons.h"

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

#define BODY "<body>b</body>"
#define MUC "<x xmlns='" NS_MUC_USER "'/>"
#define INVITE "<x xmlns='" NS_MUC_USER "'><invite from='a@b'/></x>"
#define DIRECT "<x xmlns='" NS_CONFERENCE "' jid='r@c'/>"
#define RECEIPT "<received xmlns='" NS_RECEIPTS "' id='1'/>"
#define STATE "<composing xmlns='" NS_CHAT_STATES "'/>"
#define MARKER "<displayed xmlns='" NS_MARKERS "' id='1'/>"
#define PRIVATE "<private xmlns='" NS_CARBONS "'/>"
#define NO_COPY "<no-copy xmlns='" NS_HINTS "'/>"

static void eligible_is_what_the_rules_say(void **state)
{
    static const struct {
        const char *type, *inner;
        bool is_sent, is_received;
    } rows[] = {
        { "chat", BODY, true, true },
        { "chat", "", true, true },
        { "chat", BODY PRIVATE, false, false },
        { "chat", BODY NO_COPY, false, false },
        { "chat", BODY PRIVATE NO_COPY, false, false },
        { "chat", BODY "<private xmlns='urn:example'/>", true, true },
        { "normal", BODY, true, true },
        { "normal", "<event xmlns='urn:example'/>", false, false },
        { "normal", "<body xmlns='urn:example'/>", false, false },
        { "normal", RECEIPT, true, true },
        { "normal", STATE, true, true },
        { "normal", MARKER, true, true },
        { "headline", BODY, false, false },
        { "headline", MARKER, true, true },
        { "groupchat", BODY, false, false },
        { "groupchat", BODY STATE RECEIPT, false, false },
        { "groupchat", INVITE, false, false },
        { "normal", DIRECT, true, true },
        { "normal", INVITE, true, true },
        { "normal", INVITE PRIVATE, false, false },
        { "chat", BODY MUC, true, false },
        { "normal", MUC, true, false },
        { "error", BODY "<error/>", true, true },
        { "error", STATE "<error/>", true, true },
        { "error", "<error/>", false, false },
        { "error", "<iq xmlns='urn:example'/><error/>", false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 };
        struct stanza *st;

        buf_printf(
            &text,
            "<message xmlns='jabber:client' from='a@b/one' to='c@d/two' type='%s'>%s</message>%c",
            rows[i].type, rows[i].inner, 0);
        st = parse(text.p);
        if (carbons_is_eligible(st, CARBONS_SENT) != rows[i].is_sent)
            fail_msg("sent %s %s", rows[i].type, rows[i].inner);
        if (carbons_is_eligible(st, CARBONS_RECEIVED) != rows[i].is_received)
            fail_msg("received %s %s", rows[i].type, rows[i].inner);
        stanza_unref(st);
        buf_fini(&text);
    }
}

/* A room's own words come from its bare JID. */
static void what_a_room_says_itself_is_no_private_message(void **state)
{
    struct stanza *st = parse(
        "<message xmlns='jabber:client' from='r@c' to='c@d' type='normal'>" BODY MUC "</message>");

    (void)state;
    assert_true(carbons_is_eligible(st, CARBONS_RECEIVED));
    stanza_unref(st);
}

static void only_messages_are_eligible(void **state)
{
    struct stanza *st =
        parse("<presence xmlns='jabber:client' from='a@b/one' to='c@d'>" STATE "</presence>");

    (void)state;
    assert_false(carbons_is_eligible(st, CARBONS_SENT));
    stanza_unref(st);
}

static void a_copy_is_from_the_account_to_its_resource_and_holds_the_message(void **state)
{
    static const char message[] = "<message xmlns='jabber:client' from='a@b/one' to='c@d/two' "
                                  "type='chat'><body>&lt;</body></message>";
    struct stanza *st = parse(message), *copy;
    struct buf out = { 0 };
    struct jid full;

    (void)state;
    jid_split(STR("c@d/it's"), &full);
    carbons_write(&out, CARBONS_RECEIVED, st, str_from(message), &full);
    buf_add_char(&out, '\0');
    assert_string_equal(
        out.p, "<message xmlns='jabber:client' from='c@d' to='c@d/it&apos;s' type='chat'>"
               "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
               "<message xmlns='jabber:client' from='a@b/one' to='c@d/two' "
               "type='chat'><body>&lt;</body></message>"
               "</forwarded></received></message>");
    copy = parse(out.p);
    assert_true(carbons_is_copy(copy));
    assert_false(carbons_is_copy(st));
    stanza_unref(copy);
    stanza_unref(st);
    buf_fini(&out);
}

static void what_others_make_of_the_same_form_is_no_copy(void **state)
{
    static const struct {
        const char *from, *to, *inner;
        bool is_copy;
    } rows[] = {
        { "c@d", "c@d/two", "<sent xmlns='" NS_CARBONS "'/>", true },
        { "c@d", "c@d/two", "<received xmlns='" NS_CARBONS "'/>", true },
        { "c@d", "c@d/two", BODY, false },
        { "c@d", "c@d/two", "<received xmlns='urn:example'/>", false },
        { "c@d/one", "c@d/two", "<sent xmlns='" NS_CARBONS "'/>", false },
        { "a@b", "c@d/two", "<received xmlns='" NS_CARBONS "'/>", false },
        { "c@d", "c@d", "<sent xmlns='" NS_CARBONS "'/>", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 };
        struct stanza *st;

        buf_printf(&text,
                   "<message xmlns='jabber:client' from='%s' to='%s' type='chat'>%s</message>%c",
                   rows[i].from, rows[i].to, rows[i].inner, 0);
        st = parse(text.p);
        if (carbons_is_copy(st) != rows[i].is_copy)
            fail_msg("row %zu", i);
        stanza_unref(st);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eligible_is_what_the_rules_say),
        cmocka_unit_test(what_a_room_says_itself_is_no_private_message),
        cmocka_unit_test(only_messages_are_eligible),
        cmocka_unit_test(a_copy_is_from_the_account_to_its_resource_and_holds_the_message),
        cmocka_unit_test(what_others_make_of_the_same_form_is_no_copy),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
