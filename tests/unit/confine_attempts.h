/* What a process that was taken over would try. Each returns 0 when it worked, else errno.
 * Everything an attempt needs was made before the process was confined (struct fixture). For
 * test_confine.c. */
#ifndef TESTS_CONFINE_ATTEMPTS_H
#define TESTS_CONFINE_ATTEMPTS_H

#include "common/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    char folder[64]; /* with conf/ tls/ secret/ log/ run/ data/ in it */
    int dead_port;   /* nobody listens there, no description names it */
    int peer_port;   /* somebody listens there, and the descriptions name it */
    int accepted;    /* a TCP connection that came in */
    int listener;    /* TCP */
    int fresh;       /* a TCP socket, made before */
    int log;         /* open as the process opens it */
};

extern struct fixture fixture;

static int done(long result)
{
    return result < 0 ? errno : 0;
}

#define CALL(name, ...)                                                                            \
    static int name(void)                                                                          \
    {                                                                                              \
        return done(syscall(__VA_ARGS__));                                                         \
    }

/* --- programs, processes, the kernel --- */

static int run_program(void)
{
    char *argv[] = { "true", NULL };

    return done(execve("/bin/true", argv, argv + 1));
}

CALL(do_fork, SYS_fork)
CALL(do_vfork_by_clone, SYS_clone, SIGCHLD, 0, 0, 0, 0)
CALL(do_clone_namespace, SYS_clone, 0x3d0f00 | 0x10000000, 0, 0, 0, 0)
CALL(do_clone3, SYS_clone3, NULL, 0)
CALL(do_newest_call, 470, 0, 0, 0, 0, 0)
CALL(do_ptrace, SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0)
CALL(do_read_memory, SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)
CALL(do_pidfd, SYS_pidfd_open, getppid(), 0)
CALL(do_kill, SYS_kill, getppid(), 0)
CALL(do_tgkill, SYS_tgkill, getppid(), getppid(), 0)
CALL(do_bpf, SYS_bpf, 0, NULL, 0)
CALL(do_perf, SYS_perf_event_open, NULL, 0, -1, -1, 0)
CALL(do_userfaultfd, SYS_userfaultfd, 0)
CALL(do_io_uring, SYS_io_uring_setup, 1, NULL)
CALL(do_init_module, SYS_init_module, NULL, 0, "")
CALL(do_kexec, SYS_kexec_load, 0, 0, NULL, 0)
CALL(do_keyctl, SYS_keyctl, 0, 0, 0, 0, 0)
CALL(do_mount, SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL)
CALL(do_umount, SYS_umount2, "/nowhere", 0)
CALL(do_unshare, SYS_unshare, 0)
CALL(do_setns, SYS_setns, -1, 0)
CALL(do_chroot, SYS_chroot, "/nowhere")
CALL(do_by_handle, SYS_open_by_handle_at, -1, NULL, 0)
CALL(do_setuid, SYS_setuid, getuid())
CALL(do_setgroups, SYS_setgroups, 0, NULL)
CALL(do_capset, SYS_capset, NULL, NULL)
CALL(do_personality, SYS_personality, 0x0400000)
CALL(do_settime, SYS_clock_settime, -1, NULL)
CALL(do_memfd, SYS_memfd_create, "x", 0)
CALL(do_shm, SYS_shmget, 0, 4096, 0600)
CALL(do_pkey, SYS_pkey_mprotect, NULL, 0, 0, -1)

/* --- code --- */

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -2 : done(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int map_data(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : done(mprotect(p, 4096, PROT_READ));
}

static void *run_thread(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_thread, NULL);

    return error ? error : pthread_join(thread, NULL);
}

/* --- sockets --- */

#define SOCKET(name, ...)                                                                          \
    static int name(void)                                                                          \
    {                                                                                              \
        return done(socket(__VA_ARGS__));                                                          \
    }

