/* seccomp(2): which system calls remain, from what is described. A call on no list fails with
 * EPERM, one that libraries can do without with ENOSYS, one that only an attacker makes kills the
 * process. Arguments are looked at where they are numbers; what they point to no filter sees.
 *
 * Calls without looked-at arguments cost nothing measurable: the kernel keeps a bitmap of them. So
 * what each message needs (read, write, epoll_wait, pread64, pwrite64, fdatasync) has none. */
#include "common/confine_private.h"
#include "common/mem.h"
#include "common/str.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CALLS_DIAL = CONFINE_CALLS_TCP | CONFINE_CALLS_NAMES | CONFINE_CALLS_UNIX | CONFINE_FORWARD,
    CALLS_UNIX_SOCKET = CONFINE_CALLS_UNIX | CONFINE_CALLS_LISTEN | CONFINE_CALLS_NAMES,
    TYPE_MASK = 0xf, /* of socket(2): what remains are SOCK_NONBLOCK and SOCK_CLOEXEC */
    /* Calls that are newer than libseccomp knows: the C library tries them and expects ENOSYS. */
    FIRST_NEW_CALL = 449,
    LAST_NEW_CALL = 479,
    THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                   CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};

/* --- whole calls ------------------------------------------------------------------------------ */

struct group {
    const char *name;
    unsigned may; /* one of these bits; 0: every process */
    const char *calls;
};

static const struct group allowed[] = {
    { "descriptors", 0,
      "read write readv writev pread64 close lseek fstat newfstatat fstatat64 stat lstat access "
      "faccessat readlink readlinkat getcwd getdents64 unlink" },
    { "loop", 0,
      "epoll_wait epoll_pwait epoll_ctl poll ppoll accept4 shutdown getsockname getpeername "
      "getsockopt" },
    { "memory", 0, "brk munmap mremap madvise" },
    { "time", 0,
      "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time restart_syscall" },
    { "process", 0,
      "getpid gettid getuid geteuid getgid getegid getrusage getrandom umask uname sysinfo "
      "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack exit exit_group futex sched_yield "
      "sched_getaffinity" },
    { "threads", CONFINE_THREADS | CONFINE_CALLS_NAMES | CONFINE_CALLS_KEEP,
      "set_robust_list rseq" },
    { "store", CONFINE_CALLS_KEEP,
      "pwrite64 pwritev fsync fdatasync ftruncate fallocate fchmod rename renameat renameat2 mkdir "
      "rmdir statfs fstatfs sync_file_range" },
    { "dialling", CALLS_DIAL, "connect" },
    { "database", CONFINE_DATABASE, "recvfrom" },
    { "names", CONFINE_CALLS_NAMES, "bind recvfrom recvmsg sendmmsg" },
    { "listening", CONFINE_CALLS_LISTEN, "bind listen" },
};

/* The leak checker stops and reads its own process; nothing of it is in a release. */
static const char sanitizer[] =
    "clone ptrace wait4 prctl kill tkill tgkill pipe pipe2 process_vm_readv process_vm_writev "
    "getppid arch_prctl set_robust_list rseq mincore open getdents";

static const struct group hostile[] = {
    { "programs", 0, "execve execveat fork vfork" },
    { "other processes", 0,
      "ptrace process_vm_readv process_vm_writev process_madvise pidfd_open pidfd_getfd "
      "pidfd_send_signal kcmp" },
    { "the kernel", 0,
      "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register init_module "
      "finit_module delete_module kexec_load kexec_file_load iopl ioperm modify_ldt syslog "
      "add_key request_key keyctl vhangup uselib ustat _sysctl lookup_dcookie" },
    { "namespaces and mounts", 0,
      "unshare setns mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount "
      "open_tree mount_setattr open_by_handle_at name_to_handle_at" },
    { "rights", 0,
      "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset "
      "personality" },
    { "the machine", 0,
      "reboot swapon swapoff acct quotactl settimeofday clock_settime clock_adjtime adjtimex "
      "sethostname setdomainname nfsservctl" },
    { "code", 0, "memfd_create memfd_secret pkey_mprotect shmat shmget" },
};

static const char newer[] = "clone3 openat2 faccessat2 close_range epoll_pwait2 futex_waitv statx";

/* --- calls whose arguments are looked at ------------------------------------------------------ */

