/* What is submitted to a driver and what it answers, in a form that one thread writes and another
 * reads: a run of bytes. Knows no database. */
#ifndef SM_STORE_TX_H
#define SM_STORE_TX_H

#include "sm/store/store.h"

enum tx_kind { TX_WRITE, TX_QUERY };

enum { TX_MAX_COLUMNS = 16 };

struct tx_cell {
    struct str text;
    int64_t number;
};

/* The rows of a query, as bytes. */
struct store_rows {
    struct buf cells;
    uint32_t columns;
    size_t at; /* of the row that store_next reads next */
    struct tx_cell row[TX_MAX_COLUMNS];
};

/* One submission, from store_begin until its callback has returned. It is the loop's, then the
 * writer's, then the loop's again. */
struct store_tx {
    struct store_tx *next;
    struct store *store;
    struct buf ops;
    uint32_t statements;
    uint32_t unbound; /* parameters that the last statement still lacks */
    enum tx_kind kind;
    void (*done)(void *owner, enum err e, int64_t changes);
    void (*rows_done)(void *owner, enum err e, struct store_rows *rows);
    void *owner;
    enum err result;
    int64_t changes;
    bool is_settled; /* of PostgreSQL's driver: result stands; it is only called back in its turn */
    uint32_t run;     /* the same: sent as one statement with so many, those behind it; 0: alone */
    bool is_answered; /* the same: changes or rows are those of its last run */
    struct store_rows rows;
};

/* A list in order of submission. Zeroed and with end set by tx_list_init it is empty. */
struct tx_list {
    struct store_tx *first;
    struct store_tx **end;
};
void tx_list_init(struct tx_list *list);
void tx_list_push(struct tx_list *list, struct store_tx *tx);
struct store_tx *tx_list_pop(struct tx_list *list); /* NULL when empty */
/* All of from go behind what is in to; from is empty then. */
void tx_list_move(struct tx_list *to, struct tx_list *from);

void tx_free(struct store_tx *tx);
/* Calls the callback. */
void tx_call_back(struct store_tx *tx);

/* Reading the submission: the steps in the order in which they were added. */
struct tx_step {
    enum { TX_STATEMENT, TX_TEXT, TX_BLOB, TX_INT, TX_NULL } kind;
    enum store_statement statement;
    struct str bytes; /* of TX_TEXT and TX_BLOB; lives in the submission */
    int64_t number;
};
/* rest begins as buf_str(&tx->ops); false when it is used up. */
bool tx_next_step(struct str *rest, struct tx_step *out_step);

/* Writing the answer: columns first, then cell by cell. */
void tx_rows_clear(struct store_rows *rows, uint32_t columns);
void tx_rows_add(struct store_rows *rows, const struct tx_step *cell);

/* The number of $n in a statement's text. */
uint32_t tx_parameter_count(const char *sql);

#endif
