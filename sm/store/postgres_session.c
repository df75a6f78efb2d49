/* From a connection to one that can be used: a session of its own on a server that takes writes and
 * promises to keep them, with the lock that keeps other writers out, the schema, our mark, and
 * every statement prepared. Each step is one query and what must be true of its answer. */
#include "sm/store/postgres.h"

#include "common/log.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MS = 100, LOCK_MS = 2000, SETUP_MS = 20000 };

static void next_step(struct pg_store *s);

/* --- what is asked, and what must be answered ---------------------------------------------------
 */

static const char *cell(const PGresult *r, int column)
{
    return PQntuples(r) > 0 && column < PQnfields(r) ? PQgetvalue(r, 0, column) : "";
}

#define ABOUT_SQL                                                                                  \
    "SELECT pg_backend_pid(), current_setting('fsync'), current_setting('synchronous_commit'), "   \
    "current_setting('full_page_writes'), current_setting('synchronous_standby_names'), "          \
    "current_setting('server_version'), current_setting('server_encoding'), "                      \
    "current_setting('server_version_num')"

enum {
    ABOUT_PID,
    ABOUT_FSYNC,
    ABOUT_COMMIT,
    ABOUT_PAGES,
    ABOUT_STANDBYS,
    ABOUT_VERSION,
    ABOUT_ENCODING,
    ABOUT_NUMBER
};

static void describe(struct pg_store *s, const PGresult *r)
{
    bool has_standbys =
        *cell(r, ABOUT_STANDBYS) != '\0' && strcmp(cell(r, ABOUT_COMMIT), "local") != 0;
    bool has_pages = strcmp(cell(r, ABOUT_PAGES), "on") == 0;

    snprintf(
        s->promise, sizeof s->promise,
        "PostgreSQL %.40s on %.120s: what is acknowledged survives %s%s", cell(r, ABOUT_VERSION),
        s->server.hosts[s->host],
        has_pages
            ? "a loss of power"
            : "the death of any process, but perhaps not a loss of power (full_page_writes is off)",
        has_standbys ? " and the loss of this server (synchronous standby)"
                     : ", but not the loss of this server (no synchronous standby)");
}

/* A pooler in between has given us the key of a backend that is not ours, or of none. */
static bool check_about(struct pg_store *s, const PGresult *r)
{
    const char *commit = cell(r, ABOUT_COMMIT), *why = NULL;

    s->backend = atoi(cell(r, ABOUT_PID));
    if (s->backend != PQbackendPID(s->conn))
        why = "there is a pooler between us and the server; the session manager needs a session of "
              "its own: connect to the server itself";
    else if (strcmp(cell(r, ABOUT_FSYNC), "on") != 0)
        why = "its fsync is off: what it confirms can be lost; it must be on";
    else if (strcmp(commit, "off") == 0)
        why = "its synchronous_commit is off: what it confirms can be lost; it must not be off for "
              "this database and this role";
    else if (strcmp(cell(r, ABOUT_ENCODING), "UTF8") != 0)
        why = "its encoding is not UTF8";
    else if (atoi(cell(r, ABOUT_NUMBER)) < 130000)
        why = "it is older than PostgreSQL 13";
    if (why && s->was_opened)
        pg_on_gone(s, why); /* it may be put right while we wait */
    else if (why)
        pg_on_refused(s, ERR_DENIED, why);
    else
        describe(s, r);
    return why == NULL;
}

/* The lock ends with the connection that has it, whatever became of its client. Who holds it is
 * asked for, too: behind a pooler it would be another session than ours. */
#define HOLDERS                                                                                    \
    "FROM pg_locks WHERE locktype = 'advisory' AND classid = 1399878705 AND objid = 1 AND "        \
    "objsubid = 2 "                                                                                \
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
#define LOCK_SQL "SELECT pg_try_advisory_lock(1399878705, 1)"
#define HOLDER_SQL "SELECT coalesce(max(pid), 0) " HOLDERS

/* A backend of our own last connection may not have noticed yet that we are gone, or be about to
 * commit what we sent: it is ended. */
static bool ask_end(struct pg_store *s)
{
    char sql[512];

    snprintf(sql, sizeof sql, "SELECT count(pg_terminate_backend(pid)) " HOLDERS " AND pid = %d",
             s->last_backend);
    return PQsendQuery(s->conn, sql) == 1;
}

static bool check_nothing(struct pg_store *s, const PGresult *r)
{
    (void)s, (void)r;
    return true;
}

/* The backend of another life may have to notice, too: it is waited for a little. */
static bool check_holder(struct pg_store *s, const PGresult *r)
{
    if (atoi(cell(r, 0)) == s->backend) {
        s->last_backend = s->backend;
        return true;
    }
    if (uv_now(s->base.loop) >= s->lock_deadline_ms) {
        pg_on_refused(s, ERR_DENIED, "another session manager uses it, and only one may");
        return false;
    }
    s->step = -1;
    pg_set_timer(s, RETRY_MS);
    return false;
}

