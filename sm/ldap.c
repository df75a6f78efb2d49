/* sallyportctl ldap …: servers shown and checked, logins explained, names looked up, accounts given to their new entry. */
#include "sm/account.h"
#include "sm/ldap.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/directories.h"
#include "sm/auth/auth.h"
#include "sm/directory/check.h"
#include "sm/directory/directory.h"
#include "sm/explain.h"
#include "sm/shared.h"
#include "sm/store/store.h"

/* --- status, test, accept ------------------------------------------------------------------------- */

static void add_row(void *owner, const struct directory_server_status *s)
{
    struct arena arena = { 0 };
    struct str cells[] = { str_from(s->directory),
                           str_from(s->uri),
                           str_from(s->state),
                           s->is_chosen ? STR("yes") : STR("no"),
                           arena_printf(&arena, "%llu", (unsigned long long)(s->since_ms / 1000)),
                           arena_printf(&arena, "%u", s->search_connections),
                           arena_printf(&arena, "%u", s->bind_connections),
                           arena_printf(&arena, "%u", s->waiting),
                           arena_printf(&arena, "%llu", (unsigned long long)s->logins),
                           arena_printf(&arena, "%llu", (unsigned long long)s->lost),
                           str_from(s->watch),
                           s->tls ? str_from(s->tls) : STR("-"),
                           s->last_error ? str_from(s->last_error) : STR("-") };

    ctl_row(owner, cells);
    arena_fini(&arena);
}

static void show_status(struct sm *sm, struct ctl_request *r)
{
    static const char *const columns[] = { "directory", "server", "state",  "used", "seconds", "search",
                                           "bind",      "waiting", "binds", "lost", "watch", "tls", "last_error", NULL };

    ctl_columns(r, columns);
    directories_each(sm->directories, add_row, r);
    ctl_finish(r, directories_state(sm));
}

static void add_field(struct ctl_request *r, const char *name, const char *value)
{
    if (value)
        ctl_field(r, name, str_from(value));
}

struct test {
    struct sm *sm;
    struct ctl_request *request;
    char *account;
    enum auth_order order;
    enum ctl_exit code;
};

static void on_home(void *owner, const struct auth_home *home)
{
    struct test *t = owner;

    if (home->e == ERR_OK) {
        ctl_field(t->request, "account", home->is_directorys ? STR("of the directory") : STR("of the store"));
        ctl_field(t->request, "derived_keys", home->has_derived ? STR("yes") : STR("no"));
    } else {
        ctl_field(t->request, "account", home->e == ERR_NOT_FOUND ? STR("none") : STR("the store failed"));
    }
    ctl_finish(t->request, t->code);
    mem_free(t->account);
    mem_free(t);
}

static void on_looked_up(void *owner, const struct directory_found *found)
{
    struct test *t = owner;
    struct ctl_request *r = t->request;

    add_field(r, "server", found->uri);
    add_field(r, "filter", found->filter);
    ctl_field_u64(r, "entries", found->entries);
    add_field(r, "dn", found->dn);
    if (found->key.n > 0)
        ctl_field(r, "key", found->key);
    if (found->verdict == DIRECTORY_OK)
        ctl_field(r, "state", str_from(directory_verdict_name(found->state)));
    add_field(r, "server_said", found->answer);
    ctl_field(r, "result", str_from(directory_verdict_name(found->verdict)));
    t->code = found->verdict == DIRECTORY_OK ? CTL_OK : CTL_FAILED;
    auth_find_home(t->sm->auth, str_from(t->account), t->order, on_home, t);
}

/* NAME ACCOUNT */
static void run_test(struct sm *sm, struct ctl_request *r, const struct jid *jid)
{
    char *name = str_dup(ctl_arg(r, 1));
    struct directory *d = directories_find(sm->directories, name);
    struct directory_name who = { .user = jid->local, .host = jid->domain, .jid = jid->bare };

    mem_free(name);
    if (d) {
        const struct sm_host_conf *h = sm_host(sm, jid->domain);
        struct test *t = mem_new(struct test);

        *t = (struct test){ .sm = sm, .request = r, .account = str_dup(jid->bare), .order = h ? sm_conf_auth_order(h) : AUTH_ALONE };
        directory_lookup(d, &who, NULL, on_looked_up, t);
        return;
    }
    ctl_say(r, "there is no directory of this name");
    ctl_finish(r, CTL_NO_SUCH);
}

struct acceptance {
    struct sm *sm;
    struct ctl_request *request;
    char *account;
};

static void on_accepted(void *owner, enum err e, int64_t changes)
{
    struct acceptance *a = owner;
    enum ctl_exit code = e != ERR_OK ? CTL_FAILED : changes == 0 ? CTL_NO_SUCH : CTL_OK;
    struct account *account = account_in_memory(a->sm, str_from(a->account));

    if (account)
        account_reload(account);
    if (code == CTL_OK) {
        audit("directory-accepted", kv_text("account", a->account), kv_text("by", "administrator"));
        ctl_say(a->request, "%s: belongs to the entry that logs in next", a->account);
    } else {
        ctl_say(a->request, code == CTL_FAILED ? "the store failed: %s" : "there is no account %s",
                code == CTL_FAILED ? err_text(e) : a->account);
    }
    ctl_finish(a->request, code);
    mem_free(a->account);
    mem_free(a);
}

static void run_accept(struct sm *sm, struct ctl_request *r, const struct jid *jid)
{
    struct acceptance *a = mem_new(struct acceptance);
    struct store_tx *tx = store_begin(sm->store);

    a->sm = sm;
    a->request = r;
    a->account = str_dup(jid->bare);
    store_add(tx, STORE_SECRET_DELETE); /* keys of the store's own, and of the entry before */
    store_bind_text(tx, jid->bare);
    store_add(tx, STORE_ACCOUNT_ACCEPT);
    store_bind_text(tx, jid->bare);
    store_submit(tx, on_accepted, a);
}

