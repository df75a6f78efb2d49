/* Accounts in memory. Loading is five queries in a row of the store's queue: the account, its roster, whom it has blocked, what it wants
 * archived, how many messages wait. Who asks meanwhile waits, in order. Deletion is account_delete.c's. */
#include "sm/account.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/account_parts.h"
#include "sm/archive.h"
#include "sm/block.h"
#include "sm/deliver.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/roster.h"
#include "sm/session.h"
#include "sm/shared.h"
#include "sm/store/store.h"

struct waiter {
    struct list at;
    account_found_fn *found;
    void *owner;
};

static struct str key_of(const void *item)
{
    return ((const struct account *)item)->jid.bare;
}

void account_table_init(struct sm *sm)
{
    table_init(&sm->accounts, key_of);
}

static void free_account(struct account *a)
{
    timer_stop(&a->idle);
    offline_forget(a);
    deliver_forget(a);
    shared_forget(a);
    table_remove(&a->sm->accounts, a->jid.bare);
    roster_free(a->roster);
    block_clear(&a->blocked);
    archive_wishes_clear(&a->wishes);
    mem_free(a->directory_key);
    mem_free((char *)a->jid.full.p);
    mem_free(a);
    metric_dec(&sm_metric_accounts);
}

void account_table_fini(struct sm *sm)
{
    struct account *a;
    size_t at = 0;

    while ((a = table_next(&sm->accounts, &at))) {
        while (!list_is_empty(&a->waiters)) {
            struct waiter *w = CONTAINER_OF(list_first(&a->waiters), struct waiter, at);

            list_remove(&w->at);
            w->found(w->owner, NULL, ERR_CLOSED);
            mem_free(w);
        }
        free_account(a);
        at = 0;
    }
    table_fini(&sm->accounts);
}

/* --- idle -------------------------------------------------------------------------------------------------------- */

static bool is_used(const struct account *a)
{
    return a->pins > 0 || !list_is_empty(&a->sessions) || !list_is_empty(&a->waiters) || a->is_loading;
}

static void on_idle(struct timer *t)
{
    struct account *a = CONTAINER_OF(t, struct account, idle);

    if (!is_used(a))
        free_account(a);
}

static void watch(struct account *a)
{
    if (!is_used(a) && !a->sm->is_stopping)
        timer_set(a->sm->service->timers, &a->idle, (uint64_t)a->sm->conf->account_idle_ms);
}

void account_pin(struct account *a)
{
    a->pins++;
}

