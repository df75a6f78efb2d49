/* What the description of each role leaves to a process that was taken over, tried in a child that
 * applied it: a table, role by role. And what a reload may ask for. */
#include "common/confine_private.h"
#include "tests/unit/confine_attempts.h"

#include "c2s/conf.h"
#include "common/audit.h"
#include "common/mem.h"
#include "common/service_private.h"
#include "router/conf.h"
#include "sm/conf.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture fixture;

/* --- roles --- */

enum role {
    C2S_A,        /* TLS links that the router dials */
    C2S_UNIX,     /* the same, over a Unix socket of its own */
    C2S_B,        /* it dials the router */
    ROUTER_A,     /* dials c2s, listens to sm on a Unix socket */
    ROUTER_B,     /* is dialled by all, over TLS */
    SM,           /* dials the router over TLS */
    SM_UNIX,      /* over a Unix socket */
    C2S_FORWARDS, /* layout a, with audit_forward */
    ROLE_COUNT
};

static const char *const role_names[] = { "c2s, layout a",    "c2s, Unix link",
                                          "c2s, layout b",    "router, layout a",
                                          "router, layout b", "sm",
                                          "sm, Unix link",    "c2s, layout a, audit_forward" };

static char texts[16][128];

static char *text(size_t at, const char *format, const char *name)
{
    snprintf(texts[at], sizeof texts[at], format, fixture.folder, name);
    return texts[at];
}

static char *dialled(void)
{
    snprintf(texts[15], sizeof texts[15], "127.0.0.1:%d", fixture.peer_port);
    return texts[15];
}

static void fill_link(struct link_conf *l, struct link_peer_conf *peer)
{
    l->cert_file = l->key_file = l->ca_file = text(0, "%s/tls/%s", "cert.pem");
    l->peers = (struct conf_items){ .items = peer, .count = 1 };
    peer->secret_file = text(1, "%s/secret/%s", "peer");
}

static void fill_common(enum role role, struct confine *c)
{
    struct service_conf conf = { .audit_file = text(3, "%s/log/%s", "audit"),
                                 .control_dir = text(4, "%s/%s", "run") };

    if (role == C2S_FORWARDS)
        conf.audit_forward = AUDIT_FORWARD_SYSLOG;
    service_confine_describe(&conf, text(2, "%s/conf/%s", "own.conf"), c);
}

static void describe_c2s(enum role role, struct confine *c)
{
    struct link_peer_conf peer = { 0 };
    struct c2s_conf conf = { 0 };

    fill_link(&conf.link, &peer);
    if (role == C2S_A || role == C2S_FORWARDS)
        conf.link.listen = "127.0.0.1:1";
    else if (role == C2S_UNIX)
        peer.accept = text(5, "unix:%s/run/%s", "link");
    else
        peer.dial = dialled();
    c2s_confine(&conf, c);
}

static void describe_router(enum role role, struct confine *c)
{
    struct link_peer_conf peers[2] = { { 0 } };
    struct router_conf conf = { 0 };

    fill_link(&conf.link, peers);
    conf.link.listen = "127.0.0.1:1";
    if (role == ROUTER_A) {
        conf.link.peers.count = 2;
        peers[0].dial = dialled();
        peers[1].accept = text(5, "unix:%s/run/%s", "link");
    }
    router_confine(&conf, c);
}

static void describe_sm(enum role role, struct confine *c)
{
    struct link_peer_conf peer = { 0 };
    struct sm_conf conf = { .store_path = text(6, "%s/data/%s", "store.db") };

    fill_link(&conf.link, &peer);
    peer.dial = role == SM ? dialled() : text(5, "unix:%s/run/%s", "link");
    sm_confine(&conf, c);
}

static struct confine *describe(enum role role)
{
    struct confine *c = confine_new();

    fill_common(role, c);
    if (role <= C2S_B || role == C2S_FORWARDS)
        describe_c2s(role, c);
    else if (role <= ROUTER_B)
        describe_router(role, c);
    else
        describe_sm(role, c);
    confine_allow_system(c);
    return c;
}

/* --- the table --- */

enum { KILLED = -1, REFUSED = ECONNREFUSED };
enum { ANY, NO_SANITIZER }; /* the leak checker needs this one */

/* clang-format off */
#define ALL(x) { x, x, x, x, x, x, x, x }

