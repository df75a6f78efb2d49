/* The description: folders, ports, groups of system calls. What becomes of it in the kernel is in
 * confine_files.c and confine_calls.c. */
#include "common/confine.h"

#include "common/confine_private.h"
#include "common/mem.h"
#include "common/net.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

struct confine *confine_new(void)
{
    return mem_new(struct confine);
}

void confine_free(struct confine *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->path_count; i++)
        mem_free(c->paths[i].path);
    mem_free(c->paths);
    mem_free(c->ports);
    mem_free(c);
}

void confine_allow(struct confine *c, enum confine_may may)
{
    c->may |= may;
}

/* --- files ------------------------------------------------------------------------------------ */

static char *resolve(const char *path)
{
    char *resolved = realpath(path, NULL), *own = mem_strdup(resolved ? resolved : path);

    free(resolved); /* realpath's malloc */
    return own;
}

static void add_path(struct confine *c, struct confine_path take_path)
{
    for (size_t i = 0; i < c->path_count; i++) {
        struct confine_path *p = &c->paths[i];

        if (p->right != take_path.right || strcmp(p->path, take_path.path) != 0)
            continue;
        p->when = p->when > take_path.when ? p->when : take_path.when;
        mem_free(take_path.path);
        return;
    }
    c->paths = mem_realloc(c->paths, (c->path_count + 1) * sizeof *c->paths);
    c->paths[c->path_count++] = take_path;
}

/* Of a file, whether it exists or not. */
static void add_folder_of(struct confine *c, enum confine_right right, const char *path,
                          enum confine_when when)
{
    const char *slash = strrchr(path, '/');
    struct confine_path p = { .right = right, .when = when };
    char *folder;

    if (!slash)
        return;
    if (slash == path) { /* not all there is */
        p.path = mem_strdup(path);
        p.is_file = true;
    } else {
        folder = str_dup(str_of(path, (size_t)(slash - path)));
        p.path = resolve(folder);
        mem_free(folder);
    }
    add_path(c, p);
}

void confine_allow_file(struct confine *c, enum confine_right right, const char *path,
                        enum confine_when when)
{
    char *target;

    if (!path || path[0] != '/')
        return;
    add_folder_of(c, right, path, when);
    target = resolve(path);
    add_folder_of(c, right, target, when);
    mem_free(target);
    if (right == CONFINE_KEEP)
        c->may |= CONFINE_CALLS_KEEP;
}

void confine_allow_folder(struct confine *c, enum confine_right right, const char *path,
                          enum confine_when when)
{
    struct confine_path p = { .right = right, .when = when };

    if (!path || path[0] != '/' || path[1] == '\0')
        return;
    p.path = resolve(path);
    add_path(c, p);
    if (right == CONFINE_KEEP)
        c->may |= CONFINE_CALLS_KEEP;
}

static void add_system_file(struct confine *c, const char *path)
{
    struct confine_path p = { .right = CONFINE_READ, .when = CONFINE_AT_START, .is_file = true };

    p.path = resolve(path);
    add_path(c, p);
}

