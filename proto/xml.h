/* Elements: parsing (libxml2 SAX2, restricted as RFC 6120 §11 wants), a tree in an arena, building,
 * writing. */
#ifndef PROTO_XML_H
#define PROTO_XML_H

#include "common/arena.h"
#include "common/buf.h"

struct xml_attr {
    struct str name;
    struct str ns;    /* absent for most */
    struct str value;
    struct xml_attr *next;
};

/* An element, or a run of text (then name is absent and only text, next and parent mean something).
 */
struct xml {
    struct str name;
    struct str ns;
    struct str text;
    struct xml_attr *attrs;
    struct xml *first, *last, *next, *parent;
    /* Of a parsed top-level element whose content is untouched: the bytes between its tags, as they
     * came, and the prefixes that its start tag declared; so that xml_write copies instead of
     * writing anew. Lives in the arena. */
    struct str inner;
    struct xml_attr *prefixes; /* name = prefix, value = namespace */
};

/* What went wrong while reading. Each is the stream error of that name (RFC 6120 §4.9.3). */
enum xml_error {
    XML_OK,
    XML_NOT_WELL_FORMED,
    XML_RESTRICTED, /* restricted-xml: comment, PI, DTD, entity beyond the five */
    XML_BAD_NAMESPACE_PREFIX,
    XML_UNSUPPORTED_ENCODING,
    XML_TOO_LARGE, /* depth, attributes, children or names over the limits: policy-violation */
};

enum xml_context { /* what a prefixless name means outside of the element */
    XML_IN_CLIENT_STREAM,    /* jabber:client; prefix stream is bound */
    XML_IN_SERVER_STREAM,    /* jabber:server; prefixes stream and db are bound */
    XML_IN_COMPONENT_STREAM, /* jabber:component:accept; prefix stream is bound */
    XML_ALONE,               /* nothing is bound: a frame's payload */
};

struct xml_limits {
    uint32_t max_depth;
    uint32_t max_attributes; /* of one element */
    uint32_t max_nodes;      /* elements and texts of the whole */
};

extern const struct xml_limits xml_default_limits; /* depth 64, 64 attributes, 4096 nodes */

struct xml_parser; /* one a process; keeps no state from one element to the next */
struct xml_parser *xml_parser_new(void);

/* In a process that keeps nothing (common/mem.h): overwrites what libxml2 still has of elements
 * that were parsed. The next parse costs a set-up. */
void xml_parser_forget(struct xml_parser *p);
void xml_parser_free(struct xml_parser *p);

/* Parses exactly one element with nothing before or behind it.
 * bytes  copied into the arena: the tree does not refer to them. */
enum xml_error xml_parse(struct xml_parser *p, enum xml_context context,
                         const struct xml_limits *limits, struct str bytes, struct arena *arena,
                         struct xml **out_root);

/* Parses a stream header: an optional XML declaration and the start tag, "<?xml …?><stream:stream
 * …>". The root has no children; its prefixes include the default namespace under the empty name.
 */
enum xml_error xml_parse_header(struct xml_parser *p, struct str bytes, struct arena *arena,
                                struct xml **out_root);

/* --- reading ---------------------------------------------------------------------------------- */

static inline bool xml_is_text(const struct xml *x)
{
    return !str_is_set(x->name);
}

static inline bool xml_is(const struct xml *x, const char *ns, const char *name)
{
    return str_is(x->name, name) && str_is(x->ns, ns);
}

/* Absent when it is not there. Attributes without namespace. */
struct str xml_attr(const struct xml *x, const char *name);
struct str xml_lang(const struct xml *x); /* xml:lang */

/* The first child element; ns NULL: any, name NULL: any. NULL when there is none. */
struct xml *xml_child(const struct xml *x, const char *ns, const char *name);
/* The next sibling element after x. */
struct xml *xml_next(const struct xml *x, const char *ns, const char *name);
size_t xml_child_count(const struct xml *x); /* elements */

/* All the text directly inside x, joined; empty when there is none, never absent. */
struct str xml_text(const struct xml *x, struct arena *arena);

/* --- building; all in the arena, texts are copied --------------------------------------------- */

struct xml *xml_new(struct arena *arena, const char *ns, const char *name);
/* value absent: the attribute is removed. */
void xml_set(struct xml *x, struct arena *arena, const char *name, struct str value);
void xml_set_lang(struct xml *x, struct arena *arena, struct str value);
/* Returns the new child. ns NULL: the parent's. */
struct xml *xml_add(struct xml *parent, struct arena *arena, const char *ns, const char *name);
void xml_add_text(struct xml *parent, struct arena *arena, struct str text);
/* child becomes parent's last; it must have no parent. */
void xml_append(struct xml *parent, struct xml *child);
/* The same for a child that is complete: parent's content that came as it is stays so, and is still
 * copied by xml_write (inner). parent must be a root. */
void xml_append_whole(struct xml *parent, struct arena *arena, struct xml *child);
void xml_remove(struct xml *child);
struct xml *xml_copy(const struct xml *x, struct arena *arena);
/* x and all inside it that is of one namespace moves to another; to is borrowed for good (one of
 * ns.h). For stanzas that change their stream: jabber:component:accept or jabber:server to
 * jabber:client (RFC 6120 §4.8.3). */
void xml_rename_ns(struct xml *x, const char *from, const char *to);

/* --- writing ---------------------------------------------------------------------------------- */

/* Writes x where ns is the default namespace already in force (absent: none). A prefixless form is
 * written: each element whose namespace differs from its parent's declares its own, but for stream:
 * (bound only where outer_ns is jabber:client, jabber:server or jabber:component:accept, as in a
 * stream). */
void xml_write(struct buf *out, const struct xml *x, struct str outer_ns);

/* Text with & < > ' " replaced; what XML cannot hold (control characters, bad UTF-8) becomes
 * U+FFFD. */
void xml_escape(struct buf *out, struct str text);
/* The same for the value of an attribute: tab and line ends as references, which would become
 * spaces. */
void xml_escape_attr(struct buf *out, struct str text);

#endif
