/* Queries of an account's own archive: the part of ext.h that reads it (XEP-0313 §4, §5). Each
 * filter that can be a range of stamps becomes one: first the ids that were given are looked up,
 * then the page is read, some rows at a time, until it has max rows or MAX_BYTES. What is sent
 * obeys the session's window like all else; a client that does not read is not served more. */
#include "common/bytes.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "sm/archive.h"
#include "sm/ext.h"
#include "sm/metrics.h"
#include "sm/session.h"
#include "sm/store/store.h"

#include <stdlib.h>

enum {
    DEFAULT_ROWS = 50,
    MAX_ROWS = 250,
    READ_AT_ONCE = 32,
    MAX_BYTES = 512 * 1024,
    MAX_UNDER_WAY = 8, /* queries of one session */
    RSM_IDS = 4,
};

/* An id that was given, and what follows from where it is. */
enum bound { BOUND_AFTER, BOUND_BEFORE, BOUND_WANTED };
struct given {
    enum bound bound;
    uint8_t id[ARCHIVE_ID_BYTES];
};

struct query {
    struct iq *iq;
    struct ext_archive_query q;
    uint8_t session[FRAME_SESSION_BYTES];
    struct account *account; /* pinned */
    struct given given[EXT_ARCHIVE_MAX_IDS + RSM_IDS];
    size_t given_count, looked_up;
    int64_t stamps[EXT_ARCHIVE_MAX_IDS]; /* of those wanted, in order */
    size_t stamp_count, next_stamp;
    int64_t lo, hi; /* neither included */
    bool is_backward, is_missing, is_more;
    size_t max;
    struct archive_row rows[MAX_ROWS]; /* in the order of reading */
    size_t count, bytes;
    uint32_t asked; /* rows of the reading under way */
};

bool ext_archive_is_on(const struct sm *sm, struct str host)
{
    const struct sm_host_conf *conf = sm_host(sm, host);

    return conf && conf->has_archive;
}

static struct session *session_of(const struct query *q)
{
    return table_get(&q->iq->sm->sessions, str_of(q->session, sizeof q->session));
}

