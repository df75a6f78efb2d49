/* The parts of the PostgreSQL driver, for each other. One connection does all: what is submitted
 * goes through it in order, so a lock that belongs to the connection is enough to keep every other
 * writer out.
 *
 *   postgres.c          the queue, batches under way, the end
 *   postgres_outcome.c  what becomes of batches
 *   postgres_line.c     the connection's coming and going
 *   postgres_batch.c    a batch on the wire: commands out, results in
 *   postgres_dial.c     from a list of hosts to a connection
 *   postgres_session.c  from a connection to one that is checked, locked and prepared
 *   postgres_schema.c   migrations */
#ifndef SM_STORE_POSTGRES_H
#define SM_STORE_POSTGRES_H

#include "sm/store/driver.h"

#include <libpq-fe.h>

enum {
    PG_IN_FLIGHT = 2,
    PG_MAX_BATCH = 500, /* transactions and queries */
    PG_CAREFUL_BATCH =
        50, /* after one that was refused: each refusal costs a run of what is before it */
    PG_MAX_BATCH_BYTES = 1024 * 1024,
    PG_MAX_ADDRESSES = 8,
    PG_TOKEN_BYTES = 16,
    PG_WHY_BYTES = 320,
};

/* Some transactions and queries between BEGIN and COMMIT. */
struct pg_batch {
    struct tx_list list;
    uint64_t number;     /* 0: nothing in it writes */
    struct store_tx *at; /* whose result is next; NULL: behind the last */
    uint32_t left;       /* statements of it that have no result yet */
    enum { PG_AT_BEGIN, PG_AT_MARK, PG_AT_STATEMENTS, PG_AT_COMMIT, PG_AT_SYNC } step;
    bool has_failed;
    bool is_refused;                /* by a statement of at */
    bool is_run;                    /* that was one with others' */
    enum store_statement statement; /* the one whose result is next, or that failed */
    char state[6];                  /* SQLSTATE */
    char why[PG_WHY_BYTES];
};

enum pg_phase {
    PG_AWAY,      /* until the timer */
    PG_RESOLVING, /* a host's addresses, in the pool */
    PG_DIALLING,
    PG_SETTING_UP,
    PG_READY,
    PG_UNDOING, /* a batch failed: ROLLBACK is under way */
    PG_PAUSING, /* it may be run again when the timer says */
    PG_LOST,    /* another process has the database */
    PG_CLOSED,
};

struct pg_store {
    struct store base;
    struct store_server server;
    enum pg_phase phase;
    bool is_opening; /* store_open waits; its why */
    bool was_opened; /* the schema is ours and the token is in it */
    enum err open_error;
    bool is_busy_told; /* "the store is away" was logged */
    bool is_failing;   /* "the store cannot write" was logged */

    /* the connection */
    PGconn *conn;
    uv_poll_t *poll; /* one a socket; its data is NULL when it is closing */
    int fd;
    uv_timer_t timer;
    uv_getaddrinfo_t *lookup;
    size_t host; /* which is tried */
    struct {
        char text[64];
    } addresses[PG_MAX_ADDRESSES];
    size_t address_count, address;
    uint64_t backoff_ms;
    char why[PG_WHY_BYTES]; /* of the last attempt that failed */

    /* the session */
    int step;
    bool is_step_good;
    uint64_t found;  /* the number in the database */
    size_t prepared; /* answers that are there */
    int backend, last_backend;
    uint64_t lock_deadline_ms;
    uint8_t token[PG_TOKEN_BYTES]; /* of this process */
    char promise[2 * PG_WHY_BYTES];

    /* work */
    uint64_t number, committed; /* of batches: the last that was made, the last that is known */
    struct tx_list waiting;
    struct tx_list redo; /* to be run again, before what waits */
    struct pg_batch batches[PG_IN_FLIGHT];
    size_t first, in_flight;
    size_t batch_limit;
    unsigned retries;
    uv_prepare_t at_turn_end;

    /* closing */
    bool is_closing;
    uv_timer_t close_timer;
    int handles_open;
    void (*on_closed)(void *owner);
    void *owner;
};