#define NO_BIT(arg, bit) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (bit), 0)
#define IS_BIT(arg, bit) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (bit), (bit))
#define IS(arg, value) SCMP_CMP(arg, SCMP_CMP_EQ, (value))
#define IS_TYPE(type) SCMP_CMP(1, SCMP_CMP_MASKED_EQ, TYPE_MASK, (type))

struct checked {
    const char *call;
    unsigned may; /* as above */
    unsigned count;
    struct scmp_arg_cmp args[3];
};

static const struct checked checked[] = {
    /* No memory becomes code. */
    { "mmap", 0, 1, { NO_BIT(2, PROT_EXEC) } },
    { "mmap2", 0, 1, { NO_BIT(2, PROT_EXEC) } },
    { "mprotect", 0, 1, { NO_BIT(2, PROT_EXEC) } },
    /* To be read, or a log, which only grows: no fcntl takes O_APPEND away. */
    { "openat", 0, 1, { SCMP_CMP(2, SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY) } },
    { "openat", 0, 1, { IS_BIT(2, O_APPEND) } },
    { "openat", CONFINE_CALLS_KEEP, 0, { { 0 } } },
    { "fcntl", 0, 1, { IS(1, F_GETFD) } },
    { "fcntl", 0, 1, { IS(1, F_SETFD) } },
    { "fcntl", 0, 1, { IS(1, F_GETFL) } },
    { "fcntl", CONFINE_CALLS_KEEP, 1, { IS(1, F_GETLK) } },
    { "fcntl", CONFINE_CALLS_KEEP, 1, { IS(1, F_SETLK) } },
    { "fcntl", CONFINE_CALLS_KEEP, 1, { IS(1, F_SETLKW) } },
    { "fcntl", CONFINE_KERBEROS, 1, { IS(1, F_OFD_SETLKW) } },
    { "fcntl", CONFINE_KERBEROS, 1, { IS(1, F_SETLKW) } },
    /* Of a socket: exactly these flags. */
    { "fcntl", CONFINE_LDAP, 2, { IS(1, F_SETFL), IS(2, O_RDWR) } },
    { "fcntl", CONFINE_LDAP, 2, { IS(1, F_SETFL), IS(2, O_RDWR | O_NONBLOCK) } },
    /* libpq's way to make a socket non-blocking. It would take O_APPEND from a log, too: whoever
     * has a database is no better off than one that keeps files, which may open any. */
    { "fcntl", CONFINE_DATABASE, 2, { IS(1, F_SETFL), IS(2, O_RDWR | O_NONBLOCK) } },
    { "ioctl", 0, 1, { IS(1, FIONBIO) } },
    { "ioctl", CONFINE_CALLS_NAMES, 1, { IS(1, FIONREAD) } },
    { "prctl", 0, 1, { IS(0, PR_GET_DUMPABLE) } },
    { "prlimit64", 0, 2, { IS(0, 0), IS(2, 0) } }, /* reading its own */
    { "setsockopt", 0, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
    { "setsockopt", CONFINE_LDAP, 2, { IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE) } },
    { "setsockopt", CONFINE_LDAP, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE) } },
    { "setsockopt", CONFINE_LDAP, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT) } },
    { "setsockopt", CONFINE_LDAP, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL) } },
    { "setsockopt", CONFINE_LDAP, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_USER_TIMEOUT) } },
    { "setsockopt", CONFINE_DATABASE, 2, { IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE) } },
    { "setsockopt", CONFINE_DATABASE, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE) } },
    { "setsockopt", CONFINE_DATABASE, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL) } },
    { "setsockopt", CONFINE_DATABASE, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT) } },
    { "setsockopt", CONFINE_DATABASE, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_USER_TIMEOUT) } },
    { "setsockopt", CONFINE_CALLS_NAMES, 2, { IS(1, IPPROTO_IP), IS(2, IP_RECVERR) } },
    { "setsockopt", CONFINE_CALLS_NAMES, 2, { IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVERR) } },
    /* With MSG_FASTOPEN they would be connect(2). */
    { "sendto", 0, 1, { NO_BIT(3, MSG_FASTOPEN) } },
    { "sendmsg", 0, 1, { NO_BIT(2, MSG_FASTOPEN) } },
    { "clone", CONFINE_THREADS | CONFINE_CALLS_NAMES, 1, { IS(0, THREAD_FLAGS) } },
    { "socket", CALLS_UNIX_SOCKET, 2, { IS(0, AF_UNIX), IS_TYPE(SOCK_STREAM) } },
    { "socket", CONFINE_FORWARD, 2, { IS(0, AF_UNIX), IS_TYPE(SOCK_DGRAM) } },
    { "socket", CONFINE_CALLS_TCP, 3, { IS(0, AF_INET), IS_TYPE(SOCK_STREAM), IS(2, 0) } },
    { "socket", CONFINE_CALLS_TCP, 3, { IS(0, AF_INET6), IS_TYPE(SOCK_STREAM), IS(2, 0) } },
    { "socket", CONFINE_CALLS_NAMES, 2, { IS(0, AF_INET), IS_TYPE(SOCK_DGRAM) } },
    { "socket", CONFINE_CALLS_NAMES, 2, { IS(0, AF_INET6), IS_TYPE(SOCK_DGRAM) } },
    { "socket", CONFINE_CALLS_NAMES, 2, { IS(0, AF_NETLINK), IS(2, 0) } },
};

