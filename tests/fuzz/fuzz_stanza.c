/* A client's stream behind its header: scanned, parsed, read as a stanza, written, parsed again:
 * the same tree, whichever way it was written and whatever surrounds it. */
#include "proto/ns.h"
#include "proto/scan.h"
#include "proto/stanza.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xml_parser *parser;

static bool same_attrs(const struct xml_attr *a, const struct xml_attr *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!str_eq(a->name, b->name) || !str_eq(a->ns, b->ns) || !str_eq(a->value, b->value))
            return false;
    return !a && !b;
}

/* As deep as the limit allows. */
static bool same(const struct xml *a, const struct xml *b)
{
    if (!str_eq(a->name, b->name) || !str_eq(a->ns, b->ns) || !str_eq(a->text, b->text) ||
        !same_attrs(a->attrs, b->attrs))
        return false;
    for (a = a->first, b = b->first; a && b; a = a->next, b = b->next)
        if (!same(a, b))
            return false;
    return !a && !b;
}

static void check_written(const struct xml *x, enum xml_context context, struct str outer_ns)
{
    struct xml_limits limits = xml_default_limits;
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *back;

    limits.max_attributes *= 3; /* namespaces may have to be declared anew */
    xml_write(&out, x, outer_ns);
    ASSERT(xml_parse(parser, context, &limits, buf_str(&out), &arena, &back) == XML_OK);
    ASSERT(same(x, back));
    buf_fini(&out);
    arena_fini(&arena);
}

static void check_all_ways(struct xml *x)
{
    check_written(x, XML_IN_CLIENT_STREAM, STR(NS_CLIENT));
    check_written(x, XML_IN_SERVER_STREAM, STR(NS_SERVER));
    check_written(x, XML_ALONE, STR_NONE);
}

static void check_element(struct str bytes)
{
    struct stanza *s = stanza_new(STANZA_MESSAGE, TYPE_NONE), *reply;
    enum stanza_error e;

    if (xml_parse(parser, XML_IN_CLIENT_STREAM, &xml_default_limits, bytes, &s->arena, &s->el) ==
        XML_OK) {
        check_all_ways(s->el);
        e = stanza_read(s);
        if ((reply = stanza_error_reply(s, e == STANZA_OK ? STANZA_CONFLICT : e, STR_NONE)) != NULL)
            check_all_ways(reply->el);
        stanza_unref(reply);
        stanza_set_to(s, &s->from);
        check_all_ways(s->el);
        s->el->inner = STR_NONE;
        check_all_ways(s->el);
    }
    stanza_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct scan_limits limits = { .max_bytes = 1 << 16,
                                               .max_depth = 64,
                                               .max_attributes = 64 };
    struct str rest = str_of(data, size);
    struct scan scan = { 0 };
    size_t used;

    if (!parser)
        parser = xml_parser_new();
    while (rest.n > 0) {
        enum scan_found found = scan_next(&scan, rest, true, &limits, &used);

        if (found == SCAN_ELEMENT)
            check_element(str_of(rest.p, used));
        else if (found != SCAN_SPACE)
            break;
        rest = str_of(rest.p + used, rest.n - used);
    }
    return 0;
}
