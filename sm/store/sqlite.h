/* The parts of the SQLite driver, for each other: sqlite.c has the queue and the thread,
 * sqlite_open.c the file and its schema, sqlite_run.c the batches. */
#ifndef SM_STORE_SQLITE_H
#define SM_STORE_SQLITE_H

#include "sm/store/tx.h"

#include <sqlite3.h>

/* "Spt1": tells our files from other programs' (SQLite's application_id). */
enum { SQLITE_APPLICATION_ID = 0x53707431 };

/* An open file. Used by one thread at a time: that which opened it, then the writer. */
struct sqlite_db {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    sqlite3_stmt *begin, *commit, *rollback, *savepoint, *release, *rollback_to;
    int error; /* SQLite's code and words of the last batch that failed as a whole; 0: it went well
                */
    char error_text[160];
    int refused; /* of the last statement that was refused for another reason than uniqueness, for
                    the log; 0: none */
    enum store_statement refused_statement;
};

/* Opens or makes the file, sets it up, brings the schema up to date, prepares every statement. why:
 * one sentence. Returns ERR_OK, ERR_IO, ERR_DENIED (another process has it), ERR_MALFORMED
 * (damaged, or not a database of ours), ERR_UNSUPPORTED (newer). */
NODISCARD enum err sqlite_db_open(const struct store_options *options, struct sqlite_db **out_db,
                                  struct buf *why);
void sqlite_db_close(struct sqlite_db *d); /* NULL is fine */

/* Runs queries from the front of list up to the first write, and moves them to done. */
void sqlite_run_queries(struct sqlite_db *d, struct tx_list *list, struct tx_list *done);

/* Runs all of list as one transaction; each has its result. When it fails as a whole nothing of it
 * is kept, d->error says why, and its queries have been answered without it. */
void sqlite_run_batch(struct sqlite_db *d, struct tx_list *list);

#endif
