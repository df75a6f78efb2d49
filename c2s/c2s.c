/* The process: start, reload, drain, stop, and what is done at the end of a turn (c2s.h). */
#include "c2s/c2s.h"

#include "c2s/client.h"
#include "c2s/door.h"
#include "c2s/metrics.h"
#include "c2s/uplink.h"
#include "c2s/upstream.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"

#include <malloc.h>

enum {
    LAZY_MS = 1000,
    TRIM_CLIENTS =
        1000, /* so many must have gone before the allocator is asked to give memory back */
};

uint64_t c2s_now_ms(const struct c2s *c2s)
{
    return uv_now(c2s->service->loop);
}

struct str c2s_name(const struct c2s *c2s)
{
    return str_of(c2s->own_prefix,
                  c2s->own_name_bytes); /* the file may say another since: that needs a restart */
}

void c2s_send_control(struct c2s *c2s, struct link *l, const char *to, struct str payload)
{
    struct frame f = { .to = str_from(to), .from = c2s_name(c2s), .payload = payload };

    link_send(l, &f);
}

/* --- the end of a turn ------------------------------------------------------------------------ */

/* An idle handle keeps the loop from waiting: this runs before it looks for events again. */
static void on_turn(uv_idle_t *idle)
{
    struct c2s *c2s = idle->data;

    uv_idle_stop(idle);
    upstream_flush(c2s, false);
    client_free_dead(c2s);
    if (c2s->is_draining && !c2s->clients.count)
        service_drained(c2s->service);
}

void c2s_at_turn_end(struct c2s *c2s)
{
    uv_idle_start(&c2s->turn, on_turn);
}

static void on_lazy(struct timer *t)
{
    struct c2s *c2s = CONTAINER_OF(t, struct c2s, lazy);

    upstream_flush(c2s, true);
    /* glibc keeps what is freed between what lives on: after many left, most of it. It takes
     * milliseconds: when it is quiet. */
    if (c2s->freed >= TRIM_CLIENTS && c2s->freed == c2s->freed_before) {
        c2s->freed = 0;
        malloc_trim(0);
    }
    c2s->freed_before = c2s->freed;
    timer_set(c2s->service->timers, t, LAZY_MS);
}

/* --- who may come in -------------------------------------------------------------------------- */

static bool has_upstream(const struct c2s *c2s)
{
    struct upstream *u;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));)
        if (!list_is_empty(&u->paths))
            return true;
    return false;
}

void c2s_update(struct c2s *c2s)
{
    bool is_served = c2s->hosts.first && has_upstream(c2s);

    if (is_served && !c2s->is_ready) {
        c2s->is_ready = true;
        service_ready(c2s->service);
    }
    doors_pause(c2s, !is_served || c2s->is_draining ||
                         c2s->unauthenticated >= (uint64_t)c2s->conf->max_handshakes);
}

/* --- start, reload, drain, stop --------------------------------------------------------------- */

static struct str client_key(const void *item)
{
    const struct client *c = item;

    return str_of(&c->number, sizeof(c->number));
}

static struct str session_key(const void *item)
{
    return str_of(((const struct client *)item)->session, FRAME_SESSION_TEXT);
}

static struct str upstream_key(const void *item)
{
    return str_from(((const struct upstream *)item)->name);
}

static void init(struct c2s *c2s, struct service *s)
{
    c2s->service = s;
    c2s->conf = s->conf;
    c2s->floors = hosts_of_floors(&c2s->conf->floors);
    c2s->parser = xml_parser_new();
    hosts_init(&c2s->hosts);
    table_init(&c2s->clients, client_key);
    table_init(&c2s->sessions, session_key);
    table_init(&c2s->upstreams, upstream_key);
    addresses_init(&c2s->addresses);
    list_init(&c2s->doors);
    list_init(&c2s->unopened);
    list_init(&c2s->dead);
    uv_idle_init(s->loop, &c2s->turn);
    c2s->turn.data = c2s;
    timer_init(&c2s->lazy, on_lazy);
    timer_set(s->timers, &c2s->lazy, LAZY_MS);
    c2s_metrics_register(c2s);
}

static void set_prefix(struct c2s *c2s)
{
    struct str instance = links_own_instance(c2s->links);
    struct buf b = { 0 };

    buf_printf(&b, "%s/%.*s-", c2s->conf->link.name, STR_ARG(instance));
    c2s->own_prefix = str_dup(buf_str(&b));
    c2s->own_prefix_bytes = b.n;
    c2s->own_name_bytes = strlen(c2s->conf->link.name);
    buf_fini(&b);
}

