/* Addresses as they are written in configuration and in logs, and who is at the other end. */
#include "common/net_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static enum err set_host(struct net_address *a, struct str host, size_t max)
{
    if (host.n == 0 || host.n > max || memchr(host.p, '\0', host.n))
        return ERR_MALFORMED;
    memcpy(a->host, host.p, host.n);
    a->host[host.n] = '\0';
    return ERR_OK;
}

static enum err set_port(struct net_address *a, struct str text)
{
    uint64_t port;

    if (str_to_u64(text, &port) != ERR_OK || port > 65535)
        return ERR_MALFORMED;
    a->port = (uint16_t)port;
    return ERR_OK;
}

/* "[::1]:5222": brackets stay in host, so that an IPv6 address alone is told from the wildcard. */
static enum err parse_bracketed(struct str text, struct net_address *a)
{
    size_t close = str_find(text, ']');
    struct sockaddr_storage storage;

    if (close + 1 >= text.n || text.p[close + 1] != ':')
        return ERR_MALFORMED;
    if (set_host(a, str_of(text.p, close + 1), sizeof a->host - 1) != ERR_OK)
        return ERR_MALFORMED;
    if (set_port(a, str_of(text.p + close + 2, text.n - close - 2)) != ERR_OK)
        return ERR_MALFORMED;
    return net_address_numeric(a, &storage) ? ERR_OK : ERR_MALFORMED;
}

enum err net_address_parse(struct str text, struct net_address *out_address)
{
    struct net_address a = { 0 };
    struct str host;
    enum err e;

    if (str_starts_with(text, STR("unix:"))) {
        a.is_unix = true;
        e = set_host(&a, str_of(text.p + 5, text.n - 5),
                     sizeof((struct sockaddr_un *)0)->sun_path - 1);
    } else if (text.n > 0 && text.p[0] == '[') {
        e = parse_bracketed(text, &a);
    } else {
        host = str_cut(&text, ':');
        e = set_host(&a, host, sizeof a.host - 1);
        if (e == ERR_OK)
            e = set_port(&a, text);
    }
    if (e == ERR_OK)
        *out_address = a;
    return e;
}

bool net_address_numeric(const struct net_address *a, struct sockaddr_storage *out_storage)
{
    size_t n = strlen(a->host);
    char inner[256];

    if (a->host[0] != '[')
        return uv_ip4_addr(a->host, a->port, (struct sockaddr_in *)out_storage) == 0;
    if (n < 3)
        return false;
    memcpy(inner, a->host + 1, n - 2);
    inner[n - 2] = '\0';
    return uv_ip6_addr(inner, a->port, (struct sockaddr_in6 *)out_storage) == 0;
}

/* --- the peer --------------------------------------------------------------------------------- */

static bool peer_of(const struct conn *c, struct sockaddr_storage *out_storage)
{
    int n = sizeof *out_storage;

    memset(out_storage, 0, sizeof *out_storage);
    return !c->is_unix && uv_tcp_getpeername(&c->u.tcp, (struct sockaddr *)out_storage, &n) == 0;
}

void net_sockaddr_text(const struct sockaddr *address, char out_text[64])
{
    const struct sockaddr_in6 *six = (const void *)address;
    const struct sockaddr_in *four = (const void *)address;
    struct sockaddr_in mapped = { .sin_family = AF_INET };
    char ip[INET6_ADDRSTRLEN] = "";

    if (address->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        uv_ip6_name(six, ip, sizeof ip);
        snprintf(out_text, 64, "[%s]:%u", ip, ntohs(six->sin6_port));
        return;
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&mapped.sin_addr, (const uint8_t *)&six->sin6_addr + 12, 4);
        mapped.sin_port = six->sin6_port;
        four = &mapped;
    }
    uv_ip4_name(four, ip, sizeof ip);
    snprintf(out_text, 64, "%s:%u", ip, ntohs(four->sin_port));
}

void conn_peer_text(const struct conn *c, char out_text[64])
{
    struct sockaddr_storage storage;
    char path[sizeof((struct sockaddr_un *)0)->sun_path + 1] = "";
    size_t n = sizeof path - 1;

    if (peer_of(c, &storage)) {
        net_sockaddr_text((struct sockaddr *)&storage, out_text);
        return;
    }
    /* The one who dials a Unix socket has no path of its own: then ours. */
    if (c->is_unix && (uv_pipe_getpeername(&c->u.pipe, path, &n) != 0 || n == 0)) {
        n = sizeof path - 1;
        if (uv_pipe_getsockname(&c->u.pipe, path, &n) != 0)
            n = 0;
    }
    path[c->is_unix && n < sizeof path ? n : 0] = '\0';
    if (c->is_unix)
        snprintf(out_text, 64, "unix:%.58s", path);
    else
        snprintf(out_text, 64, "unknown");
}

size_t conn_peer_ip(const struct conn *c, uint8_t out_ip[16])
{
    struct sockaddr_storage storage;
    const struct sockaddr_in6 *six = (const void *)&storage;
    const struct sockaddr_in *four = (const void *)&storage;

    if (!peer_of(c, &storage))
        return 0;
    if (storage.ss_family == AF_INET) {
        memcpy(out_ip, &four->sin_addr, 4);
        return 4;
    }
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        memcpy(out_ip, (const uint8_t *)&six->sin6_addr + 12, 4);
        return 4;
    }
    memcpy(out_ip, &six->sin6_addr, 16);
    return 16;
}

bool conn_is_unix(const struct conn *c)
{
    return c->is_unix;
}

enum err conn_peer_process(const struct conn *c, uid_t *out_uid, pid_t *out_pid)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    uv_os_fd_t fd;

    if (!c->is_unix || uv_fileno(&c->u.handle, &fd) != 0)
        return ERR_UNSUPPORTED;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
        return ERR_IO;
    *out_uid = cred.uid;
    *out_pid = cred.pid;
    return ERR_OK;
}

enum err conn_peer_uid(const struct conn *c, uid_t *out_uid)
{
    pid_t pid;

    return conn_peer_process(c, out_uid, &pid);
}
