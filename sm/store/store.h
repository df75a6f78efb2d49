/* The store: what must outlive the process. One asynchronous interface; statements are rows of a table (statements.h) whose SQL both
 * SQLite and PostgreSQL accept, with parameters $1… in order of first appearance. Callbacks come on the loop, never from inside the call.
 *
 * A write is a transaction of one or more statements: all or nothing, and durable when its callback says ERR_OK. Many transactions share one
 * commit (group commit). Transactions take effect in the order of their submission. A query sees every transaction that was
 * submitted before it. */
#ifndef SM_STORE_STORE_H
#define SM_STORE_STORE_H

#include "common/arena.h"
#include "common/buf.h"
#include "sm/store/statements.h"

#include <uv.h>

struct store;
struct store_tx;
struct store_rows;

/* A PostgreSQL server, or several of which one takes writes at a time. */
enum store_tls { STORE_TLS_VERIFY_FULL, STORE_TLS_VERIFY_CA, STORE_TLS_REQUIRE, STORE_TLS_DISABLE };

struct store_server {
    /* As store_is_host takes them: "NAME:PORT", "[ADDRESS]:PORT", or the folder of a Unix socket, "/FOLDER:PORT"; without port: 5432. */
    const char *const *hosts;
    size_t host_count;
    const char *database, *user;
    const char *password_file; /* NULL: none */
    enum store_tls tls;        /* not of Unix sockets */
    const char *ca;            /* PEM file that its certificate is checked against */
    /* The database is another process's now, or has lost what it had confirmed: the owner must end. Nothing that waits is called back
     * before store_close. */
    void (*on_lost)(void *owner, const char *sentence);
    void *owner;
};

/* Whether a host is well-formed. */
bool store_is_host(const char *host);
/* Where it is dialled, as net_address_parse reads it, with a NUL behind it. */
void store_host_address(const char *host, struct buf *out);

struct store_options {
    const char *path;       /* of the SQLite file; its folder must exist */
    bool is_full_sync;      /* synchronous=FULL (default) or NORMAL */
    uint32_t max_queued;    /* transactions and queries waiting; beyond it store_is_busy */
    const struct store_server *server; /* NULL: SQLite; else path and is_full_sync mean nothing. Copied */
};

/* Opens, migrates (forward only; a newer schema than ours is ERR_UNSUPPORTED) and starts the threads. Blocking: only at start. why: one sentence. */
NODISCARD enum err store_open(uv_loop_t *loop, const struct store_options *options, struct store **out_store, struct buf *why);

/* Finishes what was submitted (a copy is given up), then closes; on_closed comes on the loop. A server that is away is waited for some
 * seconds; what waits then fails with ERR_IO. */
void store_close(struct store *s, void (*on_closed)(void *owner), void *owner);

/* --- copies ------------------------------------------------------------------------------------------------------- */

/* Of the table meta: there, the store was made from a copy, and whoever starts on it must leap over what may have been given out since
 * (sm/boot.c), and delete it. Its value is when the copy was made, in microseconds since 1970, as digits. */
#define STORE_COPY_MARK "copy"

struct store_copied {
    const char *path;
    uint64_t bytes;
    int64_t made_us;
    const char *why; /* one sentence when it failed */
};

/* Makes a consistent copy of all that is committed, as it is shortly before done is called, while the store is used: queries and
 * transactions wait for at most some milliseconds of it. The file has mode 0600 and is on the disk when done says ERR_OK. Nothing is
 * ever replaced: ERR_EXISTS. Others: ERR_LIMIT (too little room on the disk), ERR_IO, ERR_MALFORMED (the store is damaged), ERR_CLOSED
 * (store_close was called meanwhile). Nothing is left behind by one that failed. Returns ERR_AGAIN, and calls nothing, while another is
 * under way, and ERR_UNSUPPORTED when the store is a server, which has tools of its own for it. */
NODISCARD enum err store_copy(struct store *s, const char *path,
                              void (*done)(void *owner, enum err e, const struct store_copied *copied), void *owner);

/* For status: what is promised, in the driver's words. */
struct store_state {
    const char *driver;  /* "sqlite", "postgresql" */
    bool is_away;        /* the server cannot be reached; what is submitted waits */
    const char *promise; /* what acknowledged data survives, one clause; valid until the loop goes on */
};
void store_describe(const struct store *s, struct store_state *out_state);

/* The loop that it was opened on. */
uv_loop_t *store_loop(const struct store *s);

/* More than max_queued wait: callers must not take on new work that needs the store
 * (resource-constraint). What was taken on may still be submitted. */
bool store_is_busy(const struct store *s);

/* --- writing ---------------------------------------------------------------------------------------------------- */

struct store_tx *store_begin(struct store *s);
/* Adds a statement; then bind its parameters in order. Texts are copied. */
void store_add(struct store_tx *tx, enum store_statement statement);
void store_bind_text(struct store_tx *tx, struct str text); /* absent: NULL */
void store_bind_blob(struct store_tx *tx, struct str bytes);
void store_bind_int(struct store_tx *tx, int64_t value);

/* It is not handed over after all. */
void store_discard(struct store_tx *tx);

/* Hands it over. done may be NULL. changes: rows changed by the last statement (for "did it exist"); 1 when it is known that a server has
 * committed it, but the answer was lost with the connection.
 * Errors: ERR_IO (the store cannot write now: disk full, read-only; nothing of it is kept), ERR_EXISTS (a uniqueness rule refused it). */
void store_submit(struct store_tx *tx, void (*done)(void *owner, enum err e, int64_t changes), void *owner);

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* One statement in the same form: store_begin, store_add, binds, then this. rows is valid during the call only, NULL on failure. */
void store_query(struct store_tx *tx, void (*done)(void *owner, enum err e, struct store_rows *rows), void *owner);

/* false when there are no more. */
bool store_next(struct store_rows *rows);
struct str store_text(const struct store_rows *rows, int column); /* absent for NULL; blobs too */
int64_t store_int(const struct store_rows *rows, int column);

#endif