/* Files one by one: /etc has secrets of others. A rule holds for the file that is there now. */
void confine_allow_system(struct confine *c)
{
    static const char *const files[] = {
        "/etc/passwd",    "/etc/group",       "/etc/nsswitch.conf", /* user and group names */
        "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf",
        "/dev/urandom",   "/dev/null",        "/proc/uptime", /* metrics */
    };
    static const char *const folders[] = {
        "/usr/lib", "/lib", "/lib64", /* plugins of libsasl2, modules of nsswitch.conf */
        "/etc/gnutls",                /* priorities of the site */
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        add_system_file(c, files[i]);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        confine_allow_folder(c, CONFINE_READ, folders[i], CONFINE_AT_START);
    confine_allow_folder(c, CONFINE_READ, "/proc/self", CONFINE_AT_START); /* metrics, status */
    if (c->may & CONFINE_CALLS_NAMES) { /* resolv.conf and hosts are replaced while we run */
        confine_allow_folder(c, CONFINE_READ, "/etc", CONFINE_AT_START);
        confine_allow_folder(c, CONFINE_READ, "/run/systemd/resolve", CONFINE_AT_START);
    }
    if (CONFINE_IS_SANITIZED)
        add_system_file(c, "/proc/self/exe"); /* names of functions in reports */
}

/* --- addresses -------------------------------------------------------------------------------- */

static void add_port(struct confine *c, struct confine_port port)
{
    for (size_t i = 0; i < c->port_count; i++) {
        struct confine_port *p = &c->ports[i];

        if (p->port == port.port && p->is_dialled == port.is_dialled) {
            p->when = p->when > port.when ? p->when : port.when;
            return;
        }
    }
    c->ports = mem_realloc(c->ports, (c->port_count + 1) * sizeof *c->ports);
    c->ports[c->port_count++] = port;
}

void confine_allow_listen(struct confine *c, const char *address, enum confine_when when)
{
    struct net_address a;

    if (!address || net_address_parse(str_from(address), &a) != ERR_OK)
        return;
    if (!a.is_unix) {
        add_port(c, (struct confine_port){ .port = a.port, .when = when });
        return;
    }
    add_folder_of(c, CONFINE_SOCKETS, a.host, when);
    if (when == CONFINE_ALWAYS)
        c->may |= CONFINE_CALLS_LISTEN;
}

static bool is_numeric(const struct net_address *a)
{
    struct in_addr four;

    return a->host[0] == '[' || inet_pton(AF_INET, a->host, &four) == 1;
}

static void allow_names(struct confine *c)
{
    enum { DNS_PORT = 53 };

    c->may |= CONFINE_CALLS_NAMES | CONFINE_THREADS; /* getaddrinfo blocks a thread */
    add_port(c, (struct confine_port){ DNS_PORT, .is_dialled = true, .when = CONFINE_ALWAYS });
}

void confine_allow_dial(struct confine *c, const char *address)
{
    struct net_address a;

    if (!address || net_address_parse(str_from(address), &a) != ERR_OK)
        return;
    if (a.is_unix) {
        c->may |= CONFINE_CALLS_UNIX;
        return;
    }
    c->may |= CONFINE_CALLS_TCP;
    if (!is_numeric(&a))
        allow_names(c);
    add_port(c, (struct confine_port){ a.port, .is_dialled = true, .when = CONFINE_ALWAYS });
}

/* --- comparison ------------------------------------------------------------------------------- */

static bool is_within(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool has_path(const struct confine *c, const struct confine_path *wanted)
{
    for (size_t i = 0; i < c->path_count; i++) {
        const struct confine_path *p = &c->paths[i];
        bool is_enough = p->right == wanted->right ||
                         (p->right == CONFINE_KEEP && wanted->right == CONFINE_READ);

        if (is_enough && is_within(wanted->path, p->path))
            return true;
    }
    return false;
}

static bool has_port(const struct confine *c, const struct confine_port *wanted)
{
    bool is_found = wanted->is_dialled && (c->may & CONFINE_DIAL_ANY_PORT);

    for (size_t i = 0; i < c->port_count && !is_found; i++)
        is_found = c->ports[i].port == wanted->port && c->ports[i].is_dialled == wanted->is_dialled;
    return is_found;
}

static void check_paths(const struct confine *applied, const struct confine *wanted,
                        struct buf *why)
{
    static const char *const verbs[] = { "read files in", "write logs in", "make sockets in",
                                         "keep files in" };

    for (size_t i = 0; i < wanted->path_count; i++) {
        const struct confine_path *p = &wanted->paths[i];

        if (p->when == CONFINE_ALWAYS && !has_path(applied, p))
            buf_printf(why,
                       "since its start this process may not %s %s (confine): a restart is "
                       "needed\n",
                       verbs[p->right], p->path);
    }
}

static void check_ports(const struct confine *applied, const struct confine *wanted,
                        struct buf *why)
{
    for (size_t i = 0; i < wanted->port_count; i++) {
        const struct confine_port *p = &wanted->ports[i];

        if (p->when == CONFINE_ALWAYS && !has_port(applied, p))
            buf_printf(why,
                       "since its start this process may not %s port %u (confine): a restart is "
                       "needed\n",
                       p->is_dialled ? "dial" : "listen on", p->port);
    }
}

static void check_calls(const struct confine *applied, const struct confine *wanted,
                        struct buf *why)
{
    static const struct {
        unsigned may;
        const char *verb;
    } rows[] = {
        { CONFINE_CALLS_TCP, "dial over TCP" },
        { CONFINE_CALLS_NAMES, "dial hosts by name" },
        { CONFINE_CALLS_UNIX, "dial Unix sockets" },
        { CONFINE_LDAP, "use directories" },
        { CONFINE_CALLS_LISTEN, "listen on new Unix sockets" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (wanted->may & ~applied->may & rows[i].may)
            buf_printf(why,
                       "since its start this process may not %s (confine): a restart is needed\n",
                       rows[i].verb);
    }
}

enum err confine_check_reload(const struct confine *applied, const struct confine *wanted,
                              struct buf *why)
{
    size_t before = why->n;

    check_paths(applied, wanted, why);
    check_calls(applied, wanted, why);
    check_ports(applied, wanted, why);
    return why->n == before ? ERR_OK : ERR_DENIED;
}