/* --- check ------------------------------------------------------------------------------------------------------- */

static void on_line(void *owner, const struct directory_check_line *line)
{
    struct arena arena = { 0 };
    struct str cells[] = { str_from(line->directory),
                           str_from(line->uri),
                           str_from(line->step),
                           str_from(directory_finding_name(line->finding)),
                           arena_printf(&arena, "%llu", (unsigned long long)line->ms),
                           str_from(line->text) };

    ctl_row(owner, cells);
    arena_fini(&arena);
}

static void on_checked(void *owner, enum directory_finding worst)
{
    ctl_finish(owner, worst == DIRECTORY_FAILURE   ? CTL_CRITICAL
                      : worst == DIRECTORY_WARNING ? CTL_WARNING
                                                   : CTL_OK);
}

static bool has_directory(const struct sm *sm, const char *name)
{
    return name ? directories_find(sm->directories, name) != NULL : sm->conf->directories.count > 0;
}

static void run_check(struct sm *sm, struct ctl_request *r)
{
    static const char *const columns[] = { "directory", "server", "step", "result", "ms", "detail", NULL };
    char *name = ctl_arg_count(r) > 1 ? str_dup(ctl_arg(r, 1)) : NULL;

    if (!has_directory(sm, name)) {
        ctl_say(r, name ? "there is no directory of this name" : "there is no directory");
        ctl_finish(r, CTL_NO_SUCH);
    } else {
        ctl_columns(r, columns);
        if (!directory_check_start(sm->directories, name, on_line, on_checked, r)) {
            ctl_say(r, "another check is running, or DNS has named no server yet");
            ctl_finish(r, CTL_FAILED);
        }
    }
    mem_free(name);
}

/* --- rename ------------------------------------------------------------------------------------------------------ */

static void on_renamed(void *owner, enum err e)
{
    struct ctl_request *r = owner;

    if (e == ERR_OK)
        ctl_say(r, "renamed");
    else if (e == ERR_NOT_FOUND)
        ctl_say(r, "there is no account of the old name");
    else if (e == ERR_EXISTS)
        ctl_say(r, "there is an account of the new name: deluser, if it may go with all that it has");
    else
        ctl_say(r, "not renamed, try again: %s", err_text(e));
    ctl_finish(r, e == ERR_OK ? CTL_OK : e == ERR_NOT_FOUND ? CTL_NO_SUCH : CTL_FAILED);
}

static bool is_account(struct sm *sm, struct str text, struct arena *arena, struct jid *out)
{
    return jid_parse(text, arena, out) == ERR_OK && jid_is_bare(out) && str_is_set(out->local) && sm_is_hosted(sm, out->domain);
}

static void run_rename(struct sm *sm, struct ctl_request *r)
{
    struct arena arena = { 0 };
    struct account_rename what = { .key = STR_NONE, .by = "administrator" };

    if (is_account(sm, ctl_arg(r, 1), &arena, &what.old) && is_account(sm, ctl_arg(r, 2), &arena, &what.new) &&
        str_eq(what.old.domain, what.new.domain) && !str_eq(what.old.bare, what.new.bare)) {
        account_rename(sm, &what, on_renamed, r);
    } else {
        ctl_say(r, "expected two addresses of one host that is served here");
        ctl_finish(r, CTL_USAGE);
    }
    arena_fini(&arena);
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

static void run_for_account(struct sm *sm, struct ctl_request *r, void (*run)(struct sm *, struct ctl_request *, const struct jid *))
{
    struct arena arena = { 0 };
    struct jid jid = { 0 };

    if (jid_parse(ctl_arg(r, ctl_arg_count(r) - 1), &arena, &jid) == ERR_OK && jid_is_bare(&jid) && str_is_set(jid.local)) {
        run(sm, r, &jid);
    } else {
        ctl_say(r, "expected an address like user@example.com");
        ctl_finish(r, CTL_USAGE);
    }
    arena_fini(&arena);
}

void ldap_run(void *app, struct ctl_request *r)
{
    static const struct {
        const char *name;
        size_t min, max; /* arguments, with the name */
        void (*run)(struct sm *sm, struct ctl_request *r);
        void (*run_for)(struct sm *sm, struct ctl_request *r, const struct jid *jid);
    } verbs[] = {
        { "status", 1, 1, show_status, NULL },
        { "check", 1, 2, run_check, NULL },
        { "explain", 2, 2, NULL, explain_run },
        { "test", 3, 3, NULL, run_test },
        { "accept", 2, 2, NULL, run_accept },
        { "rename", 3, 3, run_rename, NULL },
        { "groups", 1, 2, shared_run_groups, NULL },
        { "shared", 1, 1, shared_run_status, NULL },
    };
    struct sm *sm = app;
    size_t n = ctl_arg_count(r);

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!str_is(ctl_arg(r, 0), verbs[i].name) || n < verbs[i].min || n > verbs[i].max)
            continue;
        if (verbs[i].run)
            verbs[i].run(sm, r);
        else
            run_for_account(sm, r, verbs[i].run_for);
        return;
    }
    ctl_say(r, "expected ldap status, ldap check [NAME], ldap explain ACCOUNT, ldap test NAME ACCOUNT, ldap accept ACCOUNT, "
               "ldap rename OLD NEW, "
               "ldap groups [GROUP], or ldap shared");
    ctl_finish(r, CTL_USAGE);
}
