/* Stream headers and errors: proto/stream.h. */
#include "proto/ns.h"
#include "proto/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

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

/* RFC 6120 §4.9.3, in its order. */
static const char *const conditions[] = {
    "bad-format",
    "bad-namespace-prefix",
    "conflict",
    "connection-timeout",
    "host-gone",
    "host-unknown",
    "improper-addressing",
    "internal-server-error",
    "invalid-from",
    "invalid-namespace",
    "invalid-xml",
    "not-authorized",
    "not-well-formed",
    "policy-violation",
    "remote-connection-failed",
    "reset",
    "resource-constraint",
    "restricted-xml",
    "see-other-host",
    "system-shutdown",
    "undefined-condition",
    "unsupported-encoding",
    "unsupported-feature",
    "unsupported-stanza-type",
    "unsupported-version",
};

static void each_condition_has_its_name(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(conditions), STREAM_ERROR_COUNT - 1);
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        assert_string_equal(stream_error_name((enum stream_error)(i + 1)), conditions[i]);
        assert_int_equal(stream_error_from_name(str_from(conditions[i])), i + 1);
    }
    assert_int_equal(stream_error_from_name(STR("no-such")), STREAM_OK);
    assert_int_equal(stream_error_from_name(STR("")), STREAM_OK);
}

static void each_xml_error_is_a_stream_error(void **state)
{
    (void)state;
    assert_int_equal(stream_error_from_xml(XML_OK), STREAM_OK);
    assert_int_equal(stream_error_from_xml(XML_NOT_WELL_FORMED), STREAM_NOT_WELL_FORMED);
    assert_int_equal(stream_error_from_xml(XML_RESTRICTED), STREAM_RESTRICTED_XML);
    assert_int_equal(stream_error_from_xml(XML_BAD_NAMESPACE_PREFIX), STREAM_BAD_NAMESPACE_PREFIX);
    assert_int_equal(stream_error_from_xml(XML_UNSUPPORTED_ENCODING), STREAM_UNSUPPORTED_ENCODING);
    assert_int_equal(stream_error_from_xml(XML_TOO_LARGE), STREAM_POLICY_VIOLATION);
}

static void an_error_is_an_element_of_the_stream(void **state)
{
    struct buf b = { 0 };

    (void)state;
    stream_write_error(&b, STREAM_CONFLICT, STR("a<b"));
    assert_true(str_is(buf_str(&b),
                       "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                       "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' "
                       "xml:lang='en'>a&lt;b</text></stream:error>"));
    buf_clear(&b);
    stream_write_error(&b, STREAM_RESET, STR_NONE);
    assert_true(str_is(
        buf_str(&b),
        "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"));
    buf_fini(&b);
}

#define STREAMS " xmlns:stream='http://etherx.jabber.org/streams'"
#define CLIENT " xmlns='jabber:client'"

static const struct row {
    const char *text, *ns;
    enum stream_error e;
} rows[] = {
    { "<stream:stream" CLIENT STREAMS ">", NS_CLIENT, STREAM_OK },
    { "<?xml version='1.0'?><stream:stream" CLIENT STREAMS " to='a' version='1.0'>", NS_CLIENT,
      STREAM_OK },
    { "<stream:stream xmlns='jabber:server'" STREAMS " xmlns:db='jabber:server:dialback'>",
      NS_SERVER, STREAM_OK },
    { "<stream:stream" CLIENT STREAMS " xmlns:xml='http://www.w3.org/XML/1998/namespace'>",
      NS_CLIENT, STREAM_OK },
    { "<stream:stream" CLIENT STREAMS ">", NS_SERVER, STREAM_INVALID_NAMESPACE },
    { "<stream:stream" STREAMS ">", NS_CLIENT, STREAM_INVALID_NAMESPACE },
    { "<stream:stream xmlns=''" STREAMS ">", NS_CLIENT, STREAM_INVALID_NAMESPACE },
    { "<stream xmlns='http://etherx.jabber.org/streams'>", NS_CLIENT, STREAM_INVALID_NAMESPACE },
    { "<stream" CLIENT STREAMS ">", NS_CLIENT, STREAM_INVALID_NAMESPACE },
    { "<stream:stream" CLIENT " xmlns:stream='http://wrong.namespace.example.org/'>", NS_CLIENT,
      STREAM_INVALID_NAMESPACE },
    { "<foobar:stream" CLIENT " xmlns:foobar='http://etherx.jabber.org/streams'>", NS_CLIENT,
      STREAM_BAD_NAMESPACE_PREFIX }, /* §4.9.3.2 */
    { "<stream:stream" CLIENT STREAMS " xmlns:x='http://etherx.jabber.org/streams'>", NS_CLIENT,
      STREAM_BAD_NAMESPACE_PREFIX },
    { "<stream:stream" CLIENT STREAMS " xmlns:x='y'>", NS_CLIENT,
      STREAM_INVALID_NAMESPACE }, /* §4.8.5 */
    { "<stream:stream" CLIENT STREAMS " xmlns:db='y'>", NS_CLIENT, STREAM_INVALID_NAMESPACE },
    { "<stream:other" CLIENT STREAMS ">", NS_CLIENT, STREAM_BAD_FORMAT },
};

