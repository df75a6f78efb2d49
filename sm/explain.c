/* See explain.h. The questions are those of a login, in its order; the words are the audit log's. */
#include "sm/explain.h"

#include "common/mem.h"
#include "sm/auth/by_directory.h"
#include "sm/conf.h"
#include "sm/directory/access.h"
#include "sm/hosts.h"

enum { MAX_GROUPS_SHOWN = 50 };

struct explanation {
    struct sm *sm;
    struct ctl_request *request;
    struct arena arena;
    struct jid jid;
    const struct sm_host_conf *host;
    bool has_row, is_expired, has_derived;
    char *key; /* of the account's row; "": none */
};

static void step(struct explanation *x, const char *name, struct str text)
{
    struct str cells[] = { str_from(name), text };

    ctl_row(x->request, cells);
}

#define STEP(x, name, ...) step((x), (name), arena_printf(&(x)->arena, __VA_ARGS__))

static void finish(struct explanation *x, enum ctl_exit code, const char *answer)
{
    step(x, "answer", str_from(answer));
    ctl_finish(x->request, code);
    arena_fini(&x->arena);
    mem_free(x->key);
    mem_free(x);
}

/* --- the answer -------------------------------------------------------------------------------- */

static const char *row_answer(const struct explanation *x, struct str key)
{
    if (!x->has_row)
        return "none yet: made at the first login";
    if (x->key[0] == '\0')
        return "belongs to nobody yet: to whoever logs in first";
    return str_is(key, x->key) ? "belongs to this entry" : BY_DIRECTORY_OTHER_ENTRY;
}

static bool is_other_entry(const struct explanation *x, struct str key)
{
    return x->has_row && x->key[0] != '\0' && !str_is(key, x->key);
}

static void show_groups(struct explanation *x, const struct directory_groups *g)
{
    if (g->count == 0)
        step(x, "groups", STR("none"));
    for (size_t i = 0; i < g->count && i < MAX_GROUPS_SHOWN; i++) {
        const struct directory_group *one = &g->groups[i];
        struct str name = str_is_set(one->name) ? one->name : STR("(no name)");

        STEP(x, "group", "%.*s: %.*s%s", STR_ARG(name), STR_ARG(one->dn),
             one->depth > 0 ? ", through another group" : "");
    }
    if (g->count > MAX_GROUPS_SHOWN || g->is_cut)
        STEP(x, "groups", "%zu%s", g->count, g->is_cut ? ", and there are more" : "");
}

