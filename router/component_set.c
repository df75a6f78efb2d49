/* All components: the port, who is configured, who is attached. */
#include "router/component_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/jid.h"

static struct str domain_of(const void *item)
{
    return str_from(((const struct component *)item)->domain);
}

static struct str known_domain_of(const void *item)
{
    return str_from(((const struct component_known *)item)->domain);
}

static void refuse_one_more(struct conn *conn)
{
    char address[64];

    conn_peer_text(conn, address);
    log_warn("too many components that are not authenticated; one refused");
    audit_warning("link-refused", kv_text("address", address), kv_text("cause", "protocol"),
                  kv_text("reason", "too many components that are not authenticated"));
    conn_close(conn, 0);
}

static void on_accept(void *owner, struct conn *conn)
{
    struct components *cs = owner;
    struct component *c;

    if (cs->guests >= COMPONENT_MAX_GUESTS) {
        refuse_one_more(conn);
        return;
    }
    c = component_new(cs, conn);
    conn_set_owner(conn, &component_events, c);
    if (cs->creds)
        conn_start_tls(conn, cs->creds, true, NULL, STR_NONE);
}

/* --- who is configured ------------------------------------------------------------------------ */

static void free_known(struct table *known)
{
    struct component_known *k;

    for (size_t at = 0; (k = table_next(known, &at));) {
        mem_wipe(k->secret.p, k->secret.cap);
        buf_fini(&k->secret);
        mem_free(k->domain);
        mem_free(k);
    }
    table_fini(known);
}

static enum err add_known(struct table *known, const struct router_component_conf *conf,
                          struct arena *arena, struct buf *why)
{
    struct component_known *k;
    struct str domain;

    if (jid_prepare_domain(str_from(conf->domain), arena, &domain) != ERR_OK) {
        buf_printf(why, "component \"%s\": expected a domain", conf->domain);
        return ERR_MALFORMED;
    }
    if (table_get(known, domain)) {
        buf_printf(why, "component \"%s\": the domain is there twice", conf->domain);
        return ERR_EXISTS;
    }
    k = mem_new(struct component_known);
    k->domain = str_dup(domain);
    table_put(known, k);
    return conf_read_secret(conf->secret_file, &k->secret, why);
}

static enum err load_known(const struct router_conf *conf, struct table *known, struct buf *why)
{
    const struct router_component_conf *items = conf->components.items;
    struct arena arena = { 0 };
    enum err e = ERR_OK;

    table_init(known, known_domain_of);
    for (size_t i = 0; i < conf->components.count && e == ERR_OK; i++)
        e = add_known(known, &items[i], &arena, why);
    arena_fini(&arena);
    if (e != ERR_OK)
        free_known(known);
    return e;
}

static enum err load_creds(const struct router_conf *conf, struct tls_creds **out_creds,
                           struct buf *why)
{
    struct tls_cert cert = { .cert_file = conf->component_cert_file,
                             .key_file = conf->component_key_file };
    struct tls_options o = { .certs = &cert, .cert_count = 1 };

    *out_creds = NULL;
    return conf->component_cert_file ? tls_creds_new(&o, out_creds, why) : ERR_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

static enum err listen_on(struct components *cs, struct buf *why)
{
    struct listener_options o = { .inherited_fd = -1, .unix_mode = 0660, .backlog = 64 };
    const char *text = cs->router->conf->component_listen;

    if (!text)
        return ERR_OK;
    if (net_address_parse(str_from(text), &o.address) != ERR_OK) {
        buf_printf(why, "component_listen: expected an address");
        return ERR_MALFORMED;
    }
    o.inherited_fd = service_inherited_fd("component");
    return listener_open(cs->router->service->net, &o, on_accept, cs, &cs->listener, why);
}

enum err components_open(struct router *r, struct components **out_components, struct buf *why)
{
    struct components *cs = mem_new(struct components);
    enum err e;

    cs->router = r;
    list_init(&cs->all);
    table_init(&cs->by_domain, domain_of);
    table_init(&cs->known, known_domain_of);
    if ((e = load_known(r->conf, &cs->known, why)) != ERR_OK)
        goto fail;
    if ((e = load_creds(r->conf, &cs->creds, why)) != ERR_OK)
        goto fail;
    if ((e = listen_on(cs, why)) != ERR_OK)
        goto fail;
    *out_components = cs;
    return ERR_OK;
fail:
    components_close(cs);
    return e;
}

void components_drain(struct components *cs)
{
    listener_close(cs->listener);
    cs->listener = NULL;
}

void components_close(struct components *cs)
{
    if (!cs)
        return;
    components_drain(cs);
    LIST_FOR_EACH_SAFE(at, following, &cs->all)
    {
        struct component *c = CONTAINER_OF(at, struct component, at);
        struct buf b = { 0 };

        if (c->phase > COMPONENT_OPENING) {
            stream_write_error(&b, STREAM_SYSTEM_SHUTDOWN, STR_NONE);
            buf_add(&b, stream_close_tag);
            conn_write(c->conn, buf_str(&b));
            buf_fini(&b);
        }
        component_over(c, "the router stops");
    }
    table_fini(&cs->by_domain);
    free_known(&cs->known);
    tls_creds_unref(cs->creds);
    mem_free(cs);
}

enum err components_reload(struct components *cs, struct buf *why)
{
    struct table known;
    struct tls_creds *creds;
    enum err e;

    if ((e = load_creds(cs->router->conf, &creds, why)) != ERR_OK)
        return e;
    if ((e = load_known(cs->router->conf, &known, why)) != ERR_OK) {
        tls_creds_unref(creds);
        return e;
    }
    free_known(&cs->known);
    tls_creds_unref(cs->creds);
    cs->known = known;
    cs->creds = creds;
    LIST_FOR_EACH_SAFE(at, following, &cs->all)
    {
        struct component *c = CONTAINER_OF(at, struct component, at);
        const struct component_known *k =
            c->domain ? table_get(&cs->known, str_from(c->domain)) : NULL;

        if (c->domain && !k)
            component_fail(c, STREAM_HOST_GONE, "it is no longer configured");
    }
    return ERR_OK;
}

/* --- who is attached -------------------------------------------------------------------------- */

bool components_is_known(const struct components *cs, struct str domain)
{
    return table_get(&cs->known, domain) != NULL;
}

struct component *components_find(const struct components *cs, struct str domain)
{
    return table_get(&cs->by_domain, domain);
}

size_t components_count(const struct components *cs)
{
    return cs->by_domain.count;
}

bool components_next(const struct components *cs, size_t *at, struct str *out_domain)
{
    const struct component *c = table_next(&cs->by_domain, at);

    if (c)
        *out_domain = str_from(c->domain);
    return c != NULL;
}

bool components_status_next(const struct components *cs, size_t *at, struct component_status *out)
{
    const struct component *c = table_next(&cs->by_domain, at);

    if (!c)
        return false;
    *out = (struct component_status){
        .domain = str_from(c->domain),
        .since_ms = c->up_ms,
        .stanzas_in = c->stanzas_in,
        .stanzas_out = c->stanzas_out,
        .queued = conn_queued(c->conn) - conn_sent(c->conn),
        .is_tls = conn_is_secure(c->conn),
    };
    conn_peer_text(c->conn, out->address);
    return true;
}
