/* landlock(7): files, TCP ports, signals and abstract Unix sockets. Each version of the kernel's
 * interface restricts more; what it knows is restricted, and nothing allowed that no rule allows.
 * The numbers are those of linux/landlock.h, which on Debian 12 is older than its newer kernels. */
#include "common/confine_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* version 4 */
    uint64_t scoped;             /* version 6 */
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

struct net_port_attr {
    uint64_t allowed_access;
    uint64_t port;
};

enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2, CREATE_RULESET_VERSION = 1 };

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,     /* version 2 */
    FS_TRUNCATE = 1 << 14,  /* 3 */
    FS_IOCTL_DEV = 1 << 15, /* 5 */
    FS_OF_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
    NET_BIND_TCP = 1 << 0,
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0,
    SCOPE_SIGNAL = 1 << 1,
};

static const uint64_t rights[] = {
    [CONFINE_READ] = FS_READ_FILE | FS_READ_DIR,
    [CONFINE_APPEND] = FS_WRITE_FILE | FS_MAKE_REG,
    [CONFINE_SOCKETS] = FS_MAKE_SOCK | FS_REMOVE_FILE,
    [CONFINE_KEEP] = FS_READ_FILE | FS_WRITE_FILE | FS_READ_DIR | FS_MAKE_REG | FS_REMOVE_FILE |
                     FS_MAKE_DIR | FS_REMOVE_DIR | FS_TRUNCATE,
};

static uint64_t handled_files(int abi)
{
    uint64_t all = (FS_MAKE_SYM << 1) - 1;

    if (abi >= 2)
        all |= FS_REFER;
    if (abi >= 3)
        all |= FS_TRUNCATE;
    if (abi >= 5)
        all |= FS_IOCTL_DEV;
    return all;
}

static enum err fail(struct buf *why, const char *what)
{
    buf_printf(why, "landlock: %s: %s", what, strerror(errno));
    return ERR_IO;
}

/* What does not exist cannot be allowed, and whoever needs it says so when he misses it. */
static enum err add_path(int ruleset, uint64_t handled, const struct confine_path *p,
                         struct confine_report *r, struct buf *why)
{
    struct path_beneath_attr rule = { .allowed_access = rights[p->right] & handled };
    struct stat st;
    int failed;

    rule.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? ERR_OK : fail(why, p->path);
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FS_OF_FILE;
    failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0;
    /* A rule is tied to the inode, and /proc gives out new ones when it must save memory. */
    if (strncmp(p->path, "/proc/", 6) != 0)
        close(rule.parent_fd);
    r->path_rules += !failed;
    return failed ? fail(why, p->path) : ERR_OK;
}

static enum err add_port(int ruleset, const struct confine_port *p, struct confine_report *r,
                         struct buf *why)
{
    struct net_port_attr rule = { p->is_dialled ? NET_CONNECT_TCP : NET_BIND_TCP, p->port };

    if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) != 0)
        return fail(why, "port");
    r->port_rules++;
    return ERR_OK;
}

static enum err add_rules(int ruleset, const struct ruleset_attr *attr, const struct confine *c,
                          struct confine_report *r, struct buf *why)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < c->path_count && e == ERR_OK; i++)
        e = add_path(ruleset, attr->handled_access_fs, &c->paths[i], r, why);
    for (size_t i = 0; i < c->port_count && e == ERR_OK; i++) {
        uint64_t needed = c->ports[i].is_dialled ? NET_CONNECT_TCP : NET_BIND_TCP;

        if (attr->handled_access_net & needed)
            e = add_port(ruleset, &c->ports[i], r, why);
    }
    return e;
}

enum err confine_files(const struct confine *c, struct confine_report *r, struct buf *why)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    struct ruleset_attr attr = { .handled_access_fs = handled_files((int)abi) };
    int ruleset;
    enum err e;

    if (abi < 1) {
        buf_printf(why, "this kernel has no landlock: %s", strerror(errno));
        return ERR_UNSUPPORTED;
    }
    if (abi >= 4)
        attr.handled_access_net =
            NET_BIND_TCP | (c->may & CONFINE_DIAL_ANY_PORT ? 0 : NET_CONNECT_TCP);
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return fail(why, "rules");
    e = add_rules(ruleset, &attr, c, r, why);
    if (e == ERR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        e = fail(why, "activation");
    close(ruleset);
    if (e != ERR_OK)
        return e;
    r->landlock_abi = (int)abi;
    r->has_tcp = abi >= 4;
    r->has_devices = abi >= 5;
    r->has_scopes = abi >= 6;
    return ERR_OK;
}
