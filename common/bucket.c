/* The token bucket of bucket.h: it counts what is gone, so that zeroed memory is a full one. */
#include "common/bucket.h"

enum { MILLI = 1000 };

bool bucket_take(struct bucket *b, uint64_t per_second, uint64_t now_ms)
{
    uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;

    if (per_second == 0)
        return true;
    b->at_ms = now_ms;
    /* Not multiplied before it is known to be small: an hour of silence must not overflow. */
    if (passed > b->milli / per_second)
        b->milli = 0;
    else
        b->milli -= passed * per_second;
    if (b->milli + MILLI > per_second * BUCKET_BURST_S * MILLI)
        return false;
    b->milli += MILLI;
    return true;
}
