/* The session manager's commands: accounts, sessions, links. */
#include "sm/commands.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/account.h"
#include "sm/archive_purge.h"
#include "sm/auth/auth.h"
#include "sm/backup.h"
#include "sm/directory/directory.h"
#include "sm/guessing.h"
#include "sm/incident.h"
#include "sm/ldap.h"
#include "sm/session.h"
#include "sm/store/store.h"

enum { USERS_AT_ONCE = 500 };

/* A request that waits. */
struct job {
    struct sm *sm;
    struct ctl_request *request;
    struct arena arena;
    struct jid jid;
    const char *what;
    struct str host, after; /* of users */
    size_t next_host;
};

static struct job *job_new(struct sm *sm, struct ctl_request *r)
{
    struct job *j = mem_new(struct job);

    j->sm = sm;
    j->request = r;
    return j;
}

static void finish(struct job *j, enum ctl_exit code)
{
    ctl_finish(j->request, code);
    arena_fini(&j->arena);
    mem_free(j);
}

/* --- accounts ---------------------------------------------------------------------------------------------------- */

/* An account's address: bare, of a host that is served. Answers when it is not. */
static struct job *account_job(struct sm *sm, struct ctl_request *r)
{
    struct job *j = job_new(sm, r);

    if (jid_parse(ctl_arg(r, 0), &j->arena, &j->jid) != ERR_OK || !jid_is_bare(&j->jid) || !str_is_set(j->jid.local)) {
        ctl_say(r, "expected an address like user@example.com");
        finish(j, CTL_USAGE);
        return NULL;
    }
    if (!sm_is_hosted(sm, j->jid.domain)) {
        ctl_say(r, "%.*s is not a host of this cluster", STR_ARG(j->jid.domain));
        finish(j, CTL_NO_SUCH);
        return NULL;
    }
    return j;
}

static void on_done(void *owner, enum err e)
{
    struct job *j = owner;

    if (e == ERR_OK)
        ctl_say(j->request, "%.*s: %s", STR_ARG(j->jid.bare), j->what);
    else if (e == ERR_EXISTS)
        ctl_say(j->request, "%.*s exists already", STR_ARG(j->jid.bare));
    else if (e == ERR_NOT_FOUND)
        ctl_say(j->request, "there is no account %.*s", STR_ARG(j->jid.bare));
    else if (e == ERR_MALFORMED)
        ctl_say(j->request, "the password holds characters that no password may hold");
    else
        ctl_say(j->request, "failed: %s", err_text(e));
    finish(j, e == ERR_OK ? CTL_OK : e == ERR_NOT_FOUND ? CTL_NO_SUCH : CTL_FAILED);
}

static void on_added(void *owner, enum err e)
{
    struct job *j = owner;

    if (e == ERR_OK)
        audit("account-added", kv_str("account", j->jid.bare), kv_text("by", "administrator"));
    on_done(j, e);
}

static void on_changed(void *owner, enum err e)
{
    struct job *j = owner;

    if (e == ERR_OK)
        audit("password-changed", kv_str("account", j->jid.bare), kv_text("by", "administrator"));
    on_done(j, e);
}

/* The same, of a host that has passwords of ours. */
static struct job *password_job(struct sm *sm, struct ctl_request *r, const char *what)
{
    struct job *j = account_job(sm, r);
    const struct sm_host_conf *h = j ? sm_host(sm, j->jid.domain) : NULL;

    if (!j)
        return NULL;
    j->what = what;
    if (!sm_conf_is_directory(h) || sm_conf_auth_order(h) != AUTH_ALONE)
        return j;
    ctl_say(r, "passwords of %.*s are in a directory", STR_ARG(j->jid.domain));
    finish(j, CTL_FAILED);
    return NULL;
}

static void add_user(struct job *j)
{
    auth_set_password(j->sm->auth, j->jid.bare, ctl_arg(j->request, 1), true, on_added, j);
}

/* Where the directory is first, names that it has are its own. */
static void on_looked_up(void *owner, const struct directory_found *found)
{
    struct job *j = owner;

    if (found->verdict == DIRECTORY_UNKNOWN) {
        add_user(j);
        return;
    }
    ctl_say(j->request, "%.*s: the directory is first, and says: %s", STR_ARG(j->jid.bare), directory_verdict_name(found->verdict));
    finish(j, CTL_FAILED);
}