/* Every statement finds its rows by an index, and most take the first few of them in its order. What
 * is guessed of many rows, from statistics that may be old or of none, leads elsewhere: a bitmap of
 * an account's whole archive for a page of it. Plans are made once. */
#define PLANS                                                                                      \
    "set_config('jit', 'off', false), set_config('enable_bitmapscan', 'off', false), "             \
    "set_config('enable_seqscan', 'off', false), "                                                 \
    "set_config('plan_cache_mode', 'force_generic_plan', false)"

/* What was read above must stay so; and the server notices soon when we are gone, because the lock
 * goes with our connection. */
#define SETTINGS_SQL                                                                               \
    "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false), "      \
    "set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false), "        \
    "set_config('idle_in_transaction_session_timeout', '0', false), "                              \
    "set_config('default_transaction_isolation', 'read committed', false), "                       \
    "set_config('client_min_messages', 'error', false), "                                          \
    "set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', "  \
    "false), "                                                                                     \
    "set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '25000', "     \
    "false), " PLANS

static bool check_settings(struct pg_store *s, const PGresult *r)
{
    struct buf why = { 0 };
    enum err e = ERR_OK;

    (void)r;
    if (!s->was_opened) {
        PQsetnonblocking(s->conn, 0);
        e = pg_migrate(s, &why);
        PQsetnonblocking(s->conn, 1);
        uv_update_time(s->base.loop); /* it may have taken long */
        pg_set_timer(s, SETUP_MS);
    }
    buf_add_char(&why, '\0');
    if (e != ERR_OK)
        pg_on_refused(s, e, why.p);
    buf_fini(&why);
    return e == ERR_OK;
}

void pg_write_instance(const struct pg_store *s, uint64_t number, uint8_t out[PG_INSTANCE_BYTES])
{
    uint64_t wire = htobe64(number);

    memcpy(out, s->token, PG_TOKEN_BYTES);
    memcpy(out + PG_TOKEN_BYTES, &wire, sizeof wire);
}

/* Ours at start; from then on it must still be there. */
static bool ask_instance(struct pg_store *s)
{
    uint8_t value[PG_INSTANCE_BYTES];
    const char *values[] = { PG_INSTANCE, (const char *)value };
    int lengths[] = { 0, sizeof value }, formats[] = { 0, 1 };

    if (s->was_opened)
        return PQsendQueryParams(s->conn, "SELECT value FROM meta WHERE name = $1", 1, NULL, values,
                                 NULL, NULL, 1) == 1;
    pg_write_instance(s, 0, value);
    return PQsendQueryParams(s->conn,
                             "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO "
                             "UPDATE SET value = excluded.value "
                             "RETURNING value",
                             2, NULL, values, lengths, formats, 1) == 1;
}

static bool check_instance(struct pg_store *s, const PGresult *r)
{
    bool is_there = PQntuples(r) == 1 && PQgetlength(r, 0, 0) == PG_INSTANCE_BYTES;

    if (!is_there || memcmp(PQgetvalue(r, 0, 0), s->token, PG_TOKEN_BYTES) != 0) {
        pg_on_refused(s, ERR_DENIED,
                      "another session manager has used it since: this one is out of date");
        return false;
    }
    memcpy(&s->found, PQgetvalue(r, 0, 0) + PG_TOKEN_BYTES, sizeof s->found);
    s->found = be64toh(s->found);
    return true;
}

static const struct step {
    const char *sql; /* NULL: ask does it */
    bool (*ask)(struct pg_store *s);
    bool (*check)(struct pg_store *s,
                  const PGresult *r); /* false: something else follows than the next step */
} steps[] = {
    { ABOUT_SQL, NULL, check_about },       { NULL, ask_end, check_nothing },
    { LOCK_SQL, NULL, check_nothing },      { HOLDER_SQL, NULL, check_holder },
    { SETTINGS_SQL, NULL, check_settings }, { NULL, ask_instance, check_instance },
};

/* --- prepared statements ------------------------------------------------------------------------
 */

enum { OWN_STATEMENTS = 4, PREPARED = STORE_STATEMENT_COUNT + OWN_STATEMENTS };

