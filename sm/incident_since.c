/* See incident_since.h. */
#include "sm/incident_since.h"

#include "proto/datetime.h"

static int64_t seconds_of(char unit)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (units[i].unit == unit)
            return units[i].seconds;
    return 0;
}

static enum err read_ago(struct str text, int64_t now_us, int64_t *out_us)
{
    int64_t seconds = text.n > 1 ? seconds_of(text.p[text.n - 1]) : 0;
    int64_t ago_us;
    uint64_t count;

    if (seconds == 0 || str_to_u64(str_of(text.p, text.n - 1), &count) != ERR_OK ||
        count > INT32_MAX || __builtin_mul_overflow((int64_t)count, seconds * 1000000, &ago_us) ||
        ago_us > now_us)
        return ERR_MALFORMED;
    *out_us = now_us - ago_us;
    return ERR_OK;
}

enum err incident_since(struct str text, int64_t now_us, int64_t *out_us)
{
    int64_t us;

    if (read_ago(text, now_us, &us) != ERR_OK && (datetime_read(text, &us) != ERR_OK || us < 0))
        return ERR_MALFORMED;
    if (us > now_us)
        return ERR_LIMIT;
    *out_us = us;
    return ERR_OK;
}
