/* Stanzas: proto/stanza.h. */
#include "proto/ns.h"
#include "proto/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

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

static struct stanza *parse(struct str text, enum stanza_error *out_error)
{
    struct stanza *s = stanza_new(STANZA_MESSAGE, TYPE_NONE);

    assert_int_equal(
        xml_parse(parser, XML_IN_CLIENT_STREAM, &xml_default_limits, text, &s->arena, &s->el),
        XML_OK);
    *out_error = stanza_read(s);
    return s;
}

static void assert_written(const struct stanza *s, const char *expected)
{
    struct buf b = { 0 };

    xml_write(&b, s->el, STR(NS_CLIENT));
    buf_add_char(&b, '\0');
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

/* RFC 6120 §8.3.3 */
static const struct condition {
    enum stanza_error e;
    const char *name, *type;
} conditions[] = {
    { STANZA_BAD_REQUEST, "bad-request", "modify" },
    { STANZA_CONFLICT, "conflict", "cancel" },
    { STANZA_FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel" },
    { STANZA_FORBIDDEN, "forbidden", "auth" },
    { STANZA_GONE, "gone", "cancel" },
    { STANZA_INTERNAL_SERVER_ERROR, "internal-server-error", "cancel" },
    { STANZA_ITEM_NOT_FOUND, "item-not-found", "cancel" },
    { STANZA_JID_MALFORMED, "jid-malformed", "modify" },
    { STANZA_NOT_ACCEPTABLE, "not-acceptable", "modify" },
    { STANZA_NOT_ALLOWED, "not-allowed", "cancel" },
    { STANZA_NOT_AUTHORIZED, "not-authorized", "auth" },
    { STANZA_POLICY_VIOLATION, "policy-violation", "modify" },
    { STANZA_RECIPIENT_UNAVAILABLE, "recipient-unavailable", "wait" },
    { STANZA_REDIRECT, "redirect", "modify" },
    { STANZA_REGISTRATION_REQUIRED, "registration-required", "auth" },
    { STANZA_REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel" },
    { STANZA_REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait" },
    { STANZA_RESOURCE_CONSTRAINT, "resource-constraint", "wait" },
    { STANZA_SERVICE_UNAVAILABLE, "service-unavailable", "cancel" },
    { STANZA_SUBSCRIPTION_REQUIRED, "subscription-required", "auth" },
    { STANZA_UNDEFINED_CONDITION, "undefined-condition", "cancel" },
    { STANZA_UNEXPECTED_REQUEST, "unexpected-request", "wait" },
};

static void each_condition_has_its_name_and_type(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(conditions), STANZA_ERROR_COUNT - 1);
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        assert_int_equal(conditions[i].e, i + 1);
        assert_string_equal(stanza_error_name(conditions[i].e), conditions[i].name);
        assert_string_equal(stanza_error_type(conditions[i].e), conditions[i].type);
    }
}

static const struct row {
    const char *text;
    enum stanza_error e;
    enum stanza_kind kind;
    enum stanza_type type;
} rows[] = {
    { "<message/>", STANZA_OK, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message type='normal'/>", STANZA_OK, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message type='chat'/>", STANZA_OK, STANZA_MESSAGE, TYPE_CHAT },
    { "<message type='groupchat'/>", STANZA_OK, STANZA_MESSAGE, TYPE_GROUPCHAT },
    { "<message type='headline'/>", STANZA_OK, STANZA_MESSAGE, TYPE_HEADLINE },
    { "<message type='error'/>", STANZA_OK, STANZA_MESSAGE, TYPE_ERROR },
    { "<message type='get'/>", STANZA_OK, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message type=''/>", STANZA_OK, STANZA_MESSAGE, TYPE_NORMAL },
    { "<presence/>", STANZA_OK, STANZA_PRESENCE, TYPE_NONE },
    { "<presence type='unavailable'/>", STANZA_OK, STANZA_PRESENCE, TYPE_UNAVAILABLE },
    { "<presence type='subscribe'/>", STANZA_OK, STANZA_PRESENCE, TYPE_SUBSCRIBE },
    { "<presence type='subscribed'/>", STANZA_OK, STANZA_PRESENCE, TYPE_SUBSCRIBED },
    { "<presence type='unsubscribe'/>", STANZA_OK, STANZA_PRESENCE, TYPE_UNSUBSCRIBE },
    { "<presence type='unsubscribed'/>", STANZA_OK, STANZA_PRESENCE, TYPE_UNSUBSCRIBED },
    { "<presence type='probe'/>", STANZA_OK, STANZA_PRESENCE, TYPE_PROBE },
    { "<presence type='error'/>", STANZA_OK, STANZA_PRESENCE, TYPE_ERROR },
    { "<presence type='available'/>", STANZA_BAD_REQUEST, STANZA_PRESENCE, TYPE_UNKNOWN },
    { "<presence type='chat'/>", STANZA_BAD_REQUEST, STANZA_PRESENCE, TYPE_UNKNOWN },
    { "<iq type='get' id='1'><q xmlns='x'/></iq>", STANZA_OK, STANZA_IQ, TYPE_GET },
    { "<iq type='set' id='1'> <q xmlns='x'/> </iq>", STANZA_OK, STANZA_IQ, TYPE_SET },
    { "<iq type='result' id='1'/>", STANZA_OK, STANZA_IQ, TYPE_RESULT },
    { "<iq type='error' id='1'/>", STANZA_OK, STANZA_IQ, TYPE_ERROR },
    { "<iq type='get' id='1'/>", STANZA_BAD_REQUEST, STANZA_IQ, TYPE_GET },
    { "<iq type='set' id='1'><q xmlns='x'/><r xmlns='x'/></iq>", STANZA_BAD_REQUEST, STANZA_IQ,
      TYPE_SET },
    { "<iq type='get'><q xmlns='x'/></iq>", STANZA_BAD_REQUEST, STANZA_IQ, TYPE_GET },
    { "<iq id='1'><q xmlns='x'/></iq>", STANZA_BAD_REQUEST, STANZA_IQ, TYPE_NONE },
    { "<iq type='chat' id='1'><q xmlns='x'/></iq>", STANZA_BAD_REQUEST, STANZA_IQ, TYPE_UNKNOWN },
    { "<message to='a@'/>", STANZA_JID_MALFORMED, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message to=''/>", STANZA_JID_MALFORMED, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message from='@b'/>", STANZA_JID_MALFORMED, STANZA_MESSAGE, TYPE_NORMAL },
    { "<message xmlns='jabber:server'/>", STANZA_BAD_REQUEST, STANZA_MESSAGE, TYPE_NONE },
    { "<iq xmlns='x'/>", STANZA_BAD_REQUEST, STANZA_IQ, TYPE_NONE },
    { "<other/>", STANZA_BAD_REQUEST, STANZA_MESSAGE, TYPE_NONE },
};

static void each_stanza_is_read_for_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum stanza_error e;
        struct stanza *s = parse(str_from(rows[i].text), &e);

        if (e != rows[i].e || s->kind != rows[i].kind || s->type != rows[i].type)
            fail_msg("%s: error %d, kind %d, type %d", rows[i].text, e, s->kind, s->type);
        stanza_unref(s);
    }
}

static void addresses_id_and_language_are_read(void **state)
{
    enum stanza_error e;
    struct stanza *s = parse(STR("<message from='A@b/C' to='D.e' id='f' xml:lang='g'/>"), &e);

    (void)state;
    assert_int_equal(e, STANZA_OK);
    assert_true(str_is(s->from.full, "a@b/C") && str_is(s->to.full, "d.e") && str_is(s->id, "f") &&
                str_is(s->lang, "g"));
    stanza_unref(s);
    s = parse(STR("<message from='a@b/c' to='d@'/>"), &e);
    assert_int_equal(e, STANZA_JID_MALFORMED);
    assert_true(str_is(s->from.full, "a@b/c") && !jid_is_set(&s->to));
    stanza_unref(s);
}

static void type_names_come_back(void **state)
{
    (void)state;
    assert_null(stanza_type_name(TYPE_NONE));
    assert_null(stanza_type_name(TYPE_UNKNOWN));
    for (int type = TYPE_NORMAL; type <= TYPE_ERROR; type++)
        assert_non_null(stanza_type_name((enum stanza_type)type));
    assert_string_equal(stanza_kind_name(STANZA_IQ), "iq");
}

static void a_stanza_is_built_and_stamped(void **state)
{
    struct stanza *s = stanza_new(STANZA_MESSAGE, TYPE_CHAT);
    struct arena arena = { 0 };
    struct jid jid;

    (void)state;
    assert_written(s, "<message type='chat'/>");
    assert_int_equal(jid_parse(STR("a@b/c"), &arena, &jid), ERR_OK);
    stanza_set_from(s, &jid);
    stanza_set_to(s, &jid);
    arena_fini(&arena);
    assert_true(str_is(s->from.resource, "c") && str_is(s->to.local, "a"));
    assert_written(s, "<message type='chat' from='a@b/c' to='a@b/c'/>");
    stanza_set_to(s, &(struct jid){ 0 });
    stanza_set_type(s, TYPE_NORMAL);
    assert_false(jid_is_set(&s->to));
    assert_written(s, "<message from='a@b/c'/>");
    stanza_unref(stanza_ref(s));
    stanza_unref(s);
    stanza_unref(NULL);
}

static void a_reply_goes_back_under_the_same_id(void **state)
{
    enum stanza_error e;
    struct stanza *s = parse(STR("<iq type='get' id='1' from='a@b/c' to='d'><q xmlns='x'/></iq>"),
                             &e),
                  *reply;

    (void)state;
    reply = stanza_reply(s, TYPE_RESULT);
    stanza_unref(s);
    assert_true(str_is(reply->to.full, "a@b/c") && str_is(reply->from.full, "d") &&
                str_is(reply->id, "1"));
    assert_written(reply, "<iq type='result' from='d' to='a@b/c' id='1'/>");
    stanza_unref(reply);
}

static void an_error_carries_the_original_and_the_condition(void **state)
{
    enum stanza_error e;
    struct stanza
        *s = parse(STR("<message type='chat' id='1' from='a@b/c' to='d'><body>e</body></message>"),
                   &e),
        *reply;

    (void)state;
    reply = stanza_error_reply(s, STANZA_SERVICE_UNAVAILABLE, STR("<no>"));
    assert_int_equal(reply->type, TYPE_ERROR);
    assert_written(
        reply,
        "<message type='error' from='d' to='a@b/c' id='1'><body>e</body><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' "
        "xml:lang='en'>&lt;no&gt;</text></error></message>");
    stanza_unref(reply);
    stanza_unref(s);
}

static void a_large_original_is_left_out_of_the_error(void **state)
{
    struct buf b = { 0 };

    (void)state;
    for (size_t size = 4000; size <= 5000; size += 1000) {
        enum stanza_error e;
        struct stanza *s, *reply;

        buf_clear(&b);
        buf_add(&b, STR("<message><body>"));
        while (b.n < size)
            buf_add_char(&b, 'x');
        buf_add(&b, STR("</body></message>"));
        s = parse(buf_str(&b), &e);
        for (int touched = 0; touched < 2; touched++) {
            reply = stanza_error_reply(s, STANZA_CONFLICT, STR_NONE);
            assert_int_equal(xml_child(reply->el, NULL, "body") != NULL, size == 4000);
            assert_non_null(xml_child(reply->el, NULL, "error"));
            stanza_unref(reply);
            s->el->inner = STR_NONE;
        }
        stanza_unref(s);
    }
    buf_fini(&b);
}

static const struct answer_row {
    const char *text;
    bool may;
} answer_rows[] = {
    { "<message/>", true },
    { "<message type='headline'/>", true },
    { "<message type='error'/>", false },
    { "<iq type='get' id='1'><q xmlns='x'/></iq>", true },
    { "<iq type='get'/>", true },
    { "<iq type='what' id='1'/>", true },
    { "<iq type='result' id='1'/>", false },
    { "<iq type='error' id='1'/>", false },
    { "<presence/>", false },
    { "<presence to='a'/>", true },
    { "<presence type='subscribe' to='a'/>", true },
    { "<presence type='unsubscribed' to='a'/>", true },
    { "<presence type='unavailable' to='a'/>", false },
    { "<presence type='probe' to='a'/>", false },
    { "<presence type='error' to='a'/>", false },
};

static void errors_never_answer_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answer_rows); i++) {
        enum stanza_error e;
        struct stanza *s = parse(str_from(answer_rows[i].text), &e);
        struct stanza *reply = stanza_error_reply(s, STANZA_BAD_REQUEST, STR_NONE);

        if ((reply != NULL) != answer_rows[i].may)
            fail_msg("%s", answer_rows[i].text);
        stanza_unref(reply);
        stanza_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition_has_its_name_and_type),
        cmocka_unit_test(each_stanza_is_read_for_what_it_is),
        cmocka_unit_test(addresses_id_and_language_are_read),
        cmocka_unit_test(type_names_come_back),
        cmocka_unit_test(a_stanza_is_built_and_stamped),
        cmocka_unit_test(a_reply_goes_back_under_the_same_id),
        cmocka_unit_test(an_error_carries_the_original_and_the_condition),
        cmocka_unit_test(a_large_original_is_left_out_of_the_error),
        cmocka_unit_test(errors_never_answer_errors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
