/* The PRECIS framework (RFC 8264) with the two profiles that addresses and passwords need (RFC
 * 8265), on libunistring's Unicode data. Slow and complete: who calls has tried a fast way for
 * ASCII first. */
#ifndef PROTO_PRECIS_H
#define PROTO_PRECIS_H

#include "common/arena.h"

/* Derived property values of RFC 8264 §8; ID_DIS and FREE_PVAL are one value seen from two classes.
 */
enum precis_class {
    PRECIS_PVALID,
    PRECIS_FREE_PVAL, /* in the FreeformClass alone */
    PRECIS_CONTEXTJ,
    PRECIS_CONTEXTO,
    PRECIS_DISALLOWED,
    PRECIS_UNASSIGNED,
};
enum precis_class precis_class_of(uint32_t code);

/* UsernameCaseMapped (RFC 8265 §3.3) and OpaqueString (§4.2), applied until nothing changes.
 * text      borrowed; at most a few KiB.
 * out_text  in the arena; never empty.
 * Returns ERR_OK or ERR_MALFORMED. */
NODISCARD enum err precis_username(struct str text, struct arena *arena, struct str *out_text);
NODISCARD enum err precis_opaque(struct str text, struct arena *arena, struct str *out_text);

/* The mappings of RFC 5895 §2 for domain names as users write them: lower case, width, NFC, U+3002
 * becomes ".". */
NODISCARD enum err precis_map_domain(struct str text, struct arena *arena, struct str *out_text);

/* The Bidi Rule, RFC 5893 §2: true as well when there is nothing written from right to left. */
bool precis_is_bidi_ok(const uint32_t *codes, size_t n);

#endif