struct row {
    const char *sentence;
    int (*attempt)(void);
    int expected[ROLE_COUNT]; /* 0: works; errno; KILLED */
    int abi;                  /* of landlock, that it takes */
    int builds;
};

static const struct row rows[] = {
    { "start a program", run_program, ALL(KILLED), 0, ANY },
    { "fork", do_fork, ALL(KILLED), 0, ANY },
    { "fork by clone", do_vfork_by_clone, ALL(EPERM), 0, NO_SANITIZER },
    { "a namespace by clone", do_clone_namespace, ALL(EPERM), 0, NO_SANITIZER },
    { "clone3, so that libc takes clone", do_clone3, ALL(ENOSYS), 0, ANY },
    { "a call that is newer than this program", do_newest_call, ALL(ENOSYS), 0, ANY },
    { "trace another process", do_ptrace, ALL(KILLED), 0, NO_SANITIZER },
    { "read another process's memory", do_read_memory, ALL(KILLED), 0, NO_SANITIZER },
    { "a descriptor of another process", do_pidfd, ALL(KILLED), 0, ANY },
    { "signal another process", do_kill, ALL(EPERM), 6, ANY },
    { "signal another process's thread", do_tgkill, ALL(EPERM), 6, ANY },
    { "bpf", do_bpf, ALL(KILLED), 0, ANY },
    { "perf_event_open", do_perf, ALL(KILLED), 0, ANY },
    { "userfaultfd", do_userfaultfd, ALL(KILLED), 0, ANY },
    { "io_uring", do_io_uring, ALL(KILLED), 0, ANY },
    { "a kernel module", do_init_module, ALL(KILLED), 0, ANY },
    { "kexec", do_kexec, ALL(KILLED), 0, ANY },
    { "keyctl", do_keyctl, ALL(KILLED), 0, ANY },
    { "mount", do_mount, ALL(KILLED), 0, ANY },
    { "umount", do_umount, ALL(KILLED), 0, ANY },
    { "unshare", do_unshare, ALL(KILLED), 0, ANY },
    { "setns", do_setns, ALL(KILLED), 0, ANY },
    { "chroot", do_chroot, ALL(KILLED), 0, ANY },
    { "open a file by handle", do_by_handle, ALL(KILLED), 0, ANY },
    { "another user", do_setuid, ALL(KILLED), 0, ANY },
    { "other groups", do_setgroups, ALL(KILLED), 0, ANY },
    { "capabilities", do_capset, ALL(KILLED), 0, ANY },
    { "personality", do_personality, ALL(KILLED), 0, ANY },
    { "set the clock", do_settime, ALL(KILLED), 0, ANY },
    { "a file in memory", do_memfd, ALL(KILLED), 0, ANY },
    { "shared memory", do_shm, ALL(KILLED), 0, ANY },
    { "pkey_mprotect", do_pkey, ALL(KILLED), 0, ANY },
    { "map code", map_code, ALL(EPERM), 0, ANY },
    { "make data code", make_code, ALL(EPERM), 0, ANY },
    { "map data", map_data, ALL(0), 0, ANY },
    { "start a thread", start_thread, ALL(0), 0, ANY },
    /*                                  c2s a  Unix   c2s b  r. a   r. b   sm     Unix   forwarding c2s */
    { "an IPv4 socket", do_inet,      { EPERM, EPERM, 0, 0, EPERM, 0, EPERM, EPERM }, 0, ANY },
    { "an IPv6 socket", do_inet6,     { EPERM, EPERM, 0, 0, EPERM, 0, EPERM, EPERM }, 0, ANY },
    { "a Unix socket", do_unix,       { EPERM, 0, EPERM, 0, EPERM, EPERM, 0, EPERM }, 0, ANY },
    { "a Unix datagram socket", do_unix_dgram, { EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, 0 }, 0, ANY },
    { "UDP", do_udp, ALL(EPERM), 0, ANY },
    { "a raw socket", do_raw, ALL(EPERM), 0, ANY },
    { "MPTCP", do_mptcp, ALL(EPERM), 0, ANY },
    { "netlink", do_netlink, ALL(EPERM), 0, ANY },
    { "packets", do_packet, ALL(EPERM), 0, ANY },
    { "AF_ALG", do_alg, ALL(EPERM), 0, ANY },
    { "dial its peer", dial_declared, { EPERM, EPERM, 0, 0, EPERM, 0, EACCES, EACCES }, 4, ANY },
    { "dial another port", dial_undeclared, { EPERM, EPERM, EACCES, REFUSED, EPERM, EACCES, EACCES, EACCES }, 4, ANY },
    { "dial from an accepted connection", dial_from_accepted, { EPERM, EPERM, 0, 0, EPERM, 0, EACCES, EACCES }, 4, ANY },
    { "dial by TCP fast open", dial_by_fast_open, ALL(EPERM), 0, ANY },
    { "dial by TCP fast open, sendmsg", dial_by_fast_open_message, ALL(EPERM), 0, ANY },
    { "listen on another port", bind_undeclared, { EPERM, EACCES, EPERM, EACCES, EPERM, EPERM, EPERM, EPERM }, 4, ANY },
    { "TCP_NODELAY", set_nodelay, ALL(0), 0, ANY },
    { "TCP_FASTOPEN_CONNECT", set_fast_open_connect, ALL(EPERM), 0, ANY },
    { "SO_MARK", set_mark, ALL(EPERM), 0, ANY },
    { "a socket filter", set_filter, ALL(EPERM), 0, ANY },
    { "read /etc/shadow", read_shadow, ALL(EACCES), 1, ANY },
    { "read /etc/passwd", read_passwd, ALL(0), 1, ANY },
    { "read of process 1", read_of_init, ALL(EACCES), 1, ANY },
    { "read of itself", read_own_size, ALL(0), 1, ANY },
    { "write its memory through /proc", write_own_memory, { EPERM, EPERM, EPERM, EPERM, EPERM, EACCES, EACCES, EPERM }, 1, ANY },
    { "read the root folder", read_root, ALL(EACCES), 1, ANY },
    { "read /sys", read_sys, ALL(EACCES), 1, ANY },
    { "read a file beside its folders", read_outside, ALL(EACCES), 1, ANY },
    { "read its certificate", read_certificate, ALL(0), 1, ANY },
    { "read its secret", read_secret, ALL(0), 1, ANY },
    { "write its configuration", write_conf, { EPERM, EPERM, EPERM, EPERM, EPERM, EACCES, EACCES, EPERM }, 1, ANY },
    { "append to its configuration", append_conf, ALL(EACCES), 1, ANY },
    { "a file beside its configuration", add_to_conf, ALL(EACCES), 1, ANY },
    { "append to its log", append_log, ALL(0), 1, ANY },
    { "a new log beside it", new_log, ALL(0), 1, ANY },
    { "cut its log", cut_log, ALL(EACCES), 3, ANY },
    { "rewrite its log", rewrite_log, { EPERM, EPERM, EPERM, EPERM, EPERM, EACCES, EACCES, EPERM }, 1, ANY },
    { "remove its log", remove_log, ALL(EACCES), 1, ANY },
    { "write elsewhere in its log", unappend_log, ALL(EPERM), 0, ANY },
    { "remove its secret", remove_secret, ALL(EACCES), 1, ANY },
    { "remove its socket", remove_socket, ALL(0), 1, ANY },
    { "a file beside its sockets", file_in_run, ALL(EACCES), 1, ANY },
    { "write the store", write_store, { EPERM, EPERM, EPERM, EPERM, EPERM, 0, 0, EPERM }, 1, ANY },
    { "a folder in the store", folder_in_store, { EPERM, EPERM, EPERM, EPERM, EPERM, 0, 0, EPERM }, 1, ANY },
    { "a folder beside its configuration", folder_in_conf, { EPERM, EPERM, EPERM, EPERM, EPERM, EACCES, EACCES, EPERM }, 1, ANY },
    { "a symbolic link", make_link, ALL(EPERM), 0, ANY },
    { "change a file's mode", change_mode, ALL(EPERM), 0, ANY },
    { "a device", make_device, ALL(EPERM), 0, ANY },
    { "signals by a descriptor", own_signals, ALL(EPERM), 0, ANY },
    { "type into a terminal", type_into_terminal, ALL(EPERM), 0, ANY },
    { "core dumps", allow_dumps, ALL(EPERM), 0, NO_SANITIZER },
    { "set a limit", raise_limit, ALL(EPERM), 0, ANY },
    { "read a limit", read_limit, ALL(0), 0, ANY },
};
/* clang-format on */

