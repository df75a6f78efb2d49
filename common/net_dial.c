/* Dialling: names are resolved, then one address after another is tried, all within one timeout. */
#include "common/net_private.h"

#include "common/mem.h"

#include <stdio.h>

/* Lives until the timer is closed and resolver and socket have answered. */
struct net_dial {
    struct conn *c; /* referenced */
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct net_address address;
    struct addrinfo *found; /* to be freed */
    struct addrinfo *next;  /* to be tried */
    bool is_over;
    bool is_resolving, is_connecting;
    bool is_timer_closed;
};

static void try_next(struct net_dial *d);

static void free_if_over(struct net_dial *d)
{
    struct conn *c = d->c;

    if (!d->is_over || d->is_resolving || d->is_connecting || !d->is_timer_closed)
        return;
    if (d->found)
        uv_freeaddrinfo(d->found);
    mem_free(d);
    conn_unref(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct net_dial *d = handle->data;

    d->is_timer_closed = true;
    free_if_over(d);
}

/* The connection is made, has failed or is not wanted any more. */
static void finish(struct net_dial *d)
{
    struct conn *c = d->c;

    if (d->is_over)
        return;
    d->is_over = true;
    c->has_dial = false;
    c->x.linger = NULL;
    if (d->is_resolving)
        uv_cancel((uv_req_t *)&d->resolve);
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

void net_dial_abort(struct conn *c)
{
    finish(c->x.dial);
}

static void fail(struct net_dial *d, enum err why)
{
    struct conn *c = d->c;

    finish(d);
    conn_fail_later(c, why);
}

static void on_timeout(uv_timer_t *timer)
{
    fail(timer->data, ERR_TIMEOUT);
}

/* A socket that could not connect cannot be used again. */
static void on_socket_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    if (c->state == CONN_CLOSING) { /* the owner closed meanwhile */
        conn_unref(c);
        return;
    }
    uv_tcp_init(c->net->loop, &c->u.tcp);
    c->u.handle.data = c;
    if (c->has_dial)
        try_next(c->x.dial);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct net_dial *d = request->data;
    struct conn *c = d->c;

    d->is_connecting = false;
    if (d->is_over) {
        free_if_over(d);
        return;
    }
    if (status == 0) {
        finish(d);
        conn_opened(c);
        if (c->events->on_connected)
            c->events->on_connected(c->owner, c);
        if (c->state == CONN_OPEN && !c->is_paused)
            conn_start_reading(c);
        return;
    }
    if (d->next)
        uv_close(&c->u.handle, on_socket_closed);
    else
        fail(d, status == UV_ECONNREFUSED || status == UV_ENOENT ? ERR_NOT_FOUND : ERR_IO);
}

static void connect_to(struct net_dial *d, const struct sockaddr *address)
{
    int r;

    d->connect.data = d;
    d->is_connecting = true;
    r = uv_tcp_connect(&d->connect, &d->c->u.tcp, address, on_connect);
    if (r < 0)
        on_connect(&d->connect, r);
}

static void try_next(struct net_dial *d)
{
    struct addrinfo *a = d->next;

    d->next = a->ai_next;
    connect_to(d, a->ai_addr);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct net_dial *d = request->data;

    d->is_resolving = false;
    d->found = d->next = found;
    if (d->is_over)
        free_if_over(d);
    else if (status < 0 || !found)
        fail(d, ERR_NOT_FOUND);
    else
        try_next(d);
}

static void resolve(struct net_dial *d)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_ADDRCONFIG };
    char port[8];

    snprintf(port, sizeof port, "%u", d->address.port);
    d->resolve.data = d;
    if (uv_getaddrinfo(d->c->net->loop, &d->resolve, on_resolved, d->address.host, port, &hints) <
        0)
        fail(d, ERR_NOT_FOUND);
    else
        d->is_resolving = true;
}

static void start(struct net_dial *d)
{
    struct sockaddr_storage storage;

    if (d->address.is_unix) {
        d->connect.data = d;
        d->is_connecting = true;
        uv_pipe_connect(&d->connect, &d->c->u.pipe, d->address.host, on_connect);
    } else if (net_address_numeric(&d->address, &storage)) {
        connect_to(d, (struct sockaddr *)&storage);
    } else {
        resolve(d);
    }
}

struct conn *conn_dial(struct net *n, const struct net_address *address, uint64_t timeout_ms,
                       const struct conn_events *events, void *owner)
{
    struct conn *c = conn_new(n, address->is_unix);
    struct net_dial *d = mem_new(struct net_dial);

    c->state = CONN_DIALLING;
    c->has_dial = true;
    c->x.dial = d;
    conn_set_owner(c, events, owner);
    conn_ref(c);
    d->c = c;
    d->address = *address;
    uv_timer_init(n->loop, &d->timer);
    d->timer.data = d;
    uv_timer_start(&d->timer, on_timeout, timeout_ms, 0);
    start(d);
    return c;
}
