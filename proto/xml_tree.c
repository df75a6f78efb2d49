/* What libxml2 reports, made into a tree in an arena. What RFC 6120 §11.1 forbids, and everything
 * over the limits, stops it. */
#include "proto/ns.h"
#include "proto/xml_private.h"

static void fail(struct xml_parser *p, enum xml_error error)
{
    if (p->error == XML_OK)
        p->error = error;
    xmlStopParser(p->runner->ctx);
}

static struct str of_xml(const xmlChar *text)
{
    return str_from((const char *)text);
}

/* Copies s to *at, with a NUL behind it, and moves *at on. */
static struct str put(char **at, struct str s)
{
    struct str copy = str_of(*at, s.n);

    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n + 1; /* the arena zeroed it */
    return copy;
}

static struct str namespace_of(struct xml_parser *p, const xmlChar *uri)
{
    struct xml_known_ns *k;

    if (!uri)
        return STR_NONE;
    if (uri == p->runner->content_uri)
        return p->runner->content_ns;
    if (uri == p->runner->ctx->str_xml_ns)
        return STR(NS_XML);
    for (size_t i = 0; i < p->known_count; i++)
        if (p->known[i].uri == uri)
            return p->known[i].ns;
    k = &p->known[p->known_count < XML_NS_CACHE ? p->known_count++ : XML_NS_CACHE - 1];
    *k = (struct xml_known_ns){ uri, arena_str(p->arena, of_xml(uri)) };
    return k->ns;
}

static void attach(struct xml_parser *p, struct xml *x)
{
    x->parent = p->open;
    if (!p->open)
        return;
    if (p->open->last)
        p->open->last->next = x;
    else
        p->open->first = x;
    p->open->last = x;
}

static bool count_node(struct xml_parser *p)
{
    if (++p->nodes <= p->limits->max_nodes)
        return true;
    fail(p, XML_TOO_LARGE);
    return false;
}

/* libxml2 hands text over in pieces; one run becomes one node. */
static void end_text(struct xml_parser *p)
{
    struct xml *x;
    char *at;

    if (p->text.n == 0 || !count_node(p))
        return;
    x = arena_alloc(p->arena, sizeof *x + p->text.n + 1);
    at = (char *)(x + 1);
    x->text = put(&at, buf_str(&p->text));
    buf_clear(&p->text);
    attach(p, x);
}

/* Prefixes that only the stream's header binds mean nothing elsewhere. */
static void check_prefix(struct xml_parser *p, const xmlChar *prefix)
{
    if (prefix && (xmlStrEqual(prefix, BAD_CAST "stream") || xmlStrEqual(prefix, BAD_CAST "db")))
        p->may_copy = false;
}

/* libxml2 leaves an ampersand in a value, however it was written, as "&#38;", and nothing else.
 * Shortens in place. */
static struct str with_ampersands(struct str value)
{
    char *to = memchr(value.p, '&', value.n);
    const char *from = to, *end = value.p + value.n;

    if (!to)
        return value;
    while (from < end) {
        char c = *from;

        *to++ = c;
        from += c == '&' ? sizeof "&#38;" - 1 : 1;
    }
    *to = '\0';
    return str_of(value.p, (size_t)(to - value.p));
}

/* Five pointers an attribute: name, prefix, URI, value, end of value. */
static struct xml_attr *copy_attrs(struct xml_parser *p, const xmlChar **from, int count)
{
    struct xml_attr *attrs;
    size_t bytes = 0;
    char *at;

    for (int i = 0; i < count; i++)
        bytes +=
            strlen((const char *)from[5 * i]) + (size_t)(from[5 * i + 4] - from[5 * i + 3]) + 2;
    attrs = arena_alloc(p->arena, (size_t)count * sizeof *attrs + bytes);
    at = (char *)(attrs + count);
    for (int i = 0; i < count; i++, from += 5) {
        attrs[i].name = put(&at, of_xml(from[0]));
        attrs[i].ns = namespace_of(p, from[2]);
        attrs[i].value = with_ampersands(put(&at, str_of(from[3], (size_t)(from[4] - from[3]))));
        attrs[i].next = i + 1 < count ? &attrs[i + 1] : NULL;
        check_prefix(p, from[1]);
    }
    return attrs;
}

/* Two pointers a declaration: prefix (NULL: the default namespace), URI. */
static struct xml_attr *copy_prefixes(struct xml_parser *p, const xmlChar **from, int count)
{
    struct xml_attr *prefixes = arena_alloc(p->arena, (size_t)count * sizeof *prefixes);