static bool prepare_all(struct pg_store *s)
{
    struct buf run = { 0 };
    const char *own[OWN_STATEMENTS][2] = {
        { PG_BEGIN, "BEGIN" },
        { PG_MARK, "UPDATE meta SET value = $1 WHERE name = '" PG_INSTANCE
                   "' AND substr(value, 1, 16) = $2" },
        { PG_COMMIT, "COMMIT" },
        { PG_RUN, NULL },
    };
    bool is_sent = PQenterPipelineMode(s->conn) == 1;

    pg_run_write_statement(&run);
    own[OWN_STATEMENTS - 1][1] = run.p;
    for (size_t i = 0; i < OWN_STATEMENTS && is_sent; i++)
        is_sent = PQsendPrepare(s->conn, own[i][0], own[i][1], 0, NULL) == 1;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT && is_sent; i++)
        is_sent = PQsendPrepare(s->conn, store_statement_names[i], store_statement_texts[i], 0,
                                NULL) == 1;
    buf_fini(&run);
    s->prepared = 0;
    return is_sent && PQpipelineSync(s->conn) == 1;
}

static void refuse_statement(struct pg_store *s, const PGresult *r)
{
    char why[PG_WHY_BYTES];
    const char *text = PQresultErrorMessage(r);
    const char *name = s->prepared < OWN_STATEMENTS
                           ? "of the driver"
                           : store_statement_names[s->prepared - OWN_STATEMENTS];

    snprintf(why, sizeof why, "statement %s: %.*s", name, (int)strcspn(text, "\n"), text);
    pg_on_refused(s, ERR_IO, why);
}

/* true: all are there. */
static bool take_prepared(struct pg_store *s, const PGresult *r)
{
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
        s->prepared++;
        return false;
    case PGRES_PIPELINE_SYNC:
        return s->prepared == PREPARED;
    case PGRES_FATAL_ERROR:
        if (PQstatus(s->conn) == CONNECTION_BAD)
            pg_on_gone(s, PQresultErrorMessage(r));
        else
            refuse_statement(s, r);
        return false;
    default:
        return false;
    }
}

/* --- the course ---------------------------------------------------------------------------------
 */

static bool is_preparing(const struct pg_store *s)
{
    return s->step >= (int)ARRAY_LEN(steps);
}

static void next_step(struct pg_store *s)
{
    const struct step *step = &steps[++s->step < (int)ARRAY_LEN(steps) ? s->step : 0];
    bool is_sent;

    if (is_preparing(s))
        is_sent = prepare_all(s);
    else
        is_sent = step->sql ? PQsendQuery(s->conn, step->sql) == 1 : step->ask(s);
    if (!is_sent)
        pg_on_gone(s, PQerrorMessage(s->conn));
    else
        pg_watch(s, UV_READABLE | UV_WRITABLE);
}

static bool is_setting_up(const struct pg_store *s)
{
    return s->conn && s->phase == PG_SETTING_UP;
}

static void take(struct pg_store *s, const PGresult *r)
{
    bool is_good = PQresultStatus(r) == PGRES_TUPLES_OK;

    if (is_preparing(s)) {
        if (take_prepared(s, r)) {
            s->was_opened = true;
            pg_on_ready(s, s->found);
        }
        return;
    }
    if (!is_good)
        pg_on_gone(s, PQresultErrorMessage(r));
    else if (s->step >= 0)
        s->is_step_good = steps[s->step].check(s, r);
}

void pg_session_io(struct pg_store *s)
{
    bool is_read = PQconsumeInput(s->conn) == 1;
    unsigned nulls = 0;

    while (is_setting_up(s) && !PQisBusy(s->conn)) {
        PGresult *r = PQgetResult(s->conn);

        if (r) {
            nulls = 0;
            take(s, r);
            PQclear(r);
        } else if (is_preparing(s)) {
            if (++nulls > 2)
                break;
        } else {
            bool is_good = s->is_step_good;

            s->is_step_good = false;
            if (is_good)
                next_step(s);
            break;
        }
    }
    if (is_setting_up(s) && (!is_read || PQstatus(s->conn) == CONNECTION_BAD))
        pg_on_gone(s, PQerrorMessage(s->conn));
    else if (is_setting_up(s) && PQflush(s->conn) == 0)
        pg_watch(s, UV_READABLE);
    else if (is_setting_up(s))
        pg_watch(s, UV_READABLE | UV_WRITABLE);
}

/* Either the lock is to be tried again, or the server is silent. */
void pg_session_timeout(struct pg_store *s)
{
    if (s->step < 0) {
        s->step = 0; /* what comes behind it is asked again */
        pg_set_timer(s, SETUP_MS);
        next_step(s);
        return;
    }
    pg_on_gone(s, "it does not answer in time");
}

void pg_session_start(struct pg_store *s)
{
    pg_set_phase(s, PG_SETTING_UP);
    PQsetnonblocking(s->conn, 1);
    s->step = -1;
    s->is_step_good = false;
    s->lock_deadline_ms = uv_now(s->base.loop) + LOCK_MS;
    pg_set_timer(s, SETUP_MS);
    next_step(s);
}
