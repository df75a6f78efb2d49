/* The output of connections: collected during a turn, encrypted and written at its end. One write
 * is under way at a time; what is given meanwhile waits as plain text. */
#include "common/net_private.h"

#include "common/mem.h"

struct net_out *net_out_of(struct conn *c)
{
    struct net *n = c->net;

    if (c->out)
        return c->out;
    c->out = n->spare;
    if (c->out) {
        n->spare = c->out->next;
        n->spare_count--;
    } else {
        c->out = mem_new(struct net_out);
    }
    return c->out;
}

static void trim(struct buf *b)
{
    buf_clear(b);
    if (b->cap > NET_SPARE_BYTES)
        buf_fini(b);
}

static void free_out(struct net_out *o)
{
    buf_fini(&o->plain);
    buf_fini(&o->wire);
    buf_fini(&o->flight);
    mem_free(o);
}

/* Must not be called while is_writing: flight belongs to libuv then. */
static void release(struct conn *c)
{
    struct net *n = c->net;
    struct net_out *o = c->out;

    c->out = NULL;
    if (n->spare_count >= NET_SPARE_OUTPUTS) {
        free_out(o);
        return;
    }
    trim(&o->plain);
    trim(&o->wire);
    trim(&o->flight);
    o->plain_at = o->wire_plain = o->flight_plain = 0;
    o->next = n->spare;
    n->spare = o;
    n->spare_count++;
}

void net_out_free_spare(struct net *n)
{
    while (n->spare) {
        struct net_out *o = n->spare;

        n->spare = o->next;
        free_out(o);
    }
    n->spare_count = 0;
}

/* When the connection is gone; libuv has given back its requests. */
void net_out_discard(struct conn *c)
{
    if (c->out)
        release(c);
}

void net_out_wire(struct conn *c, struct str bytes)
{
    if (bytes.n == 0)
        return;
    buf_add(&net_out_of(c)->wire, bytes);
    net_mark_dirty(c);
}

/* What was given so far leaves as it is, even if TLS begins now. */
void net_out_to_clear(struct conn *c)
{
    struct net_out *o = c->out;

    if (!o || o->plain.n == 0)
        return;
    buf_add(&o->wire, buf_str(&o->plain));
    o->wire_plain += o->plain.n;
    buf_clear(&o->plain);
}

/* Moves some of plain to wire. Returns whether wire holds anything. */
static bool fill_wire(struct conn *c)
{
    struct net_out *o = c->out;
    size_t n = o->plain.n - o->plain_at;

    if (o->wire.n > 0 || n == 0)
        return o->wire.n > 0;
    if (!c->tls) {
        struct buf empty = o->wire;

        o->wire = o->plain;
        o->plain = empty;
        o->wire_plain = n;
        return true;
    }
    if (!tls_session_is_secure(c->tls))
        return false;
    if (n > NET_ENCRYPT_BYTES)
        n = NET_ENCRYPT_BYTES;
    tls_session_encrypt(c->tls, str_of(o->plain.p + o->plain_at, n), &o->wire);
    o->wire_plain = n;
    o->plain_at += n;
    if (o->plain_at == o->plain.n) {
        buf_clear(&o->plain);
        o->plain_at = 0;
    }
    return o->wire.n > 0;
}

static bool is_empty(const struct net_out *o)
{
    return !o->is_writing && o->wire.n == 0 && o->plain.n == o->plain_at;
}

static void on_written(uv_write_t *request, int status)
{
    struct conn *c = request->data;
    struct net_out *o = c->out;

    o->is_writing = false;
    if (status < 0) {
        c->is_broken = true;
        conn_fail_later(c, status == UV_EPIPE || status == UV_ECONNRESET ? ERR_CLOSED : ERR_IO);
        return;
    }
    metric_add(&net_metric_sent, o->flight.n);
    c->sent += o->flight_plain;
    buf_clear(&o->flight);
    o->flight_plain = 0;
    if (c->events && conn_is_live(c) && c->events->on_sent)
        c->events->on_sent(c->owner, c);
    net_mark_dirty(c);
}

/* The socket took only the first n bytes of wire. */
static void write_rest(struct conn *c, size_t n)
{
    struct net_out *o = c->out;
    struct buf empty = o->flight;
    uv_buf_t rest;
    int r;

    o->flight = o->wire;
    o->flight_plain = o->wire_plain;
    o->wire = empty;
    o->wire_plain = 0;
    rest = uv_buf_init(o->flight.p + n, (unsigned)(o->flight.n - n));
    o->request.data = c;
    r = uv_write(&o->request, &c->u.stream, &rest, 1, on_written);
    o->is_writing = r == 0;
    if (r < 0) {
        c->is_broken = true;
        conn_fail_later(c, ERR_IO);
    }
}

/* Returns false when the socket takes no more for now. */
static bool write_wire(struct conn *c)
{
    struct net_out *o = c->out;
    uv_buf_t all = uv_buf_init(o->wire.p, (unsigned)o->wire.n);
    int r = uv_try_write(&c->u.stream, &all, 1);

    if (r < 0 && r != UV_EAGAIN) {
        c->is_broken = true;
        conn_fail_later(c, r == UV_EPIPE || r == UV_ECONNRESET ? ERR_CLOSED : ERR_IO);
        return false;
    }
    if (r < 0 || (size_t)r < o->wire.n) {
        write_rest(c, r < 0 ? 0 : (size_t)r);
        return false;
    }
    metric_add(&net_metric_sent, o->wire.n);
    c->sent += o->wire_plain;
    o->wire_plain = 0;
    buf_clear(&o->wire);
    return true;
}

void net_out_flush(struct conn *c)
{
    uint64_t before = c->sent;

    if (!c->out || c->is_broken)
        return;
    while (!c->out->is_writing && fill_wire(c) && write_wire(c))
        ;
    if (is_empty(c->out))
        release(c);
    if (c->sent > before && c->events && conn_is_live(c) && c->events->on_sent)
        c->events->on_sent(c->owner, c);
}

void conn_write(struct conn *c, struct str bytes)
{
    if (bytes.n == 0 || c->is_broken || c->state == CONN_LINGERING || c->state == CONN_CLOSING)
        return;
    c->queued += bytes.n;
    if (c->queue_limit > 0 && c->queued - c->sent > c->queue_limit) {
        c->is_broken = true;
        metric_inc(&net_metric_overflows);
        conn_fail_later(c, ERR_LIMIT);
        return;
    }
    buf_add(&net_out_of(c)->plain, bytes);
    net_mark_dirty(c);
}

uint64_t conn_queued(const struct conn *c)
{
    return c->queued;
}

uint64_t conn_sent(const struct conn *c)
{
    return c->sent;
}

void conn_set_queue_limit(struct conn *c, size_t max_bytes)
{
    /* uv_buf_t and write(2) count in less than 32 bits. */
    c->queue_limit = max_bytes > INT32_MAX ? INT32_MAX : max_bytes;
}
