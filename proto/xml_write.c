/* Writing trees of elements (xml.h): without prefixes, each namespace declared where it changes,
 * all text escaped so that it comes back as it was. What came untouched from a parser is copied. */
#include "proto/xml.h"

#include "proto/ns.h"

#include <stdio.h>

enum { IN_TEXT = 1, IN_VALUE = 2, HIGH = 4 };

/* What must not be written as it is, in text or in a value; HIGH: the start of a longer sequence.
 */
static const uint8_t special[256] = {
    [0 ... 8] = IN_TEXT | IN_VALUE,   ['\t'] = IN_VALUE,          ['\n'] = IN_VALUE,
    [11 ... 31] = IN_TEXT | IN_VALUE, /* CR too: a parser would make it LF */
    ['&'] = IN_TEXT | IN_VALUE,       ['<'] = IN_TEXT | IN_VALUE, ['>'] = IN_TEXT | IN_VALUE,
    ['\''] = IN_TEXT | IN_VALUE,      ['"'] = IN_TEXT | IN_VALUE, [0x80 ... 0xff] = HIGH,
};

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static struct str reference_of(char c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '\'':
        return STR("&apos;");
    case '"':
        return STR("&quot;");
    case '\t':
        return STR("&#9;");
    case '\n':
        return STR("&#10;");
    case '\r':
        return STR("&#13;");
    default:
        return STR(REPLACEMENT);
    }
}

/* The length of a sequence that XML can hold (XML 1.0 §2.2), or 0. */
static size_t high_bytes(struct str s)
{
    uint32_t code = 0;
    size_t n = str_utf8_next(s, &code);

    return code == 0xfffe || code == 0xffff ? 0 : n;
}

static void escape(struct buf *out, struct str s, uint8_t where)
{
    const char *p = s.p, *done = p, *end;
    size_t n;

    if (s.n == 0)
        return; /* it may be absent */
    end = p + s.n;
    buf_reserve(out, s.n); /* mostly all that is needed */
    where |= HIGH;
    for (;;) {
        while (p < end && !(special[(unsigned char)*p] & where))
            p++;
        if (p == end)
            break;
        if ((unsigned char)*p >= 0x80 && (n = high_bytes(str_of(p, (size_t)(end - p)))) > 0) {
            p += n;
            continue;
        }
        buf_add(out, str_of(done, (size_t)(p - done)));
        buf_add(out, reference_of(*p));
        done = ++p;
    }
    buf_add(out, str_of(done, (size_t)(end - done)));
}

void xml_escape(struct buf *out, struct str text)
{
    escape(out, text, IN_TEXT);
}

void xml_escape_attr(struct buf *out, struct str text)
{
    escape(out, text, IN_VALUE);
}

static void put_attr(struct buf *out, struct str prefix, struct str name, struct str value)
{
    char *at;

    buf_reserve(out, prefix.n + name.n + value.n + 4);
    at = out->p + out->n;
    *at++ = ' ';
    at = mempcpy(at, prefix.n ? prefix.p : "", prefix.n);
    at = mempcpy(at, name.p, name.n);
    at = mempcpy(at, "='", 2);
    out->n = (size_t)(at - out->p);
    escape(out, value, IN_VALUE);
    buf_add_char(out, '\'');
}

static bool has_prefix(const struct xml *x, struct str prefix)
{
    for (const struct xml_attr *p = x->prefixes; p; p = p->next)
        if (str_eq(p->name, prefix))
            return true;
    return false;
}

/* An attribute of another namespace, which needs a prefix of its own that x does not use yet. */
static void put_foreign_attr(struct buf *out, const struct xml *x, const struct xml_attr *a,
                             unsigned *number)
{
    char prefix[16];
    size_t n;

    do
        n = (size_t)snprintf(prefix, sizeof prefix - 1, "a%u", (*number)++);
    while (has_prefix(x, str_of(prefix, n)));
    put_attr(out, STR("xmlns:"), str_of(prefix, n), a->ns);
    prefix[n] = ':';
    put_attr(out, str_of(prefix, n + 1), a->name, a->value);
}

static void put_attrs(struct buf *out, const struct xml *x)
{
    unsigned number = 0;

    for (const struct xml_attr *a = x->attrs; a; a = a->next) {
        if (!str_is_set(a->ns))
            put_attr(out, STR_NONE, a->name, a->value);
        else if (str_is(a->ns, NS_XML))
            put_attr(out, STR("xml:"), a->name, a->value);
        else
            put_foreign_attr(out, x, a, &number);
    }
}

/* Where a walk is: what it writes, the default namespace around that, and whether the prefix
 * "stream" is bound there. */
struct place {
    const struct xml *top;
    struct str outer_ns;
    bool in_stream;
};

static bool is_stream_name(const struct place *place, const struct xml *x)
{
    return place->in_stream && str_is(x->ns, NS_STREAM);
}

/* The default namespace inside x: a prefixed name leaves that of its surroundings in force. */
static struct str ns_inside(const struct place *place, const struct xml *x)
{
    while (is_stream_name(place, x)) {
        if (x == place->top)
            return place->outer_ns;
        x = x->parent;
    }
    return x->ns;
}

static void put_name(struct buf *out, const struct place *place, const struct xml *x)
{
    if (is_stream_name(place, x))
        buf_add(out, STR("stream:"));
    buf_add(out, x->name);
}

static void put_start(struct buf *out, const struct place *place, const struct xml *x,
                      struct str around)
{
    buf_add_char(out, '<');
    put_name(out, place, x);
    if (!is_stream_name(place, x) && !str_eq(x->ns, around))
        put_attr(out, STR_NONE, STR("xmlns"), x->ns);
    for (const struct xml_attr *p = str_is_set(x->inner) ? x->prefixes : NULL; p; p = p->next)
        if (p->name.n > 0)
            put_attr(out, STR("xmlns:"), p->name, p->value);
    put_attrs(out, x);
    buf_add(out, x->first ? STR(">") : STR("/>"));
}

static void put_end(struct buf *out, const struct place *place, const struct xml *x)
{
    buf_add(out, STR("</"));
    put_name(out, place, x);
    buf_add_char(out, '>');
}

/* Writes x's start and, where that is all, its end. Returns the child to go on with, or NULL. */
static const struct xml *put_node(struct buf *out, const struct place *place, const struct xml *x,
                                  struct str around)
{
    if (xml_is_text(x)) {
        escape(out, x->text, IN_TEXT);
        return NULL;
    }
    put_start(out, place, x, around);
    if (!x->first || !str_is_set(x->inner))
        return x->first;
    buf_add(out, x->inner);
    put_end(out, place, x);
    return NULL;
}

/* Without recursion; x may hang in a larger tree. */
void xml_write(struct buf *out, const struct xml *x, struct str outer_ns)
{
    const struct place place = {
        .top = x,
        .outer_ns = outer_ns,
        .in_stream = str_is(outer_ns, NS_CLIENT) || str_is(outer_ns, NS_SERVER) ||
                     str_is(outer_ns, NS_COMPONENT_ACCEPT),
    };
    struct str around = outer_ns;
    const struct xml *at = x, *child;

    for (;;) {
        if ((child = put_node(out, &place, at, around)) != NULL) {
            around = ns_inside(&place, at);
            at = child;
            continue;
        }
        while (at != x && !at->next) {
            at = at->parent;
            put_end(out, &place, at);
        }
        if (at == x)
            return;
        at = at->next;
        around = ns_inside(&place, at->parent);
    }
}
