/* Result Set Management (XEP-0059): what page is asked for, and which one came. Pure. */
#ifndef PROTO_RSM_H
#define PROTO_RSM_H

#include "proto/xml.h"

struct rsm {
    bool has_max;
    uint64_t max;
    struct str after, before; /* absent: not asked for; before empty: the last page (§2.5) */
    bool has_index;           /* §2.6 */
    uint64_t index;
};

/* The <set/> in a request, or none: then all is absent. Texts live in the arena.
 * Returns ERR_OK, or ERR_MALFORMED: an element twice, a number that is none, an empty after. */
NODISCARD enum err rsm_read(const struct xml *request, struct arena *arena, struct rsm *out_rsm);

struct rsm_page {
    struct str first, last; /* absent: the page is empty */
    int64_t index, count;   /* -1: not told */
};
/* Adds the <set/> of an answer. */
void rsm_write(struct xml *answer, struct arena *arena, const struct rsm_page *page);

#endif
