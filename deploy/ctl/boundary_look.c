/* Looking at a host. See boundary_look.h.
 *
 * A socket belongs to the network namespace that it was made in, wherever its holder runs: a
 * connection manager without a network holds sockets that the service manager made in the host's.
 * So lists are taken in our own namespace, in that of the first process, in those of our processes,
 * and in those that sockets say they belong to when no list has them. */
#include "deploy/ctl/boundary_look.h"

#include "common/mem.h"
#include "deploy/ctl/boundary_diag.h"
#include "deploy/ctl/boundary_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel gives the namespace that it starts with; linux/proc_ns.h. */
#define FIRST_PID_SPACE "pid:[4026531836]"

struct eye {
    const struct boundary_plan *plan;
    struct boundary_look *look;
    struct buf *why;
    struct {
        uint64_t id;
        int fd;
    } spaces[BOUNDARY_MAX_SPACES];
    size_t space_count, asked_count;
    uint64_t *held; /* inodes, sorted */
    size_t held_count;
    size_t socket_cap;
    struct {
        uint64_t inode, listener;
    } * pending; /* Unix sockets that nobody has accepted yet */
    size_t pending_count;
    enum err failure; /* of keeping a socket */
};

static enum err fail(struct eye *e, const char *what)
{
    int error = errno;

    buf_printf(e->why, "%s: %s", what, strerror(error));
    return error == EPERM || error == EACCES ? ERR_DENIED : ERR_IO;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int by_inode(const void *a, const void *b)
{
    const struct boundary_socket *x = a, *y = b;

    return (x->inode > y->inode) - (x->inode < y->inode);
}

/* --- namespaces ------------------------------------------------------------------------------- */

/* Takes fd; a negative one is a process that has ended, or a kernel that does not tell. */
static enum err add_space(struct eye *e, int take_fd)
{
    struct stat st;

    if (take_fd < 0)
        return ERR_OK;
    if (fstat(take_fd, &st) != 0) {
        close(take_fd);
        return ERR_OK;
    }
    for (size_t i = 0; i < e->space_count; i++)
        if (e->spaces[i].id == st.st_ino) {
            close(take_fd);
            return ERR_OK;
        }
    if (e->space_count == BOUNDARY_MAX_SPACES) {
        close(take_fd);
        buf_printf(e->why, "more than %d network namespaces are involved", BOUNDARY_MAX_SPACES);
        return ERR_LIMIT;
    }
    e->spaces[e->space_count].id = st.st_ino;
    e->spaces[e->space_count++].fd = take_fd;
    return ERR_OK;
}

static enum err add_space_of(struct eye *e, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return add_space(e, open(path, O_RDONLY | O_CLOEXEC));
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool is_held(const struct eye *e, uint64_t inode)
{
    return e->held_count > 0 &&
           bsearch(&inode, e->held, e->held_count, sizeof inode, compare_u64) != NULL;
}

static void keep(struct eye *e, const struct boundary_socket *s)
{
    struct boundary_look *l = e->look;

    if (l->socket_count == BOUNDARY_MAX_SOCKETS) {
        e->failure = ERR_LIMIT;
        return;
    }
    if (l->socket_count == e->socket_cap) {
        e->socket_cap = e->socket_cap ? 2 * e->socket_cap : 256;
        l->sockets = mem_realloc(l->sockets, e->socket_cap * sizeof *l->sockets);
    }
    l->sockets[l->socket_count++] = *s;
}

/* Of Unix sockets all: the other ends are wanted, too. */
static void on_socket(void *owner, const struct boundary_socket *s)
{
    struct eye *e = owner;
    struct boundary_socket copy = *s;

    copy.space = e->spaces[e->asked_count].id;
    if (s->kind == BOUNDARY_UNIX || is_held(e, s->inode) || boundary_plan_has_uid(e->plan, s->uid))
        keep(e, &copy);
}

static void on_pending(void *owner, uint64_t inode, uint64_t listener)
{
    struct eye *e = owner;

    if (!is_held(e, inode))
        return;
    if ((e->pending_count & (e->pending_count - 1)) == 0)
        e->pending = mem_realloc(e->pending, (e->pending_count ? 2 * e->pending_count : 1) *
                                                 sizeof *e->pending);
    e->pending[e->pending_count].inode = inode;
    e->pending[e->pending_count++].listener = listener;
}

/* Until it is accepted its other end is the listener. */
static void join_pending(struct eye *e)
{
    for (size_t i = 0; i < e->pending_count; i++) {
        const struct boundary_socket *found = boundary_find_socket(e->look, e->pending[i].inode);

        if (found && found->peer == 0)
            e->look->sockets[found - e->look->sockets].peer = e->pending[i].listener;
    }
}

static enum err read_answer(struct eye *e, int fd, const struct boundary_diag *d)
{
    struct boundary_diag_reader r = { .diag = d,
                                      .arena = &e->look->arena,
                                      .on_socket = on_socket,
                                      .on_pending = on_pending,
                                      .owner = e };
    size_t size = 256 << 10; /* the kernel fills at most 32 KiB */
    char *bytes = mem_alloc(size);
    enum err err = ERR_OK;

    while (err == ERR_OK && !r.is_done) {
        ssize_t n = recv(fd, bytes, size, MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (size_t)n > size)
            err = fail(e, "the kernel's list of sockets");
        else if ((err = boundary_diag_read(&r, str_of(bytes, (size_t)n))) != ERR_OK)
            buf_add(e->why, STR("the kernel's list of sockets is not what this tool knows"));
    }
    mem_free(bytes);
    if (err == ERR_OK && r.error != 0 && d->is_needed) {
        errno = r.error;
        return fail(e, "the kernel gives no list of sockets");
    }
    return err != ERR_OK ? err : e->failure;
}

static enum err ask(struct eye *e, int fd)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < boundary_diag_count && err == ERR_OK; i++) {
        struct buf request = { 0 };

