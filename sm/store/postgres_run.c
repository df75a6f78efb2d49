/* Rows of the archive in runs: one INSERT of PG_RUN_ROWS rows, made of the one of a single row. That
 * an id is there already is no reason to refuse anything, so nobody suffers from his neighbours;
 * when such a statement is refused all the same, its transactions are run one by one. */
#include "sm/store/postgres.h"

#include "common/buf.h"

static const char VALUES[] = " VALUES (";

void pg_run_write_statement(struct buf *out)
{
    const char *text = store_statement_texts[STORE_ARCHIVE_PUT];
    const char *values = strstr(text, VALUES), *end = values ? strchr(values, ')') : NULL;
    uint32_t columns = tx_parameter_count(text);

    ASSERT(values && end && columns * PG_RUN_ROWS <= PG_MAX_BINDS);
    buf_add(out, str_of(text, (size_t)(values - text)));
    for (uint32_t i = 0; i < columns * PG_RUN_ROWS; i++) {
        const char *before = i == 0 ? VALUES : i % columns == 0 ? "), (" : ", ";

        buf_printf(out, "%s$%u", before, i + 1);
    }
    buf_add(out, str_from(end));
    buf_add_char(out, '\0');
}

static bool is_row(const struct store_tx *tx)
{
    struct str rest;
    struct tx_step step;

    if (!tx || tx->kind != TX_WRITE || tx->statements != 1 || tx->is_settled)
        return false;
    rest = buf_str(&tx->ops);
    return tx_next_step(&rest, &step) && step.kind == TX_STATEMENT &&
           step.statement == STORE_ARCHIVE_PUT;
}

bool pg_run_begins(const struct store_tx *tx)
{
    for (int i = 0; i < PG_RUN_ROWS; i++, tx = tx->next) {
        if (!is_row(tx))
            return false;
    }
    return true;
}
