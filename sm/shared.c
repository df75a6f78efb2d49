/* See shared.h: which hosts have shared groups, when they are read, and what becomes of it. A
 * refresh that does not come to its end changes nothing. */
#include "sm/shared.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/directory/directory.h"
#include "sm/metrics.h"
#include "sm/roster.h"
#include "sm/shared_parts.h"
#include "sm/store/store.h"

enum { SOON_MS = 2000, RETRY_MS = 30000, MAX_KEPT_BYTES = 64 * 1024 * 1024 };

static struct shared_host *find_host(const struct sm *sm, const char *name)
{
    if (!sm->shared)
        return NULL;
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        if (strcmp(h->name, name) == 0)
            return h;
    }
    return NULL;
}

static const struct sm_directory_conf *directory_conf(const struct shared_host *h)
{
    return sm_conf_directory(h->sm->conf, h->directory);
}

static void on_timer(struct timer *t);

static struct shared_host *add_host(struct sm *sm, const char *name)
{
    struct shared_host *h = mem_new(struct shared_host);

    if (!sm->shared) {
        sm->shared = mem_new(struct shared);
        list_init(&sm->shared->hosts);
    }
    h->sm = sm;
    h->name = mem_strdup(name);
    timer_init(&h->timer, on_timer);
    shared_apply_init(h);
    list_push_back(&sm->shared->hosts, &h->at);
    return h;
}

/* --- the store ---------------------------------------------------------------------------------- */

void shared_write_meta_name(struct buf *out, const char *host)
{
    buf_printf(out, "shared %s", host);
}

static void on_kept(void *owner, enum err e, int64_t changes)
{
    (void)owner;
    (void)changes;
    if (e != ERR_OK)
        log_error("shared rosters are not written down: after a restart all of them are pushed", kv_err(e));
}

/* What clients have been told, for the next life. */
static void keep(const struct shared_host *h)
{
    struct store_tx *tx = store_begin(h->sm->store);
    struct buf name = { 0 }, value = { 0 };

    shared_write_meta_name(&name, h->name);
    if (h->index && directory_index_bytes(h->index) <= MAX_KEPT_BYTES) {
        directory_index_write(h->index, h->sm->slot_key, &value);
        store_add(tx, STORE_META_PUT);
        store_bind_text(tx, buf_str(&name));
        store_bind_blob(tx, buf_str(&value));
    } else {
        store_add(tx, STORE_META_DELETE);
        store_bind_text(tx, buf_str(&name));
    }
    store_submit(tx, on_kept, NULL);
    buf_fini(&name);
    buf_fini(&value);
}

void shared_restore(struct sm *sm, const char *host, struct str value)
{
    struct directory_index *x = directory_index_read(value, sm->slot_key);

    if (x)
        add_host(sm, host)->index = x;
}

/* --- when --------------------------------------------------------------------------------------- */

static void refresh_in(struct shared_host *h, uint64_t in_ms)
{
    if (h->timer.due_ms == 0 || h->timer.due_ms > sm_now_ms(h->sm) + in_ms)
        timer_set(h->sm->service->timers, &h->timer, in_ms);
}

/* A large directory is always changing: reading it takes at most a tenth of the time. */
static uint64_t pause_of(const struct shared_host *h)
{
    enum { TIMES = 10 };
    uint64_t long_ms = h->last.took_ms * TIMES;

    return long_ms > SOON_MS ? long_ms : SOON_MS;
}

static void soon(struct shared_host *h)
{
    uint64_t now = sm_now_ms(h->sm), next = h->began_ms > 0 ? h->began_ms + pause_of(h) : 0;

    if (h->load || h->is_applying)
        h->is_again = true;
    else if (h->conf)
        refresh_in(h, next > now ? next - now : 0);
}

static void next(struct shared_host *h)
{
    const struct sm_directory_conf *d = directory_conf(h);
    uint64_t in_ms = d ? (uint64_t)d->people_refresh_ms : RETRY_MS;

    if (!h->conf)
        return;
    refresh_in(h, h->last_error && in_ms > RETRY_MS ? RETRY_MS : in_ms);
    if (h->is_again)
        soon(h);
    h->is_again = false;
}

void shared_refresh_soon(struct sm *sm, const char *directory)
{
    if (!sm->shared)
        return;
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        if (h->directory && strcmp(h->directory, directory) == 0)
            soon(h);
    }
}