/* --- trying --- */

enum { NOT_APPLIED = 250 };

static int landlock_abi; /* of this kernel */

static void apply(enum role role)
{
    struct confine_report report = { 0 };
    struct confine *c = describe(role);
    struct rlimit none = { 0, 0 };
    struct buf why = { 0 };

    setrlimit(RLIMIT_CORE, &none); /* as service_system.c; whoever is killed writes no core here */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || confine_files(c, &report, &why) != ERR_OK ||
        confine_calls(c, &report, &why) != ERR_OK) {
        fprintf(stderr, "%.*s\n", (int)why.n, why.p);
        _exit(NOT_APPLIED);
    }
}

static int listen_anywhere(int *out_port)
{
    struct sockaddr_in a = at_port(0);
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1000), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *out_port = ntohs(a.sin_port);
    return fd;
}

static void touch(const char *name)
{
    close(open(in_folder(name), O_WRONLY | O_CREAT, 0600));
}

static int client = -1;

/* What an attempt may have used up. */
static void renew(void)
{
    int port;

    touch("run/own.sock");
    rmdir(in_folder("data/sub"));
    fixture.listener = listen_anywhere(&port);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(dial(client, port), 0);
    fixture.accepted = accept(fixture.listener, NULL, NULL);
    fixture.fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fixture.accepted >= 0 && fixture.fresh >= 0);
}

