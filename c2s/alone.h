/* An element of a client's stream, made to stand alone: it declares its own namespaces, as the
 * payload of a frame must (LINK.md §4, §5). Pure. */
#ifndef C2S_ALONE_H
#define C2S_ALONE_H

#include "proto/xml.h"

/* bytes    the element as it came.
 * root     the same, parsed in XML_IN_CLIENT_STREAM without an error; it may be changed.
 * scratch  holds the result where bytes do not do.
 * Returns bytes, or what is in scratch now. */
struct str alone_element(struct str bytes, struct xml *root, struct buf *scratch);

/* <stream:features …> with one more element in front of the others. features: as parsed alone
 * without an error. */
void alone_add_feature(struct str features, struct str feature, struct buf *out);

#endif
