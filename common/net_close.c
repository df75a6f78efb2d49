/* The orderly end of a connection: what is pending, close_notify, FIN, and a wait for the peer's
 * FIN, so that the kernel does not throw away (RST) what the peer has not read yet. */
#include "common/net_private.h"

#include "common/mem.h"

struct net_linger {
    struct conn *c;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
};

/* l itself lives as long as c: libuv may still give back its shutdown request. */
static void on_timer_closed(uv_handle_t *handle)
{
    struct net_linger *l = handle->data;

    conn_unref(l->c);
}

static void on_timeout(uv_timer_t *timer)
{
    struct net_linger *l = timer->data;

    conn_close_now(l->c);
}

void net_linger_start(struct conn *c, uint64_t ms)
{
    struct net_linger *l = mem_new(struct net_linger);

    l->c = c;
    c->x.linger = l;
    c->state = CONN_LINGERING;
    conn_ref(c);
    uv_timer_init(c->net->loop, &l->timer);
    l->timer.data = l;
    uv_timer_start(&l->timer, on_timeout, ms, 0);
    if (!c->is_eof)
        conn_start_reading(c); /* discards */
    net_mark_dirty(c);
}

void net_linger_stop(struct conn *c)
{
    if (c->state == CONN_LINGERING)
        uv_close((uv_handle_t *)&c->x.linger->timer, on_timer_closed);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct conn *c = request->data;

    if (status < 0)
        c->is_broken = true;
    if (c->state == CONN_LINGERING && (c->is_eof || c->is_broken))
        conn_close_now(c);
}

/* Behind all that was written before. */
static void say_bye(struct conn *c)
{
    struct buf bye = { 0 };

    c->has_said_bye = true;
    if (!conn_is_secure(c))
        return;
    tls_session_end(c->tls, &bye);
    net_out_wire(c, buf_str(&bye));
    buf_fini(&bye);
    net_out_flush(c);
}

void net_linger_turn(struct conn *c)
{
    bool is_secure = conn_is_secure(c);

    net_out_flush(c);
    /* What waits for a handshake that will not end is lost. */
    if (c->out && !c->out->is_writing && c->out->wire.n == 0 && c->tls && !is_secure)
        net_out_discard(c);
    if (!c->out && !c->has_said_bye)
        say_bye(c);
    if (c->is_broken || c->pending_end != ERR_OK) {
        conn_close_now(c);
        return;
    }
    if (c->out)
        return; /* on_written marks it dirty again */
    if (!c->is_shut) {
        c->is_shut = true;
        c->x.linger->shutdown.data = c;
        if (uv_shutdown(&c->x.linger->shutdown, &c->u.stream, on_shut) < 0)
            conn_close_now(c);
    } else if (c->is_eof) {
        conn_close_now(c);
    }
}

void conn_close(struct conn *c, uint64_t linger_ms)
{
    bool is_open = c->state == CONN_OPEN || c->state == CONN_ENDED;

    if (c->state == CONN_LINGERING || c->state == CONN_CLOSING)
        return;
    if (!is_open || linger_ms == 0 || c->is_broken || c->has_dial) {
        conn_close_now(c);
        return;
    }
    c->events = NULL;
    c->owner = NULL;
    net_linger_start(c, linger_ms);
}
