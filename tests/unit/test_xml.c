/* Elements: proto/xml.h. */
#include "proto/ns.h"
#include "proto/xml.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

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

static enum xml_error parse(enum xml_context context, struct str text, struct arena *arena,
                            struct xml **out)
{
    return xml_parse(parser, context, &xml_default_limits, text, arena, out);
}

#define LAUGHS                                                                                     \
    "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c "               \
    "'&b;&b;&b;&b;&b;&b;&b;&b;'>]>"

/* --- what is taken and what is not --------------------------------------------------------- */

static const struct verdict {
    const char *text;
    enum xml_error in_stream, alone;
} verdicts[] = {
    { "<a/>", XML_OK, XML_OK },
    { "<a></a >", XML_OK, XML_OK },
    { "<a\n>\n</a\n>", XML_OK, XML_OK },
    { "<a b='x>y' c=\"it's\">it's > \"</a>", XML_OK, XML_OK },
    { "<a>&amp;&lt;&gt;&apos;&quot;&#65;&#x41;&#13;</a>", XML_OK, XML_OK },
    { "<a><![CDATA[<b>&x;]]]]></a>", XML_OK, XML_OK },
    { "<a xmlns='' xmlns:b='c' b:d='e'/>", XML_OK, XML_OK },
    { "<a>\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbb\xbf</a>", XML_OK, XML_OK },
    { "<\xc3\xbc \xc3\xa4='\xc3\xb6'/>", XML_OK, XML_OK },
    { "<a xml:lang='de' xml:space='preserve'/>", XML_OK, XML_OK },
    /* Prefixes of the stream */
    { "<stream:features/>", XML_OK, XML_NOT_WELL_FORMED },
    { "<db:result/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED }, /* of server streams alone */
    { "<m:message xmlns:m='jabber:client'/>", XML_BAD_NAMESPACE_PREFIX,
      XML_OK }, /* RFC 6120 §4.8.5 */
    { "<message><m:body xmlns:m='jabber:client'/></message>", XML_BAD_NAMESPACE_PREFIX, XML_OK },
    /* Restricted: RFC 6120 §11.1 */
    { "<a><!-- b --></a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a><?b c?></a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a><?xml version='1.0'?></a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a>&b;</a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a b='&c;'/>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a><!DOCTYPE b></a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a><!ENTITY b 'c'></a>", XML_RESTRICTED, XML_RESTRICTED },
    { LAUGHS "<a>&c;</a>", XML_RESTRICTED, XML_RESTRICTED },
    { "<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/x'><a/>", XML_RESTRICTED, XML_RESTRICTED },
    { "<a>%b;</a>", XML_OK, XML_OK }, /* only text here */
    /* Not well-formed: XML 1.0 */
    { "", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { " <a/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/> ", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/>b", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/><b/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/><b", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/>>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a><b></a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a><b></a></b>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "</stream:stream>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "</alone>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "</stream:stream><a/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a/></stream:stream>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b='c' b='d'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b=c/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b='<'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>]]></a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&amp</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&#0;</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&#x1;</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&#xD800;</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>&#x110000;</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<1/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\x01</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b='\x1f'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xff</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xc3</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xc0\x80</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b='\xc0\xaf'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xe0\x80\xaf</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xed\xa0\x80</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xef\xbf\xbe</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a>\xf4\x90\x80\x80</a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a><![CDATA[\xff]]></a>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    /* Not well-formed: Namespaces in XML */
    { "<b:a/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a b:c='d'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a xmlns:b=''/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a xmlns:xmlns='b'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a xmlns:xml='b'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a xmlns:b='x' xmlns:c='x' b:d='' c:d=''/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
    { "<a:b:c xmlns:a='x'/>", XML_NOT_WELL_FORMED, XML_NOT_WELL_FORMED },
};

static size_t count_wrong(enum xml_context context)
{
    size_t wrong = 0;

    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        struct arena arena = { 0 };
        struct xml *x;
        enum xml_error e = parse(context, str_from(verdicts[i].text), &arena, &x);

        if (e != (context == XML_ALONE ? verdicts[i].alone : verdicts[i].in_stream)) {
            print_error("%s gives %d\n", verdicts[i].text, e);
            wrong++;
        }
        arena_fini(&arena);
        /* And nothing of it stays behind. */
        assert_int_equal(parse(context, STR("<a><b c='d'>e</b></a>"), &arena, &x), XML_OK);
        arena_fini(&arena);
    }
    return wrong;
}

static void each_text_gets_its_verdict_in_a_stream(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(XML_IN_CLIENT_STREAM), 0);
}

static void each_text_gets_its_verdict_alone(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(XML_ALONE), 0);
}

static void a_nul_byte_is_not_well_formed(void **state)
{
    static const struct str texts[] = { { "<a>\0</a>", 8 },
                                        { "<a\0/>", 5 },
                                        { "<a b='\0'/>", 10 },
                                        { "<a/>\0", 5 },
                                        { "<a/>\0>", 6 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena arena = { 0 };
        struct xml *x;

        assert_int_equal(parse(XML_IN_CLIENT_STREAM, texts[i], &arena, &x), XML_NOT_WELL_FORMED);
        arena_fini(&arena);
    }
}

static const struct header_row {
    const char *text;
    enum xml_error error;
} header_rows[] = {
    { "<s:s xmlns:s='x'>", XML_OK },
    { "<?xml version='1.0'?><s:s xmlns:s='x'>", XML_OK },
    { "<?xml version='1.0' encoding='UTF-8'?>\n<s:s xmlns:s='x'>", XML_OK },
    { "<?xml version=\"1.0\" encoding = \"utf-8\" standalone='no'?><s:s xmlns:s='x'>", XML_OK },
    { "<?xml version='1.0' encoding='ISO-8859-1'?><s:s xmlns:s='x'>", XML_UNSUPPORTED_ENCODING },
    { "<?xml version='1.0' encoding='UTF-16'?><s:s xmlns:s='x'>", XML_UNSUPPORTED_ENCODING },
    { "<?xml version='1.0' encoding='UTF-7'?><s:s xmlns:s='x'>", XML_UNSUPPORTED_ENCODING },
    { "<?xml encoding?><s:s xmlns:s='x'>", XML_NOT_WELL_FORMED },
    { "<?xml version='1.0'?>", XML_NOT_WELL_FORMED },
    { "<s:s>", XML_NOT_WELL_FORMED },
    { "<s/>", XML_NOT_WELL_FORMED },
    { "<s></s>", XML_NOT_WELL_FORMED },
    { "<s><a>", XML_NOT_WELL_FORMED },
    { "<s>a>", XML_NOT_WELL_FORMED },
    { "<s b='1' b='2'>", XML_NOT_WELL_FORMED },
    { "<s b='&c;'>", XML_RESTRICTED },
    { "<?php?><s>", XML_RESTRICTED },
    { "<!-- a --><s>", XML_RESTRICTED },
    { LAUGHS "<s a='&c;'>", XML_RESTRICTED },
    { "\xff\xfe<\0s>", XML_NOT_WELL_FORMED },
    { "\xef\xbb\xbf<s>", XML_NOT_WELL_FORMED },
};

static void each_header_gets_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(header_rows); i++) {
        struct arena arena = { 0 };
        struct xml *x;
        enum xml_error e = xml_parse_header(parser, str_from(header_rows[i].text), &arena, &x);

        if (e != header_rows[i].error)
            fail_msg("%s gives %d", header_rows[i].text, e);
        arena_fini(&arena);
    }
}

