/* Listening sockets. */
#include "common/net_private.h"

#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    struct net *n = l->net;

    mem_free(l);
    net_unref(n);
}

void listener_close(struct listener *l)
{
    if (!l || l->is_closing)
        return;
    l->is_closing = true;
    list_remove(&l->at);
    uv_close(&l->u.handle, on_closed);
}

static void accept_one(struct listener *l)
{
    struct conn *c = conn_new(l->net, l->is_unix);
    int r = uv_accept(&l->u.stream, &c->u.stream);

    if (r < 0) {
        log_warn("cannot accept a connection", kv_text("reason", uv_strerror(r)));
        conn_close_now(c);
        return;
    }
    metric_inc(&net_metric_accepted);
    conn_opened(c);
    l->on_accept(l->owner, c);
    ASSERT(c->events || c->state >= CONN_LINGERING);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;

    if (status < 0)
        log_warn("cannot accept a connection", kv_text("reason", uv_strerror(status)));
    else if (l->is_paused)
        l->has_waiting = true; /* libuv asks the kernel for no more until this one is taken */
    else
        accept_one(l);
}

void net_accept_waiting(struct net *n)
{
    n->has_waiting = false;
    LIST_FOR_EACH_SAFE(at, following, &n->listeners)
    {
        struct listener *l = CONTAINER_OF(at, struct listener, at);

        if (l->is_paused || !l->has_waiting)
            continue;
        l->has_waiting = false;
        accept_one(l);
    }
}

void listener_set_owner(struct listener *l, void *owner)
{
    l->owner = owner;
}

void listener_pause(struct listener *l, bool is_paused)
{
    l->is_paused = is_paused;
    if (!is_paused && l->has_waiting)
        l->net->has_waiting = true; /* at the end of this turn */
}

uint16_t listener_port(const struct listener *l)
{
    struct sockaddr_storage storage = { 0 };
    int n = sizeof storage;

    if (l->is_unix || uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&storage, &n) != 0)
        return 0;
    if (storage.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&storage)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&storage)->sin_port);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* "*" is IPv6 and IPv4 in one socket, or IPv4 alone where the kernel has no IPv6. */
static int bind_any(uv_tcp_t *tcp, uint16_t port)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;
    int r;

    uv_ip6_addr("::", port, &six);
    r = uv_tcp_bind(tcp, (struct sockaddr *)&six, 0);
    if (r != UV_EAFNOSUPPORT && r != UV_EADDRNOTAVAIL)
        return r;
    uv_ip4_addr("0.0.0.0", port, &four);
    return uv_tcp_bind(tcp, (struct sockaddr *)&four, 0);
}

static enum err bind_tcp(struct listener *l, const struct net_address *a, struct buf *why)
{
    struct sockaddr_storage storage;
    int r;

    if (strcmp(a->host, "*") == 0) {
        r = bind_any(&l->u.tcp, a->port);
    } else if (net_address_numeric(a, &storage)) {
        r = uv_tcp_bind(&l->u.tcp, (struct sockaddr *)&storage,
                        storage.ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
    } else {
        buf_printf(why, "%s is a name; to listen, an IP address or * is needed", a->host);
        return ERR_MALFORMED;
    }
    if (r == 0)
        return ERR_OK;
    buf_printf(why, "cannot listen on %s:%u: %s", a->host, a->port, uv_strerror(r));
    return r == UV_EADDRINUSE ? ERR_EXISTS : ERR_IO;
}

/* Removes the path of a socket that nobody listens on any more. */
static enum err clear_path(const char *path, struct buf *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat st;
    int fd, r;

    if (lstat(path, &st) != 0)
        return ERR_OK;
    if (!S_ISSOCK(st.st_mode)) {
        buf_printf(why, "%s exists and is not a socket", path);
        return ERR_EXISTS;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        buf_printf(why, "cannot make a socket: %s", strerror(errno));
        return ERR_IO;
    }
    memcpy(address.sun_path, path, strlen(path) + 1); /* net_address_parse bounds it */
    r = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(fd);
    if (r == EPERM) { /* common/confine.h: a process that dials nobody cannot ask */
        buf_printf(why, "%s exists, and who listens there cannot be asked since the start", path);
        return ERR_EXISTS;
    }
    if (r != ECONNREFUSED && r != ENOENT) {
        buf_printf(why, "another process listens on %s", path);
        return ERR_EXISTS;
    }
    unlink(path);
    return ERR_OK;
}

static enum err give_to_group(const char *path, const char *name, struct buf *why)
{
    struct group *g = getgrnam(name);

    if (g && chown(path, (uid_t)-1, g->gr_gid) == 0)
        return ERR_OK;
    buf_printf(why, "cannot give %s to the group %s: %s", path, name,
               g ? strerror(errno) : "no such group");
    return ERR_IO;
}

static enum err bind_unix(struct listener *l, const struct listener_options *o, struct buf *why)
{
    const char *path = o->address.host;
    enum err e = clear_path(path, why);
    mode_t old;
    int r;

    if (e != ERR_OK)
        return e;
    old = umask(0777 & ~(o->unix_mode ? o->unix_mode
                                      : 0600)); /* never open to more, not even for a moment */
    r = uv_pipe_bind(&l->u.pipe, path);
    umask(old);
    if (r < 0) {
        buf_printf(why, "cannot listen on unix:%s: %s", path, uv_strerror(r));
        return r == UV_EADDRINUSE ? ERR_EXISTS : ERR_IO;
    }
    return o->unix_group ? give_to_group(path, o->unix_group, why) : ERR_OK;
}

static enum err adopt_fd(struct listener *l, int fd, struct buf *why)
{
    int r = l->is_unix ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);

    if (r == 0)
        return ERR_OK;
    buf_printf(why, "cannot use the socket that was handed over: %s", uv_strerror(r));
    return ERR_IO;
}

static struct listener *listener_new(struct net *n, bool is_unix)
{
    struct listener *l = mem_new(struct listener);

    if (is_unix)
        uv_pipe_init(n->loop, &l->u.pipe, 0);
    else
        uv_tcp_init(n->loop, &l->u.tcp);
    l->u.handle.data = l;
    l->is_unix = is_unix;
    l->net = n;
    n->users++;
    list_push_back(&n->listeners, &l->at);
    return l;
}

enum err listener_open(struct net *n, const struct listener_options *options,
                       void (*on_accept)(void *owner, struct conn *c), void *owner,
                       struct listener **out_listener, struct buf *why)
{
    struct listener *l = listener_new(n, options->address.is_unix);
    enum err e;
    int r;

    l->on_accept = on_accept;
    l->owner = owner;
    if (options->inherited_fd >= 0)
        e = adopt_fd(l, options->inherited_fd, why);
    else if (l->is_unix)
        e = bind_unix(l, options, why);
    else
        e = bind_tcp(l, &options->address, why);
    if (e != ERR_OK)
        goto fail;
    r = uv_listen(&l->u.stream, options->backlog > 0 ? options->backlog : 1024, on_connection);
    if (r < 0) {
        buf_printf(why, "cannot listen on %s: %s", options->address.host, uv_strerror(r));
        e = r == UV_EADDRINUSE ? ERR_EXISTS : ERR_IO;
        goto fail;
    }
    *out_listener = l;
    return ERR_OK;
fail:
    listener_close(l);
    return e;
}