static void run_adduser(void *app, struct ctl_request *r)
{
    struct sm *sm = app;
    struct job *j = password_job(sm, r, "added");
    const struct sm_host_conf *h = j ? sm_host(sm, j->jid.domain) : NULL;
    struct directory *d;

    if (!j)
        return;
    if (sm_conf_auth_order(h) != AUTH_DIRECTORY_FIRST) {
        add_user(j);
    } else if ((d = directories_find(sm->directories, h->directory))) {
        struct directory_name name = { .user = j->jid.local, .host = j->jid.domain, .jid = j->jid.bare };

        directory_lookup(d, &name, NULL, on_looked_up, j);
    } else {
        finish(j, CTL_FAILED);
    }
}

static void on_home(void *owner, const struct auth_home *home)
{
    struct job *j = owner;

    if (home->e != ERR_OK) {
        on_done(j, home->e);
    } else if (home->is_directorys) {
        ctl_say(j->request, "the password of %.*s is in a directory", STR_ARG(j->jid.bare));
        finish(j, CTL_FAILED);
    } else {
        auth_set_password(j->sm->auth, j->jid.bare, ctl_arg(j->request, 1), false, on_changed, j);
    }
}

static void run_passwd(void *app, struct ctl_request *r)
{
    struct sm *sm = app;
    struct job *j = password_job(sm, r, "password changed");
    const struct sm_host_conf *h = j ? sm_host(sm, j->jid.domain) : NULL;

    if (!j)
        return;
    if (sm_conf_is_directory(h))
        auth_find_home(sm->auth, j->jid.bare, sm_conf_auth_order(h), on_home, j);
    else
        auth_set_password(sm->auth, j->jid.bare, ctl_arg(r, 1), false, on_changed, j);
}

static void run_deluser(void *app, struct ctl_request *r)
{
    struct sm *sm = app;
    struct job *j = account_job(sm, r);

    if (!j)
        return;
    j->what = "removed";
    account_delete(sm, &j->jid, "administrator", on_done, j);
}

/* --- users: read in pieces, host by host ------------------------------------------------------------------------- */

static void list_on(struct job *j);

static void on_users(void *owner, enum err e, struct store_rows *rows)
{
    struct job *j = owner;
    int count = 0;

    while (e == ERR_OK && store_next(rows)) {
        struct str cells[] = { arena_str(&j->arena, store_text(rows, 0)),
                               arena_printf(&j->arena, "%lld",
                                            (long long)(store_int(rows, 1) / 1000000)) };

        ctl_row(j->request, cells);
        j->after = cells[0];
        count++;
    }
    if (e != ERR_OK) {
        ctl_say(j->request, "the store failed: %s", err_text(e));
        finish(j, CTL_FAILED);
        return;
    }
    if (count < USERS_AT_ONCE) {
        j->next_host++;
        j->after = STR("");
    }
    list_on(j);
}

static void list_on(struct job *j)
{
    const struct conf_items *hosts = &j->sm->conf->hosts;
    struct store_tx *tx;
    struct str host;

    if (j->next_host >= (str_is_set(j->host) ? 1 : hosts->count)) {
        finish(j, CTL_OK);
        return;
    }
    host = str_is_set(j->host) ? j->host : str_from(((const struct sm_host_conf *)hosts->items)[j->next_host].name);
    tx = store_begin(j->sm->store);
    store_add(tx, STORE_ACCOUNT_LIST);
    store_bind_text(tx, host);
    store_bind_text(tx, j->after);
    store_bind_int(tx, USERS_AT_ONCE);
    store_query(tx, on_users, j);
}

static void run_users(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "account", "created", NULL };
    struct sm *sm = app;
    struct job *j = job_new(sm, r);

    j->after = STR("");
    if (ctl_arg_count(r) > 0 &&
        (jid_prepare_domain(ctl_arg(r, 0), &j->arena, &j->host) != ERR_OK || !sm_is_hosted(sm, j->host))) {
        ctl_say(r, "%.*s is not a host of this cluster", STR_ARG(ctl_arg(r, 0)));
        finish(j, CTL_NO_SUCH);
        return;
    }
    ctl_columns(r, columns);
    list_on(j);
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

static bool is_meant(const struct session *s, const struct jid *who)
{
    return !jid_is_set(who) || str_eq(s->jid.full, who->full) || (jid_is_bare(who) && str_eq(s->jid.bare, who->bare));
}

static void add_session(struct ctl_request *r, const struct session *s)
{
    static const char *const states[] = { "opening", "binding", "active", "loaded", "ending" };
    struct arena arena = { 0 };
    struct str cells[] = { s->jid.full,
                           str_from(states[s->state]),
                           session_is_available(s) ? arena_printf(&arena, "%d", s->priority) : STR("-"),
                           str_from(s->addr),
                           str_from(s->address),
                           arena_printf(&arena, "%lld", (long long)((sm_time_us() - s->opened_us) / 1000000)),
                           arena_printf(&arena, "%u", s->channel.flight_frames + s->queue.frames),
                           str_from(s->id_text) };

    ctl_row(r, cells);
    arena_fini(&arena);
}

