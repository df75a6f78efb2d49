/* Renaming an account: its sessions end, what they had not taken yet is put away, then all its rows get the other name in one
 * transaction, those of its contacts that name it as well. A crash leaves the one or the other. */
#include "sm/account.h"

#include "common/audit.h"
#include "common/mem.h"
#include "sm/deliver.h"
#include "sm/roster_parts.h"
#include "sm/session.h"
#include "sm/store/store.h"

enum { REST_MS = 100, MAX_TRIES = 100 };

struct renaming {
    struct list at; /* while the timer is set: of the process's */
    struct sm *sm;
    struct account *account; /* the old one, pinned; NULL: not yet */
    char *old, *new;
    char *key; /* NULL: whosesoever it is */
    const char *by;
    struct timer timer;
    uint32_t tries;
    void (*done)(void *owner, enum err e);
    void *owner;
};

/* A contact whose roster is being read again. */
struct refresh {
    char *old, *new;
};

static void finish(struct renaming *r, enum err e)
{
    if (r->account)
        account_unpin(r->account);
    timer_stop(&r->timer);
    list_remove(&r->at);
    r->done(r->owner, e);
    mem_free(r->old);
    mem_free(r->new);
    mem_free(r->key);
    mem_free(r);
}

/* --- contacts ---------------------------------------------------------------------------------- */

static void push(struct account *a, const char *name, uint64_t id)
{
    struct buf out = { 0 };
    struct jid jid;

    jid_split(str_from(name), &jid);
    roster_write_push(&out, a, &jid);
    roster_push(a, buf_str(&out), id, NULL);
    buf_fini(&out);
}

static void on_contact(void *owner, struct account *a, enum err e)
{
    struct refresh *f = owner;

    (void)e; /* then its clients see it when they log in next */
    if (a && roster_find(a->roster, str_from(f->new))) {
        push(a, f->old, a->roster->version - 1);
        push(a, f->new, a->roster->version);
    }
    mem_free(f->old);
    mem_free(f->new);
    mem_free(f);
}

static void refresh_contacts(const struct renaming *r)
{
    struct account *a;

    for (size_t at = 0; (a = table_next(&r->sm->accounts, &at));) {
        struct refresh *f;

        if (a == r->account || !a->is_loaded ||
            (!roster_find(a->roster, str_from(r->old)) && !table_get(&a->blocked, str_from(r->old))))
            continue;
        f = mem_new(struct refresh);
        f->old = mem_strdup(r->old);
        f->new = mem_strdup(r->new);
        account_reload(a);
        account_with(r->sm, &a->jid, on_contact, f);
    }
}

/* --- the transaction --------------------------------------------------------------------------- */

static void on_renamed(void *owner, enum err e, int64_t changes)
{
    struct renaming *r = owner;
    struct account *a = r->account;

    if (e == ERR_OK && changes == 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK) {
        audit("account-renamed", kv_text("account", r->old), kv_text("to", r->new),
              kv_text("by", r->by));
        a->offline_count = 0;
        refresh_contacts(r);
        account_reload(a); /* whoever asks for the old one is told that there is none */
    }
    deliver_go(a);
    finish(r, e);
}

static void rename_rows(struct renaming *r)
{
    static const struct {
        enum store_statement statement;
        bool has_slot;
    } steps[] = {
        { STORE_RENAME_CONTACT_CLEAR, false }, { STORE_RENAME_CONTACT_VERSION, false },
        { STORE_RENAME_CONTACT, false },       { STORE_RENAME_BLOCKED, false },
        { STORE_RENAME_SECRET, true },         { STORE_RENAME_ROSTER, true },
        { STORE_RENAME_BLOCK, true },          { STORE_RENAME_OFFLINE, true },
        { STORE_RENAME_DATA, true },           { STORE_RENAME_USE, true },
        { STORE_RENAME_WISH, true },           { STORE_RENAME_PURGE, true },
        { STORE_RENAME_ARCHIVE_A, true },      { STORE_RENAME_ARCHIVE_B, false },
        { STORE_RENAME_ACCOUNT, true },
    };
    struct store_tx *tx = store_begin(r->sm->store);

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        store_add(tx, steps[i].statement);
        if (steps[i].has_slot)
            store_bind_int(tx, sm_slot_of(r->sm, str_from(r->new)));
        store_bind_text(tx, str_from(r->new));
        store_bind_text(tx, str_from(r->old));
    }
    deliver_stop(r->account); /* what comes now finds the one name or the other */
    store_submit(tx, on_renamed, r);
}

