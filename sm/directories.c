/* Directories as the process has them: made of the configuration, watched, and shown. */
#include "sm/directories.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/directory/directory.h"
#include "sm/explain.h"
#include "sm/metrics.h"
#include "sm/store/store.h"

static void on_changed(void *owner, const char *directory, const char *uri, bool is_up, const char *why)
{
    (void)owner;
    if (is_up) {
        audit("directory-up", kv_text("directory", directory), kv_text("server", uri));
        log_info("a directory server is back", kv_text("directory", directory), kv_text("server", uri));
    } else {
        audit_warning("directory-down", kv_text("directory", directory), kv_text("server", uri), kv_text("reason", why));
        log_warn("a directory server is down", kv_text("directory", directory), kv_text("server", uri), kv_text("reason", why));
    }
}

struct tally {
    uint64_t up, down, waiting;
    const char *directory; /* the last one seen, and whether it has a server that is not down */
    bool is_served;
    uint64_t unserved;
};

static void end_directory(struct tally *t)
{
    t->unserved += t->directory && !t->is_served;
}

static void count(void *owner, const struct directory_server_status *s)
{
    struct tally *t = owner;

    if (!t->directory || strcmp(t->directory, s->directory) != 0) {
        end_directory(t);
        t->waiting += s->waiting;
        t->is_served = false;
    }
    t->directory = s->directory;
    t->is_served |= strcmp(s->state, "down") != 0;
    t->up += strcmp(s->state, "up") == 0;
    t->down += strcmp(s->state, "down") == 0;
}

static void on_collect(void *owner, struct buf *out)
{
    const struct sm *sm = owner;
    const struct directory_counters *c = directories_counters(sm->directories);
    struct tally t = { 0 };

    (void)out;
    directories_each(sm->directories, count, &t);
    metric_set(&sm_metric_directory_up, t.up);
    metric_set(&sm_metric_directory_down, t.down);
    metric_set(&sm_metric_directory_waiting, t.waiting);
    metric_set(&sm_metric_directory_searches, c->searches);
    metric_set(&sm_metric_directory_binds, c->binds);
    metric_set(&sm_metric_directory_refused, c->refused);
    metric_set(&sm_metric_directory_failed, c->failed);
}

void directories_prepare(struct sm *sm)
{
    if (sm->conf->directories.count > 0) /* libldap looks up the machine's own name */
        directory_library_init();
    sm->directories = directories_new(sm->service->loop, sm->service->timers, on_changed, sm);
    metric_on_collect(on_collect, sm);
}

void directories_stop(struct sm *sm)
{
    if (!sm->directories)
        return;
    metric_forget(sm);
    directories_close(sm->directories);
    sm->directories = NULL;
}

static enum err read_password(const struct sm_directory_conf *d, struct buf *password, struct buf *why)
{
    struct buf reason = { 0 }, key = { 0 };
    const char *what = "bind_password_file";
    enum err e = ERR_OK;

    if (d->bind_password_file)
        e = conf_read_secret(d->bind_password_file, password, &reason);
    if (e == ERR_OK && d->key_file) { /* libldap reads it; here, whether others could */
        what = "key";
        e = conf_read_secret(d->key_file, &key, &reason);
    }
    if (key.p)
        mem_wipe(key.p, key.cap);
    buf_fini(&key);
    if (e != ERR_OK)
        buf_printf(why, "directory \"%s\": %s: %.*s", d->name, what, (int)reason.n, reason.p);
    buf_fini(&reason);
    return e;
}

static struct directory_options options_of(const struct sm_directory_conf *d, const struct buf *password)
{
    struct directory_ports ports;

    ASSERT(sm_conf_srv_ports(d, &ports)); /* checked with the configuration */
    return (struct directory_options){ .name = d->name,
                                       .uris = d->uris.items,
                                       .uri_count = d->uris.count,
                                       .srv = d->srv,
                                       .srv_certificate = d->srv_certificate,
                                       .srv_ports = ports,
                                       .srv_ms = d->srv_ms,
                                       .is_start_tls = d->is_start_tls,
                                       .ca_file = d->ca_file,
                                       .cert_file = d->cert_file,
                                       .key_file = d->key_file,
                                       .bind = d->bind,
                                       .bind_dn = d->bind_dn,
                                       .bind_password = password->n > 0 ? buf_str(password) : STR(""),
                                       .base = d->base,
                                       .scope = d->scope,
                                       .filter = d->filter,
                                       .key_attribute = d->key_attribute,
                                       .group_base = d->group_base,
                                       .group_filter = d->group_filter,
                                       .group_name = d->group_name,
                                       .group_member = d->group_member,
                                       .group_nesting = d->group_nesting,
                                       .has_primary_group = d->has_primary_group,
                                       .lockout_ms = d->lockout_ms,
                                       .query_ms = d->query_ms,
                                       .connect_ms = d->connect_ms,
                                       .search_ms = d->search_ms,
                                       .bind_ms = d->bind_ms,
                                       .answer_ms = d->answer_ms,
                                       .refuse_ms = d->refuse_ms,
                                       .probe_ms = d->probe_ms,
                                       .failback_ms = d->failback_ms,
                                       .retry_ms = d->retry_ms,
                                       .keepalive_ms = d->keepalive_ms,
                                       .unacked_ms = d->unacked_ms,
                                       .search_connections = d->search_connections,
                                       .bind_connections = d->bind_connections,
                                       .max_waiting = d->max_waiting };
}

