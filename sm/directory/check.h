/* sallyportctl ldap check: every server of a directory tried from scratch, in a thread, step by
 * step: what an administrator should know before users do. Changes nothing anywhere. */
#ifndef SM_DIRECTORY_CHECK_H
#define SM_DIRECTORY_CHECK_H

#include "sm/directory/directory.h"

/* In the order of badness. */
enum directory_finding { DIRECTORY_FINE, DIRECTORY_NOTE, DIRECTORY_WARNING, DIRECTORY_FAILURE };
const char *directory_finding_name(enum directory_finding f); /* "ok", "note", … */

struct directory_check_line {
    const char *directory, *uri;
    const char *step; /* "resolve", "connect", "tls", … */
    enum directory_finding finding;
    const char *text;
    uint64_t ms;
};
typedef void directory_check_line_fn(void *owner, const struct directory_check_line *line);
typedef void directory_check_end_fn(void *owner, enum directory_finding worst);

/* name: of a directory; NULL: all. Lines, then the end, come from the loop when the thread is done,
 * and also when the directories were closed meanwhile. false: another one runs, there is no such
 * directory, or it has no server: nothing is called. */
NODISCARD bool directory_check_start(struct directories *ds, const char *name,
                                     directory_check_line_fn *line, directory_check_end_fn *end,
                                     void *owner);

/* Pure: seconds since 1970 of a GeneralizedTime as directories write it ("20260102030405.6Z",
 * "20260102030405Z", or longer, as in a CSN). false: it is none. */
NODISCARD bool directory_check_time(struct str text, int64_t *out_s);

#endif