static void utf16_is_never_guessed(void **state)
{
    static const char wide[] = "<\0?\0x\0m\0l\0 \0v\0e\0r\0s\0i\0o\0n\0=\0'\0"
                               "1\0.\0"
                               "0\0'\0?\0>\0<\0s\0>";
    struct arena arena = { 0 };
    struct xml *x;

    (void)state;
    assert_int_equal(xml_parse_header(parser, str_of(wide, sizeof wide - 1), &arena, &x),
                     XML_NOT_WELL_FORMED);
    assert_int_equal(parse(XML_ALONE, str_of(wide, sizeof wide - 1), &arena, &x),
                     XML_NOT_WELL_FORMED);
    arena_fini(&arena);
}

static void a_header_tells_its_declarations(void **state)
{
    struct arena arena = { 0 };
    struct xml *x;

    (void)state;
    assert_int_equal(xml_parse_header(parser,
                                      STR("<s:s xmlns='d' xmlns:s='n' to='a' xml:lang='en'>"),
                                      &arena, &x),
                     XML_OK);
    assert_true(xml_is(x, "n", "s") && !x->first);
    assert_true(str_is(xml_attr(x, "to"), "a") && str_is(xml_lang(x), "en"));
    assert_true(str_is(x->prefixes->name, "") && str_is(x->prefixes->value, "d"));
    assert_true(str_is(x->prefixes->next->name, "s") && str_is(x->prefixes->next->value, "n"));
    assert_null(x->prefixes->next->next);
    arena_fini(&arena);
}