    for (int i = 0; i < count; i++, from += 2) {
        prefixes[i].name = arena_str(p->arena, from[0] ? of_xml(from[0]) : STR(""));
        prefixes[i].value = from[1] ? namespace_of(p, from[1]) : STR("");
        prefixes[i].next = i + 1 < count ? &prefixes[i + 1] : NULL;
    }
    return prefixes;
}

static bool may_start(struct xml_parser *p, const xmlChar *prefix, const xmlChar *uri,
                      int attributes)
{
    if (p->error != XML_OK)
        return false;
    end_text(p);
    if (!p->open && p->root)
        fail(p, XML_NOT_WELL_FORMED); /* a second element */
    else if (++p->depth > p->limits->max_depth || (uint32_t)attributes > p->limits->max_attributes)
        fail(p, XML_TOO_LARGE);
    else if (prefix && uri && uri == p->runner->content_uri)
        fail(p, XML_BAD_NAMESPACE_PREFIX); /* RFC 6120 §4.8.5 */
    else
        return count_node(p);
    return false;
}

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int prefix_count, const xmlChar **prefixes, int attr_count, int defaulted,
                     const xmlChar **attrs)
{
    struct xml_parser *p = user;
    struct str name_str = of_xml(name);
    struct xml *x;
    char *at;

    (void)defaulted;
    if (p->is_opening) {
        p->runner->content_uri = xmlStrEqual(prefix, BAD_CAST "stream") ? prefixes[1] : NULL;
        return;
    }
    if (!may_start(p, prefix, uri, attr_count + prefix_count))
        return;
    x = arena_alloc(p->arena, sizeof *x + name_str.n + 1);
    at = (char *)(x + 1);
    x->name = put(&at, name_str);
    x->ns = namespace_of(p, uri);
    if (attr_count > 0)
        x->attrs = copy_attrs(p, attrs, attr_count);
    if (prefix_count > 0 && !p->root)
        x->prefixes = copy_prefixes(p, prefixes, prefix_count);
    check_prefix(p, prefix);
    attach(p, x);
    if (!p->root) {
        p->root = x;
        p->may_copy &= !prefix && !str_is(x->ns, NS_STREAM); /* may be written with a prefix */
    }
    p->open = x;
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct xml_parser *p = user;

    (void)name, (void)prefix, (void)uri;
    if (p->error != XML_OK)
        return;
    if (!p->open) {
        fail(p, XML_NOT_WELL_FORMED); /* the end tag of our own opening */
        return;
    }
    end_text(p);
    p->open = p->open->parent;
    p->depth--;
}

static void on_text(void *user, const xmlChar *text, int n)
{
    struct xml_parser *p = user;

    if (!p->open)
        fail(p, XML_NOT_WELL_FORMED);
    else if (p->error == XML_OK)
        buf_add(&p->text, str_of(text, (size_t)n));
}

static void on_comment(void *user, const xmlChar *text)
{
    (void)text;
    fail(user, XML_RESTRICTED);
}

static void on_instruction(void *user, const xmlChar *target, const xmlChar *data)
{
    (void)target, (void)data;
    fail(user, XML_RESTRICTED);
}

static void on_subset(void *user, const xmlChar *name, const xmlChar *public_id,
                      const xmlChar *system_id)
{
    (void)name, (void)public_id, (void)system_id;
    fail(user, XML_RESTRICTED);
}

/* Only notes it: the parser must not be stopped from within its own error. */
static void on_error(void *user, xmlErrorPtr e)
{
    struct xml_parser *p = user;

    if (p->error != XML_OK || e->level == XML_ERR_WARNING)
        return;
    switch (e->code) {
    case XML_ERR_UNDECLARED_ENTITY:
    case XML_WAR_UNDECLARED_ENTITY:
    case XML_ERR_RESERVED_XML_NAME: /* <?xml?> inside */
        p->error = XML_RESTRICTED;
        break;
    case XML_ERR_UNKNOWN_ENCODING:
    case XML_ERR_UNSUPPORTED_ENCODING:
        p->error = XML_UNSUPPORTED_ENCODING;
        break;
    default:
        p->error = XML_NOT_WELL_FORMED;
        break;
    }
}

const xmlSAXHandler xml_tree_sax = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .internalSubset = on_subset,
    .externalSubset = on_subset,
    .processingInstruction = on_instruction,
    .comment = on_comment,
    .reference = on_comment,
    .serror = on_error,
};
