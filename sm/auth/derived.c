/* Keys derived from a directory's password; see the header. A login waits for none of it. */
#include "sm/auth/derived.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/jid.h"
#include "sm/auth/chain.h"
#include "sm/directory/state.h"

enum { DAY = 24 * 60 * 60 };

/* pwdLastSet counts 100 ns: never the same twice. */
bool derived_is_settled(struct str mark, time_t now)
{
    struct str rest = mark, name;
    int64_t day;
    time_t at;

    if (!str_is_set(mark))
        return false;
    name = str_cut(&rest, '=');
    if (!str_is_set(rest))
        return false;
    if (str_is(name, "shadowLastChange"))
        return str_to_i64(rest, &day) == ERR_OK && day < (int64_t)now / DAY;
    if (directory_time_read(rest, &at))
        return at + 1 < now;
    return true;
}

/* --- keeping ---------------------------------------------------------------------------------- */

struct keeping {
    struct auth *auth;
    char *account, *key, *mark;
    char *password; /* prepared */
    size_t password_bytes;
};

static void end(struct keeping *k)
{
    auth_unref(k->auth);
    mem_free(k->account);
    mem_free(k->key);
    mem_free(k->mark);
    mem_wipe(k->password, k->password_bytes);
    mem_free(k->password);
    mem_free(k);
}

static void on_kept(void *owner, enum err e, int64_t changes)
{
    struct keeping *k = owner;

    if (e == ERR_OK && changes > 0)
        audit("derived-keys-kept", kv_text("account", k->account));
    else if (e != ERR_OK)
        log_warn("derived keys cannot be kept", kv_text("account", k->account), kv_err(e));
    end(k);
}

static void add_keys(struct store_tx *tx, const struct keeping *k, const struct scram_keys *keys)
{
    struct buf secret = { 0 };

    scram_write(&secret, keys);
    store_add(tx, STORE_SECRET_DERIVE);
    store_bind_text(tx, str_from(scram_name(keys->hash)));
    store_bind_text(tx, buf_str(&secret));
    store_bind_text(tx, str_from(k->mark));
    store_bind_text(tx, str_from(k->account));
    store_bind_text(tx, str_from(k->key));
    mem_wipe(secret.p, secret.cap);
    buf_fini(&secret);
}

static void on_derived(void *owner, const struct scram_keys *keys)
{
    struct keeping *k = owner;
    struct store_tx *tx;

    if (k->auth->is_closed) {
        end(k);
        return;
    }
    tx = store_begin(k->auth->store);
    for (size_t i = 0; i < SCRAM_HASH_COUNT; i++)
        add_keys(tx, k, &keys[i]);
    store_submit(tx, on_kept, k);
}

/* The salts are those of unknown names: a challenge does not tell who has keys. */
static void on_home(void *owner, const struct chain_found *home)
{
    struct keeping *k = owner;
    struct scram_keys keys[SCRAM_HASH_COUNT] = { 0 };
    bool is_there = home->derived && str_is(home->key, k->key) && str_is(home->mark, k->mark);

    if (home->e != ERR_OK || is_there || k->auth->is_closed) {
        end(k);
        return;
    }
    for (size_t i = 0; i < SCRAM_HASH_COUNT; i++) {
        keys[i].hash = (enum scram_hash)i;
        keys[i].iterations = k->auth->iterations;
        scram_invent(&keys[i], str_of(k->auth->server_secret, AUTH_SECRET_BYTES),
                     str_from(k->account));
    }
    internal_derive(k->auth, keys, SCRAM_HASH_COUNT, str_of(k->password, k->password_bytes),
                    on_derived, k);
    mem_wipe(keys, sizeof keys);
}

static void say_unmarked(struct auth *a, const char *directory)
{
    struct buf name = { 0 };

    buf_printf(&name, "\n%s\n", directory);
    if (!a->unmarked.p || !strstr(a->unmarked.p, name.p)) {
        buf_add(&a->unmarked, buf_str(&name));
        buf_add_char(&a->unmarked, '\0');
        a->unmarked.n--;
        log_warn("no keys are derived: entries show nothing that changes with the password, as pwdLastSet, "
                 "pwdChangedTime, krbLastPwdChange or shadowLastChange; may the service account read it?",
                 kv_text("directory", directory));
    }
    buf_fini(&name);
}

void derived_keep(struct auth *a, const char *directory, struct str account, struct str key,
                  struct str mark, struct str password)
{
    struct arena arena = { 0 };
    struct str prepared;
    struct keeping *k;

    if (!str_is_set(mark)) {
        say_unmarked(a, directory);
        return;
    }
    if (!derived_is_settled(mark, time(NULL)) || store_is_busy(a->store))
        return; /* at a later login */
    if (jid_prepare_password(password, &arena, &prepared) == ERR_OK) {
        k = mem_new(struct keeping);
        k->auth = a;
        auth_ref(a);
        k->account = str_dup(account);
        k->key = str_dup(key);
        k->mark = str_dup(mark);
        k->password = str_dup(prepared);
        k->password_bytes = prepared.n;
        chain_find(a, account, AUTH_ALONE, SCRAM_SHA_256, on_home, k);
    }
    arena_wipe(&arena);
    arena_fini(&arena);
}

/* --- dropping --------------------------------------------------------------------------------- */

struct dropping {
    struct auth *auth;
    char *account;
    const char *why;
};

static void on_dropped(void *owner, enum err e, int64_t changes)
{
    struct dropping *d = owner;

    if (e == ERR_OK && changes > 0)
        audit("derived-keys-dropped", kv_text("account", d->account), kv_text("reason", d->why));
    else if (e != ERR_OK)
        log_error("derived keys cannot be dropped", kv_text("account", d->account), kv_err(e));
    auth_unref(d->auth);
    mem_free(d->account);
    mem_free(d);
}

void derived_drop(struct auth *a, struct str account, const char *why)
{
    struct dropping *d;
    struct store_tx *tx;

    if (a->is_closed)
        return;
    d = mem_new(struct dropping);
    tx = store_begin(a->store);
    d->auth = a;
    auth_ref(a);
    d->account = str_dup(account);
    d->why = why;
    store_add(tx, STORE_SECRET_DROP);
    store_bind_text(tx, account);
    store_submit(tx, on_dropped, d);
}

void auth_drop_derived(struct auth *a, struct str account, const char *why)
{
    derived_drop(a, account, why);
}
