/* The token bucket of rate.h. */
#include "c2s/rate.h"

enum { MILLI = 1000 };

static void refill(struct rate *r, int64_t per_second, uint64_t now_ms)
{
    int64_t full =
        per_second * RATE_BURST_MS; /* a thousandth of a token a millisecond and unit of the rate */
    uint64_t passed = r->at_ms && now_ms > r->at_ms ? now_ms - r->at_ms : 0;

    if (!r->at_ms)
        r->milli = full;
    /* A debt larger than a bucket takes longer than a bucket to fill: bound the time by both, not
     * by the burst alone. */
    else if (passed >= (uint64_t)((full - r->milli) / per_second + 1))
        r->milli = full;
    else
        r->milli += (int64_t)passed * per_second;
    if (r->milli > full)
        r->milli = full; /* the rate was lowered */
    r->at_ms = now_ms ? now_ms : 1;
}

uint64_t rate_take(struct rate *r, uint64_t per_second, uint64_t amount, uint64_t now_ms)
{
    int64_t rate = (int64_t)per_second;

    if (!rate)
        return 0;
    refill(r, rate, now_ms);
    r->milli -= (int64_t)amount * MILLI;
    if (r->milli >= 0)
        return 0;
    return (uint64_t)((-r->milli + rate - 1) / rate);
}
