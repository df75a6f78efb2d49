/* One connection: its life, reading, TLS. Output is net_out.c's, an orderly end net_close.c's. */
#include "common/net_private.h"

#include "common/mem.h"

struct conn *conn_new(struct net *n, bool is_unix)
{
    struct conn *c = mem_new(struct conn);

    if (is_unix)
        uv_pipe_init(n->loop, &c->u.pipe, 0);
    else
        uv_tcp_init(n->loop, &c->u.tcp);
    c->u.handle.data = c;
    c->net = n;
    c->is_unix = is_unix;
    c->state = CONN_OPEN;
    c->refs = 1;
    c->queue_limit = NET_QUEUE_DEFAULT;
    list_init(&c->dirty_at);
    list_push_back(&n->conns, &c->at);
    n->users++;
    metric_inc(&net_metric_connections);
    return c;
}

void conn_ref(struct conn *c)
{
    c->refs++;
}

void conn_unref(struct conn *c)
{
    struct net *n = c->net;

    if (--c->refs > 0)
        return;
    net_out_discard(c);
    list_remove(&c->dirty_at);
    list_remove(&c->at);
    tls_session_free(c->tls);
    if (!c->has_dial)
        mem_free(c->x.linger);
    metric_dec(&net_metric_connections);
    mem_free(c);
    net_unref(n);
}

static void drop_held(struct conn *c)
{
    if (!c->held)
        return;
    buf_fini(&c->held->bytes);
    mem_free(c->held);
    c->held = NULL;
}

static void hold(struct conn *c, struct str bytes, bool is_cipher)
{
    if (bytes.n == 0)
        return;
    if (!c->held)
        c->held = mem_new(struct net_held);
    c->held->is_cipher = is_cipher;
    buf_add(&c->held->bytes, bytes);
    net_mark_dirty(c);
}

static void on_closed(uv_handle_t *handle)
{
    conn_unref(handle->data);
}

void conn_close_now(struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    if (c->has_dial)
        net_dial_abort(c);
    net_linger_stop(c);
    c->events = NULL;
    c->owner = NULL;
    c->state = CONN_CLOSING;
    drop_held(c);
    list_remove(&c->dirty_at);
    if (!uv_is_closing(&c->u.handle))
        uv_close(&c->u.handle, on_closed);
}

void conn_end(struct conn *c, enum err why)
{
    if (c->state != CONN_OPEN && c->state != CONN_DIALLING)
        return;
    if (c->state == CONN_OPEN)
        uv_read_stop(&c->u.stream);
    c->state = CONN_ENDED;
    c->pending_end = ERR_OK;
    if (c->events)
        c->events->on_end(c->owner, c, why);
    else
        conn_close_now(c);
}

