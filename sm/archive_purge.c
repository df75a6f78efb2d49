/* One account after another, four steps each: rows that nobody else owns go, of the others the
 * account is struck out, as a and as b (migrations/0006_archive.sql). First those that were asked
 * for (table archive_purge), then, from time to time, all accounts against their host's limits. */
#include "sm/archive_purge.h"

#include "common/audit.h"
#include "common/ctl.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "sm/account.h"
#include "sm/incident_since.h"
#include "sm/metrics.h"
#include "sm/store/store.h"

enum {
    ROWS_A_STEP = 200,
    STEPS_A_TURN = 50, /* then others have the store for PAUSE_MS */
    PAUSE_MS = 100,
    RETRY_MS = 5000,
    WALK_MS = 3600 * 1000,
};

/* An administrator who waits. */
struct waiter {
    struct list at;
    char *account;
    struct ctl_request *request;
};

struct archive_purger {
    struct sm *sm;
    struct timer timer, note;
    struct list waiters;
    bool is_running, is_closed;
    uint32_t steps; /* in this turn */
    bool is_walking;
    size_t host;    /* the walk over all accounts: where it is */
    char *after;
    uint64_t walked_ms;
    /* The account that is worked on. */
    char *account;
    bool is_asked_for;
    int64_t before_us, all_before_us; /* rows before the latter go, whoever else owns them */
    int step;
    uint64_t removed;
    int64_t noted_us;
};

static void next_account(struct archive_purger *p);
static void next_step(struct archive_purger *p);

/* What comes back after the end frees it. false: it has. */
static bool is_alive(struct archive_purger *p)
{
    if (!p->is_closed)
        return true;
    mem_free(p->account);
    mem_free(p->after);
    mem_free(p);
    return false;
}

static void rest(struct archive_purger *p, uint64_t ms)
{
    p->is_running = false;
    p->steps = 0;
    timer_set(p->sm->service->timers, &p->timer, ms);
}

static const struct sm_host_conf *host_at(const struct sm *sm, size_t i)
{
    return i < sm->conf->hosts.count ? &((const struct sm_host_conf *)sm->conf->hosts.items)[i]
                                     : NULL;
}

/* What every host of the cluster has given up; 0: one of them keeps for ever. */
static int64_t given_up_us(const struct sm *sm)
{
    const struct sm_host_conf *h;
    int64_t longest_ms = 0;

    for (size_t i = 0; (h = host_at(sm, i)) != NULL; i++) {
        if (h->archive_keep_ms == 0)
            return 0;
        longest_ms = h->archive_keep_ms > longest_ms ? h->archive_keep_ms : longest_ms;
    }
    return sm_time_us() - longest_ms * 1000;
}

/* --- one account ------------------------------------------------------------------------------ */

static void answer_waiters(struct archive_purger *p, struct str account, enum ctl_exit code)
{
    LIST_FOR_EACH_SAFE(at, following, &p->waiters)
    {
        struct waiter *w = CONTAINER_OF(at, struct waiter, at);

        if (str_is_set(account) && !str_is(account, w->account))
            continue;
        list_remove(&w->at);
        if (code == CTL_OK)
            ctl_field_u64(w->request, "messages", p->removed);
        else
            ctl_say(w->request, "interrupted; it goes on after the next start");
        ctl_finish(w->request, code);
        mem_free(w->account);
        mem_free(w);
    }
}

static void done_with_account(struct archive_purger *p)
{
    mem_free(p->account);
    p->account = NULL;
    next_account(p);
}

static void on_purge_done(void *owner, enum err e, int64_t changes)
{
    struct archive_purger *p = owner;

    (void)changes;
    if (!is_alive(p))
        return;
    if (e != ERR_OK) {
        rest(p, RETRY_MS);
        return;
    }
    answer_waiters(p, str_from(p->account), CTL_OK);
    done_with_account(p);
}

static void finish_account(struct archive_purger *p)
{
    struct store_tx *tx;

    if (!p->is_asked_for) {
        done_with_account(p);
        return;
    }
    tx = store_begin(p->sm->store);
    store_add(tx, STORE_ARCHIVE_PURGE_DONE);
    store_bind_text(tx, str_from(p->account));
    store_bind_int(tx, p->before_us);
    store_submit(tx, on_purge_done, p);
}

static const struct {
    enum store_statement statement;
    bool has_slot, has_all;
} steps[] = {
    { STORE_ARCHIVE_DROP_A, true, true },
    { STORE_ARCHIVE_LEAVE_A, true, false },
    { STORE_ARCHIVE_DROP_B, false, true },
    { STORE_ARCHIVE_LEAVE_B, false, false },
};

static void on_step(void *owner, enum err e, int64_t changes)
{
    struct archive_purger *p = owner;

    if (!is_alive(p))
        return;
    if (e != ERR_OK) {
        log_error("an archive is not purged", kv_err(e));
        rest(p, RETRY_MS);
        return;
    }
    p->removed += (uint64_t)changes;
    metric_add(&sm_metric_archive_purged, (uint64_t)changes);
    if (changes < ROWS_A_STEP)
        p->step++;
    next_step(p);
}