static void run_sessions(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "jid", "state", "priority", "address", "connection", "seconds", "queued", "session", NULL };
    struct sm *sm = app;
    struct arena arena = { 0 };
    struct jid who = { 0 };
    struct session *s;

    if (ctl_arg_count(r) > 0 && jid_parse(ctl_arg(r, 0), &arena, &who) != ERR_OK) {
        ctl_say(r, "expected an address");
        ctl_finish(r, CTL_USAGE);
        return;
    }
    ctl_columns(r, columns);
    for (size_t at = 0; (s = table_next(&sm->sessions, &at));) {
        if (s->state != SESSION_ENDING && is_meant(s, &who))
            add_session(r, s);
    }
    ctl_finish(r, CTL_OK);
    arena_fini(&arena);
}

/* Not while the table is walked: ending one may change it. */
static size_t kick(struct sm *sm, const struct jid *who)
{
    struct session *s;
    size_t at = 0, count = 0;

    while ((s = table_next(&sm->sessions, &at))) {
        if (s->state == SESSION_ENDING || !is_meant(s, who))
            continue;
        audit("kick", kv_str("account", s->jid.full), kv_text("session", s->id_text), kv_text("by", "administrator"));
        session_end(s, STREAM_POLICY_VIOLATION, STR("ended by an administrator"));
        count++;
        at = 0;
    }
    return count;
}

static void run_kick(void *app, struct ctl_request *r)
{
    struct arena arena = { 0 };
    struct jid who;
    size_t count;

    if (jid_parse(ctl_arg(r, 0), &arena, &who) != ERR_OK) {
        ctl_say(r, "expected an address");
        ctl_finish(r, CTL_USAGE);
        return;
    }
    count = kick(app, &who);
    ctl_say(r, count == 0 ? "there is no such session" : "%zu session(s) ended", count);
    ctl_finish(r, count == 0 ? CTL_NO_SUCH : CTL_OK);
    arena_fini(&arena);
}

/* --- links ------------------------------------------------------------------------------------------------------- */

static void run_links(void *app, struct ctl_request *r)
{
    const struct sm *sm = app;

    links_answer(sm->links, r);
}

const struct ctl_command commands_table[] = {
    { "adduser", CTL_ADMIN, 2, 2, "adduser JID PASSWORD", "Adds an account.", run_adduser },
    { "passwd", CTL_ADMIN, 2, 2, "passwd JID PASSWORD", "Sets the password of an account.", run_passwd },
    { "deluser", CTL_ADMIN, 1, 1, "deluser JID", "Deletes an account, its roster and messages, and ends its sessions.", run_deluser },
    { "users", CTL_READ, 0, 1, "users [HOST]", "Lists accounts.", run_users },
    { "sessions", CTL_READ, 0, 1, "sessions [JID]", "Lists sessions.", run_sessions },
    { "kick", CTL_ADMIN, 1, 1, "kick JID", "Ends one session (full address) or all of an account (bare).", run_kick },
    { "incident", CTL_ADMIN, 2, 6, "incident c2s NAME --since TIME [--dry-run] [--expire-passwords]",
      "A connection manager was taken over: lists who used it, ends their sessions, names whose passwords must change.", incident_run },
    { "store", CTL_ADMIN, 1, 2, "store backup [NAME] | store restored",
      "Copies the database while it is used; or says that it was put back from elsewhere.", backup_run },
    { "archive", CTL_ADMIN, 2, 4, "archive purge ACCOUNT [--before TIME]",
      "Deletes archived messages of an account, those that wait for it included; answers when they are gone.", archive_run },
    { "ldap", CTL_ADMIN, 1, 3, "ldap status | check [NAME] | explain ACCOUNT | test NAME ACCOUNT | accept ACCOUNT | rename OLD NEW | groups [GROUP] | shared",
      "Shows the LDAP servers; tries each from scratch; explains an account's login; looks an account up; lets an account belong to the entry that has "
      "its name now; gives an account another name; shows the groups that share rosters and their members, and how old that is.", ldap_run },
    { "guesses", CTL_ADMIN, 0, 2, "guesses [forgive ACCOUNT|ADDRESS|C2S]",
      "Shows of whom wrong passwords are counted, and whose budget is used up; makes one whole again.", guessing_run },
    { "links", CTL_READ, 0, 0, "links", "Lists the links to routers.", run_links },
    { 0 },
};
