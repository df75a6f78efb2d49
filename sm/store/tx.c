/* Submissions and answers as bytes. Each step is one byte of kind, then: a statement's number (2
 * bytes), a length (4 bytes) and as many bytes, a number (8 bytes), or nothing. Never leaves the
 * process: the machine's own byte order. */
#include "sm/store/tx.h"

#include "common/mem.h"

void tx_list_init(struct tx_list *list)
{
    *list = (struct tx_list){ NULL, NULL };
    list->end = &list->first;
}

void tx_list_push(struct tx_list *list, struct store_tx *tx)
{
    tx->next = NULL;
    *list->end = tx;
    list->end = &tx->next;
}

struct store_tx *tx_list_pop(struct tx_list *list)
{
    struct store_tx *tx = list->first;

    if (!tx)
        return NULL;
    list->first = tx->next;
    if (!list->first)
        list->end = &list->first;
    tx->next = NULL;
    return tx;
}

void tx_list_move(struct tx_list *to, struct tx_list *from)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    tx_list_init(from);
}

void tx_free(struct store_tx *tx)
{
    buf_fini(&tx->ops);
    buf_fini(&tx->rows.cells);
    mem_free(tx);
}

void tx_call_back(struct store_tx *tx)
{
    if (tx->kind == TX_WRITE && tx->done)
        tx->done(tx->owner, tx->result, tx->changes);
    if (tx->kind == TX_QUERY && tx->rows_done)
        tx->rows_done(tx->owner, tx->result, tx->result == ERR_OK ? &tx->rows : NULL);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void put(struct buf *b, uint8_t kind, const void *value, size_t n)
{
    buf_add_char(b, (char)kind);
    buf_add(b, str_of(value, n));
}

static void put_bytes(struct buf *b, uint8_t kind, struct str bytes)
{
    uint32_t n = (uint32_t)bytes.n;

    if (!str_is_set(bytes)) {
        buf_add_char(b, TX_NULL);
        return;
    }
    ASSERT(bytes.n <= UINT32_MAX);
    put(b, kind, &n, sizeof n);
    buf_add(b, bytes);
}

static void take(struct str *rest, void *out, size_t n)
{
    ASSERT(rest->n >= n);
    memcpy(out, rest->p, n);
    *rest = str_of(rest->p + n, rest->n - n);
}

bool tx_next_step(struct str *rest, struct tx_step *out_step)
{
    uint8_t kind;
    uint16_t statement;
    uint32_t n;

    if (rest->n == 0)
        return false;
    *out_step = (struct tx_step){ 0 };
    take(rest, &kind, sizeof kind);
    out_step->kind = kind;
    switch (out_step->kind) {
    case TX_STATEMENT:
        take(rest, &statement, sizeof statement);
        out_step->statement = statement;
        break;
    case TX_TEXT:
    case TX_BLOB:
        take(rest, &n, sizeof n);
        ASSERT(rest->n >= n);
        out_step->bytes = str_of(rest->p, n);
        *rest = str_of(rest->p + n, rest->n - n);
        break;
    case TX_INT:
        take(rest, &out_step->number, sizeof out_step->number);
        break;
    case TX_NULL:
        break;
    }
    return true;
}

uint32_t tx_parameter_count(const char *sql)
{
    uint32_t count = 0;

    for (const char *p = sql; *p; p++) {
        uint32_t n = 0;

        if (*p != '$')
            continue;
        while (p[1] >= '0' && p[1] <= '9')
            n = n * 10 + (uint32_t)(*++p - '0');
        if (n > count)
            count = n;
    }
    return count;
}

/* --- the caller's side: store.h --------------------------------------------------------------- */

void store_add(struct store_tx *tx, enum store_statement statement)
{
    uint16_t number = (uint16_t)statement;

    ASSERT(statement < STORE_STATEMENT_COUNT && tx->unbound == 0);
    put(&tx->ops, TX_STATEMENT, &number, sizeof number);
    tx->statements++;
    tx->unbound = tx_parameter_count(store_statement_texts[statement]);
}

static void bound_one(struct store_tx *tx)
{
    ASSERT(tx->unbound > 0);
    tx->unbound--;
}

void store_bind_text(struct store_tx *tx, struct str text)
{
    bound_one(tx);
    put_bytes(&tx->ops, TX_TEXT, text);
}

void store_bind_blob(struct store_tx *tx, struct str bytes)
{
    bound_one(tx);
    put_bytes(&tx->ops, TX_BLOB, bytes);
}

void store_bind_int(struct store_tx *tx, int64_t value)
{
    bound_one(tx);
    put(&tx->ops, TX_INT, &value, sizeof value);
}

/* --- rows ------------------------------------------------------------------------------------- */

void tx_rows_clear(struct store_rows *rows, uint32_t columns)
{
    ASSERT(columns <= TX_MAX_COLUMNS);
    buf_clear(&rows->cells);
    rows->columns = columns;
    rows->at = 0;
}

void tx_rows_add(struct store_rows *rows, const struct tx_step *cell)
{
    if (cell->kind == TX_INT)
        put(&rows->cells, TX_INT, &cell->number, sizeof cell->number);
    else
        put_bytes(&rows->cells, TX_TEXT, cell->kind == TX_NULL ? STR_NONE : cell->bytes);
}

bool store_next(struct store_rows *rows)
{
    struct str rest = str_of(rows->cells.p + rows->at, rows->cells.n - rows->at);
    struct tx_step cell;

    if (rest.n == 0)
        return false;
    for (uint32_t i = 0; i < rows->columns; i++) {
        bool is_there = tx_next_step(&rest, &cell);

        ASSERT(is_there);
        rows->row[i] = (struct tx_cell){ cell.bytes, cell.number };
    }
    rows->at = rows->cells.n - rest.n;
    return true;
}

struct str store_text(const struct store_rows *rows, int column)
{
    ASSERT(column >= 0 && (uint32_t)column < rows->columns);
    return rows->row[column].text;
}

int64_t store_int(const struct store_rows *rows, int column)
{
    ASSERT(column >= 0 && (uint32_t)column < rows->columns);
    return rows->row[column].number;
}