void shared_retry(struct sm *sm, const char *directory)
{
    if (!sm->shared)
        return;
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        if (h->last_error && h->directory && strcmp(h->directory, directory) == 0)
            soon(h);
    }
}

/* --- what becomes of a refresh ------------------------------------------------------------------ */

static void fail(struct shared_host *h, const char *why)
{
    metric_inc(&sm_metric_shared_failures);
    if (!h->last_error)
        log_warn("shared rosters cannot be refreshed: they stay as they are", kv_text("host", h->name),
                 kv_text("directory", h->directory), kv_text("reason", why));
    mem_free(h->last_error);
    h->last_error = mem_strdup(why);
}

/* Lost rights look like an empty directory. NULL: it is believed. */
static const char *doubt(const struct shared_host *h, const struct directory_people *p)
{
    if (h->is_trusting || !h->index)
        return NULL;
    if (directory_index_people(p->index) == 0 && directory_index_people(h->index) > 0)
        return "the directory shows nobody any more; a reload makes it believed";
    if (p->groups == 0 && directory_index_group_count(h->index) > 0)
        return "the directory shows no group any more; a reload makes it believed";
    return NULL;
}

static void take(struct shared_host *h, const struct directory_people *p)
{
    struct directory_index *was = h->index;

    metric_inc(&sm_metric_shared_refreshes);
    if (h->last_error)
        log_info("shared rosters are refreshed again", kv_text("host", h->name));
    mem_free(h->last_error);
    h->last_error = NULL;
    h->is_trusting = false;
    h->last = *p;
    h->done_ms = sm_now_ms(h->sm);
    h->index = p->index;
    if (p->change_count > 0 || !was) {
        log_info("shared rosters have changed", kv_text("host", h->name),
                 kv_u64("people", directory_index_people(p->index)), kv_u64("changes", p->change_count),
                 kv_u64("milliseconds", p->took_ms));
        shared_apply(h, was, p->changes, p->change_count);
    } else {
        directory_index_unref(was);
        mem_free(p->changes);
    }
}

static void on_people(void *owner, const struct directory_people *p)
{
    struct shared_host *h = owner;
    const char *why = p->why ? p->why : doubt(h, p);

    h->load = NULL;
    if (why) {
        fail(h, why);
        directory_index_unref(p->index);
        mem_free(p->changes);
    } else {
        take(h, p);
    }
    if (!h->is_applying)
        next(h);
}

void shared_applied(struct shared_host *h)
{
    keep(h);
    next(h);
}

/* --- a refresh ---------------------------------------------------------------------------------- */

static void on_timer(struct timer *t)
{
    struct shared_host *h = CONTAINER_OF(t, struct shared_host, timer);
    const struct sm_directory_conf *conf = directory_conf(h);
    struct directory *d = directories_find(h->sm->directories, h->directory);
    struct arena arena = { 0 };
    struct directory_people_spec spec = { .host = h->name, .was = h->index };

    if (!h->conf || !conf || h->load || h->is_applying)
        return;
    h->began_ms = sm_now_ms(h->sm);
    if (!d) {
        fail(h, "no such directory");
        next(h);
        return;
    }
    spec.user_attribute = conf->user_attribute;
    spec.name_attribute = conf->name_attribute;
    spec.max_people = (uint32_t)conf->max_people;
    spec.max_groups = (uint32_t)conf->max_groups;
    spec.index.shared = sm_conf_names(&h->conf->shared_groups, &arena);
    spec.index.to_all = sm_conf_names(&h->conf->shared_groups_to_all, &arena);
    spec.index.allowed = sm_conf_names(&h->conf->allow_groups, &arena);
    spec.index.max_shared = (uint32_t)h->conf->max_shared;
    memcpy(spec.index.key, h->sm->slot_key, sizeof spec.index.key);
    h->load = directory_people_load(d, &spec, on_people, h);
    arena_fini(&arena);
}

/* --- what is configured ------------------------------------------------------------------------- */

bool shared_is_configured(const struct sm_host_conf *host)
{
    return host->directory && host->shared_groups.count + host->shared_groups_to_all.count > 0;
}

static void free_host(struct shared_host *h)
{
    directory_people_cancel(h->load);
    shared_apply_stop(h);
    timer_stop(&h->timer);
    directory_index_unref(h->index);
    list_remove(&h->at);
    mem_free(h->last_error);
    mem_free(h->directory);
    mem_free(h->name);
    mem_free(h);
}

