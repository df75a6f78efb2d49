/* Finds where a top-level element of a stream begins and ends, without understanding it: depth,
 * quotes, nothing more. 16 bytes of state a connection. What it finds is then checked by xml.h,
 * which also sees everything that this does not (names, entities, UTF-8, namespaces). */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include "common/str.h"

/* Zeroed is the start of a stream. */
struct scan {
    uint8_t state;
    uint8_t quote;
    uint16_t depth;
    uint32_t size;       /* bytes of the unfinished thing so far */
    uint32_t attributes; /* of the start tag under way */
};

struct scan_limits {
    uint32_t max_bytes; /* of one top-level element */
    uint16_t max_depth;
    uint32_t max_attributes; /* of one tag */
};

enum scan_found {
    SCAN_MORE,         /* all was used; nothing is whole yet */
    SCAN_SPACE,        /* white space between elements (keepalive, RFC 6120 §4.6.1) */
    SCAN_DECLARATION,  /* <?xml …?> : the caller accepts it only in front of a stream header */
    SCAN_STREAM_OPEN,  /* a start tag at depth 0 that is not closed: the stream header */
    SCAN_ELEMENT,      /* one whole element */
    SCAN_STREAM_CLOSE, /* an end tag at depth 0: </stream:stream> */
    SCAN_TOO_LARGE,    /* the limits; policy-violation */
    SCAN_RESTRICTED, /* a comment, processing instruction, DOCTYPE or CDATA where none may stand at
                        depth 0 (RFC 6120 §11.1) */
    SCAN_BAD,        /* not well-formed: text at depth 0, ']]>'… not-well-formed */
};

/* Looks at bytes from where it stopped. in_stream: whether a stream header was seen, so that a
 * start tag begins an element (else it is the stream header itself). out_used  how many bytes
 * belong to what was found (all of them for SCAN_MORE). The caller has kept the bytes of earlier
 * calls since the last finding (scan.size tells how many those are) and appends these. */
enum scan_found scan_next(struct scan *s, struct str bytes, bool in_stream,
                          const struct scan_limits *limits, size_t *out_used);

#endif