static void next_step(struct archive_purger *p)
{
    struct store_tx *tx;

    if (p->step == ARRAY_LEN(steps)) {
        finish_account(p);
        return;
    }
    if (store_is_busy(p->sm->store) || p->steps++ == STEPS_A_TURN) {
        rest(p, PAUSE_MS);
        return;
    }
    tx = store_begin(p->sm->store);
    store_add(tx, steps[p->step].statement);
    if (steps[p->step].has_slot)
        store_bind_int(tx, sm_slot_of(p->sm, str_from(p->account)));
    store_bind_text(tx, str_from(p->account));
    store_bind_int(tx, p->before_us);
    if (steps[p->step].has_all)
        store_bind_int(tx, p->all_before_us);
    store_bind_int(tx, ROWS_A_STEP);
    store_submit(tx, on_step, p);
}

static void begin(struct archive_purger *p, struct str account, int64_t before_us,
                  bool is_asked_for)
{
    p->account = str_dup(account);
    p->before_us = before_us;
    p->all_before_us = is_asked_for ? 0 : given_up_us(p->sm);
    p->is_asked_for = is_asked_for;
    p->step = 0;
    p->removed = 0;
}

/* --- the walk over all accounts --------------------------------------------------------------- */

/* The row behind the last that may stay. */
static void on_nth(void *owner, enum err e, struct store_rows *rows)
{
    struct archive_purger *p = owner;
    int64_t too_many_us = 0;

    if (!is_alive(p))
        return;
    if (e == ERR_OK && store_next(rows))
        too_many_us = store_int(rows, 0) + 1;
    if (too_many_us > p->before_us)
        p->before_us = too_many_us;
    p->before_us > 0 ? next_step(p) : done_with_account(p);
}

static void ask_nth(struct archive_purger *p, int64_t max)
{
    struct store_tx *tx = store_begin(p->sm->store);

    store_add(tx, STORE_ARCHIVE_NTH);
    store_bind_int(tx, sm_slot_of(p->sm, str_from(p->account)));
    store_bind_text(tx, str_from(p->account));
    store_bind_int(tx, max);
    store_query(tx, on_nth, p);
}

static void on_account(void *owner, enum err e, struct store_rows *rows)
{
    struct archive_purger *p = owner;
    const struct sm_host_conf *h;

    if (!is_alive(p))
        return;
    h = host_at(p->sm, p->host);
    if (e != ERR_OK) {
        rest(p, RETRY_MS);
    } else if (!h || !store_next(rows)) {
        p->host++;
        mem_free(p->after);
        p->after = str_dup(STR(""));
        next_account(p);
    } else {
        mem_free(p->after);
        p->after = str_dup(store_text(rows, 0));
        begin(p, store_text(rows, 0),
              h->archive_keep_ms > 0 ? sm_time_us() - h->archive_keep_ms * 1000 : 0, false);
        ask_nth(p, h->archive_max);
    }
}

static void walk_on(struct archive_purger *p)
{
    const struct sm_host_conf *h = host_at(p->sm, p->host);
    struct store_tx *tx;

    if (!h) {
        p->is_walking = false;
        p->walked_ms = sm_now_ms(p->sm);
        rest(p, WALK_MS);
        return;
    }
    if (store_is_busy(p->sm->store) || p->steps++ >= STEPS_A_TURN) {
        rest(p, PAUSE_MS);
        return;
    }
    tx = store_begin(p->sm->store);
    store_add(tx, STORE_ACCOUNT_LIST);
    store_bind_text(tx, str_from(h->name));
    store_bind_text(tx, str_from(p->after));
    store_bind_int(tx, 1);
    store_query(tx, on_account, p);
}

static void on_asked_for(void *owner, enum err e, struct store_rows *rows)
{
    struct archive_purger *p = owner;

    if (!is_alive(p))
        return;
    if (e != ERR_OK) {
        rest(p, RETRY_MS);
    } else if (store_next(rows)) {
        begin(p, store_text(rows, 0), store_int(rows, 1), true);
        next_step(p);
    } else if (p->is_walking || p->walked_ms == 0 ||
               sm_now_ms(p->sm) - p->walked_ms >= WALK_MS) {
        if (!p->is_walking) {
            mem_free(p->after);
            p->after = str_dup(STR(""));
            p->host = 0;
        }
        p->is_walking = true;
        walk_on(p);
    } else {
        rest(p, WALK_MS);
    }
}

/* What was asked for goes first. */
static void next_account(struct archive_purger *p)
{
    struct store_tx *tx = store_begin(p->sm->store);

    store_add(tx, STORE_ARCHIVE_PURGE_NEXT);
    store_bind_text(tx, STR(""));
    store_query(tx, on_asked_for, p);
}

