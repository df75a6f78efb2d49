/* The report as a JSON document (deploy/BOUNDARY.md describes it), and its tables for people. All
 * that is printed is taken from the document, so that both say the same. */
#ifndef DEPLOY_CTL_BOUNDARY_REPORT_H
#define DEPLOY_CTL_BOUNDARY_REPORT_H

#include "deploy/ctl/boundary_judge.h"

#include <jansson.h>
#include <time.h>

#define BOUNDARY_FORMAT "sallyport-boundary-1"

struct boundary_facts {
    const char *hostname, *version, *flows_file;
    time_t time;
    bool is_each; /* a row for each client's connection; else they are counted */
};

/* Owned by the caller. */
json_t *boundary_report_make(const struct boundary_plan *plan, const struct boundary_look *look,
                             const struct boundary_judgement *j,
                             const struct boundary_facts *facts);

/* Checks that it has the form of a report: what is read afterwards is there, with its type.
 * why: one sentence. ERR_MALFORMED. */
NODISCARD enum err boundary_report_check(json_t *report, struct buf *why);

/* A text that boundary_report_check has seen. */
struct str boundary_report_text(json_t *object, const char *member);

/* Tables of one report, or of several with the host in front; then the findings. */
void boundary_report_print_sockets(json_t *const *reports, size_t count, struct buf *out);
void boundary_report_print_processes(json_t *const *reports, size_t count, struct buf *out);
/* A line each, "WHAT: TEXT"; with the host before the text where there is a member host. */
void boundary_report_print_sentences(json_t *list, const char *what, struct buf *out);

#endif