/* --- before it --------------------------------------------------------------------------------- */

/* What a session had not taken is stored for the account when it has ended. */
static bool is_at_rest(const struct account *a)
{
    return a->is_loaded && list_is_empty(&a->sessions) && a->stops == 0 && !a->offline_run &&
           a->inbound_begun == a->inbound_done && list_is_empty(&a->behind);
}

/* Deleted, renamed by another login, or somebody else's. */
static bool is_another(const struct renaming *r)
{
    const struct account *a = r->account;

    return a->is_loaded ? r->key && !str_is(str_from(a->directory_key), r->key) : a->is_missing && !a->is_loading;
}

static void try(struct renaming *r)
{
    struct account *a = r->account;

    if (is_another(r)) {
        finish(r, ERR_NOT_FOUND);
        return;
    }
    while (a->is_loaded && !list_is_empty(&a->sessions))
        session_end(CONTAINER_OF(list_first(&a->sessions), struct session, account_at), STREAM_NOT_AUTHORIZED,
                    STR("the account has another name now"));
    if (r->sm->is_stopping || r->tries++ >= MAX_TRIES) {
        finish(r, ERR_AGAIN);
    } else if (is_at_rest(a)) {
        rename_rows(r);
    } else {
        list_push_back(&r->sm->renamings, &r->at);
        timer_set(r->sm->service->timers, &r->timer, REST_MS);
    }
}

static void on_timer(struct timer *t)
{
    struct renaming *r = CONTAINER_OF(t, struct renaming, timer);

    list_remove(&r->at);
    try(r);
}

static void on_old(void *owner, struct account *a, enum err e)
{
    struct renaming *r = owner;

    if (!a) {
        finish(r, e);
        return;
    }
    account_pin(a);
    r->account = a;
    if (r->key && !str_is(str_from(a->directory_key), r->key))
        account_reload(a); /* it may have been claimed after that was read */
    try(r);
}

/* What is still to be deleted of an account that had the new name must not take the old one's with it. */
static void on_purge(void *owner, enum err e, struct store_rows *rows)
{
    struct renaming *r = owner;
    struct jid old;

    if (e == ERR_OK && store_next(rows))
        e = ERR_AGAIN;
    if (e != ERR_OK) {
        finish(r, e);
        return;
    }
    jid_split(str_from(r->old), &old);
    account_with(r->sm, &old, on_old, r);
}

static void on_new(void *owner, struct account *a, enum err e)
{
    struct renaming *r = owner;
    struct store_tx *tx;

    if (a || e != ERR_NOT_FOUND) {
        finish(r, a ? ERR_EXISTS : e);
        return;
    }
    tx = store_begin(r->sm->store);
    store_add(tx, STORE_RENAME_MAY);
    store_bind_text(tx, str_from(r->new));
    store_query(tx, on_purge, r);
}

void account_rename(struct sm *sm, const struct account_rename *what, void (*done)(void *owner, enum err e), void *owner)
{
    struct renaming *r = mem_new(struct renaming);

    r->sm = sm;
    r->old = str_dup(what->old.bare);
    r->new = str_dup(what->new.bare);
    r->key = str_is_set(what->key) ? str_dup(what->key) : NULL;
    r->by = what->by;
    r->done = done;
    r->owner = owner;
    timer_init(&r->timer, on_timer);
    list_init(&r->at);
    account_with(sm, &what->new, on_new, r);
}

/* The others hear from the store. */
void account_rename_stop(struct sm *sm)
{
    while (!list_is_empty(&sm->renamings))
        finish(CONTAINER_OF(list_first(&sm->renamings), struct renaming, at), ERR_AGAIN);
}
