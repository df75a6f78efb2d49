/* Which code points the two classes of PRECIS admit, where (RFC 8264 §4, §8, §9). Used by precis.c
 * alone. */
#ifndef PROTO_PRECIS_CLASS_H
#define PROTO_PRECIS_CLASS_H

#include "common/base.h"

/* Every code point is in the IdentifierClass (else the FreeformClass), and the contextual rules
 * hold. */
bool precis_is_in_class(const uint32_t *codes, size_t n, bool is_identifier);

#endif