SOCKET(do_inet, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
SOCKET(do_inet6, AF_INET6, SOCK_STREAM, 0)
SOCKET(do_unix, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
SOCKET(do_unix_dgram, AF_UNIX, SOCK_DGRAM, 0)
SOCKET(do_udp, AF_INET, SOCK_DGRAM, 0)
SOCKET(do_raw, AF_INET, SOCK_RAW, IPPROTO_ICMP)
SOCKET(do_mptcp, AF_INET, SOCK_STREAM, 262)
SOCKET(do_netlink, AF_NETLINK, SOCK_RAW, 0)
SOCKET(do_packet, AF_PACKET, SOCK_RAW, 0)
SOCKET(do_alg, AF_ALG, SOCK_SEQPACKET, 0)

static struct sockaddr_in at_port(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return a;
}

static int dial(int fd, int port)
{
    struct sockaddr_in a = at_port(port);

    return done(connect(fd, (struct sockaddr *)&a, sizeof a));
}

static int dial_declared(void)
{
    return dial(fixture.fresh, fixture.peer_port);
}
static int dial_undeclared(void)
{
    return dial(fixture.fresh, fixture.dead_port);
}

/* An accepted connection is cut and used again: connect(2) with AF_UNSPEC, then with an address. */
static int dial_from_accepted(void)
{
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    int error = done(connect(fixture.accepted, &none, sizeof none));

    return error ? error : dial(fixture.accepted, fixture.peer_port);
}

/* Without connect(2): a listener is shut down, and its socket dials with its first data. */
static int dial_by_fast_open(void)
{
    struct sockaddr_in a = at_port(fixture.peer_port);

    shutdown(fixture.listener, SHUT_RDWR);
    return done(sendto(fixture.listener, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&a,
                       sizeof a));
}

static int dial_by_fast_open_message(void)
{
    struct sockaddr_in a = at_port(fixture.peer_port);
    struct iovec bytes = { "x", 1 };
    struct msghdr message = {
        .msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &bytes, .msg_iovlen = 1
    };

    shutdown(fixture.listener, SHUT_RDWR);
    return done(sendmsg(fixture.listener, &message, MSG_FASTOPEN | MSG_NOSIGNAL));
}

static int bind_undeclared(void)
{
    struct sockaddr_in a = at_port(fixture.dead_port);

    return done(bind(fixture.fresh, (struct sockaddr *)&a, sizeof a));
}

static int option(int level, int name, int value)
{
    return done(setsockopt(fixture.fresh, level, name, &value, sizeof value));
}

static int set_nodelay(void)
{
    return option(IPPROTO_TCP, TCP_NODELAY, 1);
}
static int set_fast_open_connect(void)
{
    return option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}
static int set_mark(void)
{
    return option(SOL_SOCKET, SO_MARK, 1);
}
static int set_filter(void)
{
    return option(SOL_SOCKET, SO_ATTACH_BPF, 0);
}

/* --- files --- */

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", fixture.folder, name);
    return path;
}

static int open_as(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    return done(fd);
}

static int read_shadow(void)
{
    return open_as("/etc/shadow", O_RDONLY);
}
static int read_passwd(void)
{
    return open_as("/etc/passwd", O_RDONLY);
}
static int read_of_init(void)
{
    return open_as("/proc/1/status", O_RDONLY);
}
static int read_own_size(void)
{
    return open_as("/proc/self/statm", O_RDONLY);
}
static int write_own_memory(void)
{
    return open_as("/proc/self/mem", O_RDWR);
}
static int read_root(void)
{
    return open_as("/", O_RDONLY | O_DIRECTORY);
}
static int read_sys(void)
{
    return open_as("/sys/kernel/notes", O_RDONLY);
}
static int read_outside(void)
{
    return open_as(in_folder("other"), O_RDONLY);
}
static int read_certificate(void)
{
    return open_as(in_folder("tls/cert.pem"), O_RDONLY);
}
static int read_secret(void)
{
    return open_as(in_folder("secret/peer"), O_RDONLY);
}
static int write_conf(void)
{
    return open_as(in_folder("conf/own.conf"), O_WRONLY);
}
static int append_conf(void)
{
    return open_as(in_folder("conf/own.conf"), O_WRONLY | O_APPEND);
}
static int add_to_conf(void)
{
    return open_as(in_folder("conf/more"), O_WRONLY | O_CREAT | O_APPEND);
}
static int append_log(void)
{
    return open_as(in_folder("log/audit"), O_WRONLY | O_CREAT | O_APPEND);
}
static int new_log(void)
{
    return open_as(in_folder("log/audit.1"), O_WRONLY | O_CREAT | O_APPEND);
}
static int cut_log(void)
{
    return open_as(in_folder("log/audit"), O_WRONLY | O_APPEND | O_TRUNC);
}
static int rewrite_log(void)
{
    return open_as(in_folder("log/audit"), O_RDWR);
}
static int remove_log(void)
{
    return done(unlink(in_folder("log/audit")));
}
static int remove_secret(void)
{
    return done(unlink(in_folder("secret/peer")));
}
static int remove_socket(void)
{
    return done(unlink(in_folder("run/own.sock")));
}
static int file_in_run(void)
{
    return open_as(in_folder("run/file"), O_WRONLY | O_CREAT | O_APPEND);
}
static int write_store(void)
{
    return open_as(in_folder("data/store.db"), O_RDWR | O_CREAT);
}
static int folder_in_store(void)
{
    return done(mkdir(in_folder("data/sub"), 0700));
}
static int folder_in_conf(void)
{
    return done(mkdir(in_folder("conf/sub"), 0700));
}
static int make_link(void)
{
    return done(symlink("/etc", in_folder("data/link")));
}
static int change_mode(void)
{
    return done(chmod(in_folder("conf/own.conf"), 0666));
}
static int make_device(void)
{
    return done(mknod(in_folder("data/device"), S_IFCHR | 0600, 0x103));
}
static int unappend_log(void)
{
    return done(fcntl(fixture.log, F_SETFL, 0));
}
static int own_signals(void)
{
    return done(fcntl(fixture.log, F_SETOWN, getppid()));
}
static int type_into_terminal(void)
{
    return done(ioctl(0, TIOCSTI, "x"));
}
static int allow_dumps(void)
{
    return done(prctl(PR_SET_DUMPABLE, 1));
}

static int raise_limit(void)
{
    struct rlimit none = { 0, 0 };

    return done(setrlimit(RLIMIT_CORE, &none));
}

static int read_limit(void)
{
    struct rlimit limit;

    return done(getrlimit(RLIMIT_NOFILE, &limit));
}

#endif
