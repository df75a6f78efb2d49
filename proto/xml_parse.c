/* Reading elements with libxml2's SAX2 push parser. One context for each enum xml_context is kept
 * running behind a constant start tag, so that an element costs no set-up; after any error, and now
 * and then, it starts again. The tree is made by xml_tree.c, changed by xml.c and written by
 * xml_write.c. */
#include "proto/xml.h"

#include "common/mem.h"
#include "proto/ns.h"
#include "proto/scan.h"
#include "proto/xml_private.h"

enum {
    /* For stream headers, never kept running. */
    HEADER_CONTEXT = XML_CONTEXTS,
    /* Elements before a context starts again: its counters of lines and columns stay small. */
    MAX_RUN = 4096,
    /* The dictionary of names only grows, and strangers choose names. */
    MAX_DICT_BYTES = 64 * 1024,
    /* libxml2 looks for double attributes in quadratic time: longer input is scanned before. */
    CHECK_FIRST_BYTES = 4096,
};

#define STREAM_TAG(ns, more) "<stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "'" more ">"

static const struct opening {
    const char *tag;
    const char *ns; /* the content namespace (RFC 6120 §4.8.2); NULL: none */
} openings[XML_CONTEXTS] = {
    [XML_IN_CLIENT_STREAM] = { STREAM_TAG(NS_CLIENT, ""), NS_CLIENT },
    [XML_IN_SERVER_STREAM] = { STREAM_TAG(NS_SERVER, " xmlns:db='" NS_DIALBACK "'"), NS_SERVER },
    [XML_IN_COMPONENT_STREAM] = { STREAM_TAG(NS_COMPONENT_ACCEPT, ""), NS_COMPONENT_ACCEPT },
    [XML_ALONE] = { "<alone>", NULL },
};

const struct xml_limits xml_default_limits = { .max_depth = 64,
                                               .max_attributes = 64,
                                               .max_nodes = 4096 };

/* --- contexts ------------------------------------------------------------------------------ */

struct xml_parser *xml_parser_new(void)
{
    struct xml_parser *p = mem_new(struct xml_parser);

    if (mem_keeps_nothing())
        ASSERT(xmlMemSetup(mem_free, mem_alloc, mem_realloc, mem_strdup) == 0);
    xmlInitParser();
    for (size_t i = 0; i < XML_CONTEXTS; i++)
        p->runners[i].content_ns = str_from(openings[i].ns);
    return p;
}

static void free_contexts(struct xml_parser *p)
{
    for (size_t i = 0; i < ARRAY_LEN(p->runners); i++) {
        if (p->runners[i].ctx)
            xmlFreeParserCtxt(p->runners[i].ctx);
        p->runners[i].ctx = NULL;
        p->runners[i].run = 0;
    }
    buf_fini(&p->text);
}

void xml_parser_forget(struct xml_parser *p)
{
    if (mem_keeps_nothing())
        free_contexts(p);
}

void xml_parser_free(struct xml_parser *p)
{
    if (!p)
        return;
    free_contexts(p);
    mem_free(p);
}

/* A fresh document; the context's memory is used again. */
static void restart(struct xml_parser *p, struct xml_runner *r)
{
    if (r->ctx && xmlDictGetUsage(r->ctx->dict) > MAX_DICT_BYTES) {
        xmlFreeParserCtxt(r->ctx);
        r->ctx = NULL;
    }
    if (!r->ctx) {
        /* It copies the handlers. */
        r->ctx = xmlCreatePushParserCtxt((xmlSAXHandlerPtr)&xml_tree_sax, p, NULL, 0, NULL);
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

static void begin(struct xml_parser *p, struct xml_runner *r, const struct xml_limits *limits,
                  struct arena *arena)
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

    if (p->error == XML_OK &&
        (rc != 0 || !ctx->wellFormed || !ctx->nsWellFormed || !is_read || !p->root))
        p->error = XML_NOT_WELL_FORMED;
}

static bool looks_like_tags(struct str bytes)
{
    return bytes.n > 1 && bytes.n < INT32_MAX && bytes.p[0] == '<' && bytes.p[bytes.n - 1] == '>';
}

/* --- whole elements ------------------------------------------------------------------------ */

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
static const char *start_tag_end(struct str s)
{
    const char *p = s.p, *end = s.p + s.n;

    for (; p < end && *p != '>'; p++)
        if (*p == '\'' || *p == '"')
            p = memchr(p + 1, *p, (size_t)(end - p - 1));
    return p + 1;
}

/* The bytes between the root's tags; no other "<" can stand in an end tag. */
static struct str inner_bytes(struct str element, struct arena *arena)
{
    const char *start = start_tag_end(element), *end = memrchr(element.p, '<', element.n);

    return end < start ? STR_NONE : arena_str(arena, str_of(start, (size_t)(end - start)));
}

enum xml_error xml_parse(struct xml_parser *p, enum xml_context context,
                         const struct xml_limits *limits, struct str bytes, struct arena *arena,
                         struct xml **out_root)
{
    struct xml_runner *r = &p->runners[context];
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
        return p->error == XML_NOT_WELL_FORMED && has_declaration(bytes) ? XML_RESTRICTED
                                                                         : p->error;
    }
    if (++r->run >= MAX_RUN || xmlDictGetUsage(r->ctx->dict) > MAX_DICT_BYTES)
        r->run = 0;
    if (p->may_copy && p->root->first)
        p->root->inner = inner_bytes(bytes, arena);
    *out_root = p->root;
    return XML_OK;
}

/* --- stream headers ------------------------------------------------------------------------ */

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

enum xml_error xml_parse_header(struct xml_parser *p, struct str bytes, struct arena *arena,
                                struct xml **out_root)
{
    struct xml_runner *r = &p->runners[HEADER_CONTEXT];

    /* With a NUL libxml2 would guess at UTF-16. */
    if (!looks_like_tags(bytes) || memchr(bytes.p, '\0', bytes.n))
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