/* Answers, one way or the other. */
static void finish(struct query *q, enum stanza_error e, struct xml *answer)
{
    struct session *s = session_of(q);

    if (s)
        s->archive_queries--;
    if (e == STANZA_OK)
        iq_reply(q->iq, answer);
    else
        iq_error(q->iq, e, NULL);
    for (size_t i = 0; i < q->count; i++)
        bytes_unref(q->rows[i].written);
    account_unpin(q->account);
    mem_free(q);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* In the order of the archive. */
static const struct archive_row *row_at(const struct query *q, size_t i)
{
    return &q->rows[q->is_backward ? q->count - 1 - i : i];
}

/* It may have ended meanwhile: then nobody is there to be told. */
static void send_rows(const struct query *q)
{
    struct session *s = session_of(q);
    struct buf out = { 0 };

    for (size_t i = 0; i < q->count && s && s->state != SESSION_ENDING; i++) {
        buf_clear(&out);
        archive_write_result(&out, row_at(q, q->q.is_flipped ? q->count - 1 - i : i), q->q.queryid,
                             &s->jid);
        session_send(s, buf_str(&out), q->iq->origin);
        metric_inc(&sm_metric_archive_read);
        s = session_of(q);
    }
    buf_fini(&out);
}

/* Positions are told where they are known without counting. */
static void answer(struct query *q)
{
    struct arena *arena = iq_arena(q->iq);
    struct xml *fin = xml_new(arena, NS_MAM, "fin");
    const struct rsm *page = &q->q.page;
    bool is_from_start = !str_is_set(page->after) && !q->is_backward;
    bool is_all = !q->is_more && !str_is_set(page->after) && page->before.n == 0;
    struct rsm_page told = { .index = is_from_start || is_all ? 0 : -1,
                             .count = is_all ? (int64_t)q->count : -1 };

    if (!q->is_more)
        xml_set(fin, arena, "complete", STR("true"));
    if (q->count > 0) {
        told.first = str_from(row_at(q, 0)->id_text);
        told.last = str_from(row_at(q, q->count - 1)->id_text);
    }
    rsm_write(fin, arena, &told);
    send_rows(q);
    finish(q, STANZA_OK, fin);
}

/* XEP-0059 §2.7. */
static void answer_count(struct query *q, int64_t count)
{
    struct rsm_page told = { .index = -1, .count = count };
    struct xml *fin = xml_new(iq_arena(q->iq), NS_MAM, "fin");

    if (count == 0)
        xml_set(fin, iq_arena(q->iq), "complete", STR("true"));
    rsm_write(fin, iq_arena(q->iq), &told);
    finish(q, STANZA_OK, fin);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool has_with(const struct query *q)
{
    return jid_is_set(&q->q.with);
}

/* limit 0: the statement has none. The order is that of the statements. */
static void bind_range(struct store_tx *tx, const struct query *q, int64_t lo, int64_t hi,
                       uint32_t limit)
{
    const struct sm *sm = q->iq->sm;
    const struct jid *with = &q->q.with, *own = &q->account->jid;

    store_bind_int(tx, sm_slot_of(sm, has_with(q) ? with->bare : own->bare));
    if (has_with(q))
        store_bind_text(tx, with->bare);
    store_bind_text(tx, own->bare);
    if (has_with(q))
        store_bind_text(tx, str_is_set(with->resource) ? with->resource : STR(""));
    store_bind_int(tx, lo);
    store_bind_int(tx, hi);
    if (limit > 0)
        store_bind_int(tx, limit);
    if (has_with(q))
        store_bind_int(tx, sm_slot_of(sm, own->bare));
}

static void read_on(struct query *q);

/* false: no more fits. */
static bool add_row(struct query *q, const struct store_rows *rows)
{
    struct archive_row *row = &q->rows[q->count];
    struct str id = store_text(rows, 0), written = store_text(rows, 2);

    if (q->count == q->max || (q->count > 0 && q->bytes + written.n > MAX_BYTES))
        return false;
    row->stamp_us = store_int(rows, 1);
    if (id.n == ARCHIVE_ID_BYTES)
        archive_id_text((const uint8_t *)id.p, row->id_text);
    row->written = bytes_new(written);
    q->bytes += written.n;
    q->count++;
    if (q->is_backward)
        q->hi = row->stamp_us;
    else
        q->lo = row->stamp_us;
    return true;
}

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct query *q = owner;
    uint32_t count = 0;
    bool is_last;

    while (e == ERR_OK && !q->is_more && store_next(rows)) {
        q->is_more = !add_row(q, rows);
        count++;
    }
    is_last = q->stamp_count > 0 ? q->next_stamp == q->stamp_count : count < q->asked;
    if (e != ERR_OK)
        finish(q, STANZA_RESOURCE_CONSTRAINT, NULL);
    else if (q->is_more || is_last)
        answer(q);
    else
        read_on(q);
}

/* One more than fit, to know whether there are more. */
static void read_on(struct query *q)
{
    static const enum store_statement statements[2][2] = {
        { STORE_ARCHIVE_UP, STORE_ARCHIVE_DOWN }, { STORE_ARCHIVE_UP_WITH, STORE_ARCHIVE_DOWN_WITH }
    };
    size_t missing = q->max + 1 - q->count;
    struct store_tx *tx = store_begin(q->iq->sm->store);

    q->asked = missing < READ_AT_ONCE ? (uint32_t)missing : READ_AT_ONCE;
    store_add(tx, statements[has_with(q)][q->is_backward]);
    if (q->stamp_count > 0) {
        size_t i = q->is_backward ? q->stamp_count - 1 - q->next_stamp : q->next_stamp;

        q->next_stamp++;
        bind_range(tx, q, q->stamps[i] - 1, q->stamps[i] + 1, q->asked);
    } else {
        bind_range(tx, q, q->lo, q->hi, q->asked);
    }
    store_query(tx, on_rows, q);
}

static void on_count(void *owner, enum err e, struct store_rows *rows)
{
    struct query *q = owner;

    if (e == ERR_OK && store_next(rows))
        answer_count(q, store_int(rows, 0));
    else
        finish(q, STANZA_RESOURCE_CONSTRAINT, NULL);
}

static void read_count(struct query *q)
{
    struct store_tx *tx = store_begin(q->iq->sm->store);

    store_add(tx, has_with(q) ? STORE_ARCHIVE_COUNT_WITH : STORE_ARCHIVE_COUNT);
    bind_range(tx, q, q->lo, q->hi, 0);
    store_query(tx, on_count, q);
}

/* --- ids that were given ---------------------------------------------------------------------- */

static int compare_stamps(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Those wanted, in order, once, and only where the other filters leave them. */
static void sort_stamps(struct query *q)
{
    size_t n = 0;

    qsort(q->stamps, q->stamp_count, sizeof q->stamps[0], compare_stamps);
    for (size_t i = 0; i < q->stamp_count; i++) {
        int64_t stamp = q->stamps[i];

        if (stamp > q->lo && stamp < q->hi && (n == 0 || q->stamps[n - 1] != stamp))
            q->stamps[n++] = stamp;
    }
    q->stamp_count = n;
}

static void read_page(struct query *q)
{
    bool is_by_id = q->stamp_count > 0;

    sort_stamps(q);
    if (is_by_id && q->max == 0)
        answer_count(q, (int64_t)q->stamp_count);
    else if ((is_by_id && q->stamp_count == 0) || q->lo >= q->hi)
        q->max == 0 ? answer_count(q, 0) : answer(q);
    else if (q->max == 0)
        read_count(q);
    else
        read_on(q);
}

static void take_stamp(struct query *q, enum bound bound, int64_t stamp)
{
    if (bound == BOUND_WANTED)
        q->stamps[q->stamp_count++] = stamp;
    else if (bound == BOUND_AFTER && stamp > q->lo)
        q->lo = stamp;
    else if (bound == BOUND_BEFORE && stamp < q->hi)
        q->hi = stamp;
}

/* Queries are answered in the order of asking. */
static void on_found(void *owner, enum err e, struct store_rows *rows)
{
    struct query *q = owner;
    enum bound bound = q->given[q->looked_up++].bound;

    if (e != ERR_OK || !store_next(rows))
        q->is_missing = true;
    else
        take_stamp(q, bound, store_int(rows, 0));
    if (q->looked_up < q->given_count)
        return;
    if (q->is_missing)
        finish(q, STANZA_ITEM_NOT_FOUND, NULL);
    else
        read_page(q);
}

static void look_up(struct query *q)
{
    for (size_t i = 0; i < q->given_count; i++) {
        struct store_tx *tx = store_begin(q->iq->sm->store);

        store_add(tx, STORE_ARCHIVE_FIND);
        store_bind_blob(tx, str_of(q->given[i].id, ARCHIVE_ID_BYTES));
        store_bind_text(tx, q->account->jid.bare);
        store_bind_int(tx, archive_floor(q->account));
        store_query(tx, on_found, q);
    }
}

/* false: it can be none of ours. */
static bool give(struct query *q, enum bound bound, struct str text)
{
    struct given *g = &q->given[q->given_count];

    g->bound = bound;
    if (!archive_id_read(text, g->id))
        return false;
    q->given_count++;
    return true;
}

static bool give_all(struct query *q)
{
    const struct ext_archive_query *a = &q->q;
    bool is_good = true;

    if (str_is_set(a->after_id))
        is_good &= give(q, BOUND_AFTER, a->after_id);
    if (str_is_set(a->before_id))
        is_good &= give(q, BOUND_BEFORE, a->before_id);
    if (str_is_set(a->page.after))
        is_good &= give(q, BOUND_AFTER, a->page.after);
    if (a->page.before.n > 0)
        is_good &= give(q, BOUND_BEFORE, a->page.before);
    for (size_t i = 0; i < a->id_count && is_good; i++)
        is_good &= give(q, BOUND_WANTED, a->ids[i]);
    return is_good;
}

/* --- what the extension asks for -------------------------------------------------------------- */

static void set_range(struct query *q)
{
    int64_t floor = archive_floor(q->account);

    q->lo = q->q.start_us > floor ? q->q.start_us - 1 : floor;
    q->hi = q->q.end_us < INT64_MAX ? q->q.end_us + 1 : INT64_MAX;
    q->max = !q->q.page.has_max             ? DEFAULT_ROWS
             : q->q.page.max < MAX_ROWS ? (size_t)q->q.page.max
                                        : MAX_ROWS;
    q->is_backward = str_is_set(q->q.page.before);
}

/* Of a client that leaves lying what it got, or asks for more than anybody can read. */
static bool is_too_much(const struct session *s)
{
    return s->queue.has_rows || s->archive_queries >= MAX_UNDER_WAY ||
           store_is_busy(s->sm->store);
}

static struct query *query_new(struct iq *iq, struct session *s)
{
    struct query *q = mem_new(struct query);

    q->iq = iq;
    memcpy(q->session, s->id, sizeof q->session);
    q->account = s->account;
    account_pin(q->account);
    s->archive_queries++;
    iq->session = NULL; /* may be gone when the answer comes */
    return q;
}

enum stanza_error ext_archive_query(struct iq *iq, const struct ext_archive_query *query)
{
    struct session *s = iq->session;
    struct query *q;

    ASSERT(query->id_count <= EXT_ARCHIVE_MAX_IDS);
    if (!s || !s->account)
        return STANZA_FORBIDDEN;
    if (query->page.has_index)
        return STANZA_FEATURE_NOT_IMPLEMENTED; /* XEP-0059 §2.6: it would have to be counted */
    if (is_too_much(s))
        return STANZA_RESOURCE_CONSTRAINT;
    q = query_new(iq, s);
    q->q = *query;
    set_range(q);
    if (!give_all(q))
        finish(q, STANZA_ITEM_NOT_FOUND, NULL);
    else if (q->given_count > 0)
        look_up(q);
    else
        read_page(q);
    return STANZA_OK;
}

/* --- metadata --------------------------------------------------------------------------------- */

static void add_end(struct query *q, struct xml *metadata, const char *name, size_t i)
{
    struct arena *arena = iq_arena(q->iq);
    struct xml *end = xml_add(metadata, arena, NULL, name);

    xml_set(end, arena, "id", str_from(q->rows[i].id_text));
    xml_set(end, arena, "timestamp", datetime_text(q->rows[i].stamp_us, arena));
}

static void on_end(void *owner, enum err e, struct store_rows *rows)
{
    struct query *q = owner;
    struct xml *metadata;

    q->looked_up++;
    if (e != ERR_OK)
        q->is_missing = true;
    else if (store_next(rows))
        add_row(q, rows);
    if (q->looked_up < q->given_count)
        return;
    if (q->is_missing) {
        finish(q, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    metadata = xml_new(iq_arena(q->iq), NS_MAM, "metadata");
    if (q->count == 2) {
        add_end(q, metadata, "start", 0);
        add_end(q, metadata, "end", 1);
    }
    finish(q, STANZA_OK, metadata);
}

static void read_end(struct query *q, enum store_statement statement)
{
    struct store_tx *tx = store_begin(q->iq->sm->store);

    store_add(tx, statement);
    bind_range(tx, q, archive_floor(q->account), INT64_MAX, 1);
    store_query(tx, on_end, q);
}

enum stanza_error ext_archive_metadata(struct iq *iq)
{
    struct session *s = iq->session;
    struct query *q;

    if (!s || !s->account)
        return STANZA_FORBIDDEN;
    if (is_too_much(s))
        return STANZA_RESOURCE_CONSTRAINT;
    q = query_new(iq, s);
    q->max = MAX_ROWS;
    q->given_count = 2; /* answers to come */
    read_end(q, STORE_ARCHIVE_UP);
    read_end(q, STORE_ARCHIVE_DOWN);
    return STANZA_OK;
}