/* --- limits -------------------------------------------------------------------------------- */

/* open repeated count times, then close as often. */
static enum xml_error parse_repeated(const char *before, const char *open, const char *close,
                                     const char *behind, int count)
{
    struct buf b = { 0 };
    struct arena arena = { 0 };
    struct xml *x;
    enum xml_error e;

    buf_add(&b, str_from(before));
    for (int i = 0; i < count; i++)
        buf_printf(&b, open, i); /* one of the constants below */
    for (int i = 0; i < count; i++)
        buf_add(&b, str_from(close));
    buf_add(&b, str_from(behind));
    e = parse(XML_IN_CLIENT_STREAM, buf_str(&b), &arena, &x);
    arena_fini(&arena);
    buf_fini(&b);
    return e;
}

static const struct limit_row {
    const char *before, *open, *close, *behind;
    int most; /* so many are taken, one more is not, nor are very many */
} limit_rows[] = {
    { "<a>", "<b>", "</b>", "</a>", 63 },     { "<a", " b%d=''", "", "/>", 64 },
    { "<a", " xmlns:b%d='c'", "", "/>", 64 }, { "<a>", "<b/>", "", "</a>", 4095 },
    { "<a>", "<b>%d</b>", "", "</a>", 2047 },
};

static void limits_hold_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
        const struct limit_row *r = &limit_rows[i];

        assert_int_equal(parse_repeated(r->before, r->open, r->close, r->behind, r->most), XML_OK);
        assert_int_equal(parse_repeated(r->before, r->open, r->close, r->behind, r->most + 1),
                         XML_TOO_LARGE);
        assert_int_equal(parse_repeated(r->before, r->open, r->close, r->behind, 10000),
                         XML_TOO_LARGE);
    }
}

static void a_huge_name_is_taken_and_forgotten(void **state)
{
    struct buf b = { 0 };
    struct arena arena = { 0 };
    struct xml *x;

    (void)state;
    buf_add_char(&b, '<');
    for (int i = 0; i < 40000; i++)
        buf_add_char(&b, 'n');
    buf_add(&b, STR("/>"));
    assert_int_equal(parse(XML_ALONE, buf_str(&b), &arena, &x), XML_OK);
    assert_int_equal(x->name.n, 40000);
    arena_fini(&arena);
    buf_fini(&b);
}

size_t __sanitizer_get_current_allocated_bytes(void)
    __attribute__((weak)); /* there with the address sanitizer alone */

/* 0 under valgrind, which does not tell. */
static size_t used_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks;
}

static void memory_stays_bounded_over_200000_names(void **state)
{
    size_t before = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct arena arena = { 0 };
        struct xml *x;
        char text[64];
        int n = snprintf(text, sizeof text, "<name-%d attribute-%d=''/>", i, i);

        assert_int_equal(parse(XML_IN_CLIENT_STREAM, str_of(text, (size_t)n), &arena, &x), XML_OK);
        arena_fini(&arena);
        if (i == 20000)
            before = used_bytes();
    }
    assert_true(used_bytes() <= before + 300000);
}

/* --- the tree ------------------------------------------------------------------------------ */

static void a_tree_holds_what_was_written(void **state)
{
    struct arena arena = { 0 };
    struct xml *x, *child;

    (void)state;
    assert_int_equal(
        parse(XML_IN_CLIENT_STREAM,
              STR("<message to='a&amp;b' n='&amp;#38;&#38;&lt;&#x26;' xml:lang='en'>x<body>1 &lt; "
                  "<![CDATA[2]]>&#33;</body>y<p:e xmlns:p='q' p:r='s' t='u'/>"
                  "<e xmlns='v'><f/></e></message>"),
              &arena, &x),
        XML_OK);
    assert_true(xml_is(x, NS_CLIENT, "message") && !x->parent && !x->next);
    assert_true(str_is(xml_attr(x, "to"), "a&b") && str_is(xml_lang(x), "en") &&
                !str_is_set(xml_attr(x, "lang")));
    assert_true(str_is(xml_attr(x, "n"), "&#38;&<&"));
    assert_true(str_is(xml_text(x, &arena), "xy"));
    assert_int_equal(xml_child_count(x), 3);
    child = xml_child(x, NS_CLIENT, "body");
    assert_true(child && child->parent == x && str_is(xml_text(child, &arena), "1 < 2!"));
    assert_true(child->first == child->last && xml_is_text(child->first));
    child = xml_child(x, NULL, "e");
    assert_true(xml_is(child, "q", "e") && str_is(xml_attr(child, "t"), "u") &&
                !str_is_set(xml_attr(child, "r")));
    child = xml_next(child, "v", NULL);
    assert_true(xml_is(child, "v", "e") && xml_child(child, "v", "f") &&
                !xml_next(child, NULL, NULL));
    assert_null(xml_child(x, NS_CLIENT, "e"));
    assert_true(str_is_set(xml_text(child, &arena)) && xml_text(child, &arena).n == 0);
    arena_fini(&arena);
}