static void each_header_gets_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        struct stream_header h;
        struct xml *x;
        enum stream_error e;

        assert_int_equal(xml_parse_header(parser, str_from(rows[i].text), &arena, &x), XML_OK);
        e = stream_read_header(x, rows[i].ns, &h);
        if (e != rows[i].e)
            fail_msg("%s gives %d", rows[i].text, e);
        arena_fini(&arena);
    }
}

static void a_written_header_reads_back(void **state)
{
    static const char *const namespaces[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT_ACCEPT,
                                              NS_COMPONENT_CONNECT };
    const struct stream_header header = {
        .to = STR("a'b"), .from = STR("c"), .id = STR("d"), .lang = STR("e")
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        struct arena arena = { 0 };
        struct buf b = { 0 };
        struct stream_header h;
        struct xml *x;

        stream_write_header(&b, namespaces[i], &header);
        assert_true(str_starts_with(buf_str(&b), STR("<?xml version='1.0'?><stream:stream ")));
        assert_int_equal(xml_parse_header(parser, buf_str(&b), &arena, &x), XML_OK);
        assert_int_equal(stream_read_header(x, namespaces[i], &h), STREAM_OK);
        assert_true(str_eq(h.to, header.to) && str_eq(h.from, header.from) &&
                    str_eq(h.id, header.id) && str_eq(h.lang, header.lang));
        assert_true(str_is(h.default_ns, namespaces[i]));
        assert_int_equal(stream_version_is_1_0(h.version),
                         i < 2); /* XEP-0114 streams tell no version */
        buf_clear(&b);
        stream_write_header(&b, namespaces[i], &(struct stream_header){ 0 });
        assert_int_equal(xml_parse_header(parser, buf_str(&b), &arena, &x), XML_OK);
        assert_false(str_is_set(xml_attr(x, "to")));
        buf_fini(&b);
        arena_fini(&arena);
    }
}

static const struct version_row {
    struct str version;
    bool is_1_0;
} version_rows[] = {
    { { "1.0", 3 }, true },   { { "1.1", 3 }, true },  { { "2.13", 4 }, true },
    { { "01.00", 5 }, true }, { { "12.3", 4 }, true }, { { "0.9", 3 }, false },
    { { "1", 1 }, false },    { { "1.", 2 }, false },  { { ".0", 2 }, false },
    { { "", 0 }, false },     { { NULL, 0 }, false },  { { "1.0x", 4 }, false },
    { { "-1.0", 4 }, false },
};

static void versions_are_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(version_rows); i++)
        assert_int_equal(stream_version_is_1_0(version_rows[i].version), version_rows[i].is_1_0);
}

static void only_our_own_close_tag_closes(void **state)
{
    (void)state;
    assert_true(stream_is_close_tag(stream_close_tag));
    assert_true(stream_is_close_tag(STR("</stream:stream\n>")));
    assert_false(stream_is_close_tag(STR("</stream:streams>")));
    assert_false(stream_is_close_tag(STR("</stream>")));
    assert_false(stream_is_close_tag(STR("</>")));
    assert_false(stream_is_close_tag(STR("")));
    assert_false(stream_is_close_tag(STR("</stream:stream")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition_has_its_name),
        cmocka_unit_test(each_xml_error_is_a_stream_error),
        cmocka_unit_test(an_error_is_an_element_of_the_stream),
        cmocka_unit_test(each_header_gets_its_verdict),
        cmocka_unit_test(a_written_header_reads_back),
        cmocka_unit_test(versions_are_numbers),
        cmocka_unit_test(only_our_own_close_tag_closes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