static void run(struct archive_purger *p)
{
    if (p->is_running || p->is_closed)
        return;
    timer_stop(&p->timer);
    p->is_running = true;
    p->account ? next_step(p) : next_account(p);
}

static void on_timer(struct timer *t)
{
    run(CONTAINER_OF(t, struct archive_purger, timer));
}

void archive_purge_kick(struct sm *sm)
{
    if (sm->purger)
        run(sm->purger);
}

void archive_purge_add(struct sm *sm, struct store_tx *tx, struct str account, int64_t before_us)
{
    store_add(tx, STORE_ARCHIVE_PURGE_PUT);
    store_bind_int(tx, sm_slot_of(sm, account));
    store_bind_text(tx, account);
    store_bind_int(tx, before_us);
}

/* --- stamps ----------------------------------------------------------------------------------- */

static void on_note(struct timer *t)
{
    struct archive_purger *p = CONTAINER_OF(t, struct archive_purger, note);
    int64_t stamp_us = p->sm->last_stamp_us;
    struct buf text = { 0 };
    struct store_tx *tx;

    timer_set(p->sm->service->timers, &p->note, ARCHIVE_STAMP_MS);
    if (stamp_us == p->noted_us || store_is_busy(p->sm->store))
        return;
    p->noted_us = stamp_us;
    buf_add_u64(&text, (uint64_t)stamp_us);
    tx = store_begin(p->sm->store);
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, STR(ARCHIVE_STAMP_META));
    store_bind_blob(tx, buf_str(&text));
    store_submit(tx, NULL, NULL);
    buf_fini(&text);
}

/* --- life ------------------------------------------------------------------------------------- */

void archive_purge_open(struct sm *sm)
{
    struct archive_purger *p = mem_new(struct archive_purger);

    p->sm = sm;
    list_init(&p->waiters);
    timer_init(&p->timer, on_timer);
    timer_init(&p->note, on_note);
    p->noted_us = sm->last_stamp_us;
    timer_set(sm->service->timers, &p->timer, PAUSE_MS);
    timer_set(sm->service->timers, &p->note, ARCHIVE_STAMP_MS);
    sm->purger = p;
}

void archive_purge_close(struct sm *sm)
{
    struct archive_purger *p = sm->purger;

    if (!p)
        return;
    sm->purger = NULL;
    timer_stop(&p->timer);
    timer_stop(&p->note);
    answer_waiters(p, STR_NONE, CTL_FAILED);
    p->is_closed = true;
    if (!p->is_running)
        is_alive(p);
}

/* --- the command ------------------------------------------------------------------------------ */

struct request {
    struct sm *sm;
    struct ctl_request *request;
    struct arena arena;
    struct jid jid;
    int64_t before_us;
};

static void on_requested(void *owner, enum err e, int64_t changes)
{
    struct request *r = owner;
    struct waiter *w;

    (void)changes;
    if (e == ERR_OK && r->sm->purger) {
        audit("archive-purged", kv_str("account", r->jid.bare),
              kv_str("before", datetime_text(r->before_us, &r->arena)),
              kv_text("by", "administrator"));
        w = mem_new(struct waiter);
        w->account = str_dup(r->jid.bare);
        w->request = r->request;
        list_push_back(&r->sm->purger->waiters, &w->at);
        archive_purge_kick(r->sm);
    } else {
        ctl_say(r->request, "failed: %s", err_text(e));
        ctl_finish(r->request, CTL_FAILED);
    }
    arena_fini(&r->arena);
    mem_free(r);
}

static bool read_request(struct request *r)
{
    struct ctl_request *c = r->request;
    bool has_before = ctl_arg_count(c) == 4 && str_is(ctl_arg(c, 2), "--before");

    r->before_us = sm_time_us() + 1;
    if (!str_is(ctl_arg(c, 0), "purge") || (ctl_arg_count(c) != 2 && !has_before))
        ctl_say(c, "usage: archive purge ACCOUNT [--before TIME]");
    else if (jid_parse(ctl_arg(c, 1), &r->arena, &r->jid) != ERR_OK || !jid_is_bare(&r->jid) ||
             !str_is_set(r->jid.local))
        ctl_say(c, "expected an address like user@example.com");
    else if (has_before && incident_since(ctl_arg(c, 3), sm_time_us(), &r->before_us) != ERR_OK)
        ctl_say(c, "expected a time as 2026-03-01T08:30:00Z, or 90d for so long ago");
    else
        return true;
    return false;
}

/* Of an account that is not there any more as well: what is left of it goes. */
void archive_run(void *app, struct ctl_request *c)
{
    struct request *r = mem_new(struct request);
    struct store_tx *tx;

    r->sm = app;
    r->request = c;
    if (!read_request(r)) {
        ctl_finish(c, CTL_USAGE);
        arena_fini(&r->arena);
        mem_free(r);
        return;
    }
    tx = store_begin(r->sm->store);
    archive_purge_add(r->sm, tx, r->jid.bare, r->before_us);
    store_submit(tx, on_requested, r);
}
