/* Between check.c and check_steps.c: one server's report. */
#ifndef SM_DIRECTORY_CHECK_PARTS_H
#define SM_DIRECTORY_CHECK_PARTS_H

#include "sm/directory/check.h"

struct check_row {
    const char *step; /* a constant */
    enum directory_finding finding;
    char *text;
    uint64_t ms;
};
struct check_report {
    struct check_row *rows;
    size_t count;
};
/* In a thread. Stops at the first step without which the next ones have no meaning. */
void check_server(const struct directory_options *options, const char *uri, const char *tls_name,
                  struct check_report *out);

#endif
