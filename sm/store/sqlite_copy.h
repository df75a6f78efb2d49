/* A copy of the file while it is used (store_copy). Pages are copied a few at a time by the
 * writer's thread, between its batches; what a batch changes meanwhile SQLite writes into both, so
 * that the copy is the file as it is when the last page is done. Marking, checking and syncing it
 * is a thread's of the pool. It is written as PATH.part, and named when it is whole. */
#ifndef SM_STORE_SQLITE_COPY_H
#define SM_STORE_SQLITE_COPY_H

#include "sm/store/sqlite.h"

struct sqlite_copy {
    char *path, *part;
    int fd; /* of part; -1: it was not made by us */
    sqlite3 *to;
    sqlite3_backup *backup;
    uint64_t bytes, synced_bytes;
    int64_t made_us;
    enum err result;
    char why[320]; /* one sentence when result is not ERR_OK */
};

struct sqlite_copy *sqlite_copy_new(const char *path);
void sqlite_copy_free(struct sqlite_copy *c);

/* The writer's thread, between batches. A failure is noted in c, and hurts nobody else. */
void sqlite_copy_begin(struct sqlite_copy *c, struct sqlite_db *d);
/* Some pages. false: there are no more, or it failed. */
bool sqlite_copy_step(struct sqlite_copy *c);
/* After begin, however it went. */
void sqlite_copy_end(struct sqlite_copy *c);
/* It is not wanted any more. */
void sqlite_copy_cancel(struct sqlite_copy *c);

/* A thread of the pool, at last: the copy gets its mark and its name, or is removed. */
void sqlite_copy_seal(struct sqlite_copy *c);

/* --- restoring -------------------------------------------------------------------------------- */

/* Before the file is opened: if it is a copy, what lies beside it from the file that stood there
 * before (a write-ahead log, which SQLite would take for its own) is removed, and the copy becomes
 * a store. That it was one remains in its table meta (STORE_COPY_MARK). */
NODISCARD enum err sqlite_copy_adopt(const char *path, struct buf *why);

#endif
