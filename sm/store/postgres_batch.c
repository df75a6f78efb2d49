/* A batch on the wire. BEGIN, its statements, the mark that tells later whether it was committed,
 * COMMIT and a synchronisation point are sent in one go (libpq's pipeline mode). When a statement
 * is refused the server skips the rest up to that point and leaves the transaction aborted, which
 * stops every batch behind it too: so nothing is ever done out of order. */
#include "sm/store/postgres.h"

#include <endian.h>
#include <stdio.h>

enum { OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, BINARY = 1, DIGITS = 24 };

/* --- out -------------------------------------------------------------------------------------- */

struct binds {
    const char *values[PG_MAX_BINDS];
    int lengths[PG_MAX_BINDS];
    int formats[PG_MAX_BINDS];
    char digits[PG_MAX_BINDS][DIGITS];
    int count;
};

/* Bytes go as they are, numbers as digits: the server knows the width of its column. */
static void add_bind(struct binds *b, const struct tx_step *step)
{
    int i = b->count++;

    ASSERT(i < PG_MAX_BINDS);
    b->values[i] = NULL;
    b->lengths[i] = 0;
    b->formats[i] = 0;
    if (step->kind == TX_INT) {
        snprintf(b->digits[i], DIGITS, "%lld", (long long)step->number);
        b->values[i] = b->digits[i];
    } else if (step->kind != TX_NULL) {
        b->values[i] = step->bytes.p;
        b->lengths[i] = (int)step->bytes.n;
        b->formats[i] = BINARY;
    }
}

static bool send_prepared(PGconn *conn, const char *name, const struct binds *b)
{
    return PQsendQueryPrepared(conn, name, b ? b->count : 0, b ? b->values : NULL,
                               b ? b->lengths : NULL, b ? b->formats : NULL, BINARY) == 1;
}

/* As one statement: those of PG_RUN_ROWS transactions. */
static bool send_run(PGconn *conn, struct store_tx *tx)
{
    struct binds binds;

    binds.count = 0;
    for (int i = 0; i < PG_RUN_ROWS; i++, tx = tx->next) {
        struct str rest = buf_str(&tx->ops);
        struct tx_step step;

        tx->run = i == 0 ? PG_RUN_ROWS : 0;
        tx->is_answered = false;
        while (tx_next_step(&rest, &step)) {
            if (step.kind != TX_STATEMENT)
                add_bind(&binds, &step);
        }
    }
    return send_prepared(conn, PG_RUN, &binds);
}

/* The last of the run that begins with tx; tx itself when it is alone. */
static struct store_tx *end_of_run(struct store_tx *tx)
{
    for (uint32_t left = tx->run; left > 1; left--)
        tx = tx->next;
    return tx;
}

/* Sends the statements of one transaction. */
static bool send_tx(PGconn *conn, struct store_tx *tx)
{
    struct str rest = buf_str(&tx->ops);
    struct tx_step step;
    struct binds binds;
    enum store_statement statement;
    bool has_more = tx_next_step(&rest, &step);

    while (has_more) {
        ASSERT(step.kind == TX_STATEMENT);
        statement = step.statement;
        binds.count = 0;
        while ((has_more = tx_next_step(&rest, &step)) && step.kind != TX_STATEMENT)
            add_bind(&binds, &step);
        if (!send_prepared(conn, store_statement_names[statement], &binds))
            return false;
    }
    return true;
}

static bool send_mark(struct pg_store *s, uint64_t number)
{
    uint8_t value[PG_INSTANCE_BYTES];
    struct tx_step step = { .kind = TX_BLOB, .bytes = str_of(value, sizeof value) };
    struct binds binds = { .count = 0 };

    pg_write_instance(s, number, value);
    add_bind(&binds, &step);
    step.bytes = str_of(s->token, sizeof s->token);
    add_bind(&binds, &step);
    return send_prepared(s->conn, PG_MARK, &binds);
}

static struct store_tx *first_unsettled(struct store_tx *tx)
{
    while (tx && (tx->is_settled || tx->statements == 0))
        tx = tx->next;
    return tx;
}

/* Of the next statement to answer: its number, for the log. */
static void stand_at(struct pg_batch *b, struct store_tx *tx)
{
    b->at = first_unsettled(tx);
    b->left = b->at ? b->at->statements : 0;
}

bool pg_batch_send(struct pg_store *s, struct pg_batch *b)
{
    bool is_sent = send_prepared(s->conn, PG_BEGIN, NULL);

    if (b->number != 0)
        is_sent = is_sent && send_mark(s, b->number);
    for (struct store_tx *tx = first_unsettled(b->list.first); tx && is_sent;
         tx = first_unsettled(end_of_run(tx)->next)) {
        tx->is_answered = false;
        tx->run = 0;
        is_sent = s->batch_limit == PG_MAX_BATCH && pg_run_begins(tx) ? send_run(s->conn, tx)
                                                                      : send_tx(s->conn, tx);
    }
    b->step = PG_AT_BEGIN;
    stand_at(b, b->list.first);
    return is_sent && send_prepared(s->conn, PG_COMMIT, NULL) && PQpipelineSync(s->conn) == 1;
}