static void show_rule(struct explanation *x, const char *key, const struct conf_list *list, bool is_met)
{
    struct buf names = { 0 };

    for (size_t i = 0; i < list->count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", list->items[i]);
    if (list->count > 0)
        STEP(x, key, "%s, by %.*s", is_met ? "yes" : "no", (int)names.n, names.p);
    buf_fini(&names);
}

static const char *final_answer(const struct explanation *x, const struct access *a)
{
    if (is_other_entry(x, a->found->key))
        return "no: not-authorized, until an administrator decides (deluser, or ldap accept)";
    if (x->is_expired)
        return "no: credentials-expired, an administrator demands a new password";
    if (a->found->state == DIRECTORY_DISABLED)
        return "no: account-disabled";
    if (!a->may_log_in)
        return "no: not-authorized, not in a group that may log in";
    if (a->found->state != DIRECTORY_OK)
        return "no, as the entry shows it; where the password is given to the directory, it decides";
    if (!a->may_log_in_dmz)
        return "yes, inside; not through a connection manager in the dmz";
    return "yes, with the right password or proof";
}

static void show_entry(struct explanation *x, const struct directory_found *found)
{
    if (found->dn)
        step(x, "entry", str_from(found->dn));
    if (found->key.n > 0)
        step(x, "key", found->key);
    if (found->answer)
        step(x, "server said", str_from(found->answer));
    if (found->verdict == DIRECTORY_OK) {
        step(x, "account", str_from(row_answer(x, found->key)));
        step(x, "state", str_from(directory_verdict_name(found->state)));
        step(x, "password changed", str_is_set(found->mark) ? found->mark : STR("the entry does not tell"));
        step(x, "derived keys", x->has_derived ? STR("yes") : STR("no"));
    }
}

static void show_server(void *owner, const struct directory_server_status *s)
{
    struct explanation *x = owner;

    if (strcmp(s->directory, x->host->directory) != 0)
        return;
    STEP(x, "server", "%s: %s%s%s%s%s%s", s->uri, s->state, s->is_chosen ? ", chosen" : "",
         s->tls ? ", " : "", s->tls ? s->tls : "", s->last_error ? ", last error: " : "",
         s->last_error ? s->last_error : "");
}

/* A reload may have come between the steps. */
static bool is_there(struct explanation *x)
{
    x->host = sm_host(x->sm, x->jid.domain);
    if (!x->host)
        finish(x, CTL_FAILED, "no: this host is not served here any more");
    return x->host != NULL;
}

static void on_access(void *owner, const struct access *a)
{
    struct explanation *x = owner;
    const struct directory_found *found = a->found;

    if (!is_there(x))
        return;
    directories_each(x->sm->directories, show_server, x);
    if (found->uri)
        step(x, "asked", str_from(found->uri));
    if (found->filter)
        step(x, "filter", str_from(found->filter));
    STEP(x, "entries", "%u", found->entries);
    show_entry(x, found);
    if (a->verdict != DIRECTORY_OK) {
        STEP(x, found->verdict == DIRECTORY_OK ? "groups" : "search", "%s", directory_verdict_name(a->verdict));
        STEP(x, "condition", "%s", auth_failure_name(by_directory_failure(a->verdict)));
        finish(x, CTL_FAILED, "no");
        return;
    }
    show_groups(x, a->groups);
    show_rule(x, "allow_groups", &x->host->allow_groups, a->may_log_in);
    show_rule(x, "allow_groups_dmz", &x->host->allow_groups_dmz, a->may_log_in_dmz);
    show_rule(x, "outside_groups", &x->host->outside_groups, a->may_outside);
    finish(x, strncmp(final_answer(x, a), "yes", 3) == 0 ? CTL_OK : CTL_FAILED, final_answer(x, a));
}

/* --- the steps --------------------------------------------------------------------------------- */

static const char *service_account(const struct sm_directory_conf *d)
{
    static const char *const unnamed[] = { [DIRECTORY_SIMPLE] = "anonymous", [DIRECTORY_EXTERNAL] = "external", [DIRECTORY_GSSAPI] = "gssapi" };

    return d->bind_dn ? d->bind_dn : d->principal ? d->principal : unnamed[d->bind];
}

static void ask_directory(struct explanation *x)
{
    const struct sm_directory_conf *conf = sm_conf_directory_of(x->sm->conf, x->host);
    struct directory *d = directories_find(x->sm->directories, x->host->directory);
    struct directory_name name = { .user = x->jid.local, .host = x->jid.domain, .jid = x->jid.bare };
    struct access_rules rules = sm_conf_access(x->host, &x->arena);

    if (!d || !conf) {
        finish(x, CTL_FAILED, "no: the directory of this host is not there");
        return;
    }
    STEP(x, "service account", "%s", service_account(conf));
    STEP(x, "base", "%s", conf->base);
    access_ask(d, &name, &rules, true, on_access, x);
}

static void on_home(void *owner, const struct auth_home *home)
{
    struct explanation *x = owner;

    if (home->e == ERR_OK) {
        x->has_row = true;
        mem_free(x->key);
        x->key = str_dup(home->key);
        x->is_expired = home->is_expired;
        x->has_derived = home->has_derived;
    }
    if (!is_there(x))
        return;
    if (home->e != ERR_OK && home->e != ERR_NOT_FOUND) {
        finish(x, CTL_FAILED, "no: the store failed");
    } else if (sm_conf_is_directory(x->host) && home->is_directorys) {
        ask_directory(x);
    } else if (!x->has_row) {
        step(x, "account", STR("none"));
        finish(x, CTL_FAILED, "no: not-authorized");
    } else {
        step(x, "account", STR("its keys are in the store"));
        finish(x, x->is_expired ? CTL_FAILED : CTL_OK,
               x->is_expired ? "no: credentials-expired, an administrator demands a new password" : "yes, with the right password");
    }
}

void explain_run(struct sm *sm, struct ctl_request *r, const struct jid *jid)
{
    static const char *const columns[] = { "step", "found", NULL };
    struct explanation *x = mem_new(struct explanation);

    x->sm = sm;
    x->request = r;
    jid_split(arena_str(&x->arena, jid->bare), &x->jid);
    x->host = sm_host(sm, x->jid.domain);
    x->key = mem_strdup("");
    ctl_columns(r, columns);
    if (!x->host) {
        finish(x, CTL_NO_SUCH, "no: this host is not served here");
        return;
    }
    STEP(x, "host", "%s: %s%s%s%s", x->host->name,
         sm_conf_auth_order(x->host) == AUTH_ALONE && x->host->directory ? "" : "accounts of the store",
         sm_conf_auth_order(x->host) == AUTH_ALONE ? "" : ", and ",
         x->host->directory ? "people of the directory " : "", x->host->directory ? x->host->directory : "");
    auth_find_home(sm->auth, x->jid.bare, sm_conf_auth_order(x->host), on_home, x);
}
