/* The backend whose passwords are in a directory: the password is the directory's to check, the
 * account is ours, and belongs to one entry of it, by the entry's key. Whoever has the name later
 * does not get what the first one had. */
#include "sm/auth/by_directory.h"

#include "common/audit.h"
#include "common/mem.h"
#include "proto/control.h"
#include "sm/auth/derived.h"
#include "sm/auth/renamed.h"
#include "sm/directory/directory.h"

#include <sys/time.h>

struct attempt {
    struct auth *auth;
    struct guess *guess; /* of a password; NULL: proved otherwise */
    char *account; /* bare JID */
    char *key;     /* of the entry that was bound */
    enum auth_order order;
    bool was_made; /* the account's row was written by us, or another's got the name: it is looked at once more */
    bool is_asked; /* the directory was to bind */
    /* of a password from which keys are derived, when it is right */
    char *directory, *mark, *password;
    size_t password_bytes;
    by_directory_fn *done;
    void *owner;
};

/* What is said before the password is known to be right is not told: a lock, an ambiguous name. */
static const enum auth_failure failures[DIRECTORY_VERDICT_COUNT] = {
    [DIRECTORY_OK] = AUTH_OK,
    [DIRECTORY_WRONG] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_UNKNOWN] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_EMPTY] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_AMBIGUOUS] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_EXPIRED] = AUTH_CREDENTIALS_EXPIRED,
    [DIRECTORY_MUST_CHANGE] = AUTH_CREDENTIALS_EXPIRED,
    [DIRECTORY_LOCKED] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_DISABLED] = AUTH_ACCOUNT_DISABLED,
    [DIRECTORY_NOT_NOW] = AUTH_NOT_AUTHORIZED,
    [DIRECTORY_HELD] = AUTH_NOT_AUTHORIZED, /* and when: as of a name that nobody has */
    [DIRECTORY_NO_KEY] = AUTH_TEMPORARY_AUTH_FAILURE,
    [DIRECTORY_BUSY] = AUTH_TEMPORARY_AUTH_FAILURE,
    [DIRECTORY_UNAVAILABLE] = AUTH_TEMPORARY_AUTH_FAILURE,
    [DIRECTORY_FAILED] = AUTH_TEMPORARY_AUTH_FAILURE,
};

static void finish(struct attempt *t, enum auth_failure failure, const char *detail)
{
    if (failure == AUTH_OK && t->password)
        derived_keep(t->auth, t->directory, str_from(t->account), str_from(t->key),
                     t->mark ? str_from(t->mark) : STR_NONE,
                     str_of(t->password, t->password_bytes));
    t->done(t->owner, failure, detail);
    auth_unref(t->auth);
    mem_wipe(t->password, t->password_bytes);
    mem_free(t->password);
    mem_free(t->directory);
    mem_free(t->mark);
    mem_free(t->account);
    mem_free(t->key);
    mem_free(t);
}

static void ask_for_row(struct attempt *t);

static void on_written(void *owner, enum err e, int64_t changes)
{
    struct attempt *t = owner;

    (void)changes;
    if (e == ERR_OK)
        ask_for_row(t); /* another login may have been first */
    else
        finish(t, AUTH_TEMPORARY_AUTH_FAILURE, "the store failed");
}

static void on_made(void *owner, enum err e, int64_t changes)
{
    struct attempt *t = owner;

    if (e == ERR_OK && changes > 0)
        audit("account-added", kv_text("account", t->account), kv_text("by", "directory"));
    on_written(owner, e, changes);
}

static void make_row(struct attempt *t)
{
    struct store_tx *tx = store_begin(t->auth->store);
    struct str account = str_from(t->account), domain = account;
    struct timeval now;

    str_cut(&domain, '@');
    gettimeofday(&now, NULL);
    store_add(tx, STORE_ACCOUNT_NEW_KEYED);
    store_bind_int(tx, t->auth->slot_key ? control_slot_of(t->auth->slot_key, account) : 0);
    store_bind_text(tx, account);
    store_bind_text(tx, domain);
    store_bind_int(tx, (int64_t)now.tv_sec * 1000000 + now.tv_usec);
    store_bind_text(tx, str_from(t->key));
    t->was_made = true;
    store_submit(tx, on_made, t);
}

/* An account that belongs to no entry yet: made before its host had a directory, or accepted by an
 * administrator. On a host that has accounts of the store as well, none of those. */
static void claim_row(struct attempt *t)
{
    struct store_tx *tx = store_begin(t->auth->store);

    store_add(tx, t->order == AUTH_ALONE ? STORE_ACCOUNT_CLAIM : STORE_ACCOUNT_CLAIM_KEYLESS);
    store_bind_text(tx, str_from(t->key));
    store_bind_text(tx, str_from(t->account));
    t->was_made = true;
    store_submit(tx, on_written, t);
}