/* --- in --------------------------------------------------------------------------------------- */

static int64_t read_int(const PGresult *r, int row, int column)
{
    const char *p = PQgetvalue(r, row, column);
    uint64_t wide;
    uint32_t narrow;
    uint16_t small;

    switch (PQftype(r, column)) {
    case OID_INT8:
        memcpy(&wide, p, sizeof wide);
        return (int64_t)be64toh(wide);
    case OID_INT4:
        memcpy(&narrow, p, sizeof narrow);
        return (int32_t)be32toh(narrow);
    default:
        memcpy(&small, p, sizeof small);
        return (int16_t)be16toh(small);
    }
}

static bool is_int(const PGresult *r, int column)
{
    Oid type = PQftype(r, column);

    return type == OID_INT8 || type == OID_INT4 || type == OID_INT2;
}

static void read_rows(struct store_rows *rows, const PGresult *r)
{
    int columns = PQnfields(r);

    tx_rows_clear(rows, (uint32_t)columns);
    for (int row = 0; row < PQntuples(r); row++) {
        for (int i = 0; i < columns; i++) {
            struct tx_step cell = { .kind = TX_TEXT };

            if (PQgetisnull(r, row, i)) {
                cell.kind = TX_NULL;
            } else if (is_int(r, i)) {
                cell.kind = TX_INT;
                cell.number = read_int(r, row, i);
            } else {
                cell.bytes = str_of(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i));
            }
            tx_rows_add(rows, &cell);
        }
    }
}

/* The statement of tx that has no answer yet, counted from its end. */
static enum store_statement statement_at(const struct store_tx *tx, uint32_t left)
{
    struct str rest = buf_str(&tx->ops);
    struct tx_step step;
    uint32_t skip = tx->statements - left;

    while (tx_next_step(&rest, &step)) {
        if (step.kind == TX_STATEMENT && skip-- == 0)
            return step.statement;
    }
    return 0;
}

static void note_failure(struct pg_batch *b, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

    b->has_failed = true;
    snprintf(b->state, sizeof b->state, "%s", state ? state : "XX000");
    snprintf(b->why, sizeof b->why, "%s", text ? text : PQresultErrorMessage(r));
    if (b->step == PG_AT_STATEMENTS && b->at) {
        b->is_refused = true;
        b->is_run = b->at->run > 1;
        b->statement = statement_at(b->at, b->left);
    }
}

/* Which of them were there already nobody can tell from one number. */
static void take_run(struct pg_batch *b)
{
    struct store_tx *last = end_of_run(b->at), *behind = last->next;

    for (struct store_tx *tx = b->at; tx != behind; tx = tx->next) {
        tx->is_answered = true;
        tx->result = ERR_OK;
        tx->changes = 1;
    }
    stand_at(b, behind);
}

static void take_answer(struct pg_batch *b, const PGresult *r)
{
    struct store_tx *tx = b->at;
    struct str changes = str_from(PQcmdTuples((PGresult *)r)); /* which only reads it */

    if (tx->run > 1) {
        take_run(b);
        return;
    }
    if (--b->left > 0)
        return;
    tx->is_answered = true;
    tx->result = ERR_OK;
    if (tx->kind == TX_QUERY)
        read_rows(&tx->rows, r);
    else if (changes.n == 0 || str_to_i64(changes, &tx->changes) != ERR_OK)
        tx->changes = 0;
    stand_at(b, tx->next);
}

/* What comes when one answer is taken. */
static void step_on(struct pg_batch *b)
{
    if (b->step == PG_AT_BEGIN)
        b->step = b->number != 0 ? PG_AT_MARK : PG_AT_STATEMENTS;
    else if (b->step == PG_AT_MARK)
        b->step = PG_AT_STATEMENTS;
    else if (b->step == PG_AT_COMMIT)
        b->step = PG_AT_SYNC;
    if (b->step == PG_AT_STATEMENTS && !b->at)
        b->step = PG_AT_COMMIT;
}

void pg_batch_take(struct pg_store *s, struct pg_batch *b, const PGresult *r)
{
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (b->step == PG_AT_STATEMENTS)
            take_answer(b, r);
        else if (b->step == PG_AT_MARK && strcmp(PQcmdTuples((PGresult *)r), "1") != 0)
            pg_on_refused(s, ERR_DENIED,
                          "the row that says whose the database is was changed by another process");
        step_on(b);
        break;
    case PGRES_PIPELINE_SYNC:
        pg_on_batch(s, b);
        break;
    case PGRES_PIPELINE_ABORTED: /* skipped because of what failed before it */
        break;
    default:
        if (!b->has_failed)
            note_failure(b, r);
        break;
    }
}
