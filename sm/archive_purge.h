/* What leaves archives: what is too old or too much (archive_keep, archive_max of the host), what an
 * administrator wants gone, what belonged to an account that is gone. In the background, some rows
 * a transaction, so that nobody waits for it; what was begun goes on after a restart. */
#ifndef SM_ARCHIVE_PURGE_H
#define SM_ARCHIVE_PURGE_H

#include "sm/sm.h"

struct ctl_request;
struct store_tx;

/* With the store open; close before it is closed: commands that wait are answered. */
void archive_purge_open(struct sm *sm);
void archive_purge_close(struct sm *sm);

/* Adds to a transaction that all of the account's rows before that moment are to go; and says,
 * once it is committed, that there is something to do. */
void archive_purge_add(struct sm *sm, struct store_tx *tx, struct str account, int64_t before_us);
void archive_purge_kick(struct sm *sm);

/* The command `archive purge ACCOUNT [--before TIME]`. */
void archive_run(void *app, struct ctl_request *r);

/* The last stamp that was given out, as sm/boot.c reads it: with a clock that went back the order of
 * archives holds all the same. */
#define ARCHIVE_STAMP_META "stamp"
enum { ARCHIVE_STAMP_MS = 60000 }; /* how old it may be */

#endif