static void on_renamed(void *owner, enum renamed_outcome outcome, const char *detail)
{
    struct attempt *t = owner;

    if (outcome == RENAMED_FAILED || t->auth->is_closed) {
        finish(t, AUTH_TEMPORARY_AUTH_FAILURE, detail ? detail : "the store failed");
    } else if (outcome == RENAMED_NOBODY) {
        make_row(t);
    } else {
        t->was_made = true;
        ask_for_row(t);
    }
}

static void on_row(void *owner, enum err e, struct store_rows *rows)
{
    struct attempt *t = owner;
    bool is_there = e == ERR_OK && store_next(rows);
    struct str key = is_there ? store_text(rows, 0) : STR_NONE;

    if (e != ERR_OK || t->auth->is_closed)
        finish(t, AUTH_TEMPORARY_AUTH_FAILURE, "the store failed");
    else if (is_there && store_int(rows, 1) != 0)
        finish(t, AUTH_CREDENTIALS_EXPIRED, "an administrator demands a new password");
    else if (is_there && str_is(key, t->key))
        finish(t, AUTH_OK, NULL);
    else if (is_there && key.n > 0)
        finish(t, AUTH_NOT_AUTHORIZED, BY_DIRECTORY_OTHER_ENTRY);
    else if (t->was_made)
        finish(t, AUTH_TEMPORARY_AUTH_FAILURE, "the account was removed meanwhile");
    else if (is_there)
        claim_row(t);
    else
        renamed_find(t->auth, str_from(t->account), t->order, str_from(t->key), on_renamed, t);
}

static void ask_for_row(struct attempt *t)
{
    struct store_tx *tx = store_begin(t->auth->store);

    store_add(tx, STORE_ACCOUNT_KEY);
    store_bind_text(tx, str_from(t->account));
    store_query(tx, on_row, t);
}

enum auth_failure by_directory_failure(enum directory_verdict verdict)
{
    return failures[verdict];
}

static struct attempt *attempt_new(struct auth *a, struct str account, by_directory_fn *done,
                                   void *owner)
{
    struct attempt *t = mem_new(struct attempt);

    t->auth = a;
    auth_ref(a);
    t->done = done;
    t->owner = owner;
    t->account = str_dup(account);
    return t;
}

void by_directory_admit(struct auth *a, struct str account, enum auth_order order, struct str key,
                        by_directory_fn *done, void *owner)
{
    struct attempt *t = attempt_new(a, account, done, owner);

    t->order = order;
    t->key = str_dup(key);
    ask_for_row(t);
}

/* Before the bind: one person may have several names, and several hosts the same people. */
static bool may_bind(void *owner, struct str key)
{
    struct attempt *t = owner;

    t->is_asked = guesses_take_entry(t->guess, key, uv_now(t->auth->loop));
    return t->is_asked;
}

/* A bind without an answer may have been counted by the directory. */
static enum guesses_outcome outcome_of(const struct attempt *t, enum auth_failure failure)
{
    if (failure == AUTH_NOT_AUTHORIZED)
        return GUESSES_WRONG;
    return failure == AUTH_TEMPORARY_AUTH_FAILURE && t->is_asked ? GUESSES_UNANSWERED
                                                                 : GUESSES_NOTHING;
}

static void on_found(void *owner, const struct directory_found *found)
{
    struct attempt *t = owner;
    enum auth_failure failure = failures[found->verdict];

    if (failure != AUTH_OK)
        guesses_end(t->guess, outcome_of(t, failure), uv_now(t->auth->loop));
    if (failure != AUTH_OK || t->auth->is_closed) {
        finish(t, failure == AUTH_OK ? AUTH_TEMPORARY_AUTH_FAILURE : failure,
               directory_verdict_name(found->verdict));
        return;
    }
    t->key = str_dup(found->key);
    t->mark = str_is_set(found->mark) ? str_dup(found->mark) : NULL;
    ask_for_row(t);
}

static bool derives(const struct auth_facts *facts)
{
    for (size_t i = 0; i < AUTH_SOURCES; i++)
        if (facts->sources[i] == AUTH_SOURCE_DERIVED)
            return facts->is_inside;
    return false;
}

void by_directory_check(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
                        struct guess *guess, by_directory_fn *done, void *owner)
{
    struct attempt *t = attempt_new(a, claim->account, done, owner);
    struct directory *d = a->directories ? directories_find(a->directories, facts->directory) : NULL;
    struct directory_name name = { .user = STR_NONE };
    struct str rest = claim->account;

    t->guess = guess;
    t->order = facts->order;
    if (derives(facts)) {
        t->directory = mem_strdup(facts->directory);
        t->password = str_dup(claim->first.password);
        t->password_bytes = claim->first.password.n;
    }
    if (claim->is_account) {
        name.jid = claim->account;
        name.user = str_cut(&rest, '@');
        name.host = rest;
    }
    if (d)
        directory_login(d, &name, claim->first.password, may_bind, on_found, t);
    else
        finish(t, AUTH_TEMPORARY_AUTH_FAILURE, "no such directory");
}