static void trees_are_built_and_changed(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *x = xml_new(&arena, NS_CLIENT, "iq"), *query, *item;

    (void)state;
    xml_set(x, &arena, "type", STR("get"));
    xml_set(x, &arena, "type", STR("set"));
    xml_set(x, &arena, "gone", STR("x"));
    xml_set(x, &arena, "gone", STR_NONE);
    xml_set_lang(x, &arena, STR("de"));
    query = xml_add(x, &arena, NS_ROSTER, "query");
    item = xml_add(query, &arena, NULL, "item");
    xml_add_text(item, &arena, STR("a<b"));
    xml_remove(xml_add(query, &arena, NULL, "no"));
    xml_append(query, xml_copy(item, &arena));
    xml_write(&out, x, STR(NS_CLIENT));
    assert_true(
        str_is(buf_str(&out),
               "<iq type='set' xml:lang='de'><query xmlns='jabber:iq:roster'><item>a&lt;b</item>"
               "<item>a&lt;b</item></query></iq>"));
    xml_remove(item);
    xml_remove(query);
    xml_append(x, query);
    buf_clear(&out);
    xml_write(&out, x, STR_NONE);
    assert_true(
        str_is(buf_str(&out),
               "<iq xmlns='jabber:client' type='set' xml:lang='de'><query xmlns='jabber:iq:roster'>"
               "<item>a&lt;b</item></query></iq>"));
    buf_fini(&out);
    arena_fini(&arena);
}

/* --- writing ------------------------------------------------------------------------------- */

static const struct write_row {
    enum xml_context context;
    const char *outer_ns, *text, *anew; /* anew: written when the tree was touched */
} write_rows[] = {
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a><b>c</b></a>", "<a><b>c</b></a>" },
    { XML_IN_CLIENT_STREAM, "", "<a><b>c</b></a>", "<a xmlns='jabber:client'><b>c</b></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a b=\"'\">&#10;&#13;\t</a>",
      "<a b='&apos;'>\n&#13;\t</a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a b='&#9;&#10;&#13;&lt;&amp;'/>",
      "<a b='&#9;&#10;&#13;&lt;&amp;'/>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a><x:b xmlns:x='y' x:c='d'/></a>",
      "<a><b xmlns='y' xmlns:a0='y' a0:c='d'/></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a xmlns:x='y'><x:b/></a>", "<a><b xmlns='y'/></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a xmlns:a0='y' a0:b=''><a0:c/></a>",
      "<a xmlns:a1='y' a1:b=''><c xmlns='y'/></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<x:a xmlns:x='y'><b/></x:a>",
      "<a xmlns='y'><b xmlns='jabber:client'/></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<a><b xmlns=''><c/></b></a>",
      "<a><b xmlns=''><c/></b></a>" },
    { XML_IN_CLIENT_STREAM, NS_CLIENT, "<stream:features><a xmlns='b'/><c/></stream:features>",
      "<stream:features><a xmlns='b'/><c/></stream:features>" },
    { XML_IN_CLIENT_STREAM, "", "<stream:features><a xmlns='b'/><c/></stream:features>",
      "<features xmlns='http://etherx.jabber.org/streams'><a xmlns='b'/><c "
      "xmlns='jabber:client'/></features>" },
    { XML_IN_CLIENT_STREAM, "", "<a><stream:b stream:c=''/></a>",
      "<a xmlns='jabber:client'><b xmlns='http://etherx.jabber.org/streams' "
      "xmlns:a0='http://etherx.jabber.org/streams' a0:c=''/></a>" },
    { XML_ALONE, "", "<a><b xmlns='c'/></a>", "<a><b xmlns='c'/></a>" },
    { XML_ALONE, NS_CLIENT, "<a><b xmlns='c'/></a>", "<a xmlns=''><b xmlns='c'/></a>" },
    { XML_ALONE, NS_CLIENT, "<a xmlns='jabber:client'><b/></a>", "<a><b/></a>" },
    { XML_IN_SERVER_STREAM, NS_CLIENT, "<a><b/></a>", "<a xmlns='jabber:server'><b/></a>" },
    { XML_IN_SERVER_STREAM, NS_SERVER, "<db:result to='a'>b</db:result>",
      "<result xmlns='jabber:server:dialback' to='a'>b</result>" },
    { XML_IN_COMPONENT_STREAM, NS_COMPONENT_ACCEPT, "<a><b/></a>", "<a><b/></a>" },
};

