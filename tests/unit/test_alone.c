/* Elements of a client's stream, made to stand alone in a frame. */
#include "c2s/alone.h"
#include "proto/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *element, *expected; /* NULL: written anew, equal to the element in its stream */
} cases[] = {
    { "<iq/>", "<iq xmlns='jabber:client'/>" },
    { "<iq type='get'><q xmlns='x'/></iq>", "<iq xmlns='jabber:client' type='get'><q xmlns='x'/></iq>" },
    { "<message to='a>b' >hi</message>", "<message xmlns='jabber:client' to='a>b' >hi</message>" },
    { "<message\n to='a'/>", "<message xmlns='jabber:client'\n to='a'/>" },
    { "<message xmlns='jabber:client' to='a'/>", "<message xmlns='jabber:client' to='a'/>" },
    { "<message to='a' xmlns = \"jabber:client\"/>", "<message to='a' xmlns = \"jabber:client\"/>" },
    { "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</auth>", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</auth>" },
    { "<message id=' xmlns=1'/>", "<message xmlns='jabber:client' id=' xmlns=1'/>" },
    { "<message xmlnsx='1'/>", "<message xmlns='jabber:client' xmlnsx='1'/>" },
    { "<message xmlns:a='y'><a:b/></message>", "<message xmlns='jabber:client' xmlns:a='y'><a:b/></message>" },
    { "<c:auth xmlns:c='urn:ietf:params:xml:ns:xmpp-sasl' c:a='b'><c:d>hi</c:d></c:auth>", NULL },
    { "<message><stream:x a='1'/></message>", NULL },
    { "<message xmlns:c='y'><stream:x/><c:d><e/></c:d></message>", NULL },
};

static bool same(const struct xml *a, const struct xml *b)
{
    const struct xml *x = a->first, *y = b->first;

    if (!str_eq(a->name, b->name) || (!xml_is_text(a) && !str_eq(a->ns, b->ns)) || !str_eq(a->text, b->text))
        return false;
    for (; x && y; x = x->next, y = y->next)
        if (!same(x, y))
            return false;
    return !x && !y;
}

static void an_element_declares_its_own_namespaces(void **state)
{
    struct xml_parser *parser = xml_parser_new();
    struct buf scratch = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str element = str_from(cases[i].element), result;
        struct arena arena = { 0 };
        struct xml *before, *after;

        print_message("  %s\n", cases[i].element);
        assert_int_equal(xml_parse(parser, XML_IN_CLIENT_STREAM, &xml_default_limits, element, &arena, &before), XML_OK);
        result = alone_element(element, before, &scratch);
        if (cases[i].expected)
            assert_true(str_is(result, cases[i].expected));
        print_message("    %.*s\n", STR_ARG(result));
        assert_int_equal(xml_parse(parser, XML_ALONE, &xml_default_limits, result, &arena, &after), XML_OK);
        assert_true(same(before, after));
        arena_fini(&arena);
    }
    buf_fini(&scratch);
    xml_parser_free(parser);
}

static void a_feature_is_put_in_front(void **state)
{
    static const struct {
        const char *features, *expected;
    } rows[] = {
        { "<stream:features xmlns:stream='s'><a/></stream:features>", "<stream:features xmlns:stream='s'><tls/><a/></stream:features>" },
        { "<stream:features xmlns:stream='s>'/>", "<stream:features xmlns:stream='s>'><tls/></stream:features>" },
        { "<features/>", "<features><tls/></features>" },
    };
    struct buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        alone_add_feature(str_from(rows[i].features), STR("<tls/>"), &out);
        assert_true(str_is(buf_str(&out), rows[i].expected));
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_declares_its_own_namespaces),
        cmocka_unit_test(a_feature_is_put_in_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
