/* A token bucket for lines of logs: how many may be written now? Pure; 16 bytes. */
#ifndef COMMON_BUCKET_H
#define COMMON_BUCKET_H

#include "common/base.h"

enum { BUCKET_BURST_S = 5 }; /* a full bucket holds what may come in this time */

/* Zeroed: full. */
struct bucket {
    uint64_t milli; /* tokens that are gone, in thousandths */
    uint64_t at_ms; /* when they were counted */
};

/* Takes a token if there is one.
 * per_second  0: no limit.
 * now_ms      of a clock that does not go back. */
bool bucket_take(struct bucket *b, uint64_t per_second, uint64_t now_ms);

#endif
