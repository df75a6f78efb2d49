/* The internal backend: accounts whose SCRAM keys are in the store, never their passwords. RFC
 * 5803, RFC 7677. */
#include "sm/auth/auth_private.h"

#include "common/mem.h"
#include "proto/control.h"
#include "proto/jid.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sys/time.h>

/* --- finding keys ----------------------------------------------------------------------------- */

struct search {
    struct auth *auth;
    enum scram_hash hash;
    internal_found_fn *found;
    void *owner;
};

static void on_secrets(void *owner, enum err e, struct store_rows *rows)
{
    struct search *s = owner;
    struct scram_keys keys;
    bool is_there = false, is_expired = false;

    while (rows && !is_there && store_next(rows)) {
        is_there = scram_read(store_text(rows, 0), &keys) == ERR_OK && keys.hash == s->hash;
        is_expired = store_int(rows, 1) != 0;
    }
    s->found(s->owner, e, is_there ? &keys : NULL, is_expired);
    mem_wipe(&keys, sizeof keys);
    auth_unref(s->auth);
    mem_free(s);
}

void internal_find(struct auth *a, struct str account, enum scram_hash hash,
                   internal_found_fn *found, void *owner)
{
    struct search *s = mem_new(struct search);
    struct store_tx *tx = store_begin(a->store);

    *s = (struct search){ a, hash, found, owner };
    auth_ref(a);
    store_add(tx, STORE_SECRET_GET);
    store_bind_text(tx, account);
    store_query(tx, on_secrets, s);
}

/* --- jobs for the thread pool ----------------------------------------------------------------- */

/* One password and the keys that are derived from it, in a thread; the rest of it belongs to the
 * loop. */
struct job {
    uv_work_t work;
    struct auth *auth;
    char *password;
    size_t password_bytes;
    struct scram_keys keys[SCRAM_HASH_COUNT];
    size_t key_count;
    /* internal_check */
    uint8_t expected[SCRAM_MAX_DIGEST];
    void (*checked)(void *owner, bool is_right);
    /* internal_derive */
    void (*derived)(void *owner, const struct scram_keys *keys);
    /* auth_set_password */
    char *account;
    bool is_new;
    void (*done)(void *owner, enum err e);
    void *owner;
};

static struct job *job_new(struct auth *a, struct str password)
{
    struct job *j = mem_new(struct job);

    j->auth = a;
    auth_ref(a);
    j->work.data = j;
    j->password = str_dup(password);
    j->password_bytes = password.n;
    return j;
}

static void job_free(struct job *j)
{
    auth_unref(j->auth);
    mem_wipe(j->password, j->password_bytes);
    mem_free(j->password);
    mem_free(j->account);
    mem_wipe(j, sizeof *j);
    mem_free(j);
}

static void derive_keys(uv_work_t *work)
{
    struct job *j = work->data;

    for (size_t i = 0; i < j->key_count; i++)
        scram_derive(&j->keys[i], str_of(j->password, j->password_bytes));
}

static void on_checked(uv_work_t *work, int status)
{
    struct job *j = work->data;
    size_t n = scram_digest_bytes(j->keys[0].hash);
    bool is_right =
        status == 0 && str_eq_const_time(str_of(j->keys[0].stored_key, n), str_of(j->expected, n));

    j->checked(j->owner, is_right);
    job_free(j);
}

void internal_check(struct auth *a, const struct scram_keys *keys, struct str password,
                    void (*checked)(void *owner, bool is_right), void *owner)
{
    struct job *j = job_new(a, password);

    j->keys[0] = *keys;
    j->key_count = 1;
    memcpy(j->expected, keys->stored_key, sizeof j->expected);
    j->checked = checked;
    j->owner = owner;
    ASSERT(uv_queue_work(a->loop, &j->work, derive_keys, on_checked) == 0);
}

static void on_worked_out(uv_work_t *work, int status)
{
    struct job *j = work->data;

    ASSERT(status == 0); /* we cancel nothing */
    j->derived(j->owner, j->keys);
    job_free(j);
}

