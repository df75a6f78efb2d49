/* A token bucket: how long must someone be left unread so that it stays at its rate? Pure; 16
 * bytes. */
#ifndef C2S_RATE_H
#define C2S_RATE_H

#include "common/base.h"

enum { RATE_BURST_MS = 2000 }; /* a full bucket holds what may come in this time */

/* Zeroed: full. */
struct rate {
    int64_t milli; /* tokens, in thousandths; below 0 while there is a debt */
    uint64_t at_ms; /* when they were counted; 0: never */
};

/* Takes amount tokens, if need be on credit: what has been read cannot be put back.
 * per_second  0: no limit.
 * Returns for how many milliseconds nothing more should be taken; 0 when there is no debt. */
uint64_t rate_take(struct rate *r, uint64_t per_second, uint64_t amount, uint64_t now_ms);

#endif
