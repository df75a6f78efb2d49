/* Whose account it is, on hosts that have both backends; see the header. */
#include "sm/auth/chain.h"

#include "common/mem.h"
#include "sm/directory/directory.h"

/* The first of the list has an account that both have: keys from before, and an entry. */
bool chain_is_directorys(enum auth_order order, bool has_own_keys, bool has_entry)
{
    switch (order) {
    case AUTH_ALONE:
        return true;
    case AUTH_STORE_FIRST:
        return !has_own_keys;
    case AUTH_DIRECTORY_FIRST:
        return !has_own_keys || has_entry;
    }
    return true;
}

/* --- the question ----------------------------------------------------------------------------- */

struct question {
    struct auth *auth;
    enum auth_order order;
    enum scram_hash hash;
    chain_found_fn *found;
    void *owner;
};

struct reading {
    struct chain_found found;
    struct scram_keys own, derived;
    struct arena arena;
};

/* One row a mechanism; one without keys for an account that has none. */
static void read_row(struct reading *r, struct store_rows *rows, enum scram_hash hash)
{
    struct str secret = store_text(rows, 2), mark = store_text(rows, 3);
    struct scram_keys keys;

    r->found.is_there = true;
    r->found.is_expired = store_int(rows, 1) != 0;
    if (!str_is_set(r->found.key))
        r->found.key = arena_str(&r->arena, store_text(rows, 0));
    r->found.has_own_keys |= secret.n > 0 && mark.n == 0;
    if (scram_read(secret, &keys) != ERR_OK || keys.hash != hash)
        return;
    if (mark.n == 0) {
        r->own = keys;
        r->found.own = &r->own;
    } else {
        r->derived = keys;
        r->found.derived = &r->derived;
        r->found.mark = arena_str(&r->arena, mark);
    }
    mem_wipe(&keys, sizeof keys);
}

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct question *q = owner;
    struct reading r = { .found = { .e = e, .key = STR_NONE, .mark = STR_NONE } };

    while (e == ERR_OK && rows && store_next(rows))
        read_row(&r, rows, q->hash);
    r.found.is_directorys =
        chain_is_directorys(q->order, r.found.has_own_keys, r.found.key.n > 0);
    q->found(q->owner, &r.found);
    arena_fini(&r.arena);
    mem_wipe(&r, sizeof r);
    auth_unref(q->auth);
    mem_free(q);
}

void chain_find(struct auth *a, struct str account, enum auth_order order, enum scram_hash hash,
                chain_found_fn *found, void *owner)
{
    struct question *q = mem_new(struct question);
    struct store_tx *tx = store_begin(a->store);

    *q = (struct question){ a, order, hash, found, owner };
    auth_ref(a);
    store_add(tx, STORE_SECRET_ALL);
    store_bind_text(tx, account);
    store_query(tx, on_rows, q);
}

/* --- auth_find_home --------------------------------------------------------------------------- */

struct home_question {
    auth_home_fn *done;
    void *owner;
};

static void on_home(void *owner, const struct chain_found *found)
{
    struct home_question *q = owner;
    struct auth_home home = {
        .e = found->e == ERR_OK && !found->is_there ? ERR_NOT_FOUND : found->e,
        .is_directorys = found->is_directorys,
        .key = str_is_set(found->key) ? found->key : STR(""),
        .is_expired = found->is_expired,
        .has_derived = found->derived != NULL,
    };

    q->done(q->owner, &home);
    mem_free(q);
}

void auth_find_home(struct auth *a, struct str account, enum auth_order order, auth_home_fn *done,
                    void *owner)
{
    struct home_question *q = mem_new(struct home_question);

    *q = (struct home_question){ done, owner };
    chain_find(a, account, order, SCRAM_SHA_256, on_home, q);
}

/* --- as slow as the directory ----------------------------------------------------------------- */

struct check {
    struct auth *auth;
    bool is_checked, is_right;
    bool is_due; /* the directory would have refused by now */
    void (*checked)(void *owner, bool is_right);
    void *owner;
};

static void go_on(struct check *c)
{
    void (*checked)(void *owner, bool is_right) = c->checked;

    if (checked && c->is_checked && (c->is_right || c->is_due)) {
        c->checked = NULL;
        checked(c->owner, c->is_right);
    }
    if (!c->is_checked || !c->is_due)
        return;
    auth_unref(c->auth);
    mem_free(c);
}

static void on_checked(void *owner, bool is_right)
{
    struct check *c = owner;

    c->is_checked = true;
    c->is_right = is_right;
    go_on(c);
}

static void on_due(void *owner, const struct directory_found *found)
{
    struct check *c = owner;

    (void)found;
    c->is_due = true;
    go_on(c);
}

void chain_check(struct auth *a, const char *directory, const struct scram_keys *keys,
                 struct str password, void (*checked)(void *owner, bool is_right), void *owner)
{
    struct directory *d = a->directories ? directories_find(a->directories, directory) : NULL;
    struct check *c = mem_new(struct check);

    c->auth = a;
    auth_ref(a);
    c->checked = checked;
    c->owner = owner;
    c->is_checked = !str_is_set(password);
    if (!c->is_checked)
        internal_check(a, keys, password, on_checked, c);
    if (d)
        directory_refuse(d, on_due, c);
    else
        on_due(c, NULL);
}
