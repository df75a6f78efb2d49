/* Batches: what was submitted becomes one SQLite transaction. A transaction of several statements
 * is a savepoint in it, so that one that is refused takes nothing else with it (a single statement
 * is all or nothing by itself). */
#include "sm/store/sqlite.h"

#include <stdio.h>

/* Runs a statement that returns nothing. */
static int run_plain(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int bind_value(sqlite3_stmt *statement, int index, const struct tx_step *step)
{
    struct str b = step->bytes;

    switch (step->kind) {
    case TX_TEXT: /* the bytes stay where they are until the statement is reset */
        return sqlite3_bind_text64(statement, index, b.p, b.n, SQLITE_STATIC, SQLITE_UTF8);
    case TX_BLOB:
        return b.n ? sqlite3_bind_blob64(statement, index, b.p, b.n, SQLITE_STATIC)
                   : sqlite3_bind_zeroblob(statement, index, 0);
    case TX_INT:
        return sqlite3_bind_int64(statement, index, step->number);
    case TX_NULL:
    case TX_STATEMENT:
        break;
    }
    return sqlite3_bind_null(statement, index);
}

static void add_row(struct store_rows *rows, sqlite3_stmt *statement)
{
    for (int i = 0; i < (int)rows->columns; i++) {
        struct tx_step cell = { .kind = TX_TEXT };

        switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
            cell.kind = TX_NULL;
            break;
        case SQLITE_INTEGER:
            cell.kind = TX_INT;
            cell.number = sqlite3_column_int64(statement, i);
            break;
        default: /* an empty blob has no address, but is not absent */
            cell.bytes.p = sqlite3_column_blob(statement, i);
            cell.bytes.n = (size_t)sqlite3_column_bytes(statement, i);
            if (!cell.bytes.p)
                cell.bytes = STR("");
            break;
        }
        tx_rows_add(rows, &cell);
    }
}

/* Binds what follows in rest, up to the next statement, and runs it. rows NULL: what it returns is
 * not wanted. */
static int run_statement(struct sqlite_db *d, enum store_statement which, struct str *rest,
                         struct store_rows *rows)
{
    sqlite3_stmt *statement = d->statements[which];
    struct str here = *rest;
    struct tx_step step;
    int index = 1, rc = SQLITE_OK;

    while (rc == SQLITE_OK && tx_next_step(&here, &step) && step.kind != TX_STATEMENT) {
        rc = bind_value(statement, index++, &step);
        *rest = here;
    }
    if (rows)
        tx_rows_clear(rows, (uint32_t)sqlite3_column_count(statement));
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW && rows)
            add_row(rows, statement);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_steps(struct sqlite_db *d, struct store_tx *tx, enum store_statement *out_last)
{
    struct str rest = buf_str(&tx->ops);
    struct tx_step step;
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && tx_next_step(&rest, &step)) {
        ASSERT(step.kind == TX_STATEMENT);
        *out_last = step.statement;
        rc = run_statement(d, step.statement, &rest, tx->kind == TX_QUERY ? &tx->rows : NULL);
    }
    return rc;
}

/* What SQLite says of one statement, without blame on the file: the rest of the batch can go on. */
static bool is_refusal(int rc)
{
    int primary = rc & 0xff;

    return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH ||
           primary == SQLITE_RANGE || primary == SQLITE_ERROR;
}

static enum err refusal(struct sqlite_db *d, int rc, enum store_statement which)
{
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
        return ERR_EXISTS;
    d->refused = rc;
    d->refused_statement = which;
    return rc == SQLITE_TOOBIG ? ERR_LIMIT : ERR_IO;
}

static int run_write(struct sqlite_db *d, struct store_tx *tx)
{
    enum store_statement last = 0;
    bool is_nested = tx->statements > 1;
    int rc = is_nested ? run_plain(d->savepoint) : SQLITE_OK;

    if (rc == SQLITE_OK)
        rc = run_steps(d, tx, &last);
    if (rc == SQLITE_OK) {
        tx->result = ERR_OK;
        tx->changes = tx->statements ? sqlite3_changes64(d->db) : 0;
        return is_nested ? run_plain(d->release) : SQLITE_OK;
    }
    /* Some errors make SQLite roll back everything by itself: then the batch is lost. */
    if (!is_refusal(rc) || sqlite3_get_autocommit(d->db))
        return rc;
    tx->result = refusal(d, rc, last);
    if (is_nested && (rc = run_plain(d->rollback_to)) == SQLITE_OK)
        return run_plain(d->release);
    return is_nested ? rc : SQLITE_OK;
}

static void note_error(struct sqlite_db *d, int rc)
{
    d->error = rc;
    snprintf(d->error_text, sizeof d->error_text, "%s (%d)", sqlite3_errmsg(d->db), rc);
}

static int run_query(struct sqlite_db *d, struct store_tx *tx)
{
    enum store_statement last = 0;
    int rc = run_steps(d, tx, &last);

    tx->result = rc == SQLITE_OK ? ERR_OK : ERR_IO;
    if (rc != SQLITE_OK && is_refusal(rc)) {
        tx->result = refusal(d, rc, last);
        return SQLITE_OK;
    }
    return rc;
}

void sqlite_run_queries(struct sqlite_db *d, struct tx_list *list, struct tx_list *done)
{
    while (list->first && list->first->kind == TX_QUERY) {
        struct store_tx *tx = tx_list_pop(list);
        int rc = run_query(d, tx);

        if (rc != SQLITE_OK)
            note_error(d, rc);
        tx_list_push(done, tx);
    }
}

static int run_all(struct sqlite_db *d, struct tx_list *list)
{
    int rc = run_plain(d->begin);

    for (struct store_tx *tx = list->first; tx && rc == SQLITE_OK; tx = tx->next)
        rc = tx->kind == TX_QUERY ? run_query(d, tx) : run_write(d, tx);
    return rc == SQLITE_OK ? run_plain(d->commit) : rc;
}

void sqlite_run_batch(struct sqlite_db *d, struct tx_list *list)
{
    int rc = run_all(d, list);

    d->error = SQLITE_OK;
    if (rc == SQLITE_OK)
        return;
    note_error(d, rc);
    if (!sqlite3_get_autocommit(d->db))
        run_plain(d->rollback);
    for (struct store_tx *tx = list->first; tx; tx = tx->next) {
        tx->result = ERR_IO;
        tx->changes = 0;
        if (tx->kind == TX_QUERY) /* reading may still work; it must not show what was not kept */
            run_query(d, tx);
    }
}