/* Nothing is shared there any more: its clients are told, and it is forgotten at a restart. */
static void withdraw(struct shared_host *h)
{
    struct directory_index *was = h->index;
    struct directory_index_change *changes;
    size_t count = directory_index_diff(was, NULL, &changes);

    directory_people_cancel(h->load);
    h->load = NULL;
    timer_stop(&h->timer);
    h->conf = NULL;
    h->index = NULL;
    shared_apply_stop(h);
    shared_apply(h, was, changes, count);
}

static void configure_host(struct sm *sm, const struct sm_host_conf *conf)
{
    struct shared_host *h = find_host(sm, conf->name);

    if (!h)
        h = add_host(sm, conf->name);
    mem_free(h->directory);
    h->directory = mem_strdup(conf->directory);
    h->conf = conf;
    h->is_trusting = h->began_ms > 0;
    directory_people_cancel(h->load); /* with what was configured before */
    h->load = NULL;
    h->began_ms = 0;
    soon(h);
}

static void on_collect(void *owner, struct buf *out)
{
    const struct sm *sm = owner;
    uint64_t people = 0, groups = 0, bytes = 0, failing = 0;

    (void)out;
    if (!sm->shared)
        return;
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        const struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);

        people += directory_index_people(h->index);
        groups += directory_index_group_count(h->index);
        bytes += directory_index_bytes(h->index);
        failing += h->last_error != NULL;
    }
    metric_set(&sm_metric_shared_people, people);
    metric_set(&sm_metric_shared_groups, groups);
    metric_set(&sm_metric_shared_bytes, bytes);
    metric_set(&sm_metric_shared_failing, failing);
}

void shared_configure(struct sm *sm)
{
    const struct sm_host_conf *hosts = sm->conf->hosts.items;

    metric_on_collect(on_collect, sm);
    for (size_t i = 0; i < sm->conf->hosts.count; i++)
        if (shared_is_configured(&hosts[i]))
            configure_host(sm, &hosts[i]);
    if (!sm->shared)
        return;
    LIST_FOR_EACH(at, &sm->shared->hosts)
    {
        struct shared_host *h = CONTAINER_OF(at, struct shared_host, at);
        const struct sm_host_conf *conf = sm_host(sm, str_from(h->name));

        if (h->conf && (!conf || !shared_is_configured(conf)))
            withdraw(h);
    }
}

void shared_stop(struct sm *sm)
{
    struct account *a;

    if (!sm->shared)
        return;
    for (size_t at = 0; (a = table_next(&sm->accounts, &at));)
        shared_forget(a);
    LIST_FOR_EACH_SAFE(at, following, &sm->shared->hosts)
    free_host(CONTAINER_OF(at, struct shared_host, at));
    mem_free(sm->shared);
    sm->shared = NULL;
}

/* --- looking ------------------------------------------------------------------------------------ */

struct directory_index *shared_index(const struct account *a)
{
    const struct shared_host *h = a->host ? find_host(a->sm, a->host->name) : NULL;

    return h ? h->index : NULL;
}

uint32_t shared_self(const struct account *a, const struct directory_index *x)
{
    return directory_index_find(x, a->jid.local);
}

uint8_t shared_state(const struct account *a, const struct directory_index *x,
                     const struct jid *contact)
{
    uint32_t self, other;

    if (!x || !str_is_set(contact->local) || !str_eq(contact->domain, a->jid.domain))
        return 0;
    self = shared_self(a, x);
    other = directory_index_find(x, contact->local);
    return (directory_index_sees(x, self, other) ? ROSTER_TO : 0) |
           (directory_index_sees(x, other, self) ? ROSTER_FROM : 0);
}

bool shared_may_see(const struct account *a, const struct jid *who)
{
    return shared_state(a, shared_index(a), who) & ROSTER_FROM;
}

void shared_write_version(struct buf *out, const struct account *a)
{
    const struct directory_index *x = shared_index(a);
    uint64_t version = x ? directory_index_version(x, shared_self(a, x)) : 0;

    if (version != 0)
        buf_printf(out, "-%016llx", (unsigned long long)version);
    if (a->shared_left > 0)
        buf_printf(out, ".%u", a->shared_left);
}
