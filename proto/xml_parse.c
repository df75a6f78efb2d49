/* Reading elements with libxml2's SAX2 push parser into a tree in an arena. One context per enum xml_context is kept
 * running behind a constant start tag, so that an element costs no set-up; after any error, and now and then, it starts
 * again. What RFC 6120 §11.1 forbids, and everything over the limits, stops it. Building and writing: xml.c, xml_write.c. */
#include "proto/xml.h"

#include "common/mem.h"
#include "proto/ns.h"
#include "proto/scan.h"

#include <libxml/parser.h>

enum {
    CONTEXTS = XML_ALONE + 1,
    HEADER_CONTEXT = CONTEXTS, /* for stream headers, never kept running */
    NS_CACHE = 8,
    MAX_RUN = 4096,            /* elements before a context starts again: its counters of lines and columns stay small */
    MAX_DICT_BYTES = 64 * 1024, /* the dictionary of names only grows; strangers choose names */
    CHECK_FIRST_BYTES = 4096,  /* libxml2 looks for double attributes in quadratic time: longer input is scanned before */
};

#define STREAM_TAG(ns, more) "<stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "'" more ">"

static const struct opening {
    const char *tag;
    const char *ns; /* the content namespace (RFC 6120 §4.8.2); NULL: none */
} openings[CONTEXTS] = {
    [XML_IN_CLIENT_STREAM] = { STREAM_TAG(NS_CLIENT, ""), NS_CLIENT },
    [XML_IN_SERVER_STREAM] = { STREAM_TAG(NS_SERVER, " xmlns:db='" NS_DIALBACK "'"), NS_SERVER },
    [XML_IN_COMPONENT_STREAM] = { STREAM_TAG(NS_COMPONENT_ACCEPT, ""), NS_COMPONENT_ACCEPT },
    [XML_ALONE] = { "<alone>", NULL },
};

const struct xml_limits xml_default_limits = { .max_depth = 64, .max_attributes = 64, .max_nodes = 4096 };

struct runner {
    xmlParserCtxtPtr ctx;
    const xmlChar *content_uri; /* the content namespace in the context's dictionary */
    struct str content_ns;
    uint32_t run;               /* elements since its start; 0: must start first */
};

struct known_ns {
    const xmlChar *uri; /* in the dictionary: the same pointer is the same namespace */
    struct str ns;      /* in the arena */
};

struct xml_parser {
    struct runner runners[CONTEXTS + 1];
    xmlSAXHandler sax;
    struct buf text; /* the run of text under way */
    /* Of the parse under way: */
    struct runner *runner;
    const struct xml_limits *limits;
    struct arena *arena;
    struct xml *root, *open; /* open: the innermost element without its end yet */
    uint32_t depth, nodes;
    bool is_opening;   /* the constant start tag itself is being read */
    bool may_copy;     /* the root's content means the same behind a start tag of our own */
    enum xml_error error;
    struct known_ns known[NS_CACHE];
    size_t known_count;
};

/* --- building the tree --------------------------------------------------------------------------------------------- */

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
    struct known_ns *k;

    if (!uri)
        return STR_NONE;
    if (uri == p->runner->content_uri)
        return p->runner->content_ns;
    if (uri == p->runner->ctx->str_xml_ns)
        return STR(NS_XML);
    for (size_t i = 0; i < p->known_count; i++)
        if (p->known[i].uri == uri)
            return p->known[i].ns;
    k = &p->known[p->known_count < NS_CACHE ? p->known_count++ : NS_CACHE - 1];
    *k = (struct known_ns){ uri, arena_str(p->arena, of_xml(uri)) };
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

/* Five pointers an attribute: name, prefix, URI, value, end of value. */
static struct xml_attr *copy_attrs(struct xml_parser *p, const xmlChar **from, int count)
{
    struct xml_attr *attrs;
    size_t bytes = 0;
    char *at;

