/* `incident c2s NAME --since T`: a connection manager was in an attacker's hands. In this order:
 * who used it is read from the store, page by page; sessions that are open are added; passwords are
 * marked, where that is asked for; sessions end; the answer is written. Each step does a slice in a
 * turn of the loop. One at a time. */
#include "sm/incident_parts.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "sm/auth/auth.h"
#include "sm/auth/guesses.h"
#include "sm/incident_since.h"
#include "sm/peers.h"
#include "sm/session.h"
#include "sm/store/store.h"

enum {
    ROWS_A_PAGE = 500,
    EXPIRES_A_TURN = 100,
    ENDS_A_TURN = 20,
    ROWS_A_TURN = 500,
    SCHEMA_OF_USE = 2
};
static const int64_t MINUTE_US = 60000000; /* the record's grain */

static struct str key_of(const void *item)
{
    return ((const struct incident_use *)item)->account;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void free_when_done(struct incident *i)
{
    struct incident_use *u;

    if (!i->is_closed || i->pending > 0)
        return;
    for (size_t at = 0; (u = table_next(&i->by_account, &at));)
        mem_free(u);
    table_fini(&i->by_account);
    mem_free(i->uses);
    mem_free(i->sessions);
    arena_fini(&i->arena);
    mem_free(i);
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct incident *i = handle->data;

    i->is_closed = true;
    free_when_done(i);
}

static void answer(struct incident *i, enum ctl_exit code)
{
    i->is_answered = true;
    ctl_finish(i->request, code);
    i->sm->incident = NULL;
    uv_close((uv_handle_t *)&i->turn, on_idle_closed);
}

static void fail(struct incident *i, enum err e)
{
    ctl_say(i->request, "failed: %s; what was done until now stays done: run it again",
            err_text(e));
    answer(i, CTL_FAILED);
}

void incident_stop(struct sm *sm)
{
    if (sm->incident)
        fail(sm->incident, ERR_CLOSED);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void finish(struct incident *i)
{
    audit("incident", kv_str("c2s", i->c2s), kv_str("since", datetime_text(i->since_us, &i->arena)),
          kv_text("dry_run", i->is_dry_run ? "yes" : "no"), kv_u64("accounts", i->by_account.count),
          kv_u64("sessions_ended", i->ended), kv_u64("tokens_revoked", i->tokens),
          kv_u64("passwords_to_change", i->must_change), kv_u64("passwords_expired", i->expired),
          kv_u64("derived_keys_dropped", i->keys), kv_u64("places_forgotten", i->places));
    incident_write_sentences(i);
    answer(i, CTL_OK);
}

static void write_some(struct incident *i)
{
    for (size_t n = 0; n < ROWS_A_TURN && i->at < i->by_account.count; n++)
        incident_write_use(i, i->uses[i->at++]);
    if (i->at == i->by_account.count)
        finish(i);
}

/* --- sessions and tokens ---------------------------------------------------------------------- */

/* There are no tokens yet. What brings them (XEP-0484) deletes those of the account here, and says
 * how many. */
static uint64_t revoke_tokens(struct incident *i, const struct incident_use *u)
{
    (void)i;
    (void)u;
    return 0;
}

/* <reset/>: "keys or certificates … have expired or have been revoked during the life of the
 * stream"; the client comes back by itself and negotiates everything anew (RFC 6120 §4.9.3.16).
 * <policy-violation/> would say that the client did something wrong. */
static bool end_session(struct incident *i, const struct incident_session *id)
{
    struct session *s = table_get(&i->sm->sessions, str_of(id->bytes, sizeof id->bytes));

    if (!s || s->state == SESSION_ENDING)
        return true;
    if (s->state == SESSION_OPENING) /* its <success/> comes with the next commit, and goes first */
        return false;
    audit("incident-session", kv_str("account", s->jid.full), kv_text("session", s->id_text),
          kv_text("c2s", s->c2s), kv_text("address", s->addr), kv_str("incident", i->c2s));
    session_end(s, STREAM_RESET, STR("log in again"));
    i->ended++;
    return true;
}

/* Who logged in through it is known at the address that it claimed, and has a budget of guesses
 * there that strangers cannot use up: it may have been the attacker, with a password that it read.
 * After the sessions, so that none of theirs makes it known again. */
static void begin_writing(struct incident *i)
{
    if (!i->is_dry_run)
        i->places = guesses_forget_c2s(auth_guesses(i->sm->auth), i->c2s);
    i->step = INCIDENT_WRITING;
    i->at = 0;
    incident_write_facts(i);
}

static void end_some(struct incident *i)
{
    for (size_t n = 0; n < ENDS_A_TURN && i->at < i->session_count; n++) {
        struct incident_session *now = &i->sessions[i->at],
                                *last = &i->sessions[i->session_count - 1], other = *last;

        if (!end_session(i, now)) {
            *last = *now;
            *now = other;
            return;
        }
        i->at++;
    }
    if (i->at == i->session_count)
        begin_writing(i);
}

static void begin_ending(struct incident *i)
{
    i->step = INCIDENT_ENDING;
    i->at = 0;
    for (size_t n = 0; n < i->by_account.count; n++)
        i->tokens += revoke_tokens(i, i->uses[n]);
}

/* --- passwords: before sessions end, so that nobody comes back with a stolen one -------------- */

static void on_expired(void *owner, enum err e, int64_t changes)
{
    struct incident *i = owner;

    i->pending--;
    i->expired += e == ERR_OK ? (uint64_t)changes : 0;
    i->e = e != ERR_OK ? e : i->e;
    if (i->is_answered)
        free_when_done(i);
}

static void on_dropped(void *owner, enum err e, int64_t changes)
{
    struct incident_use *u = owner;
    struct incident *i = u->incident;

    i->pending--;
    i->e = e != ERR_OK ? e : i->e;
    if (e == ERR_OK && changes > 0) {
        u->had_derived = true;
        i->keys++;
        audit("derived-keys-dropped", kv_str("account", u->account), kv_text("reason", "incident"));
    }
    if (i->is_answered)
        free_when_done(i);
}

/* Keys that were derived from a directory's password open the account from outside to whoever read
 * that password; a login inside, with another one, makes new ones. */
static void drop_derived(struct incident *i, struct incident_use *u)
{
    struct store_tx *tx = store_begin(i->sm->store);

    store_add(tx, STORE_SECRET_DROP);
    store_bind_text(tx, u->account);
    i->pending++;
    store_submit(tx, on_dropped, u);
}

static void expire(struct incident *i, const struct incident_use *u)
{
    struct store_tx *tx = store_begin(i->sm->store);

    audit("password-expired", kv_str("account", u->account), kv_text("by", "administrator"));
    store_add(tx, STORE_ACCOUNT_EXPIRE);
    store_bind_int(tx, sm_time_us());
    store_bind_text(tx, u->account);
    i->pending++;
    store_submit(tx, on_expired, i);
}

static void expire_some(struct incident *i)
{
    if (i->pending > 0)
        return;
    if (i->e != ERR_OK) {
        fail(i, i->e);
        return;
    }
    while (i->pending < EXPIRES_A_TURN && i->at < i->by_account.count) {
        struct incident_use *u = i->uses[i->at++];

        if (u->must_change && i->may_expire)
            expire(i, u);
        if (u->must_change)
            drop_derived(i, u);
    }
    if (i->pending == 0 && i->at == i->by_account.count)
        begin_ending(i);
}

/* --- who used it ------------------------------------------------------------------------------ */

static void on_turn(uv_idle_t *handle)
{
    struct incident *i = handle->data;

    switch (i->step) {
    case INCIDENT_LISTING:
        break;
    case INCIDENT_EXPIRING:
        expire_some(i);
        break;
    case INCIDENT_ENDING:
        end_some(i);
        break;
    case INCIDENT_WRITING:
        write_some(i);
        break;
    }
}

static struct incident_use *add_use(struct incident *i, struct str account)
{
    struct incident_use *u = mem_new(struct incident_use);

    u->incident = i;
    u->account = arena_str(&i->arena, account);
    if (i->by_account.count == i->cap) {
        i->cap = i->cap ? i->cap * 2 : 64;
        i->uses = mem_realloc(i->uses, i->cap * sizeof *i->uses);
    }
    i->uses[i->by_account.count] = u;
    table_put(&i->by_account, u);
    return u;
}

static void add_session(struct incident *i, const struct session *s)
{
    if (i->session_count == i->session_cap) {
        i->session_cap = i->session_cap ? i->session_cap * 2 : 64;
        i->sessions = mem_realloc(i->sessions, i->session_cap * sizeof *i->sessions);
    }
    memcpy(i->sessions[i->session_count++].bytes, s->id, sizeof s->id);
}

/* A session that is open through it uses it now, whenever it was opened. Of those who used it,
 * sessions elsewhere end, too: who has the password may have opened them. */
static void add_sessions(struct incident *i)
{
    int64_t now = sm_time_us();
    struct session *s;

    for (size_t at = 0; (s = table_next(&i->sm->sessions, &at));) {
        bool is_there = str_is(i->c2s, s->c2s);
        struct incident_use *u = table_get(&i->by_account, s->jid.bare);

        if (s->state == SESSION_ENDING || (!is_there && !u))
            continue;
        if (!u) {
            u = add_use(i, s->jid.bare);
            u->first_us = s->opened_us;
        }
        if (is_there)
            u->last_us = now;
        u->sessions++;
        add_session(i, s);
    }
}

static void list_on(struct incident *i, struct str after);

/* Nobody, by a name that nobody has: it is mistyped. */
static bool is_known(const struct incident *i)
{
    return i->by_account.count > 0 || peers_is_role(peers_find(i->sm, i->c2s), "c2s");
}

static void listed(struct incident *i)
{
    add_sessions(i);
    if (!is_known(i)) {
        ctl_say(i->request,
                "nobody used a connection manager %.*s since then, and none of that name is known; "
                "`sessions` and `links` show names",
                STR_ARG(i->c2s));
        answer(i, CTL_NO_SUCH);
        return;
    }
    i->step = INCIDENT_EXPIRING;
    if (i->is_dry_run)
        begin_writing(i);
    uv_idle_start(&i->turn, on_turn);
}

static void take_row(struct incident *i, struct str account, struct store_rows *rows)
{
    struct incident_use *u;

    if (store_int(rows, 2) + MINUTE_US < i->since_us)
        return;
    u = add_use(i, account);
    u->first_us = store_int(rows, 1);
    u->last_us = store_int(rows, 2);
    u->plain_us = store_int(rows, 3);
    u->must_change = u->plain_us > 0 && u->plain_us + MINUTE_US >= i->since_us;
    i->must_change += u->must_change;
}

static void on_page(void *owner, enum err e, struct store_rows *rows)
{
    struct incident *i = owner;
    struct str last = STR_NONE;
    size_t count = 0;

    i->pending--;
    if (i->is_answered) {
        free_when_done(i);
        return;
    }
    for (; e == ERR_OK && store_next(rows); count++) {
        last = store_text(rows, 0);
        take_row(i, last, rows);
    }
    if (e != ERR_OK)
        fail(i, e);
    else if (count == ROWS_A_PAGE)
        list_on(i, last);
    else
        listed(i);
}

static void list_on(struct incident *i, struct str after)
{
    struct store_tx *tx = store_begin(i->sm->store);

    store_add(tx, STORE_USE_LIST);
    store_bind_text(tx, i->c2s);
    store_bind_text(tx, after);
    store_bind_int(tx, ROWS_A_PAGE);
    i->pending++;
    store_query(tx, on_page, i);
}

/* When the schema came that has the record; and nothing is kept for longer than c2s_history. */
static void on_begun(void *owner, enum err e, struct store_rows *rows)
{
    struct incident *i = owner;
    int64_t kept_us = sm_time_us() - i->sm->conf->c2s_history_ms * 1000;

    i->pending--;
    if (e == ERR_OK && store_next(rows))
        i->begun_us = store_int(rows, 0);
    if (kept_us > i->begun_us)
        i->begun_us = kept_us;
    if (i->is_answered)
        free_when_done(i);
    else
        list_on(i, STR(""));
}

static void begin(struct incident *i)
{
    struct store_tx *tx = store_begin(i->sm->store);

    store_add(tx, STORE_MIGRATION_GET);
    store_bind_int(tx, SCHEMA_OF_USE);
    i->pending++;
    store_query(tx, on_begun, i);
}

/* --- the command line ------------------------------------------------------------------------- */

/* The link's name, or its first label where only one c2s has that. */
static struct str full_name(const struct sm *sm, struct str name)
{
    struct str found = STR_NONE;
    struct peer *p;

    for (size_t at = 0; (p = table_next(&sm->peers, &at));) {
        struct str other = str_from(p->name);

        if (!peers_is_role(p, "c2s") || !str_starts_with(other, name) || other.n <= name.n ||
            other.p[name.n] != '.')
            continue;
        if (str_is_set(found))
            return name;
        found = other;
    }
    return str_is_set(found) && !peers_find(sm, name) ? found : name;
}

static const char *read_since(struct incident *i, struct str text)
{
    switch (incident_since(text, sm_time_us(), &i->since_us)) {
    case ERR_OK:
        return NULL;
    case ERR_LIMIT:
        return "--since is in the future";
    default:
        return "--since takes a time as 2026-03-01T08:30:00Z, or how long ago it was, as 90m, 2h, "
               "3d";
    }
}

/* NULL: all is well. */
static const char *read_args(struct incident *i)
{
    static const char usage[] =
        "usage: incident c2s NAME --since TIME [--dry-run] [--expire-passwords]";
    bool has_since = false;
    const char *wrong;

    if (!str_is(ctl_arg(i->request, 0), "c2s") || ctl_arg(i->request, 1).n == 0)
        return usage;
    i->c2s = arena_str(&i->arena, full_name(i->sm, ctl_arg(i->request, 1)));
    for (size_t n = 2; n < ctl_arg_count(i->request); n++) {
        struct str arg = ctl_arg(i->request, n);

        if (str_is(arg, "--dry-run")) {
            i->is_dry_run = true;
        } else if (str_is(arg, "--expire-passwords")) {
            i->may_expire = true;
        } else if (str_is(arg, "--since") && n + 1 < ctl_arg_count(i->request)) {
            has_since = true;
            if ((wrong = read_since(i, ctl_arg(i->request, ++n))) != NULL)
                return wrong;
        } else {
            return usage;
        }
    }
    return has_since ? NULL : usage;
}

void incident_run(void *app, struct ctl_request *r)
{
    struct sm *sm = app;
    struct incident *i = mem_new(struct incident);
    const char *wrong;

    i->sm = sm;
    i->request = r;
    table_init(&i->by_account, key_of);
    wrong = read_args(i);
    if (!wrong && !sm->incident && !store_is_busy(sm->store)) {
        uv_idle_init(sm->service->loop, &i->turn);
        i->turn.data = i;
        sm->incident = i;
        begin(i);
        return;
    }
    ctl_say(r, "%s",
            wrong          ? wrong
            : sm->incident ? "another incident is being dealt with"
                           : "the store is busy: try again");
    ctl_finish(r, wrong ? CTL_USAGE : CTL_FAILED);
    i->is_closed = true;
    free_when_done(i);
}
