/* What becomes of batches. One that was refused is undone and run again without the transaction
 * that was to blame; one whose connection was lost is looked up in the database and run again only
 * if it is not there. So nobody is told what is not so, and nothing is done twice. */
#include "sm/store/postgres.h"

#include "common/log.h"

enum { PAUSE_MS = 100, MAX_RETRIES = 10 };

/* One sentence when it begins and one when it is over. */
static void note_failing(struct pg_store *s, const char *why)
{
    if (!s->is_failing && why)
        log_error("the store cannot write", kv_text("reason", why));
    else if (s->is_failing && !why)
        log_info("the store can write again");
    s->is_failing = why != NULL;
}

static bool is_class(const struct pg_batch *b, const char *class)
{
    return strncmp(b->state, class, 2) == 0;
}

/* What the server says of one statement, without blame on itself: the rest can go on. */
static bool is_refusal(const struct pg_batch *b)
{
    static const char *const classes[] = { "21", "22", "23", "42", "44", "54", "0A", "P0" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (b->is_refused && is_class(b, classes[i]))
            return true;
    }
    return false;
}

/* It may go well the next time: a deadlock, a lock or a statement that an administrator cancelled.
 */
static bool is_passing(const struct pg_batch *b)
{
    return is_class(b, "40") || is_class(b, "55") || strcmp(b->state, "57014") == 0;
}

static void settle_refused(struct pg_batch *b)
{
    struct store_tx *tx = b->at;
    bool is_duplicate = strcmp(b->state, "23505") == 0;

    if (!is_duplicate)
        log_error("the store refused a statement",
                  kv_text("statement", store_statement_names[b->statement]),
                  kv_text("reason", b->why));
    tx->is_settled = true;
    tx->result = is_duplicate ? ERR_EXISTS : is_class(b, "54") ? ERR_LIMIT : ERR_IO;
}

/* Its writes fail; its queries may still be answered, without them. */
static void settle_writes(struct pg_batch *b)
{
    for (struct store_tx *tx = b->list.first; tx; tx = tx->next) {
        if (tx->kind != TX_WRITE || tx->is_settled)
            continue;
        tx->is_settled = true;
        tx->result = ERR_IO;
        tx->changes = 0;
    }
}

/* A query that is answered with what was not kept would lie. */
static void forget_answers(struct tx_list *list)
{
    for (struct store_tx *tx = list->first; tx; tx = tx->next)
        tx->is_answered = false;
}

/* What failed before it at its very end is called back first. */
static void settle_kept(struct pg_store *s, struct pg_batch *b)
{
    for (struct store_tx *tx = b->list.first; tx; tx = tx->next)
        tx->is_settled = true;
    tx_list_move(&s->redo, &b->list);
}

static void on_committed(struct pg_store *s, struct pg_batch *b)
{
    if (b->number != 0) {
        s->committed = b->number;
        note_failing(s, NULL);
    }
    s->retries = 0;
    s->batch_limit = s->batch_limit * 2 < PG_MAX_BATCH ? s->batch_limit * 2 : PG_MAX_BATCH;
    if (s->redo.first)
        settle_kept(s, b);
    else
        pg_finish_all(s, &b->list);
}

/* Nothing of it is kept. Batches behind it have failed, too, because the transaction is still
 * aborted. */
static void on_failed(struct pg_store *s, struct pg_batch *b)
{
    bool is_collateral = strcmp(b->state, "25P02") == 0;

    forget_answers(&b->list);
    if (is_refusal(b) && !is_collateral) {
        if (!b->is_run) /* else one by one, to see who is to blame */
            settle_refused(b);
        s->batch_limit = PG_CAREFUL_BATCH;
    } else if (is_passing(b) && s->retries++ < MAX_RETRIES) {
        log_warn("the store runs a batch again", kv_text("reason", b->why));
    } else if (!is_collateral) {
        note_failing(s, b->why);
        settle_writes(b);
        if (b->is_refused && b->at->kind == TX_QUERY) {
            b->at->is_settled = true;
            b->at->result = ERR_IO;
        }
    }
    tx_list_move(&s->redo, &b->list);
}

/* Everything under way is in redo or committed: the aborted transaction is ended, and redo comes
 * before what waits. */
static void undo(struct pg_store *s)
{
    pg_set_phase(s, PG_UNDOING);
    if (PQsendQueryParams(s->conn, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0) != 1 ||
        PQpipelineSync(s->conn) != 1 || PQflush(s->conn) < 0)
        pg_on_gone(s, PQerrorMessage(s->conn));
}

static void requeue(struct pg_store *s)
{
    tx_list_move(&s->redo, &s->waiting);
    tx_list_move(&s->waiting, &s->redo);
}

void pg_on_undone(struct pg_store *s)
{
    requeue(s);
    pg_set_phase(s, s->retries > 0 ? PG_PAUSING : PG_READY);
    if (s->phase == PG_PAUSING)
        pg_set_timer(s, PAUSE_MS);
}

/* A server was demoted while we were connected: another takes writes. */
static bool is_demoted(const struct pg_batch *b)
{
    return strcmp(b->state, "25006") == 0;
}

void pg_on_batch(struct pg_store *s, struct pg_batch *b)
{
    ASSERT(b == &s->batches[s->first]);
    if (b->has_failed && is_demoted(b)) {
        pg_on_gone(s, b->why);
        return;
    }
    s->first = (s->first + 1) % PG_IN_FLIGHT;
    s->in_flight--;
    if (!b->has_failed)
        on_committed(s, b);
    else
        on_failed(s, b);
    if (s->phase == PG_READY && s->redo.first && s->in_flight == 0)
        undo(s);
}

/* The batches under way at the end of the last connection: the database's own word says which of
 * them it has. */
void pg_judge_unknown(struct pg_store *s, uint64_t number)
{
    struct tx_list unknown;

    tx_list_init(&unknown);
    for (; s->in_flight > 0; s->in_flight--, s->first = (s->first + 1) % PG_IN_FLIGHT) {
        struct pg_batch *b = &s->batches[s->first];
        bool is_kept = b->number != 0 && b->number <= number;

        for (struct store_tx *tx = b->list.first; tx; tx = tx->next) {
            if (!is_kept || tx->is_settled)
                continue;
            tx->is_settled = tx->kind == TX_WRITE || tx->is_answered;
            tx->result = ERR_OK;
            if (tx->kind == TX_WRITE && !tx->is_answered)
                tx->changes = tx->statements > 0;
        }
        log_info("a batch of unknown outcome", kv_u64("number", b->number),
                 kv_text("outcome", is_kept ? "was kept" : "is run again"));
        tx_list_move(&unknown, &b->list);
    }
    /* redo was undone, and comes before what was under way */
    tx_list_move(&s->redo, &unknown);
    requeue(s);
}
