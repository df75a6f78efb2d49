/* The process's part of authentication: libsasl2 started once, the mechanisms by strength, the
 * server's secret. */
#include "sm/auth/auth_private.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/auth/authorities.h"
#include "sm/auth/guesses.h"
#include "sm/auth/gssapi.h"
#include "sm/auth/kerberos_conf.h"
#include "sm/auth/sasl.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static const char *const failure_names[AUTH_FAILURE_COUNT] = {
    /* RFC 6120 §6.5 */
    [AUTH_OK] = "ok",
    [AUTH_ABORTED] = "aborted",
    [AUTH_ACCOUNT_DISABLED] = "account-disabled",
    [AUTH_CREDENTIALS_EXPIRED] = "credentials-expired",
    [AUTH_ENCRYPTION_REQUIRED] = "encryption-required",
    [AUTH_INCORRECT_ENCODING] = "incorrect-encoding",
    [AUTH_INVALID_AUTHZID] = "invalid-authzid",
    [AUTH_INVALID_MECHANISM] = "invalid-mechanism",
    [AUTH_MALFORMED_REQUEST] = "malformed-request",
    [AUTH_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
    [AUTH_NOT_AUTHORIZED] = "not-authorized",
    [AUTH_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
};

const char *auth_failure_name(enum auth_failure f)
{
    ASSERT(f < AUTH_FAILURE_COUNT);
    return failure_names[f];
}

/* --- mechanisms ------------------------------------------------------------------------------- */

/* Strongest first: with a channel binding before without, then by hash; PLAIN shows the password to
 * whoever holds the TLS key. libsasl2 has EXTERNAL built in. GSSAPI shows nobody anything, but binds no channel. */
static const struct auth_mechanism mechanisms[] = {
    { .name = "EXTERNAL", .base = "EXTERNAL", .is_external = true }, /* XEP-0178 §2: first */
    { "SCRAM-SHA-512-PLUS", "SCRAM-SHA-512", SCRAM_SHA_512, .is_scram = true, .is_plus = true },
    { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", SCRAM_SHA_256, .is_scram = true, .is_plus = true },
    { "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", SCRAM_SHA_1, .is_scram = true, .is_plus = true },
    { "GSSAPI", "GSSAPI", .is_gssapi = true },
    { "SCRAM-SHA-512", "SCRAM-SHA-512", SCRAM_SHA_512, .is_scram = true },
    { "SCRAM-SHA-256", "SCRAM-SHA-256", SCRAM_SHA_256, .is_scram = true },
    { "SCRAM-SHA-1", "SCRAM-SHA-1", SCRAM_SHA_1, .is_scram = true },
    { "PLAIN", "PLAIN", SCRAM_SHA_256, .is_plain = true },
    { "DIGEST-MD5", "DIGEST-MD5", .is_digest = true }, /* RFC 6331: for who knows nothing else */
};

static const char *const needed[] = { "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",
                                      "DIGEST-MD5",    NULL };

const struct auth_mechanism *auth_mechanism_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (str_is(name, mechanisms[i].name))
            return &mechanisms[i];
    return NULL;
}

bool auth_has_binding(const struct auth_facts *facts)
{
    return facts->cb_exporter.n > 0 || facts->cb_end_point.n > 0 || facts->cb_unique.n > 0;
}

static bool is_among(const char *const *names, const char *base)
{
    for (; *names; names++)
        if (strcmp(*names, base) == 0)
            return true;
    return false;
}

/* What a host offers when its configuration names nothing. Inside, a client that begins with SCRAM
 * would be refused for want of keys wherever not everybody has some, and few then try PLAIN; and
 * keys are derived at a login by PLAIN. */
static bool is_left_out(const struct auth_mechanism *m, const struct auth_facts *facts)
{
    if (!m->is_scram || facts->mechanisms || !facts->directory || !facts->is_inside)
        return false;
    for (size_t i = 0; i < AUTH_SOURCES; i++)
        if (facts->sources[i] == AUTH_SOURCE_DERIVED)
            return true;
    return facts->sources[0] == AUTH_SOURCE_NONE;
}

/* Passwords in clear text are the directory's, and somebody has asked for it by name. */
static bool has_digest(const struct auth_facts *facts)
{
    for (size_t i = 0; i < AUTH_SOURCES; i++)
        if (facts->sources[i] == AUTH_SOURCE_USER_PASSWORD)
            return facts->directory && facts->mechanisms;
    return false;
}

/* Whether there are keys for it, of anybody. */
static bool has_keys(const struct auth_facts *facts)
{
    return !facts->directory || facts->order != AUTH_ALONE || facts->sources[0] != AUTH_SOURCE_NONE;
}

bool auth_mechanism_is_allowed(const struct auth_mechanism *m, const struct auth_facts *facts)
{
    if (m->is_scram && (!has_keys(facts) || is_left_out(m, facts)))
        return false;
    if ((m->is_gssapi && !facts->gssapi) || (m->is_digest && !has_digest(facts)))
        return false;
    return (!facts->mechanisms || is_among(facts->mechanisms, m->base)) &&
           !(facts->refused && is_among(facts->refused, m->base));
}

bool auth_mechanism_needs_tls(const struct auth_mechanism *m)
{
    return m->is_plain || m->is_gssapi || m->is_digest;
}

bool auth_mechanism_is_offered(const struct auth_mechanism *m, const struct auth_facts *facts)
{
    if ((m->is_plus && !auth_has_binding(facts)) || (auth_mechanism_needs_tls(m) && !facts->is_tls))
        return false;
    if (m->is_external && !(facts->is_tls && facts->is_chain_good))
        return false;
    return auth_mechanism_is_allowed(m, facts);
}

/* Not offered here: because of the missing TLS (§6.5.4), or at all (§6.5.7). */
enum auth_failure auth_mechanism_choose(struct str name, const struct auth_facts *facts,
                                        const struct auth_mechanism **out_m,
                                        const char **out_known)
{
    const struct auth_mechanism *m = auth_mechanism_find(name);

    if (!m)
        return AUTH_INVALID_MECHANISM;
    *out_known = m->name;
    if (!auth_mechanism_is_allowed(m, facts))
        return AUTH_INVALID_MECHANISM;
    *out_m = m;
    if (auth_mechanism_needs_tls(m) && !facts->is_tls)
        return AUTH_ENCRYPTION_REQUIRED;
    return auth_mechanism_is_offered(m, facts) ? AUTH_OK : AUTH_INVALID_MECHANISM;
}

const char **auth_mechanisms(struct auth *a, const struct auth_facts *facts, struct arena *arena)
{
    const char **list = arena_alloc(arena, (ARRAY_LEN(mechanisms) + 1) * sizeof *list);
    size_t n = 0;

    (void)a;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (auth_mechanism_is_offered(&mechanisms[i], facts))
            list[n++] = mechanisms[i].name;
    return list;
}

/* --- the server's secret ---------------------------------------------------------------------- */

/* It must outlive restarts: a salt that changes tells that its user does not exist. */
static const struct str secret_name = STR("auth-server-secret");

static void on_secret_kept(void *owner, enum err e, int64_t changes)
{
    (void)changes;
    if (e != ERR_OK)
        log_error("the secret for unknown users' salts cannot be kept", kv_err(e));
    auth_unref(owner);
}

static void keep_secret(struct auth *a)
{
    struct store_tx *tx = store_begin(a->store);

    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, secret_name);
    store_bind_blob(tx, str_of(a->server_secret, sizeof a->server_secret));
    auth_ref(a);
    store_submit(tx, on_secret_kept, a);
}

