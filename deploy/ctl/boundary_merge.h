/* The reports of all hosts, checked against each other. */
#ifndef DEPLOY_CTL_BOUNDARY_MERGE_H
#define DEPLOY_CTL_BOUNDARY_MERGE_H

#include "deploy/ctl/boundary_report.h"

/* within_s: reports that far apart at most must agree on the connections between their hosts;
 * farther apart, what only one of them has is a note.
 * Owned by the caller: an object with the lists "hosts" (host, time, version), "findings" and
 * "notes", those of the reports with their host in front, then its own. Reports have passed
 * boundary_report_check. why: one sentence. ERR_MALFORMED. */
NODISCARD enum err boundary_merge(json_t *const *reports, size_t count, int64_t within_s,
                                  json_t **out, struct buf *why);

#endif