static void drop(void)
{
    close(fixture.listener);
    close(client);
    close(fixture.accepted);
    close(fixture.fresh);
}

static int try(enum role role, const struct row *row)
{
    int status = 0;
    pid_t pid;

    renew();
    pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20);
        apply(role);
        _exit(row->attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    drop();
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : 300 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

static void a_process_that_was_taken_over_can_do_what_the_table_says(void **state)
{
    size_t wrong = 0, tried = 0;

    (void)state;
    if (landlock_abi == 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].abi > landlock_abi || (CONFINE_IS_SANITIZED && rows[i].builds == NO_SANITIZER))
            continue;
        for (enum role role = 0; role < ROLE_COUNT; role++) {
            int got = try(role, &rows[i]);

            tried++;
            if (got == rows[i].expected[role])
                continue;
            wrong++;
            print_error("%s: %s: %d, not %d\n", role_names[role], rows[i].sentence, got,
                        rows[i].expected[role]);
        }
    }
    assert_true(tried > 0);
    assert_int_equal(wrong, 0);
}

/* --- threads --- */

static void *try_later(void *arg)
{
    int *go = arg;
    char byte;

    (void)!read(go[0], &byte, 1);
    run_program();
    return NULL;
}

static void a_thread_that_runs_already_is_confined_too(void **state)
{
    int status = 0, go[2];
    pid_t pid;

    (void)state;
    if (landlock_abi == 0)
        skip();
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        pthread_t thread;

        alarm(20);
        if (pthread_create(&thread, NULL, try_later, go) != 0)
            _exit(1);
        apply(SM);
        (void)!write(go[1], "x", 1);
        pthread_join(thread, NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    close(go[0]);
    close(go[1]);
}

/* --- fixture --- */

static int before_all(void **state)
{
    static const char *const folders[] = { "conf", "tls", "secret", "log", "run", "data" };
    static const char *const files[] = { "other",       "conf/own.conf", "tls/cert.pem",
                                         "secret/peer", "log/audit",     "run/own.sock" };

    (void)state;
    snprintf(fixture.folder, sizeof fixture.folder, "/tmp/sallyport-confine-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        mkdir(in_folder(folders[i]), 0700);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        touch(files[i]);
    fixture.log = open(in_folder("log/audit"), O_WRONLY | O_APPEND | O_CLOEXEC);
    close(listen_anywhere(&fixture.dead_port));
    listen_anywhere(&fixture.peer_port); /* for all attempts */
    landlock_abi = (int)syscall(444 /* landlock_create_ruleset */, NULL, 0, 1);
    landlock_abi = landlock_abi < 0 ? 0 : landlock_abi;
    return 0;
}

static int after_all(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", fixture.folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_was_taken_over_can_do_what_the_table_says),
        cmocka_unit_test(a_thread_that_runs_already_is_confined_too),
    };

    return cmocka_run_group_tests(tests, before_all, after_all);
}
