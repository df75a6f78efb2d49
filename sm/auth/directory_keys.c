/* Keys from a directory; see the header. Whoever does not exist costs what everybody costs: the
 * same question, and the same work behind it. */
#include "sm/auth/directory_keys.h"

#include "common/mem.h"
#include "proto/jid.h"
#include "sm/auth/by_directory.h"
#include "sm/auth/derived.h"
#include "sm/directory/directory.h"
#include "sm/directory/entry.h"

#define AUTH_PASSWORD "authPassword"
#define USER_PASSWORD "userPassword"

/* --- values ----------------------------------------------------------------------------------- */

static struct str trim(struct str s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = str_of(s.p + 1, s.n - 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* scheme "$" authInfo "$" authValue */
enum err directory_keys_read(struct str value, struct scram_keys *out_keys)
{
    enum { MAX_BYTES = 1024 };
    struct str rest = value, scheme, info;
    struct scram_keys keys;
    struct buf text = { 0 };
    enum err e = ERR_MALFORMED;

    if (!str_is_set(value) || value.n > MAX_BYTES)
        return e;
    scheme = trim(str_cut(&rest, '$'));
    if (!str_is_set(rest))
        return e;
    info = trim(str_cut(&rest, '$'));
    if (!str_is_set(rest))
        return e;
    buf_reserve(&text, value.n + 1);
    buf_printf(&text, "%.*s$%.*s$%.*s", STR_ARG(scheme), STR_ARG(info), STR_ARG(trim(rest)));
    e = scram_read(buf_str(&text), &keys);
    if (e == ERR_OK && (keys.iterations < DIRECTORY_KEYS_MIN_ITERATIONS ||
                        keys.iterations > DIRECTORY_KEYS_MAX_ITERATIONS))
        e = ERR_MALFORMED;
    if (e == ERR_OK)
        *out_keys = keys;
    mem_wipe(&keys, sizeof keys);
    mem_wipe(text.p, text.cap);
    buf_fini(&text);
    return e;
}

/* What looks like a scheme is one, even where it is the beginning of a password: nobody can tell. */
bool directory_keys_read_clear(struct str value, struct str *out_password)
{
    static const struct str clear = STR("{CLEARTEXT}");
    struct str rest = value;

    if (!str_is_set(value))
        return false;
    if (value.n > clear.n && str_eq_nocase(str_of(value.p, clear.n), clear))
        rest = str_of(value.p + clear.n, value.n - clear.n);
    else if (value.n > 0 && value.p[0] == '{' && str_find(value, '}') < value.n)
        return false;
    *out_password = rest;
    return rest.n > 0 && str_find(rest, '\0') == rest.n;
}

/* --- one login -------------------------------------------------------------------------------- */

struct fetch {
    struct auth *auth;
    char *account;
    enum auth_source sources[AUTH_SOURCES];
    bool is_clear_wanted; /* the password itself */
    enum scram_hash hash;
    /* what the store has */
    bool is_directorys;
    struct scram_keys derived;
    struct str derived_key, derived_mark;
    bool has_derived;
    struct arena arena;
    struct scram_keys keys; /* that are told, or worked on */
    struct directory_keys result;
    directory_keys_fn *done;
    void *owner;
};

static void finish(struct fetch *f)
{
    f->done(f->owner, &f->result);
    auth_unref(f->auth);
    arena_wipe(&f->arena);
    arena_fini(&f->arena);
    mem_free(f->account);
    mem_wipe(f, sizeof *f);
    mem_free(f);
}

static bool has_source(const struct fetch *f, enum auth_source source)
{
    for (size_t i = 0; i < AUTH_SOURCES; i++)
        if (f->sources[i] == source)
            return true;
    return false;
}

static bool take_auth_password(struct fetch *f, const struct directory_entry *e)
{
    const struct directory_attribute *a = directory_entry_find(e, AUTH_PASSWORD);

    for (size_t i = 0; a && i < a->count; i++)
        if (directory_keys_read(a->values[i], &f->keys) == ERR_OK && f->keys.hash == f->hash)
            return true;
    return false;
}

static bool take_user_password(struct fetch *f, const struct directory_entry *e)
{
    const struct directory_attribute *a = directory_entry_find(e, USER_PASSWORD);
    struct str clear;

    for (size_t i = 0; a && i < a->count; i++)
        if (directory_keys_read_clear(a->values[i], &clear) &&
            jid_prepare_password(clear, &f->arena, &f->result.password) == ERR_OK)
            return true;
    return false;
}

/* Good as long as the directory shows of the password what it showed when they were made. */
static bool take_derived(struct fetch *f, const struct directory_found *found)
{
    const char *why = NULL;

    if (!f->has_derived)
        return false;
    if (!str_eq(f->derived_key, found->key))
        why = "another entry";
    else if (!str_is_set(found->mark) || !str_eq(f->derived_mark, found->mark))
        why = "another password";
    if (why) {
        derived_drop(f->auth, str_from(f->account), why);
        return false;
    }
    f->keys = f->derived;
    return true;
}

static bool take_source(struct fetch *f, enum auth_source source, const struct directory_found *found)
{
    switch (source) {
    case AUTH_SOURCE_NONE:
        return false;
    case AUTH_SOURCE_AUTH_PASSWORD:
        return !f->is_clear_wanted && take_auth_password(f, found->entry);
    case AUTH_SOURCE_USER_PASSWORD:
        return take_user_password(f, found->entry);
    case AUTH_SOURCE_DERIVED:
        return !f->is_clear_wanted && take_derived(f, found);
    }
    return false;
}

/* The first source that has something. */
static bool take(struct fetch *f, const struct directory_found *found)
{
    for (size_t i = 0; i < AUTH_SOURCES; i++) {
        if (!take_source(f, f->sources[i], found))
            continue;
        if (!str_is_set(f->result.password))
            f->result.keys = &f->keys;
        return true;
    }
    return false;
}

static void on_worked_out(void *owner, const struct scram_keys *keys)
{
    struct fetch *f = owner;

    if (!f->result.keys && str_is_set(f->result.password)) {
        f->keys = *keys;
        f->result.keys = &f->keys;
    }
    f->result.password = STR_NONE; /* it was not asked for */
    finish(f);
}

/* Where some passwords are in clear text, keys are worked out for everybody: of nobody's password
 * where there is none. The salt is the one that an unknown name has. */
static void work_out(struct fetch *f)
{
    struct scram_keys keys = { .hash = f->hash, .iterations = f->auth->iterations };
    struct str nobodys = str_of(f->auth->server_secret, AUTH_SECRET_BYTES);

    scram_invent(&keys, nobodys, str_from(f->account));
    internal_derive(f->auth, &keys, 1, str_is_set(f->result.password) ? f->result.password : nobodys,
                    on_worked_out, f);
    mem_wipe(&keys, sizeof keys);
}

static void judge(struct fetch *f, const struct directory_found *found)
{
    if (directory_is_temporary(found->verdict)) {
        f->result.failure = by_directory_failure(found->verdict);
        f->result.detail = directory_verdict_name(found->verdict);
    } else if (found->verdict != DIRECTORY_OK) {
        f->result.detail = directory_verdict_name(found->verdict);
        if (f->has_derived && found->verdict == DIRECTORY_UNKNOWN)
            derived_drop(f->auth, str_from(f->account), "no entry");
    } else if (take(f, found)) {
        f->result.state = found->state;
        f->result.key = arena_str(&f->arena, found->key);
    } else {
        f->result.detail = "the directory holds nothing for this mechanism";
    }
}

static void on_found(void *owner, const struct directory_found *found)
{
    struct fetch *f = owner;

    if (f->is_directorys)
        judge(f, found);
    if (f->auth->is_closed)
        f->result.failure = AUTH_TEMPORARY_AUTH_FAILURE;
    if (f->result.failure == AUTH_OK && !f->is_clear_wanted &&
        has_source(f, AUTH_SOURCE_USER_PASSWORD))
        work_out(f);
    else
        finish(f);
}

static void take_home(struct fetch *f, const struct chain_found *home)
{
    f->is_directorys = home->is_directorys;
    f->has_derived = home->derived != NULL;
    if (!f->has_derived)
        return;
    f->derived = *home->derived;
    f->derived_key = arena_str(&f->arena, home->key);
    f->derived_mark = arena_str(&f->arena, home->mark);
}

void directory_keys_find(struct auth *a, const struct auth_facts *facts, const struct claim *claim,
                         const struct auth_mechanism *m, const struct chain_found *home,
                         directory_keys_fn *done, void *owner)
{
    static const char *const attributes[] = { AUTH_PASSWORD, USER_PASSWORD, NULL };
    struct fetch *f = mem_new(struct fetch);
    struct directory *d = a->directories ? directories_find(a->directories, facts->directory) : NULL;
    const char *wanted[ARRAY_LEN(attributes)] = { NULL };
    struct directory_name name = { .user = STR_NONE };
    struct str rest = claim->account;
    size_t n = 0;

    f->auth = a;
    auth_ref(a);
    f->account = str_dup(claim->account);
    memcpy(f->sources, facts->sources, sizeof f->sources);
    f->hash = m->hash;
    f->is_clear_wanted = m->is_digest;
    f->result.password = f->result.key = STR_NONE;
    f->done = done;
    f->owner = owner;
    take_home(f, home);
    if (!f->is_clear_wanted && has_source(f, AUTH_SOURCE_AUTH_PASSWORD))
        wanted[n++] = attributes[0];
    if (has_source(f, AUTH_SOURCE_USER_PASSWORD))
        wanted[n++] = attributes[1];
    if (claim->is_account) {
        name.jid = claim->account;
        name.user = str_cut(&rest, '@');
        name.host = rest;
    }
    if (d) {
        directory_lookup(d, &name, wanted, on_found, f);
        return;
    }
    f->result.failure = f->is_directorys ? AUTH_TEMPORARY_AUTH_FAILURE : AUTH_OK;
    f->result.detail = "no such directory";
    finish(f);
}