void conn_fail_later(struct conn *c, enum err why)
{
    if (c->state == CONN_CLOSING)
        return;
    if (c->pending_end == ERR_OK)
        c->pending_end = why;
    net_mark_dirty(c);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void deliver(struct conn *c, struct str plain)
{
    if (plain.n == 0 || !conn_is_live(c))
        return;
    if (c->is_paused || !c->events || c->held)
        hold(c, plain, false);
    else
        c->events->on_data(c->owner, c, plain);
}

/* on_secure comes before the data that came with the end of the handshake, and data before the end.
 */
static void take_cipher(struct conn *c, struct str bytes)
{
    struct net *n = c->net;
    bool was_secure = tls_session_is_secure(c->tls);
    enum err e;

    buf_clear(&n->plain);
    buf_clear(&n->cipher);
    e = tls_session_feed(c->tls, bytes, &n->plain, &n->cipher);
    net_out_wire(c, buf_str(&n->cipher));
    if (!was_secure && tls_session_is_secure(c->tls)) {
        net_mark_dirty(c);
        c->events->on_secure(c->owner, c);
    }
    deliver(c, buf_str(&n->plain));
    buf_clear(&n->plain);
    if (e != ERR_OK && conn_is_live(c)) {
        net_out_flush(c); /* the alert */
        conn_end(c, e);
    }
}

static void take(struct conn *c, struct str bytes)
{
    if (c->tls)
        take_cipher(c, bytes);
    else
        deliver(c, bytes);
}

/* What was put off goes first. */
static void take_held(struct conn *c)
{
    struct net_held *held = c->held;

    if (!held || !conn_is_live(c) || !c->events || (!held->is_cipher && c->is_paused))
        return;
    c->held = NULL;
    if (held->is_cipher)
        take(c, buf_str(&held->bytes));
    else
        deliver(c, buf_str(&held->bytes));
    buf_fini(&held->bytes);
    mem_free(held);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out_buf)
{
    struct conn *c = handle->data;

    (void)wanted;
    *out_buf = uv_buf_init(c->net->read_bytes, NET_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    bool is_cipher = c->tls != NULL;

    if (n == 0)
        return;
    if (n > 0)
        metric_add(&net_metric_received, (uint64_t)n);
    if (c->state == CONN_LINGERING) {
        c->is_eof = c->is_eof || n < 0;
        c->is_broken = c->is_broken || (n < 0 && n != UV_EOF);
        if (n < 0)
            net_mark_dirty(c);
        return;
    }
    if (n < 0) {
        c->is_eof = true;
        c->is_broken = c->is_broken || n != UV_EOF;
        conn_end(c, n == UV_EOF ? ERR_CLOSED : ERR_IO);
        return;
    }
    take_held(c);
    if (conn_is_live(c))
        take(c, str_of(buf->base, (size_t)n));
    if (!is_cipher)
        mem_drop(buf->base, (size_t)n);
}

void conn_start_reading(struct conn *c)
{
    int r = uv_read_start(&c->u.stream, on_alloc, on_read);

    if (r < 0 && r != UV_EALREADY)
        conn_fail_later(c, ERR_IO);
}

/* --- for the owner ---------------------------------------------------------------------------- */

void conn_opened(struct conn *c)
{
    c->state = CONN_OPEN;
    if (!c->is_unix)
        uv_tcp_nodelay(&c->u.tcp, 1);
    net_mark_dirty(c);
}

void conn_set_owner(struct conn *c, const struct conn_events *events, void *owner)
{
    ASSERT(events && events->on_data && events->on_end);
    c->events = events;
    c->owner = owner;
    if (c->state == CONN_OPEN && !c->is_paused)
        conn_start_reading(c);
}

void conn_start_tls(struct conn *c, struct tls_creds *creds, bool is_server, const char *sni,
                    struct str already_read)
{
    struct buf hello = { 0 };

    ASSERT(!c->tls && c->events && c->events->on_secure);
    if (c->state != CONN_OPEN)
        return;
    net_out_to_clear(c);
    c->tls = tls_session_new(creds, is_server, sni);
    if (!is_server && tls_session_start(c->tls, &hello) != ERR_OK)
        conn_fail_later(c, ERR_DENIED);
    net_out_wire(c, buf_str(&hello));
    buf_fini(&hello);
    hold(c, already_read, true);
}

bool conn_is_secure(const struct conn *c)
{
    return c->tls && tls_session_is_secure(c->tls);
}

void conn_pause(struct conn *c, bool is_paused)
{
    if (c->is_paused == is_paused)
        return;
    c->is_paused = is_paused;
    if (c->state != CONN_OPEN || !c->events)
        return;
    if (is_paused) {
        uv_read_stop(&c->u.stream);
        return;
    }
    if (c->held)
        net_mark_dirty(c);
    conn_start_reading(c);
}

void conn_turn(struct conn *c)
{
    if (c->state == CONN_LINGERING) {
        net_linger_turn(c);
        return;
    }
    if (c->pending_end != ERR_OK) {
        conn_end(c, c->pending_end);
        return;
    }
    if (c->state != CONN_OPEN)
        return;
    take_held(c);
    if (c->state == CONN_OPEN)
        net_out_flush(c);
}

void conn_tls_facts(struct conn *c, struct arena *arena, struct tls_facts *out_facts)
{
    ASSERT(conn_is_secure(c));
    tls_session_facts(c->tls, arena, out_facts);
}

const char *conn_tls_reason(const struct conn *c)
{
    return c->tls ? tls_session_reason(c->tls) : "";
}
