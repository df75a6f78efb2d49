/* The record of who used which c2s. Rows are to the minute, so that a client that logs in again and
 * again costs no writes. */
#include "sm/incident.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/session.h"
#include "sm/store/store.h"

/* --- writing ---------------------------------------------------------------------------------- */

static const int64_t MINUTE_US = 60000000;

static void add_use(struct store_tx *tx, struct str account, struct str c2s, int64_t first_us,
                    int64_t plain_us)
{
    store_add(tx, STORE_USE_PUT);
    store_bind_text(tx, c2s);
    store_bind_int(tx, first_us);
    store_bind_int(tx, sm_time_us());
    store_bind_int(tx, plain_us);
    store_bind_text(tx, account);
}

static void on_noted(void *owner, enum err e, int64_t changes)
{
    struct sm *sm = owner;

    (void)changes;
    if (e == ERR_OK)
        return;
    sm->use_failed_us = sm_time_us();
    log_error("the use of a c2s is not written down", kv_err(e));
}

/* Whether the row would stay as it is: then the store need not be asked. Rows are to the minute. */
static bool is_noted(const struct session *s, bool is_clear)
{
    const struct account *a = s->home;
    int64_t now = sm_time_us(), since = now - MINUTE_US;

    return a->used_c2s == s->peer && a->used_us > s->sm->use_failed_us && a->used_us > since &&
           a->used_us <= now && (!is_clear || a->used_plain_us > since);
}

static void note(struct account *a, const struct session *s, bool is_clear)
{
    int64_t now = sm_time_us();

    if (is_clear || a->used_c2s != s->peer)
        a->used_plain_us = is_clear ? now : 0;
    a->used_c2s = s->peer;
    a->used_us = now;
}

void incident_note_login(const struct session *s, const char *mechanism)
{
    bool is_clear = strcmp(mechanism, "PLAIN") == 0;
    struct store_tx *tx;

    if (is_noted(s, is_clear))
        return;
    note(s->home, s, is_clear);
    tx = store_begin(s->sm->store);
    add_use(tx, s->home->jid.bare, str_from(s->c2s), s->opened_us, is_clear ? s->opened_us : 0);
    store_submit(tx, on_noted, s->sm);
}

void incident_note_password(struct sm *sm, struct str account, struct str c2s)
{
    struct store_tx *tx = store_begin(sm->store);
    int64_t now = sm_time_us();

    add_use(tx, account, c2s, now, now);
    store_submit(tx, on_noted, sm);
}

void incident_add_end(struct store_tx *tx, const struct session *s)
{
    if (!is_noted(s, false))
        add_use(tx, s->home->jid.bare, str_from(s->c2s), s->opened_us, 0);
}

/* --- sweeping --------------------------------------------------------------------------------- */

/* From account to account, so that no statement looks at more than some thousand rows. */
struct sweep {
    struct sm *sm;
    int64_t before_us;
    struct buf after, next;
    int64_t deleted;
};

static void sweep_on(struct sweep *w);

static void on_swept(void *owner, enum err e, int64_t changes)
{
    struct sweep *w = owner;

    if (e != ERR_OK)
        log_error("old uses of c2s are not deleted", kv_err(e));
    w->deleted += changes;
    if (e == ERR_OK && w->next.n > 0 && !w->sm->is_stopping) {
        buf_clear(&w->after);
        buf_add(&w->after, buf_str(&w->next));
        sweep_on(w);
        return;
    }
    if (w->deleted > 0)
        log_info("old uses of c2s are deleted", kv_i64("rows", w->deleted));
    buf_fini(&w->after);
    buf_fini(&w->next);
    mem_free(w);
}

static void on_next(void *owner, enum err e, struct store_rows *rows)
{
    struct sweep *w = owner;
    struct store_tx *tx;

    buf_clear(&w->next);
    if (e != ERR_OK || w->sm->is_stopping) {
        on_swept(w, e, 0);
        return;
    }
    if (store_next(rows))
        buf_add(&w->next, store_text(rows, 0));
    tx = store_begin(w->sm->store);
    store_add(tx, w->next.n > 0 ? STORE_USE_SWEEP : STORE_USE_SWEEP_REST);
    store_bind_text(tx, w->after.n > 0 ? buf_str(&w->after) : STR(""));
    if (w->next.n > 0)
        store_bind_text(tx, buf_str(&w->next));
    store_bind_int(tx, w->before_us);
    store_submit(tx, on_swept, w);
}

static void sweep_on(struct sweep *w)
{
    struct store_tx *tx = store_begin(w->sm->store);

    store_add(tx, STORE_USE_NEXT);
    store_bind_text(tx, w->after.n > 0 ? buf_str(&w->after) : STR(""));
    store_query(tx, on_next, w);
}

void incident_sweep(struct sm *sm)
{
    struct sweep *w = mem_new(struct sweep);

    w->sm = sm;
    w->before_us = sm_time_us() - sm->conf->c2s_history_ms * 1000;
    sweep_on(w);
}