/* The first of the domains' certificates to end. */
static void watch_creds(const struct c2s *c2s)
{
    audit_certificate("domains", c2s->starttls_creds ? tls_creds_expiry(c2s->starttls_creds) : 0);
}

static enum err open_all(struct c2s *c2s, struct buf *why)
{
    struct service *s = c2s->service;
    enum err e;

    if ((e = c2s_conf_creds(c2s->conf, false, &c2s->starttls_creds, why)) != ERR_OK)
        return e;
    if ((e = c2s_conf_creds(c2s->conf, true, &c2s->direct_creds, why)) != ERR_OK)
        return e;
    watch_creds(c2s);
    if ((e = links_open(s->net, s->timers, LINK_ROLE_C2S, &c2s->conf->link, &uplink_events, c2s,
                        &c2s->links, why)) != ERR_OK)
        return e;
    links_report_metrics(c2s->links);
    set_prefix(c2s);
    return doors_open(c2s, why);
}

enum err c2s_start(struct service *s, void **out_app, struct buf *why)
{
    struct c2s *c2s = mem_new(struct c2s);
    enum err e;

    *out_app = c2s;
    init(c2s, s);
    if ((e = open_all(c2s, why)) != ERR_OK) {
        c2s_stop(s); /* takes the half-built, too */
        *out_app = NULL;
    }
    return e;
}

static enum err reload_creds(struct c2s *c2s, const struct c2s_conf *conf, struct buf *why)
{
    struct tls_creds *starttls = NULL, *direct = NULL;
    enum err e = c2s_conf_creds(conf, false, &starttls, why);

    if (e == ERR_OK)
        e = c2s_conf_creds(conf, true, &direct, why);
    if (e != ERR_OK) {
        tls_creds_unref(starttls);
        return e;
    }
    tls_creds_unref(c2s->starttls_creds);
    tls_creds_unref(c2s->direct_creds);
    c2s->starttls_creds = starttls;
    c2s->direct_creds = direct;
    watch_creds(c2s);
    uplink_check_certificates(c2s);
    return ERR_OK;
}

enum err c2s_reload(struct service *s, const void *old_conf, struct buf *why)
{
    struct c2s *c2s = s->app;
    enum err of_creds, of_links;

    (void)old_conf;
    c2s->conf = s->conf;
    c2s->floors = hosts_of_floors(&c2s->conf->floors);
    hosts_apply_floors(&c2s->hosts, &c2s->conf->floors);
    of_creds = reload_creds(c2s, c2s->conf, why);
    of_links = links_reload(c2s->links, &c2s->conf->link, why);
    c2s_update(c2s);
    return of_creds != ERR_OK ? of_creds : of_links;
}

void c2s_drain(struct service *s)
{
    struct c2s *c2s = s->app;
    struct client *c;

    c2s->is_draining = true;
    doors_close(c2s);
    /* Nothing leaves the table before the turn ends: walking it is safe. */
    for (size_t at = 0; (c = table_next(&c2s->clients, &at));)
        client_fail(c, STREAM_SYSTEM_SHUTDOWN, NULL);
    c2s_at_turn_end(c2s);
}

static void free_clients(struct c2s *c2s)
{
    struct client *c;

    for (size_t at = 0; (c = table_next(&c2s->clients, &at));)
        client_die(c);
    client_free_dead(c2s);
}

static void on_turn_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void c2s_stop(struct service *s)
{
    struct c2s *c2s = s->app;

    c2s->is_draining = true; /* from here on c2s_update lets nobody in */
    doors_close(c2s);
    free_clients(c2s);
    if (c2s->links)
        links_close(c2s->links);
    upstream_free_all(c2s);
    doors_free(c2s);
    timer_stop(&c2s->lazy);
    tls_creds_unref(c2s->starttls_creds);
    tls_creds_unref(c2s->direct_creds);
    metric_forget(c2s);
    hosts_fini(&c2s->hosts);
    table_fini(&c2s->clients);
    table_fini(&c2s->sessions);
    addresses_fini(&c2s->addresses);
    xml_parser_free(c2s->parser);
    arena_fini(&c2s->client_arena);
    arena_fini(&c2s->link_arena);
    buf_fini(&c2s->client_scratch);
    buf_fini(&c2s->link_scratch);
    mem_free(c2s->own_prefix);
    uv_close((uv_handle_t *)&c2s->turn, on_turn_closed);
}