static bool same(const struct xml *a, const struct xml *b)
{
    const struct xml_attr *p = a->attrs, *q = b->attrs;

    if (!str_eq(a->name, b->name) || !str_eq(a->ns, b->ns) || !str_eq(a->text, b->text))
        return false;
    for (; p && q; p = p->next, q = q->next)
        if (!str_eq(p->name, q->name) || !str_eq(p->ns, q->ns) || !str_eq(p->value, q->value))
            return false;
    if (p || q)
        return false;
    for (a = a->first, b = b->first; a && b; a = a->next, b = b->next)
        if (!same(a, b)) /* as deep as the limit allows */
            return false;
    return !a && !b;
}

static enum xml_context context_of(const char *outer_ns)
{
    return str_is(str_from(outer_ns), NS_CLIENT)             ? XML_IN_CLIENT_STREAM
           : str_is(str_from(outer_ns), NS_SERVER)           ? XML_IN_SERVER_STREAM
           : str_is(str_from(outer_ns), NS_COMPONENT_ACCEPT) ? XML_IN_COMPONENT_STREAM
                                                             : XML_ALONE;
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(write_rows); i++) {
        const struct write_row *r = &write_rows[i];
        struct arena arena = { 0 };
        struct buf copied = { 0 }, anew = { 0 };
        struct xml *x, *back;

        assert_int_equal(parse(r->context, str_from(r->text), &arena, &x), XML_OK);
        xml_write(&copied, x, str_from(r->outer_ns));
        assert_int_equal(parse(context_of(r->outer_ns), buf_str(&copied), &arena, &back), XML_OK);
        if (!same(x, back))
            fail_msg("%s: written %.*s", r->text, STR_ARG(buf_str(&copied)));
        xml_write(&anew, xml_copy(x, &arena), str_from(r->outer_ns));
        assert_true(str_eq(buf_str(&anew), buf_str(&copied)));
        xml_remove(xml_add(x, &arena, NULL, "touch"));
        buf_clear(&anew);
        xml_write(&anew, x, str_from(r->outer_ns));
        if (!str_is(buf_str(&anew), r->anew))
            fail_msg("%s: written %.*s", r->text, STR_ARG(buf_str(&anew)));
        assert_int_equal(parse(context_of(r->outer_ns), buf_str(&anew), &arena, &back), XML_OK);
        assert_true(same(x, back));
        buf_fini(&copied);
        buf_fini(&anew);
        arena_fini(&arena);
    }
}

static void untouched_content_is_copied(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *x;

    (void)state;
    assert_int_equal(parse(XML_IN_CLIENT_STREAM,
                           STR("<a  x = \"1\" xmlns:p='q'><p:b  ></p:b ><c><![CDATA[d]]></c></a>"),
                           &arena, &x),
                     XML_OK);
    xml_set(x, &arena, "from", STR("e"));
    xml_write(&out, x, STR(NS_CLIENT));
    assert_true(str_is(buf_str(&out),
                       "<a xmlns:p='q' x='1' from='e'><p:b  ></p:b ><c><![CDATA[d]]></c></a>"));
    buf_fini(&out);
    arena_fini(&arena);
}

enum change { CHANGE_ATTR, CHANGE_LANG, CHANGE_TEXT, CHANGE_CHILD, CHANGE_REMOVE, CHANGE_NS };