/* --- making the filter ------------------------------------------------------------------------ */

struct maker {
    scmp_filter_ctx filter;
    struct confine_report *report;
    int error; /* the first, negative */
};

static void add(struct maker *m, uint32_t action, int call, unsigned count,
                const struct scmp_arg_cmp *args)
{
    int error = seccomp_rule_add_array(m->filter, action, call, count, args);

    if (error == -EEXIST || error == -EDOM) /* a wider rule is there; not of this machine */
        return;
    if (error != 0 && m->error == 0)
        m->error = error;
    m->report->call_rules++;
}

/* A name that this machine or libseccomp does not know is of no use to an attacker either: what is
 * on no list fails. */
static void add_calls(struct maker *m, uint32_t action, const char *calls)
{
    struct str rest = str_from(calls);

    while (rest.n > 0) {
        char *name = str_dup(str_cut(&rest, ' '));
        int call = seccomp_syscall_resolve_name(name);

        mem_free(name);
        if (call != __NR_SCMP_ERROR && call >= 0)
            add(m, action, call, 0, NULL);
    }
}

static bool is_meant(const struct confine *c, unsigned may)
{
    return may == 0 || (c->may & may) != 0;
}

static void add_allowed(struct maker *m, const struct confine *c)
{
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        if (is_meant(c, allowed[i].may))
            add_calls(m, SCMP_ACT_ALLOW, allowed[i].calls);
    for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
        int call = seccomp_syscall_resolve_name(checked[i].call);

        if (is_meant(c, checked[i].may) && call != __NR_SCMP_ERROR && call >= 0)
            add(m, SCMP_ACT_ALLOW, call, checked[i].count, checked[i].args);
    }
    /* abort(3) */
    add(m, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &IS(0, (scmp_datum_t)getpid()));
}

static void add_refused(struct maker *m)
{
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        add_calls(m, SCMP_ACT_KILL_PROCESS, hostile[i].calls);
    add_calls(m, SCMP_ACT_ERRNO(ENOSYS), newer);
    for (int call = FIRST_NEW_CALL; call <= LAST_NEW_CALL; call++)
        add(m, SCMP_ACT_ERRNO(ENOSYS), call, 0, NULL);
}

static void set(struct maker *m, enum scmp_filter_attr attribute, uint32_t value)
{
    int error = seccomp_attr_set(m->filter, attribute, value);

    if (error != 0 && m->error == 0)
        m->error = error;
}

/* Threads that run already (the store's writer) get the same filter at the same moment, or none
 * does. What is refused goes to the kernel's log. */
static void set_attributes(struct maker *m)
{
    enum { BINARY_TREE = 2 };

    set(m, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    set(m, SCMP_FLTATR_CTL_TSYNC, 1);
    set(m, SCMP_FLTATR_CTL_LOG, 1);
    set(m, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
}

enum err confine_calls(const struct confine *c, struct confine_report *r, struct buf *why)
{
    struct maker m = { .report = r };

    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
        buf_printf(why, "this kernel has no seccomp");
        return ERR_UNSUPPORTED;
    }
    r->call_rules = 0;
    m.filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    ASSERT(m.filter != NULL);
    set_attributes(&m);
    if (CONFINE_IS_SANITIZED)
        add_calls(&m, SCMP_ACT_ALLOW, sanitizer);
    add_allowed(&m, c);
    add_refused(&m);
    if (m.error == 0)
        m.error = seccomp_load(m.filter);
    seccomp_release(m.filter);
    if (m.error == 0)
        return ERR_OK;
    r->call_rules = 0;
    buf_printf(why, "seccomp: %s", strerror(-m.error));
    return ERR_IO;
}
