/* Addresses on which clients are accepted (door.h). */
#include "c2s/door.h"

#include "c2s/client.h"
#include "c2s/metrics.h"
#include "common/audit.h"
#include "common/mem.h"

static void apply_pause(struct door *d, bool is_paused)
{
    bool now = is_paused || d->count >= d->max_connections;

    if (!d->listener || now == d->is_paused)
        return;
    d->is_paused = now;
    listener_pause(d->listener, now);
}

static bool may_connect(const struct door *d, const struct conn *conn)
{
    uint8_t ip[16];
    size_t ip_bytes = conn_peer_ip(conn, ip);

    for (size_t i = 0; i < d->proxy_count; i++)
        if (net_network_has(&d->proxies[i], ip, ip_bytes))
            return true;
    return d->proxy_count == 0;
}

static void refuse(const struct door *d, struct conn *conn)
{
    char address[64];

    conn_peer_text(conn, address);
    metric_inc(&c2s_metric_strangers);
    audit_warning("proxy-refused", kv_text("listen", d->name), kv_text("address", address));
    conn_close(conn, 0);
}

static void on_accept(void *owner, struct conn *conn)
{
    struct door *d = owner;

    if (!may_connect(d, conn)) {
        refuse(d, conn);
        return;
    }
    d->count++;
    client_new(d->c2s, d, conn);
}

/* The file was checked: each of them is well-formed. */
static void read_proxies(struct door *d, const struct conf_list *list)
{
    d->proxies = list->count ? mem_alloc(list->count * sizeof *d->proxies) : NULL;
    for (; d->proxy_count < list->count; d->proxy_count++)
        ASSERT(net_network_parse(str_from(list->items[d->proxy_count]),
                                 &d->proxies[d->proxy_count]) == ERR_OK);
}

static enum err open_one(struct c2s *c2s, const struct c2s_listen_conf *conf, struct buf *why)
{
    struct door *d = mem_new(struct door);
    struct listener_options options = { .backlog = (int)conf->backlog,
                                        .inherited_fd = service_inherited_fd(conf->name) };
    enum err e;

    d->c2s = c2s;
    d->name = mem_strdup(conf->name);
    d->kind = (uint8_t)conf->kind;
    read_proxies(d, &conf->proxies);
    d->max_connections = conf->max_connections;
    list_push_back(&c2s->doors, &d->at);
    if ((e = net_address_parse(str_from(conf->address), &options.address)) != ERR_OK)
        return e;
    if ((e = listener_open(c2s->service->net, &options, on_accept, d, &d->listener, why)) != ERR_OK)
        return e;
    apply_pause(d, true);
    return ERR_OK;
}

enum err doors_open(struct c2s *c2s, struct buf *why)
{
    const struct c2s_listen_conf *items = c2s->conf->listens.items;
    enum err e;

    for (size_t i = 0; i < c2s->conf->listens.count; i++)
        if ((e = open_one(c2s, &items[i], why)) != ERR_OK)
            return e;
    return ERR_OK;
}

void doors_close(struct c2s *c2s)
{
    LIST_FOR_EACH(item, &c2s->doors)
    {
        struct door *d = CONTAINER_OF(item, struct door, at);

        if (d->listener)
            listener_close(d->listener);
        d->listener = NULL;
    }
}

void doors_free(struct c2s *c2s)
{
    doors_close(c2s);
    LIST_FOR_EACH_SAFE(item, following, &c2s->doors)
    {
        struct door *d = CONTAINER_OF(item, struct door, at);

        list_remove(item);
        mem_free(d->name);
        mem_free(d->proxies);
        mem_free(d);
    }
}

void doors_pause(struct c2s *c2s, bool is_paused)
{
    LIST_FOR_EACH(item, &c2s->doors)
    apply_pause(CONTAINER_OF(item, struct door, at), is_paused);
}

void door_leave(struct door *d)
{
    d->count--;
    c2s_update(d->c2s);
}
