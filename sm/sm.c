/* The process: start in order, reload, end. What sm.h promises to everybody is here too. */
#include "sm/process.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/account_parts.h"
#include "sm/acks.h"
#include "sm/adopt.h"
#include "sm/archive_purge.h"
#include "sm/auth/auth.h"
#include "sm/authorities.h"
#include "sm/boot.h"
#include "sm/directories.h"
#include "sm/guessing.h"
#include "sm/hosts.h"
#include "sm/incident.h"
#include "sm/iq.h"
#include "sm/login.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/peers.h"
#include "sm/people.h"
#include "sm/search.h"
#include "sm/session_parts.h"
#include "sm/shared.h"
#include "sm/single_sign_on.h"
#include "sm/store/store.h"
#include "sm/wire.h"

#include <gnutls/crypto.h>
#include <sys/time.h>

enum { PURGE_MS = 6 * 3600 * 1000 };

/* --- for everybody ----------------------------------------------------------------------------------------------- */

const struct sm_host_conf *sm_host(const struct sm *sm, struct str domain)
{
    const struct sm_host_conf *hosts = sm->conf->hosts.items;

    for (size_t i = 0; i < sm->conf->hosts.count; i++) {
        if (str_is(domain, hosts[i].name))
            return &hosts[i];
    }
    return NULL;
}

bool sm_is_hosted(const struct sm *sm, struct str domain)
{
    return sm_host(sm, domain) != NULL;
}

bool sm_is_inside(const struct sm *sm, struct str c2s)
{
    const struct conf_list *list = &sm->conf->inside;

    for (size_t i = 0; i < list->count; i++)
        if (str_is(c2s, list->items[i]))
            return true;
    return false;
}

uint64_t sm_now_ms(const struct sm *sm)
{
    return uv_now(sm->service->loop);
}