void internal_derive(struct auth *a, const struct scram_keys *keys, size_t count,
                     struct str password,
                     void (*derived)(void *owner, const struct scram_keys *keys), void *owner)
{
    struct job *j = job_new(a, password);

    ASSERT(count <= ARRAY_LEN(j->keys));
    memcpy(j->keys, keys, count * sizeof *keys);
    j->key_count = count;
    j->derived = derived;
    j->owner = owner;
    ASSERT(uv_queue_work(a->loop, &j->work, derive_keys, on_worked_out) == 0);
}

/* --- setting a password ----------------------------------------------------------------------- */

static void finish_job(struct job *j, enum err e)
{
    if (j->done)
        j->done(j->owner, e);
    job_free(j);
}

static void on_stored(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;

    /* Keys go only to an account that is there (see SECRET_PUT). */
    finish_job(j, e == ERR_OK && changes == 0 ? ERR_NOT_FOUND : e);
}

static void add_account(struct store_tx *tx, const struct job *j)
{
    struct str account = str_from(j->account), domain = account;
    struct timeval now;

    str_cut(&domain, '@');
    gettimeofday(&now, NULL);
    store_add(tx, STORE_ACCOUNT_NEW);
    store_bind_int(tx,
                   j->auth->slot_key ? (int64_t)control_slot_of(j->auth->slot_key, account) : 0);
    store_bind_text(tx, account);
    store_bind_text(tx, domain);
    store_bind_int(tx, (int64_t)now.tv_sec * 1000000 + now.tv_usec);
}

/* The new password is not the one that had to be changed. */
static void add_renewal(struct store_tx *tx, const struct job *j)
{
    store_add(tx, STORE_ACCOUNT_EXPIRE);
    store_bind_int(tx, 0);
    store_bind_text(tx, str_from(j->account));
}

static void add_keys(struct store_tx *tx, const struct job *j, const struct scram_keys *keys)
{
    struct buf secret = { 0 };

    scram_write(&secret, keys);
    store_add(tx, STORE_SECRET_PUT);
    store_bind_text(tx, str_from(scram_name(keys->hash)));
    store_bind_text(tx, buf_str(&secret));
    store_bind_text(tx, str_from(j->account));
    buf_fini(&secret);
}

static void on_derived(uv_work_t *work, int status)
{
    struct job *j = work->data;
    struct store_tx *tx;

    ASSERT(status == 0); /* we cancel nothing */
    if (j->auth->is_closed) {
        finish_job(j, ERR_CLOSED);
        return;
    }
    tx = store_begin(j->auth->store);
    if (j->is_new)
        add_account(tx, j);
    else
        add_renewal(tx, j);
    for (size_t i = 0; i < j->key_count; i++)
        add_keys(tx, j, &j->keys[i]);
    store_submit(tx, on_stored, j);
}

/* Nothing to derive: a password that cannot be prepared. */
static void refuse_nothing(uv_work_t *work)
{
    (void)work;
}

static void on_unprepared(uv_work_t *work, int status)
{
    struct job *j = work->data;

    (void)status;
    finish_job(j, ERR_MALFORMED);
}

void auth_set_password(struct auth *a, struct str account, struct str password, bool is_new,
                       void (*done)(void *owner, enum err e), void *owner)
{
    struct arena arena = { 0 };
    struct str prepared = STR("");
    enum err e = jid_prepare_password(password, &arena, &prepared);
    struct job *j = job_new(a, prepared);

    arena_fini(&arena);
    j->account = str_dup(account);
    j->is_new = is_new;
    j->done = done;
    j->owner = owner;
    for (int i = 0; i < SCRAM_HASH_COUNT; i++) {
        struct scram_keys *k = &j->keys[j->key_count++];

        k->hash = (enum scram_hash)i;
        k->iterations = a->iterations;
        k->salt_bytes = SCRAM_SALT_BYTES;
        ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, k->salt, SCRAM_SALT_BYTES) == 0);
    }
    ASSERT(uv_queue_work(a->loop, &j->work, e == ERR_OK ? derive_keys : refuse_nothing,
                         e == ERR_OK ? on_derived : on_unprepared) == 0);
}