enum err directories_apply(struct sm *sm, struct buf *why)
{
    const struct sm_directory_conf *confs = sm->conf->directories.items;
    size_t n = sm->conf->directories.count;
    struct directory_options *options = mem_alloc((n + 1) * sizeof *options);
    struct buf *passwords = mem_alloc((n + 1) * sizeof *passwords);
    enum err e = ERR_OK;

    if (n > 0 && !directory_library_is_ready()) {
        buf_printf(why, "directory: the first one takes a restart");
        e = ERR_DENIED;
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = read_password(&confs[i], &passwords[i], why);
        options[i] = options_of(&confs[i], &passwords[i]);
    }
    if (e == ERR_OK)
        directories_set(sm->directories, options, n);
    for (size_t i = 0; i < n; i++) {
        if (passwords[i].p)
            mem_wipe(passwords[i].p, passwords[i].cap);
        buf_fini(&passwords[i]);
    }
    mem_free(passwords);
    mem_free(options);
    return e;
}

enum ctl_exit directories_health(const struct sm *sm, struct ctl_request *r)
{
    struct tally t = { 0 };

    if (sm->conf->directories.count == 0)
        return CTL_OK;
    directories_each(sm->directories, count, &t);
    end_directory(&t);
    ctl_field_u64(r, "directory_servers_up", t.up);
    ctl_field_u64(r, "directory_servers_down", t.down);
    return t.unserved > 0 ? CTL_CRITICAL : t.down > 0 ? CTL_WARNING : CTL_OK;
}

/* --- sallyportctl directory -------------------------------------------------------------------- */

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
                           s->tls ? str_from(s->tls) : STR("-"),
                           s->last_error ? str_from(s->last_error) : STR("-") };

    ctl_row(owner, cells);
    arena_fini(&arena);
}

static void show_status(struct sm *sm, struct ctl_request *r)
{
    static const char *const columns[] = { "directory", "server", "state",  "used", "seconds", "search",
                                           "bind",      "waiting", "binds", "lost", "tls",     "last_error", NULL };
    struct tally t = { 0 };

    ctl_columns(r, columns);
    directories_each(sm->directories, add_row, r);
    directories_each(sm->directories, count, &t);
    end_directory(&t);
    ctl_finish(r, t.unserved > 0 ? CTL_CRITICAL : t.down > 0 ? CTL_WARNING : CTL_OK);
}

static void add_field(struct ctl_request *r, const char *name, const char *value)
{
    if (value)
        ctl_field(r, name, str_from(value));
}

static void on_looked_up(void *owner, const struct directory_found *found)
{
    struct ctl_request *r = owner;

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
    ctl_finish(r, found->verdict == DIRECTORY_OK ? CTL_OK : CTL_FAILED);
}

/* NAME ACCOUNT */
static void run_test(struct sm *sm, struct ctl_request *r, const struct jid *jid)
{
    char *name = str_dup(ctl_arg(r, 1));
    struct directory *d = directories_find(sm->directories, name);
    struct directory_name who = { .user = jid->local, .host = jid->domain, .jid = jid->bare };

    mem_free(name);
    if (d) {
        directory_lookup(d, &who, NULL, on_looked_up, r);
        return;
    }
    ctl_say(r, "there is no directory of this name");
    ctl_finish(r, CTL_NO_SUCH);
}

struct acceptance {
    struct ctl_request *request;
    char *account;
};

static void on_accepted(void *owner, enum err e, int64_t changes)
{
    struct acceptance *a = owner;
    enum ctl_exit code = e != ERR_OK ? CTL_FAILED : changes == 0 ? CTL_NO_SUCH : CTL_OK;

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

    a->request = r;
    a->account = str_dup(jid->bare);
    store_add(tx, STORE_ACCOUNT_ACCEPT);
    store_bind_text(tx, jid->bare);
    store_submit(tx, on_accepted, a);
}

void directories_run(void *app, struct ctl_request *r)
{
    struct sm *sm = app;
    size_t n = ctl_arg_count(r);
    bool is_test = n == 3 && str_is(ctl_arg(r, 0), "test"), is_accept = n == 2 && str_is(ctl_arg(r, 0), "accept"),
         is_explain = n == 2 && str_is(ctl_arg(r, 0), "explain");
    struct arena arena = { 0 };
    struct jid jid = { 0 };

    if (n == 0) {
        show_status(sm, r);
    } else if (!is_test && !is_accept && !is_explain) {
        ctl_say(r, "expected directory, directory explain ACCOUNT, directory test NAME ACCOUNT, or directory accept ACCOUNT");
        ctl_finish(r, CTL_USAGE);
    } else if (jid_parse(ctl_arg(r, n - 1), &arena, &jid) != ERR_OK || !jid_is_bare(&jid) || !str_is_set(jid.local)) {
        ctl_say(r, "expected an address like user@example.com");
        ctl_finish(r, CTL_USAGE);
    } else if (is_explain) {
        explain_run(sm, r, &jid);
    } else if (is_test) {
        run_test(sm, r, &jid);
    } else {
        run_accept(sm, r, &jid);
    }
    arena_fini(&arena);
}
