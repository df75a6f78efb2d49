/* The inside of struct xml_parser, shared by xml_parse.c (contexts, whole elements, headers) and
 * xml_tree.c (what the parser reports, made into a tree). Nobody else includes this. */
#ifndef PROTO_XML_PRIVATE_H
#define PROTO_XML_PRIVATE_H

#include "proto/xml.h"

#include <libxml/parser.h>

enum {
    XML_CONTEXTS = XML_ALONE + 1,
    XML_NS_CACHE = 8,
};

/* A libxml2 context, running behind a constant start tag. */
struct xml_runner {
    xmlParserCtxtPtr ctx;
    const xmlChar *content_uri; /* the content namespace in the context's dictionary */
    struct str content_ns;
    uint32_t run; /* elements since its start; 0: must start first */
};

struct xml_known_ns {
    const xmlChar *uri; /* in the dictionary: the same pointer is the same namespace */
    struct str ns;      /* in the arena */
};

struct xml_parser {
    struct xml_runner runners[XML_CONTEXTS + 1];
    struct buf text; /* the run of text under way */
    /* Of the parse under way: */
    struct xml_runner *runner;
    const struct xml_limits *limits;
    struct arena *arena;
    struct xml *root, *open; /* open: the innermost element without its end yet */
    uint32_t depth, nodes;
    bool is_opening; /* the constant start tag itself is being read */
    bool may_copy;   /* the root's content means the same behind a start tag of our own */
    enum xml_error error;
    struct xml_known_ns known[XML_NS_CACHE];
    size_t known_count;
};

/* The callbacks of xml_tree.c, for xmlCreatePushParserCtxt; their user data is the struct
 * xml_parser. */
extern const xmlSAXHandler xml_tree_sax;

#endif