/* --- postgres.c ------------------------------------------------------------------------------- */

/* Makes batches of what waits, and sends them, while there is room for them. */
void pg_pump(struct pg_store *s);
/* Bytes can be read or written while there is work. */
void pg_work_io(struct pg_store *s, int events);
/* Calls back all of list, in order; what its callbacks submit waits. */
void pg_finish_all(struct pg_store *s, struct tx_list *list);
void pg_close_if_idle(struct pg_store *s);
/* One handle or request less is open; the last frees s. */
void pg_release(struct pg_store *s);

/* --- postgres_outcome.c ----------------------------------------------------------------------- */

/* The first batch under way has all its results. */
void pg_on_batch(struct pg_store *s, struct pg_batch *b);
/* ROLLBACK is done. */
void pg_on_undone(struct pg_store *s);
/* What was under way when the last connection was lost: number is that of the last batch that the
 * database has. All of it waits again, settled where the database has it. */
void pg_judge_unknown(struct pg_store *s, uint64_t number);

/* --- postgres_line.c -------------------------------------------------------------------------- */

void pg_set_phase(struct pg_store *s, enum pg_phase phase);
/* What it does is the phase's. */
void pg_set_timer(struct pg_store *s, uint64_t ms);
/* Watches the connection's socket. */
void pg_watch(struct pg_store *s, int events);
void pg_hang_up(struct pg_store *s);
/* The connection is made, checked, locked and prepared; number: of the last batch that the database
 * has. */
void pg_on_ready(struct pg_store *s, uint64_t number);
/* The connection is of no use, or was not made: another attempt follows. why is copied. */
void pg_on_gone(struct pg_store *s, const char *why);
/* It must not be tried again: the owner ends, or store_open fails. */
void pg_on_refused(struct pg_store *s, enum err e, const char *why);

/* --- postgres_run.c --------------------------------------------------------------------------- */

/* Rows of the archive that wait one behind the other go as one statement: starting one costs as much
 * as several rows. So many a statement. */
enum { PG_RUN_ROWS = 16, PG_MAX_BINDS = PG_RUN_ROWS * 10 };
#define PG_RUN "sallyport_run"
void pg_run_write_statement(struct buf *out);
/* Whether tx and those behind it can be one. */
bool pg_run_begins(const struct store_tx *tx);

/* --- postgres_batch.c ------------------------------------------------------------------------- */

/* Writes all of b to the connection; false: it failed (PQerrorMessage). */
bool pg_batch_send(struct pg_store *s, struct pg_batch *b);
/* Takes one result. */
void pg_batch_take(struct pg_store *s, struct pg_batch *b, const PGresult *r);

/* --- postgres_dial.c -------------------------------------------------------------------------- */

/* Whether a host of the configuration is well-formed; the port alone into out_port. */
NODISCARD bool pg_host_parse(const char *host, struct str *out_name, struct str *out_port);
void pg_dial(struct pg_store *s);
void pg_dial_io(struct pg_store *s);
/* The timer in this phase. */
void pg_dial_timeout(struct pg_store *s);

/* --- postgres_session.c ----------------------------------------------------------------------- */

void pg_session_start(struct pg_store *s);
void pg_session_io(struct pg_store *s);
void pg_session_timeout(struct pg_store *s);

/* Statements that are no rows of statements.h: their prepared names. */
#define PG_BEGIN "sallyport_begin"
#define PG_MARK "sallyport_mark"
#define PG_COMMIT "sallyport_commit"

/* The row of meta with the token and the number of the last batch. */
#define PG_INSTANCE "instance"
enum { PG_INSTANCE_BYTES = PG_TOKEN_BYTES + 8 };
void pg_write_instance(const struct pg_store *s, uint64_t number, uint8_t out[PG_INSTANCE_BYTES]);

/* --- postgres_schema.c ------------------------------------------------------------------------ */

/* Blocking, under the lock, at start only. why: one sentence. */
NODISCARD enum err pg_migrate(struct pg_store *s, struct buf *why);

#endif
