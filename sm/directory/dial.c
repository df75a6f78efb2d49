/* Names to sockets. getaddrinfo(3) waits, so this is for threads only; each address gets an equal
 * share of what is left of the time, so that one that swallows packets does not use up the others'. */
#include "sm/directory/dial.h"

#include "common/mem.h"
#include "sm/directory/uri.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum { MS = 1000, NS_IN_MS = 1000000, MAX_ADDRESSES = 8 };

static uint64_t now_ms(void)
{
    return uv_hrtime() / NS_IN_MS;
}

/* The C library's resolver belongs to the thread: two rounds in the time that there is. */
void dir_dial_limit_resolver(int64_t timeout_ms)
{
    int64_t seconds = timeout_ms / 2 / MS;

    if (res_init() != 0)
        return;
    _res.retrans = seconds > 0 ? (int)seconds : 1;
    _res.retry = 2;
}

static void set(int fd, int level, int option, int64_t value)
{
    int number = (int)value;

    (void)setsockopt(fd, level, option, &number, sizeof number); /* a help, no more */
}

static void set_options(int fd, const struct dir_dialling *in)
{
    enum { PROBES = 3, PARTS = 3 };
    int64_t idle_s = in->keepalive_ms / MS > 0 ? in->keepalive_ms / MS : 1;

    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (in->keepalive_ms > 0) {
        set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
        set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
        set(fd, IPPROTO_TCP, TCP_KEEPINTVL, idle_s / PARTS > 0 ? idle_s / PARTS : 1);
    }
    if (in->unacked_ms > 0)
        set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, in->unacked_ms);
}

/* 0, or what went wrong. */
static int wait_connected(int fd, uint64_t until_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int error = 0, n;
    socklen_t size = sizeof error;

    do {
        uint64_t at = now_ms();

        n = poll(&p, 1, at < until_ms ? (int)(until_ms - at) : 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return ETIMEDOUT;
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

static int connect_to(int family, const struct sockaddr *to, socklen_t size, uint64_t until_ms,
                      int *out_fd)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, to, size) != 0)
        error = errno == EINPROGRESS ? wait_connected(fd, until_ms) : errno;
    if (error != 0)
        close(fd);
    else
        *out_fd = fd;
    return error;
}

static void add_address(struct buf *out, const struct addrinfo *a)
{
    char host[INET6_ADDRSTRLEN + 1] = "?", port[8] = "?";

    (void)getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    buf_printf(out, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static size_t count(const struct addrinfo *list)
{
    size_t n = 0;

    for (; list && n < MAX_ADDRESSES; list = list->ai_next)
        n++;
    return n;
}

static bool connect_any(const struct dir_dialling *in, const struct addrinfo *list,
                        struct dir_dialled *out, struct buf *why)
{
    uint64_t begin = now_ms(), end = begin + (uint64_t)in->timeout_ms;
    size_t left = count(list);

    for (; left > 0; list = list->ai_next, left--) {
        uint64_t at = now_ms(), share = at < end ? (end - at) / left : 0;
        int error = connect_to(list->ai_family, list->ai_addr, list->ai_addrlen, at + share,
                               &out->fd);

        out->connect_ms = now_ms() - begin;
        buf_clear(&out->address);
        add_address(&out->address, list);
        if (error == 0) {
            buf_add_char(&out->address, '\0');
            set_options(out->fd, in);
            return true;
        }
        buf_printf(why, "%sconnecting to %.*s: %s", why->n > 0 ? "; " : "", (int)out->address.n,
                   out->address.p, strerror(error));
    }
    return false;
}

static bool dial_host(const struct dir_dialling *in, const struct directory_uri *u,
                      struct dir_dialled *out, struct buf *why)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    struct str host = u->host;
    char *name, port[8];
    uint64_t begin = now_ms();
    int rc;
    bool is_done;

    if (host.p[0] == '[')
        host = str_of(host.p + 1, host.n - 2);
    name = str_dup(host);
    snprintf(port, sizeof port, "%u", u->port);
    dir_dial_limit_resolver(in->timeout_ms);
    rc = getaddrinfo(name, port, &hints, &list);
    mem_free(name);
    out->resolve_ms = now_ms() - begin;
    if (rc != 0) {
        buf_printf(why, "resolving: %s", gai_strerror(rc));
        return false;
    }
    out->is_resolved = true;
    is_done = connect_any(in, list, out, why);
    freeaddrinfo(list);
    return is_done;
}

static bool dial_socket(const struct dir_dialling *in, const struct directory_uri *u,
                        struct dir_dialled *out, struct buf *why)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    uint64_t begin = now_ms();
    struct str path;
    int error;

    out->is_resolved = true;
    directory_uri_add_address(&out->address, u);
    path = str_of(out->address.p + strlen("unix:"), out->address.n - strlen("unix:"));
    buf_add_char(&out->address, '\0');
    if (path.n >= sizeof to.sun_path) {
        buf_printf(why, "connecting: the path of the socket is too long");
        return false;
    }
    memcpy(to.sun_path, path.p, path.n);
    error = connect_to(AF_UNIX, (struct sockaddr *)&to, sizeof to,
                       begin + (uint64_t)in->timeout_ms, &out->fd);
    out->connect_ms = now_ms() - begin;
    if (error != 0)
        buf_printf(why, "connecting: %s", strerror(error));
    return error == 0;
}

bool dir_dial(const struct dir_dialling *in, struct dir_dialled *out, struct buf *why)
{
    struct directory_uri u;

    *out = (struct dir_dialled){ .fd = -1 };
    if (directory_uri_read(in->uri, &u) != ERR_OK) {
        buf_printf(why, "uri: malformed");
        return false;
    }
    return u.scheme == DIRECTORY_LDAPI ? dial_socket(in, &u, out, why)
                                       : dial_host(in, &u, out, why);
}
