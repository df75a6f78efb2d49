/* What one host gets: a tree of files as they stand on it, with owners and modes. Written so that a
 * second run changes only what differs. */
#ifndef DEPLOY_CTL_PLAN_BUNDLE_H
#define DEPLOY_CTL_PLAN_BUNDLE_H

#include "common/arena.h"
#include "common/buf.h"

struct plan_bundle_file {
    struct str path; /* on the host, absolute */
    unsigned mode;
    struct str owner, group;
    struct buf content;
};

struct plan_bundle {
    struct arena arena;
    struct plan_bundle_file **files;
    size_t count;
};

void plan_bundle_fini(struct plan_bundle *b); /* wipes what it holds */

/* A file of root's, 0644 and for everybody to read, or with group: 0640. Its content is to be
 * filled in. */
struct buf *plan_bundle_add(struct plan_bundle *b, struct str path);
struct buf *plan_bundle_add_secret(struct plan_bundle *b, struct str path, struct str group);

/* Writes what differs from FOLDER, removes what an earlier plan wrote there and this one does not,
 * and writes FOLDER/manifest. report: a line for each change. why: one sentence on failure. */
NODISCARD enum err plan_bundle_write(struct plan_bundle *b, const char *folder, struct buf *report,
                                     struct buf *why);

/* Removes all that the manifest in folder lists. */
NODISCARD enum err plan_bundle_remove(const char *folder, struct buf *report, struct buf *why);

#endif
