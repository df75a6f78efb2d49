/* Directories as the process has them: made of the configuration, watched, and shown. */
#include "sm/directories.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/account.h"
#include "sm/auth/auth.h"
#include "sm/directory/directory.h"
#include "sm/leavers.h"
#include "sm/metrics.h"
#include "sm/shared.h"
#include "sm/store/store.h"

static void on_changed(void *owner, const char *directory, const char *uri, bool is_up, const char *why)
{
    if (is_up) {
        shared_retry(owner, directory);
        audit("directory-up", kv_text("directory", directory), kv_text("server", uri));
        log_info("a directory server is back", kv_text("directory", directory), kv_text("server", uri));
    } else {
        audit_warning("directory-down", kv_text("directory", directory), kv_text("server", uri), kv_text("reason", why));
        log_warn("a directory server is down", kv_text("directory", directory), kv_text("server", uri), kv_text("reason", why));
    }
}

static void on_hint(void *owner, const char *directory, struct str key)
{
    struct sm *sm = owner;

    leavers_hint(sm->leavers, directory, key);
    shared_refresh_soon(sm, directory);
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
    sm->leavers = leavers_new(sm);
    sm->directories = directories_new(sm->service->loop, sm->service->timers, on_changed, on_hint, sm);
    metric_on_collect(on_collect, sm);
}

void directories_stop(struct sm *sm)
{
    if (!sm->directories)
        return;
    metric_forget(sm);
    directories_close(sm->directories);
    sm->directories = NULL;
    leavers_free(sm->leavers);
    sm->leavers = NULL;
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
                                       .keytab = d->keytab,
                                       .principal = d->principal,
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
                                       .watch = d->watch,
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

static void apply(struct sm *sm, const struct directory_options *options, size_t count)
{
    directories_set(sm->directories, options, count);
    leavers_apply(sm->leavers);
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
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        if (confs[i].bind == DIRECTORY_GSSAPI && !sm->kerberos_realm) {
            buf_printf(why, "directory \"%s\": bind: the first gssapi takes a restart", confs[i].name);
            e = ERR_DENIED;
        }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = read_password(&confs[i], &passwords[i], why);
        options[i] = options_of(&confs[i], &passwords[i]);
    }
    if (e == ERR_OK)
        apply(sm, options, n);
    for (size_t i = 0; i < n; i++) {
        if (passwords[i].p)
            mem_wipe(passwords[i].p, passwords[i].cap);
        buf_fini(&passwords[i]);
    }
    mem_free(passwords);
    mem_free(options);
    return e;
}

static enum ctl_exit tally_all(const struct sm *sm, struct tally *t)
{
    directories_each(sm->directories, count, t);
    end_directory(t);
    return t->unserved > 0 ? CTL_CRITICAL : t->down > 0 ? CTL_WARNING : CTL_OK;
}

enum ctl_exit directories_state(const struct sm *sm)
{
    struct tally t = { 0 };

    return tally_all(sm, &t);
}

enum ctl_exit directories_health(const struct sm *sm, struct ctl_request *r)
{
    struct tally t = { 0 };
    enum ctl_exit state;

    if (sm->conf->directories.count == 0)
        return CTL_OK;
    state = tally_all(sm, &t);
    ctl_field_u64(r, "directory_servers_up", t.up);
    ctl_field_u64(r, "directory_servers_down", t.down);
    return state;
}

/* --- people who are renamed -------------------------------------------------------------------------------------- */

static const char *moves_by(void *owner, struct str host)
{
    const struct sm_host_conf *h = sm_host(owner, host);

    return h && h->renamed == SM_RENAMED_MOVE && sm_conf_is_directory(h) ? h->directory : NULL;
}

static void on_rename(void *owner, struct str old, struct str new, struct str key, void (*done)(void *done_owner, enum err e), void *done_owner)
{
    struct account_rename what = { .key = key, .by = "directory" };

    jid_split(old, &what.old);
    jid_split(new, &what.new);
    account_rename(owner, &what, done, done_owner);
}

struct auth_renaming directories_renaming(struct sm *sm)
{
    return (struct auth_renaming){ .owner = sm, .directory_of = moves_by, .rename = on_rename };
}