/* The store answers in order: this comes before the answer to any login's question. */
static void on_secret(void *owner, enum err e, struct store_rows *rows)
{
    struct auth *a = owner;

    if (e == ERR_OK && store_next(rows) && store_text(rows, 0).n == sizeof a->server_secret)
        memcpy(a->server_secret, store_text(rows, 0).p, sizeof a->server_secret);
    else if (e == ERR_OK)
        keep_secret(a);
    else
        log_error("the secret for unknown users' salts cannot be read", kv_err(e));
    auth_unref(a);
}

static void ask_for_secret(struct auth *a)
{
    struct store_tx *tx = store_begin(a->store);

    store_add(tx, STORE_META_GET);
    store_bind_text(tx, secret_name);
    auth_ref(a);
    store_query(tx, on_secret, a);
}

/* --- start and end ---------------------------------------------------------------------------- */

/* Told in the next turn of the loop: what becomes ready meanwhile waits for the one after. */
static void on_turn(uv_idle_t *handle)
{
    struct auth *a = handle->data;
    struct list now;

    uv_idle_stop(handle);
    list_init(&now);
    while (!list_is_empty(&a->ready)) {
        struct list *x = list_first(&a->ready);

        list_remove(x);
        list_push_back(&now, x);
    }
    while (!list_is_empty(&now))
        auth_exchange_tell(list_first(&now));
}

void auth_tell_later(struct auth *a, struct list *ready_at)
{
    list_remove(ready_at);
    list_push_back(&a->ready, ready_at);
    uv_idle_start(&a->turn, on_turn);
}

enum err auth_new(const struct auth_options *options, struct auth **out_auth, struct buf *why)
{
    struct auth *a;
    enum err e = auth_sasl_init(needed, options->keytab, why);

    if (e != ERR_OK)
        return e;
    a = mem_new(struct auth);
    a->store = options->store;
    a->directories = options->directories;
    a->renaming = options->renaming;
    a->guesses = guesses_new(options->guesses ? options->guesses : &(struct guesses_options){ 0 });
    a->loop = store_loop(options->store);
    a->iterations = (uint32_t)options->scram_iterations;
    a->slot_key = options->slot_key;
    a->refs = 1;
    ASSERT(a->iterations > 0);
    ASSERT(gnutls_rnd(GNUTLS_RND_KEY, a->server_secret, sizeof a->server_secret) == 0);
    list_init(&a->ready);
    uv_idle_init(a->loop, &a->turn);
    a->turn.data = a;
    ask_for_secret(a);
    *out_auth = a;
    return ERR_OK;
}

struct guesses *auth_guesses(const struct auth *a)
{
    return a->guesses;
}

void auth_ref(struct auth *a)
{
    a->refs++;
}

void auth_unref(struct auth *a)
{
    ASSERT(a->refs > 0);
    if (--a->refs > 0)
        return;
    authorities_free(a->authorities);
    guesses_free(a->guesses);
    buf_fini(&a->unmarked);
    auth_sasl_fini(); /* not before: threads of the pool may be in it */
    mem_wipe(a, sizeof *a);
    mem_free(a);
}

static void on_idle_closed(uv_handle_t *handle)
{
    auth_unref(handle->data);
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    ASSERT(list_is_empty(&a->ready)); /* exchanges are freed first */
    a->is_closed = true;
    uv_close((uv_handle_t *)&a->turn, on_idle_closed);
}

/* --- Kerberos --------------------------------------------------------------------------------- */

enum err auth_prepare_gssapi(const char *default_realm, struct buf *why)
{
    return kerberos_conf_prepare(default_realm, why);
}

enum err auth_try_gssapi(const char *hostname, struct buf *why)
{
    return gssapi_try(hostname, why);
}
