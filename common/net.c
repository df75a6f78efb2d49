/* The turn of the loop: everything that became ready is written at its end, in one write a
 * connection. Reading and life of connections is net_conn.c's, output net_out.c's. */
#include "common/net_private.h"

#include "common/mem.h"

void net_mark_dirty(struct conn *c)
{
    if (list_is_empty(&c->dirty_at))
        list_push_back(&c->net->dirty, &c->dirty_at);
}

/* What becomes dirty meanwhile waits for the next round: a connection whose owner always writes
 * again must not hold up the loop. */
static void flush(struct net *n)
{
    struct list now;

    if (n->has_waiting)
        net_accept_waiting(n);
    if (list_is_empty(&n->dirty))
        return;
    list_push_back(&n->dirty, &now);
    list_remove(&n->dirty); /* now is the head of what was there */
    while (!list_is_empty(&now)) {
        struct conn *c = CONTAINER_OF(list_first(&now), struct conn, dirty_at);

        list_remove(&c->dirty_at);
        conn_turn(c);
    }
}

static void on_idle(uv_idle_t *handle)
{
    uv_idle_stop(handle);
}

/* After polling: all that could be read in this turn was handled. */
static void on_check(uv_check_t *handle)
{
    flush(handle->data);
}

/* Before polling: what timers and close callbacks wrote must not wait for the next event. */
static void on_prepare(uv_prepare_t *handle)
{
    struct net *n = handle->data;

    flush(n);
    if (!list_is_empty(&n->dirty) || n->has_waiting)
        uv_idle_start(&n->idle, on_idle);
}

struct net *net_new(uv_loop_t *loop)
{
    struct net *n = mem_new(struct net);

    n->loop = loop;
    list_init(&n->dirty);
    list_init(&n->conns);
    list_init(&n->listeners);
    uv_prepare_init(loop, &n->prepare);
    uv_check_init(loop, &n->check);
    uv_idle_init(loop, &n->idle);
    n->prepare.data = n->check.data = n->idle.data = n;
    uv_prepare_start(&n->prepare, on_prepare);
    uv_check_start(&n->check, on_check);
    /* They serve connections; alone they are no reason for the loop to go on. */
    uv_unref((uv_handle_t *)&n->prepare);
    uv_unref((uv_handle_t *)&n->check);
    uv_unref((uv_handle_t *)&n->idle);
    n->users = 3;
    net_metrics_register();
    return n;
}

void net_unref(struct net *n)
{
    if (--n->users > 0)
        return;
    net_out_free_spare(n);
    buf_fini(&n->plain);
    buf_fini(&n->cipher);
    mem_free(n);
}

static void on_own_closed(uv_handle_t *handle)
{
    net_unref(handle->data);
}

void net_close(struct net *n)
{
    if (n->is_closing)
        return;
    n->is_closing = true;
    LIST_FOR_EACH_SAFE(at, following, &n->listeners)
    listener_close(CONTAINER_OF(at, struct listener, at));
    LIST_FOR_EACH_SAFE(at, following, &n->conns)
    conn_close_now(CONTAINER_OF(at, struct conn, at));
    uv_close((uv_handle_t *)&n->prepare, on_own_closed);
    uv_close((uv_handle_t *)&n->check, on_own_closed);
    uv_close((uv_handle_t *)&n->idle, on_own_closed);
}

uv_loop_t *net_loop(const struct net *n)
{
    return n->loop;
}