        boundary_diag_ask(&boundary_diags[i], &request);
        if (send(fd, request.p, request.n, 0) != (ssize_t)request.n)
            err = fail(e, "cannot ask for the kernel's list of sockets");
        else
            err = read_answer(e, fd, &boundary_diags[i]);
        buf_fini(&request);
    }
    return err;
}

/* A netlink socket stays in the namespace that it was opened in; we go back at once. */
static int open_in(int space, int home)
{
    const struct timeval deadline = { .tv_sec = 30 };
    int fd;

    if (setns(space, CLONE_NEWNET) != 0)
        return -1;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ASSERT(setns(home, CLONE_NEWNET) == 0);
    return fd;
}

/* Those that were not asked yet. */
static enum err ask_spaces(struct eye *e)
{
    enum err err = ERR_OK;

    for (; e->asked_count < e->space_count && err == ERR_OK; e->asked_count++) {
        int fd = open_in(e->spaces[e->asked_count].fd, e->spaces[0].fd);

        if (fd < 0)
            return fail(e, "cannot look into a network namespace");
        err = ask(e, fd);
        close(fd);
    }
    if (e->look->socket_count > 0)
        qsort(e->look->sockets, e->look->socket_count, sizeof *e->look->sockets, by_inode);
    join_pending(e);
    return err;
}

/* --- what is in no list ----------------------------------------------------------------------- */

/* A second descriptor of a socket that another process holds; -1: gone, or not to be had. */
static int borrow(const struct boundary_holding *h)
{
    int pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0), fd = -1;
    struct stat st;

    if (pidfd < 0)
        return -1;
    fd = (int)syscall(SYS_pidfd_getfd, pidfd, h->fd, 0);
    close(pidfd);
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_ino != h->inode)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t n = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

static bool is_closed_tcp(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_state == TCP_CLOSE;
}

static struct boundary_socket describe(struct eye *e, uint64_t inode, int fd)
{
    struct boundary_socket s = { .inode = inode, .kind = BOUNDARY_OTHER, .state = BOUNDARY_OPEN };
    int family = option_of(fd, SO_DOMAIN), type = option_of(fd, SO_TYPE),
        protocol = option_of(fd, SO_PROTOCOL);
    bool is_ip = family == AF_INET || family == AF_INET6;

    if (fd < 0) {
        s.what = STR("of a kind that cannot be told");
        return s;
    }
    s.what =
        arena_printf(&e->look->arena, "family %d, type %d, protocol %d", family, type, protocol);
    if (is_ip && type == SOCK_STREAM && protocol == IPPROTO_TCP)
        s.kind = BOUNDARY_TCP;
    else if (is_ip && type == SOCK_DGRAM && protocol == IPPROTO_UDP)
        s.kind = BOUNDARY_UDP;
    else if (is_ip && protocol == IPPROTO_SCTP)
        s.kind = BOUNDARY_SCTP;
    else if (is_ip && type == SOCK_RAW)
        s.kind = BOUNDARY_RAW;
    else if (family == AF_UNIX)
        s.kind = BOUNDARY_UNIX;
    else if (family == AF_PACKET)
        s.kind = BOUNDARY_PACKET;
    else if (family == AF_NETLINK)
        s.kind = BOUNDARY_NETLINK;
    if (s.kind == BOUNDARY_TCP && is_closed_tcp(fd))
        s.state = BOUNDARY_CLOSED;
    return s;
}

/* The namespaces that they belong to may be ones in which no process lives. */
static enum err follow_unlisted(struct eye *e)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < e->held_count && err == ERR_OK; i++) {
        int fd = boundary_find_socket(e->look, e->held[i])
                     ? -1
                     : borrow(boundary_find_holding(e->look, e->held[i]));