void account_unpin(struct account *a)
{
    ASSERT(a->pins > 0);
    a->pins--;
    watch(a);
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

/* Each may ask for more; the account stays while it is pinned here. */
static void answer_waiters(struct account *a, enum err e)
{
    while (!list_is_empty(&a->waiters)) {
        struct waiter *w = CONTAINER_OF(list_first(&a->waiters), struct waiter, at);

        list_remove(&w->at);
        w->found(w->owner, e == ERR_OK ? a : NULL, e);
        mem_free(w);
    }
}

static void finish(struct account *a, enum err e)
{
    bool is_gone = e != ERR_OK && list_is_empty(&a->sessions) && a->pins == 0;

    a->is_loading = false;
    a->is_loaded = e == ERR_OK;
    if (is_gone)
        table_remove(&a->sm->accounts, a->jid.bare); /* who is told may make it anew */
    a->pins++;
    answer_waiters(a, e);
    a->pins--;
    if (!is_gone) {
        watch(a);
        return;
    }
    timer_stop(&a->idle);
    shared_forget(a);
    roster_free(a->roster);
    block_clear(&a->blocked);
    archive_wishes_clear(&a->wishes);
    mem_free(a->directory_key);
    mem_free((char *)a->jid.full.p);
    mem_free(a);
    metric_dec(&sm_metric_accounts);
}

static void on_count(void *owner, enum err e, struct store_rows *rows)
{
    struct account *a = owner;

    if (e == ERR_OK && rows && store_next(rows))
        a->offline_count = store_int(rows, 0);
    if (e == ERR_OK && a->is_half)
        e = ERR_IO;
    finish(a, e != ERR_OK ? e : a->is_missing ? ERR_NOT_FOUND : ERR_OK);
}

static void on_roster(void *owner, enum err e, struct store_rows *rows)
{
    struct account *a = owner;

    if (e == ERR_OK && rows)
        roster_load(a->roster, rows);
}

static void on_blocked(void *owner, enum err e, struct store_rows *rows)
{
    struct account *a = owner;

    a->is_half = e != ERR_OK || !rows; /* without its blocklist it is not to be used */
    if (a->is_half)
        return;
    block_clear(&a->blocked);
    block_load(&a->blocked, rows);
}

static void on_wishes(void *owner, enum err e, struct store_rows *rows)
{
    struct account *a = owner;

    if (e != ERR_OK || !rows) {
        a->is_half = true;
        return;
    }
    archive_wishes_clear(&a->wishes);
    archive_wishes_load(&a->wishes, rows);
}

static void on_account(void *owner, enum err e, struct store_rows *rows)
{
    struct account *a = owner;

    roster_free(a->roster);
    a->roster = roster_new();
    a->is_missing = e == ERR_OK && !store_next(rows);
    if (e == ERR_OK && !a->is_missing)
        a->roster->version = (uint64_t)store_int(rows, 1);
    a->may_outside = e == ERR_OK && !a->is_missing && store_int(rows, 2) != 0;
    if (e == ERR_OK && !a->is_missing)
        a->created_us = store_int(rows, 0);
    mem_free(a->directory_key);
    a->directory_key = e == ERR_OK && !a->is_missing ? str_dup(store_text(rows, 3)) : NULL;
}

static void query(struct account *a, enum store_statement statement,
                  void (*done)(void *owner, enum err e, struct store_rows *rows))
{
    struct store_tx *tx = store_begin(a->sm->store);

    store_add(tx, statement);
    store_bind_text(tx, a->jid.bare);
    store_query(tx, done, a);
}

/* The last one finishes: queries are answered in their order. */
static void load(struct account *a)
{
    a->is_loading = true;
    a->used_c2s = NULL; /* it may have been deleted and made anew */
    timer_stop(&a->idle);
    query(a, STORE_ACCOUNT_GET, on_account);
    query(a, STORE_ROSTER_LOAD, on_roster);
    query(a, STORE_BLOCK_LOAD, on_blocked);
    query(a, STORE_WISH_LOAD, on_wishes);
    query(a, STORE_OFFLINE_COUNT, on_count);
}

static struct account *make(struct sm *sm, const struct jid *bare)
{
    struct account *a = mem_new(struct account);

    a->sm = sm;
    a->host = sm_host(sm, bare->domain);
    a->roster = roster_new();
    block_init(&a->blocked);
    archive_wishes_init(&a->wishes);
    jid_split(str_from(str_dup(bare->bare)), &a->jid);
    list_init(&a->sessions);
    list_init(&a->waiters);
    list_init(&a->behind);
    timer_init(&a->idle, on_idle);
    table_put(&sm->accounts, a);
    metric_inc(&sm_metric_accounts);
    return a;
}

void account_with(struct sm *sm, const struct jid *bare, account_found_fn *found, void *owner)
{
    struct account *a = table_get(&sm->accounts, bare->bare);
    struct waiter *w;

    if (a && a->is_loaded && list_is_empty(&a->waiters)) {
        timer_stop(&a->idle);
        a->pins++;
        found(owner, a, ERR_OK);
        account_unpin(a);
        return;
    }
    if (!a)
        a = make(sm, bare);
    w = mem_new(struct waiter);
    w->found = found;
    w->owner = owner;
    list_push_back(&a->waiters, &w->at);
    if (!a->is_loading && !a->is_loaded)
        load(a);
}

struct account *account_in_memory(const struct sm *sm, struct str bare)
{
    struct account *a = table_get(&sm->accounts, bare);

    return a && a->is_loaded ? a : NULL;
}

void account_reload(struct account *a)
{
    if (a->is_loading || a->sm->is_stopping)
        return;
    a->is_loaded = false;
    load(a);
}

static void on_outside(void *owner, enum err e, int64_t changes)
{
    struct account *a = owner;

    (void)changes;
    if (e != ERR_OK)
        log_error("what an account may do is not written", kv_str("account", a->jid.bare), kv_err(e));
    account_unpin(a);
}

void account_set_outside(struct account *a, bool may)
{
    struct store_tx *tx;

    if (a->may_outside == may)
        return;
    a->may_outside = may;
    tx = store_begin(a->sm->store);
    store_add(tx, STORE_ACCOUNT_OUTSIDE);
    store_bind_int(tx, may);
    store_bind_text(tx, a->jid.bare);
    account_pin(a);
    store_submit(tx, on_outside, a);
}

void account_refresh_key(struct account *a)
{
    if (a->host && a->host->directory && a->directory_key && !a->directory_key[0])
        account_reload(a);
}

struct session *account_session(const struct account *a, struct str resource)
{
    LIST_FOR_EACH (at, &a->sessions) {
        struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (str_eq(s->jid.resource, resource))
            return s;
    }
    return NULL;
}