int64_t sm_time_us(void)
{
    struct timeval tv;

    gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

int64_t sm_stamp_us(struct sm *sm)
{
    int64_t now = sm_time_us();

    sm->last_stamp_us = now > sm->last_stamp_us ? now : sm->last_stamp_us + 1;
    return sm->last_stamp_us;
}

int64_t sm_slot_of(const struct sm *sm, struct str bare)
{
    return control_slot_of(sm->slot_key, bare);
}

struct str sm_own_name(const struct sm *sm)
{
    return str_from(sm->conf->link.name);
}

void sm_random(void *out, size_t n)
{
    ASSERT(gnutls_rnd(GNUTLS_RND_KEY, out, n) == 0);
}

/* --- start ------------------------------------------------------------------------------------------------------- */

static void on_purge(struct timer *t)
{
    struct sm *sm = CONTAINER_OF(t, struct sm, purge);

    offline_purge(sm);
    incident_sweep(sm);
    timer_set(sm->service->timers, &sm->purge, PURGE_MS);
}

static void on_store_lost(void *owner, const char *sentence)
{
    service_fail(((struct sm *)owner)->service, sentence);
}

static enum err open_store(struct sm *sm, struct buf *why)
{
    const struct sm_conf *conf = sm->conf;
    struct store_server server = { .hosts = (const char *const *)conf->store_hosts.items,
                                   .host_count = conf->store_hosts.count,
                                   .database = conf->store_database,
                                   .user = conf->store_user,
                                   .password_file = conf->store_password,
                                   .tls = (enum store_tls)conf->store_tls,
                                   .ca = conf->store_ca,
                                   .on_lost = on_store_lost,
                                   .owner = sm };
    struct store_options options = { .path = sm->conf->store_path,
                                     .is_full_sync = sm->conf->store_sync == 0,
                                     .max_queued = (uint32_t)sm->conf->store_queue,
                                     .server = conf->store == SM_STORE_POSTGRESQL ? &server : NULL };
    struct auth_options auth = { .scram_iterations = sm->conf->scram_iterations,
                                 .slot_key = sm->slot_key,
                                 .keytab = sm->conf->gssapi_keytab,
                                 .directories = sm->directories,
                                 .renaming = directories_renaming(sm),
                                 .guesses = &guessing_options };
    enum err e = store_open(sm->service->loop, &options, &sm->store, why);

    if (e != ERR_OK)
        return e;
    auth.store = sm->store;
    return auth_new(&auth, &sm->auth, why);
}

static void init(struct sm *sm, struct service *service)
{
    sm->service = service;
    sm->conf = service->conf;
    sm->parser = xml_parser_new();
    sm->adopter = adopt_new();
    timer_init(&sm->purge, on_purge);
    list_init(&sm->renamings);
    account_table_init(sm);
    session_tables_init(sm);
    login_init(sm);
    peers_init(sm);
    sm_metrics_register();
    iq_init(sm);
    people_start(sm);
    search_start(sm);
}

/* In order: what is stored before what is heard. */
static enum err open_all(struct sm *sm, struct buf *why)
{
    struct service *service = sm->service;
    enum err e;

    acks_open(sm);
    if ((e = single_sign_on_prepare(sm, why)) != ERR_OK)
        return e;
    directories_prepare(sm);
    if ((e = open_store(sm, why)) != ERR_OK)
        return e;
    if ((e = boot_load(sm, why)) != ERR_OK)
        return e;
    guessing_start(sm);
    if ((e = directories_apply(sm, why)) != ERR_OK || (e = authorities_apply(sm, why)) != ERR_OK)
        return e;
    shared_configure(sm);
    return links_open(service->net, service->timers, LINK_ROLE_SM, &sm->conf->link, &wire_events, sm, &sm->links, why);
}

enum err sm_start(struct service *service, void **out_app, struct buf *why)
{
    struct sm *sm = mem_new(struct sm);
    enum err e;

    init(sm, service);
    *out_app = service->app = sm;
    if ((e = open_all(sm, why)) != ERR_OK) {
        sm_stop(service); /* takes the half-built, too */
        *out_app = service->app = NULL;
        return e;
    }
    links_report_metrics(sm->links);
    hosts_warn(sm);
    single_sign_on_try(sm);
    on_purge(&sm->purge);
    archive_purge_open(sm);
    service_ready(service);
    return ERR_OK;
}

/* --- reload ------------------------------------------------------------------------------------------------------ */

/* Nothing may point into the old configuration when this returns. */
static void move_to_new_hosts(struct sm *sm)
{
    struct session *s;
    struct account *a;

    for (size_t at = 0; (a = table_next(&sm->accounts, &at));)
        a->host = sm_host(sm, a->jid.domain);
    for (size_t at = 0; (s = table_next(&sm->sessions, &at));) {
        s->host = sm_host(sm, s->jid.domain);
        if (!s->host && s->state != SESSION_ENDING)
            session_end(s, STREAM_HOST_GONE, STR("this host is not served here any more"));
    }
    login_hosts_changed(sm);
}

enum err sm_reload(struct service *service, const void *old_conf, struct buf *why)
{
    struct sm *sm = service->app;
    enum err e;

    (void)old_conf;
    sm->conf = service->conf;
    move_to_new_hosts(sm);
    hosts_warn(sm);
    boot_hosts_changed(sm);
    guessing_apply(sm);
    e = directories_apply(sm, why);
    if (authorities_apply(sm, why) != ERR_OK)
        e = ERR_IO;
    people_apply(sm);
    shared_configure(sm);
    if (links_reload(sm->links, &sm->conf->link, why) != ERR_OK)
        e = ERR_IO;
    return e;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

/* Sessions stay as they are: their c2s keep the clients until the next start. What was submitted to the store is finished by stop. */
void sm_drain(struct service *service)
{
    service_drained(service);
}

static void free_all(void *owner)
{
    struct sm *sm = owner;

    session_tables_fini(sm);
    account_table_fini(sm);
    peers_fini(sm);
    single_sign_on_stop(sm);
    adopt_free(sm->adopter);
    xml_parser_free(sm->parser);
    mem_free(sm);
}

void sm_stop(struct service *service)
{
    struct sm *sm = service->app;

    if (!sm)
        return;
    sm->is_stopping = true;
    timer_stop(&sm->purge);
    incident_stop(sm);
    archive_purge_close(sm);
    if (sm->links)
        links_close(sm->links);
    sm->links = NULL;
    login_fini(sm); /* exchanges use the store until they are freed */
    account_rename_stop(sm);
    shared_stop(sm);
    directories_stop(sm); /* logins in the thread pool and on the wire fail */
    people_stop(sm);
    search_stop(sm);
    guessing_stop(sm);
    auth_free(sm->auth);
    acks_close(sm);
    if (sm->store)
        store_close(sm->store, free_all, sm);
    else
        free_all(sm);
}

/* --- status ------------------------------------------------------------------------------------------------------ */

enum ctl_exit sm_status(struct service *service, struct ctl_request *r)
{
    struct sm *sm = service->app;
    bool is_busy = store_is_busy(sm->store);
    struct store_state store;
    size_t at = 0, up = 0;
    enum ctl_exit health, directories;

    store_describe(sm->store, &store);
    while (links_next(sm->links, &at))
        up++;
    ctl_field_u64(r, "epoch", sm->epoch);
    ctl_field_u64(r, "hosts", sm->conf->hosts.count);
    ctl_field_u64(r, "hosts_version", sm->hosts_version);
    ctl_field_u64(r, "links", up);
    ctl_field_u64(r, "sessions", sm->sessions.count);
    ctl_field_u64(r, "bound", sm->bound.count);
    ctl_field_u64(r, "accounts_in_memory", sm->accounts.count);
    ctl_field_u64(r, "logins_under_way", sm->logins.count);
    ctl_field(r, "store", store.is_away ? STR("away") : is_busy ? STR("busy") : STR("ok"));
    ctl_field(r, "store_kind", str_from(store.driver));
    ctl_field(r, "store_promise", str_from(store.promise));
    health = service_certificate_health(r, "link_certificate_days", links_cert_expiry(sm->links));
    directories = directories_health(sm, r);
    health = directories > health ? directories : health;
    if (up == 0)
        return CTL_CRITICAL;
    return (is_busy || store.is_away) && health == CTL_OK ? CTL_WARNING : health;
}