        if (fd < 0)
            continue;
        err = add_space(e, ioctl(fd, SIOCGSKNS));
        close(fd);
    }
    return err;
}

/* Those that are in none of the lists even so; sockets are sorted again by the caller. */
static enum err describe_unlisted(struct eye *e)
{
    struct boundary_socket *found = mem_alloc((e->held_count + 1) * sizeof *found);
    size_t count = 0;

    for (size_t i = 0; i < e->held_count; i++) {
        int fd;

        if (boundary_find_socket(e->look, e->held[i]))
            continue;
        fd = borrow(boundary_find_holding(e->look, e->held[i]));
        found[count++] = describe(e, e->held[i], fd);
        if (fd >= 0)
            close(fd);
    }
    for (size_t i = 0; i < count; i++)
        keep(e, &found[i]);
    mem_free(found);
    return e->failure;
}

/* --- the other ends --------------------------------------------------------------------------- */

/* Inodes that we ask after among all other processes: peers of what is held, and what our users
 * made and none of ours holds. */
static size_t list_wanted(const struct eye *e, uint64_t *out)
{
    const struct boundary_look *l = e->look;
    size_t count = 0;

    for (size_t i = 0; i < l->socket_count; i++) {
        const struct boundary_socket *s = &l->sockets[i];

        if (is_held(e, s->inode)) {
            if (s->peer != 0 && !is_held(e, s->peer))
                out[count++] = s->peer;
        } else if (boundary_plan_has_uid(e->plan, s->uid)) {
            out[count++] = s->inode;
        }
    }
    if (count > 0)
        qsort(out, count, sizeof *out, compare_u64);
    return count;
}

static enum err find_others(struct eye *e)
{
    struct boundary_look *l = e->look;
    uint64_t *wanted = mem_alloc((l->socket_count + 1) * sizeof *wanted);
    size_t count = list_wanted(e, wanted);
    enum err err = ERR_OK;

    if (count > 0)
        err = boundary_proc_find_others("/proc", wanted, count, l, e->why);
    mem_free(wanted);
    for (size_t i = 0; i < l->other_count && err == ERR_OK; i++)
        if (!boundary_find_socket(l, l->others[i].inode))
            err = add_space_of(e, l->others[i].pid);
    return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void list_held(struct eye *e)
{
    const struct boundary_look *l = e->look;
    size_t kept = 0;

    e->held = mem_alloc((l->holding_count + 1) * sizeof *e->held);
    for (size_t i = 0; i < l->holding_count; i++)
        e->held[i] = l->holdings[i].inode;
    if (l->holding_count > 0)
        qsort(e->held, l->holding_count, sizeof *e->held, compare_u64);
    for (size_t i = 0; i < l->holding_count; i++)
        if (kept == 0 || e->held[kept - 1] != e->held[i])
            e->held[kept++] = e->held[i];
    e->held_count = kept;
}

static enum err look(struct eye *e)
{
    struct boundary_look *l = e->look;
    char target[64];
    ssize_t n = readlink("/proc/self/ns/pid", target, sizeof target);
    enum err err = boundary_proc_look("/proc", e->plan, l, e->why);

    l->is_whole_host = n > 0 && str_is(str_of(target, (size_t)n), FIRST_PID_SPACE);
    list_held(e);
    if (err == ERR_OK)
        err = add_space_of(e, getpid());
    if (err == ERR_OK && e->space_count == 0)
        err = fail(e, "/proc/self/ns/net");
    if (err == ERR_OK)
        err = add_space_of(e, 1);
    for (size_t i = 0; i < l->process_count && err == ERR_OK; i++)
        err = add_space_of(e, l->processes[i].pid);
    while (err == ERR_OK && e->asked_count < e->space_count) {
        err = ask_spaces(e);
        if (err == ERR_OK)
            err = follow_unlisted(e);
        if (err == ERR_OK)
            err = find_others(e);
    }
    if (err == ERR_OK)
        err = describe_unlisted(e);
    if (l->socket_count > 0)
        qsort(l->sockets, l->socket_count, sizeof *l->sockets, by_inode);
    return err;
}

enum err boundary_look(const struct boundary_plan *plan, struct boundary_look *out, struct buf *why)
{
    struct eye e = { .plan = plan, .look = out, .why = why };
    enum err err;

    *out = (struct boundary_look){ 0 };
    if (geteuid() != 0) {
        buf_add(why, STR("only root can look at the sockets of all processes"));
        return ERR_DENIED;
    }
    err = look(&e);
    for (size_t i = 0; i < e.space_count; i++)
        close(e.spaces[i].fd);
    mem_free(e.held);
    mem_free(e.pending);
    if (err == ERR_LIMIT && why->n == 0)
        buf_add(why, STR("more sockets than this tool counts"));
    return err;
}