    for (int i = 0; i < count; i++)
        bytes += strlen((const char *)from[5 * i]) + (size_t)(from[5 * i + 4] - from[5 * i + 3]) + 2;
    attrs = arena_alloc(p->arena, (size_t)count * sizeof *attrs + bytes);
    at = (char *)(attrs + count);
    for (int i = 0; i < count; i++, from += 5) {
        attrs[i].name = put(&at, of_xml(from[0]));
        attrs[i].ns = namespace_of(p, from[2]);
        attrs[i].value = put(&at, str_of(from[3], (size_t)(from[4] - from[3])));
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

static bool may_start(struct xml_parser *p, const xmlChar *prefix, const xmlChar *uri, int attributes)
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

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int prefix_count,
                     const xmlChar **prefixes, int attr_count, int defaulted, const xmlChar **attrs)
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
        p->may_copy &= !prefix;
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

static void on_subset(void *user, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
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

/* --- contexts ------------------------------------------------------------------------------------------------------ */

struct xml_parser *xml_parser_new(void)
{
    struct xml_parser *p = mem_new(struct xml_parser);

    xmlInitParser();
    p->sax = (xmlSAXHandler){
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
    for (size_t i = 0; i < CONTEXTS; i++)
        p->runners[i].content_ns = str_from(openings[i].ns);
    return p;
}

void xml_parser_free(struct xml_parser *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < ARRAY_LEN(p->runners); i++)
        if (p->runners[i].ctx)
            xmlFreeParserCtxt(p->runners[i].ctx);
    buf_fini(&p->text);
    mem_free(p);
}

/* A fresh document; the context's memory is used again. */
static void restart(struct xml_parser *p, struct runner *r)
{
    if (r->ctx && xmlDictGetUsage(r->ctx->dict) > MAX_DICT_BYTES) {
        xmlFreeParserCtxt(r->ctx);
        r->ctx = NULL;
    }
    if (!r->ctx) {
        r->ctx = xmlCreatePushParserCtxt(&p->sax, p, NULL, 0, NULL);
        ASSERT(r->ctx != NULL);
    } else {
        ASSERT(xmlCtxtResetPush(r->ctx, NULL, 0, NULL, NULL) == 0);
    }
    xmlCtxtUseOptions(r->ctx, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
    r->run = 0;
}

static void open_context(struct xml_parser *p, enum xml_context context)
{
    const char *tag = openings[context].tag;

    restart(p, p->runner);
    p->is_opening = true;
    ASSERT(xmlParseChunk(p->runner->ctx, tag, (int)strlen(tag), 0) == 0);
    p->is_opening = false;
}

static void begin(struct xml_parser *p, struct runner *r, const struct xml_limits *limits, struct arena *arena)
{
    buf_clear(&p->text);
    p->runner = r;
    p->limits = limits;
    p->arena = arena;
    p->root = p->open = NULL;
    p->depth = p->nodes = 0;
    p->may_copy = true;
    p->error = XML_OK;
    p->known_count = 0;
}

/* Feeds all bytes; what they leave open or unread is the caller's question. */
static void feed(struct xml_parser *p, struct str bytes)
{
    xmlParserCtxtPtr ctx = p->runner->ctx;
    int rc = xmlParseChunk(ctx, bytes.p, (int)bytes.n, 0);
    bool is_read = ctx->input && ctx->input->cur == ctx->input->end;

    if (p->error == XML_OK && (rc != 0 || !ctx->wellFormed || !ctx->nsWellFormed || !is_read || !p->root))
        p->error = XML_NOT_WELL_FORMED;
}

static bool looks_like_tags(struct str bytes)
{
    return bytes.n > 1 && bytes.n < INT32_MAX && bytes.p[0] == '<' && bytes.p[bytes.n - 1] == '>';
}

/* --- whole elements ------------------------------------------------------------------------------------------------ */

/* libxml2 has no word for a DOCTYPE in the middle; RFC 6120 has. */
static bool has_declaration(struct str bytes)
{
    const char *at = bytes.p, *end = bytes.p + bytes.n;

    while ((at = memmem(at, (size_t)(end - at), "<!", 2)) != NULL) {
        at += 2;
        if (at < end && *at != '[')
            return true;
    }
    return false;
}

/* Names, attributes and depth over the limits, found in linear time. */
static enum xml_error check_first(struct str bytes, const struct xml_limits *limits)
{
    struct scan scan = { 0 };
    const struct scan_limits scan_limits = {
        .max_bytes = INT32_MAX,
        .max_depth = (uint16_t)(limits->max_depth < UINT16_MAX ? limits->max_depth : UINT16_MAX),
        .max_attributes = limits->max_attributes,
    };
    size_t used;

    switch (scan_next(&scan, bytes, true, &scan_limits, &used)) {
    case SCAN_ELEMENT:
        return used == bytes.n ? XML_OK : XML_NOT_WELL_FORMED;
    case SCAN_TOO_LARGE:
        return XML_TOO_LARGE;
    case SCAN_RESTRICTED:
        return XML_RESTRICTED;
    default:
        return XML_NOT_WELL_FORMED;
    }
}

/* Behind the start tag at the front of s, which is well-formed. */
static size_t start_tag_bytes(struct str s)
{
    char quote = 0;
    size_t i;

    for (i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (quote) {
            if (c == quote)
                quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '>') {
            break;
        }
    }
    return i + 1;
}

/* The bytes between the root's tags. */
static struct str inner_bytes(struct str element, struct arena *arena)
{
    size_t start = start_tag_bytes(element), end = element.n;

    if (start >= element.n)
        return STR_NONE; /* <a/> */
    while (element.p[--end] != '<') /* no "<" can stand inside an end tag */
        ;
    return arena_str(arena, str_of(element.p + start, end - start));
}

enum xml_error xml_parse(struct xml_parser *p, enum xml_context context, const struct xml_limits *limits,
                         struct str bytes, struct arena *arena, struct xml **out_root)
{
    struct runner *r = &p->runners[context];
    enum xml_error e;

    if (!looks_like_tags(bytes))
        return XML_NOT_WELL_FORMED;
    if (bytes.n > CHECK_FIRST_BYTES && (e = check_first(bytes, limits)) != XML_OK)
        return e;
    begin(p, r, limits, arena);
    if (r->run == 0)
        open_context(p, context);
    feed(p, bytes);
    if (p->error == XML_OK && p->open)
        p->error = XML_NOT_WELL_FORMED;
    if (p->error != XML_OK) {
        r->run = 0;
        return p->error == XML_NOT_WELL_FORMED && has_declaration(bytes) ? XML_RESTRICTED : p->error;
    }
    if (++r->run >= MAX_RUN || xmlDictGetUsage(r->ctx->dict) > MAX_DICT_BYTES)
        r->run = 0;
    if (p->may_copy && p->root->first)
        p->root->inner = inner_bytes(bytes, arena);
    *out_root = p->root;
    return XML_OK;
}

/* --- stream headers ------------------------------------------------------------------------------------------------ */

/* RFC 6120 §11.6: whatever the declaration names must be UTF-8. */
static bool is_declared_utf8(struct str header)
{
    const char *end = memmem(header.p, header.n, "?>", 2);
    struct str rest, value;
    const char *at;
    char quote;

    if (!end || !str_starts_with(header, STR("<?xml")))
        return true;
    rest = str_of(header.p, (size_t)(end - header.p));
    at = memmem(rest.p, rest.n, "encoding", 8);
    if (!at)
        return true;
    rest = str_trim(str_of(at + 8, (size_t)(end - at - 8)));
    if (rest.n == 0 || rest.p[0] != '=')
        return true; /* not well-formed: the parser says so */
    rest = str_trim(str_of(rest.p + 1, rest.n - 1));
    if (rest.n == 0)
        return true;
    quote = rest.p[0];
    rest = str_of(rest.p + 1, rest.n - 1);
    value = str_cut(&rest, quote);
    return str_eq_nocase(value, STR("UTF-8"));
}

enum xml_error xml_parse_header(struct xml_parser *p, struct str bytes, struct arena *arena, struct xml **out_root)
{
    struct runner *r = &p->runners[HEADER_CONTEXT];

    if (!looks_like_tags(bytes) || memchr(bytes.p, '\0', bytes.n)) /* NUL: libxml2 would guess at UTF-16 */
        return XML_NOT_WELL_FORMED;
    if (memmem(bytes.p, bytes.n, "<!", 2)) /* a DOCTYPE must not even be looked at */
        return XML_RESTRICTED;
    if (!is_declared_utf8(bytes))
        return XML_UNSUPPORTED_ENCODING;
    begin(p, r, &xml_default_limits, arena);
    restart(p, r);
    feed(p, bytes);
    if (p->error == XML_OK && (p->open != p->root || p->root->first || p->text.n > 0))
        p->error = XML_NOT_WELL_FORMED;
    if (p->error != XML_OK)
        return p->error;
    *out_root = p->root;
    return XML_OK;
}