static void any_change_inside_is_written(void **state)
{
    static const char *const expected[] = {
        [CHANGE_ATTR] = "<a><b><c d='e'/></b></a>",
        [CHANGE_LANG] = "<a><b><c xml:lang='e'/></b></a>",
        [CHANGE_TEXT] = "<a><b><c>e</c></b></a>",
        [CHANGE_CHILD] = "<a><b><c><e/></c></b></a>",
        [CHANGE_REMOVE] = "<a><b/></a>",
        [CHANGE_NS] = "<a><b><c xmlns='e'/></b></a>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct arena arena = { 0 };
        struct buf out = { 0 };
        struct xml *x, *c;

        assert_int_equal(parse(XML_IN_CLIENT_STREAM, STR("<a><b><c/></b></a>"), &arena, &x),
                         XML_OK);
        assert_true(str_is(x->inner, "<b><c/></b>"));
        c = x->first->first;
        switch ((enum change)i) {
        case CHANGE_ATTR:
            xml_set(c, &arena, "d", STR("e"));
            break;
        case CHANGE_LANG:
            xml_set_lang(c, &arena, STR("e"));
            break;
        case CHANGE_TEXT:
            xml_add_text(c, &arena, STR("e"));
            break;
        case CHANGE_CHILD:
            xml_add(c, &arena, NULL, "e");
            break;
        case CHANGE_REMOVE:
            xml_remove(c);
            break;
        case CHANGE_NS:
            xml_rename_ns(c, NS_CLIENT, "e");
            break;
        }
        xml_write(&out, x, STR(NS_CLIENT));
        if (!str_is(buf_str(&out), expected[i]))
            fail_msg("%.*s", STR_ARG(buf_str(&out)));
        buf_fini(&out);
        arena_fini(&arena);
    }
}

/* Written with the prefix "stream", such a root no longer says what its content's namespace is. */
static void content_of_the_stream_namespace_is_written_anew(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *x;

    (void)state;
    assert_int_equal(parse(XML_IN_CLIENT_STREAM,
                           STR("<a xmlns='http://etherx.jabber.org/streams'><b/><c xmlns=''/></a>"),
                           &arena, &x),
                     XML_OK);
    xml_write(&out, x, STR(NS_CLIENT));
    assert_true(str_is(buf_str(&out), "<stream:a><stream:b/><c xmlns=''/></stream:a>"));
    buf_fini(&out);
    arena_fini(&arena);
}

static void a_component_s_stanza_becomes_a_client_s(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *x;

    (void)state;
    assert_int_equal(parse(XML_IN_COMPONENT_STREAM,
                           STR("<message><body>a</body><x xmlns='b'><message "
                               "xmlns='jabber:component:accept'/></x></message>"),
                           &arena, &x),
                     XML_OK);
    xml_rename_ns(x, NS_COMPONENT_ACCEPT, NS_CLIENT);
    xml_write(&out, x, STR_NONE);
    assert_true(str_is(buf_str(&out), "<message xmlns='jabber:client'><body>a</body><x "
                                      "xmlns='b'><message xmlns='jabber:client'/></x></message>"));
    buf_fini(&out);
    arena_fini(&arena);
}

static const struct escape_row {
    struct str text;
    const char *escaped;
} escape_rows[] = {
    { { "a&<>'\"b", 7 }, "a&amp;&lt;&gt;&apos;&quot;b" },
    { { "\t\n\r", 3 }, "\t\n&#13;" },
    { { "\0\x01\x1f\x7f", 4 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f" },
    { { "\xc3\xbc\xf0\x9f\x98\x80", 6 }, "\xc3\xbc\xf0\x9f\x98\x80" },
    { { "\xff\xc3", 2 }, "\xef\xbf\xbd\xef\xbf\xbd" },
    { { "\xed\xa0\x80", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { { "\xef\xbf\xbe", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { { "", 0 }, "" },
    { { NULL, 0 }, "" },
};

static void escaped_text_is_always_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(escape_rows); i++) {
        struct buf b = { 0 };

        xml_escape(&b, escape_rows[i].text);
        assert_true(str_is(buf_str(&b), escape_rows[i].escaped));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_gets_its_verdict_in_a_stream),
        cmocka_unit_test(each_text_gets_its_verdict_alone),
        cmocka_unit_test(a_nul_byte_is_not_well_formed),
        cmocka_unit_test(each_header_gets_its_verdict),
        cmocka_unit_test(utf16_is_never_guessed),
        cmocka_unit_test(a_header_tells_its_declarations),
        cmocka_unit_test(limits_hold_exactly),
        cmocka_unit_test(a_huge_name_is_taken_and_forgotten),
        cmocka_unit_test(memory_stays_bounded_over_200000_names),
        cmocka_unit_test(a_tree_holds_what_was_written),
        cmocka_unit_test(trees_are_built_and_changed),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(untouched_content_is_copied),
        cmocka_unit_test(any_change_inside_is_written),
        cmocka_unit_test(content_of_the_stream_namespace_is_written_anew),
        cmocka_unit_test(a_component_s_stanza_becomes_a_client_s),
        cmocka_unit_test(escaped_text_is_always_well_formed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
