/* The account follows its entry to a new name; see the header. The store is asked before the
 * directory: hardly anybody who logs in for the first time has an account by another name. */
#include "sm/auth/renamed.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/auth/auth_private.h"
#include "sm/directory/directory.h"

struct search {
    struct auth *auth;
    char *account, *key;
    char *old; /* the account that may move; NULL: none yet */
    enum auth_order order;
    renamed_fn *done;
    void *owner;
};

static void finish(struct search *s, enum renamed_outcome outcome, const char *detail)
{
    s->done(s->owner, outcome, detail);
    auth_unref(s->auth);
    mem_free(s->account);
    mem_free(s->key);
    mem_free(s->old);
    mem_free(s);
}

static const char *directory_of(const struct search *s)
{
    const struct auth_renaming *r = &s->auth->renaming;
    struct str host = str_from(s->account);

    str_cut(&host, '@');
    return r->rename && !s->auth->is_closed ? r->directory_of(r->owner, host) : NULL;
}

/* --- the move --------------------------------------------------------------------------------- */

/* Another login of the same person may have been first, or the old account be gone by now: the row
 * of the new one tells. */
static void on_renamed(void *owner, enum err e)
{
    if (e == ERR_OK || e == ERR_EXISTS || e == ERR_NOT_FOUND)
        finish(owner, RENAMED_MOVED, NULL);
    else
        finish(owner, RENAMED_FAILED, "the account of the old name could not be renamed");
}

/* By the old name. What an administrator would have to find out is not decided: a name of several
 * entries may be this one's. */
static void on_found(void *owner, const struct directory_found *found)
{
    struct search *s = owner;
    const struct auth_renaming *r = &s->auth->renaming;
    bool is_other = found->verdict == DIRECTORY_OK && !str_is(found->key, s->key);

    if (s->auth->is_closed)
        finish(s, RENAMED_FAILED, "the store failed");
    else if (found->verdict == DIRECTORY_UNKNOWN || is_other)
        r->rename(r->owner, str_from(s->old), str_from(s->account), str_from(s->key), on_renamed, s);
    else if (found->verdict == DIRECTORY_OK || found->verdict == DIRECTORY_AMBIGUOUS)
        finish(s, RENAMED_NOBODY, NULL);
    else
        finish(s, RENAMED_FAILED, directory_verdict_name(found->verdict));
}

static void ask_directory(struct search *s)
{
    const char *title = directory_of(s);
    struct directory *d =
        title && s->auth->directories ? directories_find(s->auth->directories, title) : NULL;
    struct directory_name name = { .jid = str_from(s->old) };
    struct str rest = name.jid;

    name.user = str_cut(&rest, '@');
    name.host = rest;
    if (d)
        directory_lookup(d, &name, NULL, on_found, s);
    else
        finish(s, RENAMED_FAILED, "no such directory");
}

/* --- whose account ---------------------------------------------------------------------------- */

/* How many may move; the first of them is the old one. */
static size_t read_rows(struct search *s, struct store_rows *rows)
{
    size_t count = 0;

    while (store_next(rows)) {
        bool is_stores = s->order != AUTH_ALONE && store_int(rows, 1) > 0;

        if (is_stores || str_is(store_text(rows, 0), s->account))
            continue;
        if (count++ == 0)
            s->old = str_dup(store_text(rows, 0));
    }
    return count;
}

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct search *s = owner;
    size_t count = e == ERR_OK && rows ? read_rows(s, rows) : 0;

    if (e != ERR_OK || s->auth->is_closed) {
        finish(s, RENAMED_FAILED, "the store failed");
    } else if (count == 1) {
        ask_directory(s);
    } else {
        if (count > 1)
            log_warn("several accounts belong to this person's entry: none is renamed",
                     kv_text("account", s->account), kv_text("other", s->old));
        finish(s, RENAMED_NOBODY, NULL);
    }
}

void renamed_find(struct auth *a, struct str account, enum auth_order order, struct str key,
                  renamed_fn *done, void *owner)
{
    struct search *s = mem_new(struct search);
    struct str host = account;
    struct store_tx *tx;

    auth_ref(a);
    *s = (struct search){ .auth = a, .order = order, .done = done, .owner = owner };
    s->account = str_dup(account);
    s->key = str_dup(key);
    if (key.n == 0 || !directory_of(s)) {
        finish(s, RENAMED_NOBODY, NULL);
        return;
    }
    str_cut(&host, '@');
    tx = store_begin(a->store);
    store_add(tx, STORE_ACCOUNT_OF_KEY);
    store_bind_text(tx, key);
    store_bind_text(tx, host);
    store_query(tx, on_rows, s);
}
