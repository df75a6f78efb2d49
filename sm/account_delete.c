/* Deleting an account: its contacts are told, its sessions end, its rows go in one transaction, its archive's after that,
 * and then it is forgotten. */
#include "sm/account.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/archive_purge.h"
#include "sm/offline.h"
#include "sm/roster.h"
#include "sm/session.h"
#include "sm/store/store.h"

struct deletion {
    struct sm *sm;
    struct account *account; /* pinned */
    const char *by;          /* for the audit log */
    void (*done)(void *owner, enum err e);
    void *owner;
};

static void finish(struct deletion *d, enum err e)
{
    d->done(d->owner, e);
    mem_free(d);
}

/* Whoever asks from now on is told that there is none: by loading it anew. */
static void on_deleted(void *owner, enum err e, int64_t changes)
{
    struct deletion *d = owner;
    struct account *a = d->account;

    (void)changes;
    if (e == ERR_OK)
        audit("account-removed", kv_str("account", a->jid.bare), kv_text("by", d->by));
    a->offline_count = 0;
    archive_purge_kick(d->sm);
    account_reload(a);
    account_unpin(a);
    finish(d, e);
}

static void delete_rows(struct deletion *d)
{
    static const enum store_statement statements[] = { STORE_ROSTER_CLEAR, STORE_BLOCK_CLEAR,
                                                       STORE_DATA_CLEAR, STORE_OFFLINE_CLEAR, STORE_SECRET_DELETE,
                                                       STORE_USE_CLEAR, STORE_WISH_CLEAR, STORE_ACCOUNT_DELETE };
    struct store_tx *tx = store_begin(d->sm->store);

    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        store_add(tx, statements[i]);
        store_bind_text(tx, d->account->jid.bare);
    }
    archive_purge_add(d->sm, tx, d->account->jid.bare, sm_time_us() + 1); /* it can take long */
    store_submit(tx, on_deleted, d);
}

static void on_found(void *owner, struct account *a, enum err e)
{
    struct deletion *d = owner;

    if (!a) {
        finish(d, e);
        return;
    }
    account_pin(a);
    d->account = a;
    while (!list_is_empty(&a->sessions))
        session_end(CONTAINER_OF(list_first(&a->sessions), struct session, account_at), STREAM_NOT_AUTHORIZED,
                    STR("the account was removed"));
    roster_tell_gone(a);
    delete_rows(d);
}

void account_delete(struct sm *sm, const struct jid *bare, const char *by, void (*done)(void *owner, enum err e), void *owner)
{
    struct deletion *d = mem_new(struct deletion);

    d->sm = sm;
    d->by = by;
    d->done = done;
    d->owner = owner;
    account_with(sm, bare, on_found, d);
}
