/* The moment that an administrator names. */
#include "sm/incident_since.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW_US 1790000000000000 /* 2026-09-21T14:13:20Z */

static const struct {
    const char *text;
    enum err e;
    int64_t us;
} cases[] = {
    { "2h", ERR_OK, NOW_US - 2LL * 3600 * 1000000 },
    { "90m", ERR_OK, NOW_US - 90LL * 60 * 1000000 },
    { "3d", ERR_OK, NOW_US - 3LL * 86400 * 1000000 },
    { "1w", ERR_OK, NOW_US - 7LL * 86400 * 1000000 },
    { "0s", ERR_OK, NOW_US },
    { "2026-09-21T14:13:20Z", ERR_OK, NOW_US },
    { "2026-09-21T16:13:20+02:00", ERR_OK, NOW_US },
    { "2026-09-21T14:13:19.5Z", ERR_OK, NOW_US - 500000 },
    { "2026-09-21T14:13:21Z", ERR_LIMIT, 0 },
    { "2099-01-01T00:00:00Z", ERR_LIMIT, 0 },
    { "1969-12-31T23:59:59Z", ERR_MALFORMED, 0 },
    { "2026-09-21", ERR_MALFORMED, 0 },
    { "yesterday", ERR_MALFORMED, 0 },
    { "", ERR_MALFORMED, 0 },
    { "h", ERR_MALFORMED, 0 },
    { "2", ERR_MALFORMED, 0 },
    { "2 h", ERR_MALFORMED, 0 },
    { "-2h", ERR_MALFORMED, 0 },
    { "2x", ERR_MALFORMED, 0 },
    { "99999999999999999999h", ERR_MALFORMED, 0 },
    { "2000000000w", ERR_MALFORMED, 0 },
    { "3000w", ERR_MALFORMED, 0 }, /* before 1970 */
};

static void a_time_or_how_long_ago_is_read_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = 0;
        enum err e = incident_since(str_from(cases[i].text), NOW_US, &us);

        if (e != cases[i].e || us != cases[i].us)
            fail_msg("%s: %s, %lld", cases[i].text, err_text(e), (long long)us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        a_time_or_how_long_ago_is_read_and_nothing_else) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
