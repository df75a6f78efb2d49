/* XEP-0352: what can wait for a client that nobody looks at, and what replaces it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "proto/ns.h"
#include "sm/csi.h"

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

#define ADDRESSES " xmlns='" NS_CLIENT "' from='a@b/one' to='me@d/phone'"
#define BODY "<body>b</body>"
#define STATE "<composing xmlns='" NS_CHAT_STATES "'/>"
#define ROOM(code)                                                                                 \
    "<x xmlns='" NS_MUC_USER "'><item/><status code='100'/><status code='" code "'/></x>"
#define COPY(inner)                                                                                \
    "<message xmlns='" NS_CLIENT "' from='me@d' to='me@d/phone' type='chat'>"                      \
    "<sent xmlns='" NS_CARBONS "'><forwarded xmlns='" NS_FORWARD "'><message xmlns='" NS_CLIENT    \
    "' from='me@d/desk' to='a@b' type='chat'>" inner "</message></forwarded></sent></message>"

static void only_presence_and_chat_states_can_wait(void **state)
{
    static const struct {
        const char *text, *key; /* NULL: it cannot */
    } rows[] = {
        { "<presence" ADDRESSES "/>", "presence\na@b/one" },
        { "<presence" ADDRESSES "><show>away</show></presence>", "presence\na@b/one" },
        { "<presence" ADDRESSES " type='unavailable'/>", "presence\na@b/one" },
        { "<presence" ADDRESSES " type='subscribe'/>", NULL },
        { "<presence" ADDRESSES " type='unsubscribed'/>", NULL },
        { "<presence" ADDRESSES " type='error'/>", NULL },
        { "<presence xmlns='" NS_CLIENT "' from='me@d/phone' to='me@d/phone'/>", NULL },
        { "<presence xmlns='" NS_CLIENT "' from='me@d/desk' to='me@d/phone'/>",
          "presence\nme@d/desk" },
        { "<presence" ADDRESSES ">" ROOM("110") "</presence>", NULL },
        { "<presence" ADDRESSES ">" ROOM("301") "</presence>", "presence\na@b/one" },
        { "<message" ADDRESSES " type='chat'>" STATE "</message>", "message\na@b/one\nme@d/phone" },
        { "<message" ADDRESSES ">" STATE "<thread>t</thread><no-store xmlns='" NS_HINTS
          "'/></message>",
          "message\na@b/one\nme@d/phone" },
        { "<message" ADDRESSES " type='groupchat'>" STATE "</message>",
          "message\na@b/one\nme@d/phone" },
        { "<message" ADDRESSES " type='error'>" STATE "<error/></message>", NULL },
        { "<message" ADDRESSES " type='error'>" STATE "</message>", NULL },
        { "<message" ADDRESSES " type='chat'>" BODY STATE "</message>", NULL },
        { "<message" ADDRESSES " type='chat'/>", NULL },
        { "<message" ADDRESSES " type='chat'>" STATE "<received xmlns='" NS_RECEIPTS
          "' id='1'/></message>",
          NULL },
        { "<message" ADDRESSES " type='chat'><displayed xmlns='" NS_MARKERS "' id='1'/></message>",
          NULL },
        { "<message" ADDRESSES " type='headline'><event xmlns='urn:example'/></message>", NULL },
        { "<message" ADDRESSES " type='groupchat'><subject/></message>", NULL },
        { COPY(STATE), "message\nme@d/desk\na@b" },
        { COPY(BODY), NULL },
        { COPY(""), NULL },
        { "<iq" ADDRESSES " type='result' id='1'/>", NULL },
    };
    struct jid own;

    (void)state;
    jid_split(STR("me@d/phone"), &own);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
        struct buf key = { 0 };
        bool can;

        assert_int_equal(xml_parse(parser, XML_ALONE, &xml_default_limits, str_from(rows[i].text),
                                   &st->arena, &st->el),
                         XML_OK);
        assert_int_equal(stanza_read(st), STANZA_OK);
        can = csi_can_wait(st, &own, &key);
        if (can != (rows[i].key != NULL) || (can && !str_is(buf_str(&key), rows[i].key)))
            fail_msg("%s: %d %.*s", rows[i].text, can, (int)key.n, key.p ? key.p : "");
        buf_fini(&key);
        stanza_unref(st);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_presence_and_chat_states_can_wait),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
