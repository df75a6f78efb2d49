/* The skeleton of the executables, run in a child process and watched through its readiness socket, signals and exit code. */
#include "common/log.h"
#include "common/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct demo_conf {
    struct service_conf service;
    char *behaviour;
    int64_t number;
};

static const struct conf_key keys[] = {
    SERVICE_CONF_KEYS,
    { "behaviour", CONF_TEXT, offsetof(struct demo_conf, behaviour), "good", 0, 0, NULL, CONF_AT_RELOAD, "What it does." },
    { "number", CONF_INT, offsetof(struct demo_conf, number), "1", 0, 0, NULL, CONF_AT_START, "A number." },
    { 0 },
};
static const struct conf_section sections[] = { { .keys = keys }, { .is_end = true } };
static const struct conf_spec conf_spec = { sizeof(struct demo_conf), sections };

static const char *behaviour(const struct service *s)
{
    return ((const struct demo_conf *)s->conf)->behaviour;
}

static enum err demo_check(const void *conf, struct buf *why)
{
    const struct demo_conf *c = conf;

    if (c->number != 13)
        return ERR_OK;
    buf_add(why, STR("number: expected better luck"));
    return ERR_MALFORMED;
}

static enum err demo_start(struct service *s, void **out_app, struct buf *why)
{
    *out_app = s;
    if (strcmp(behaviour(s), "no start") == 0) {
        buf_add(why, STR("it does not want to"));
        return ERR_IO;
    }
    if (strcmp(behaviour(s), "fails") == 0)
        service_fail(s, "it cannot go on");
    service_ready(s);
    return ERR_OK;
}

static enum err demo_reload(struct service *s, const void *old_conf, struct buf *why)
{
    (void)old_conf;
    (void)why;
    log_info("reloaded by the program", kv_text("behaviour", behaviour(s)));
    return ERR_OK;
}

static void demo_drain(struct service *s)
{
    if (strcmp(behaviour(s), "drains for ever") != 0)
        service_drained(s);
}

static void demo_stop(struct service *s)
{
    (void)s;
    log_info("stopped by the program");
}

static const struct service_spec spec = { .name = "demo",     .summary = "for tests", .conf = &conf_spec, .check = demo_check,
                                          .start = demo_start, .reload = demo_reload,  .drain = demo_drain, .stop = demo_stop };

/* --- a child ----------------------------------------------------------------------------------------------------- */

enum { DEADLINE_S = 20 };

static char folder[] = "/tmp/sallyport-service-XXXXXX";
static char conf_path[64], log_path[64], notify_path[64], error_path[64];
static int notify_fd = -1;

static void write_conf(const char *text)
{
    FILE *f = fopen(conf_path, "w");

    assert_non_null(f);
    fprintf(f, "log_file = \"%s\"\ncontrol_dir = \"%s\"\nmetrics = \"unix:%s/metrics\"\n%s\n", log_path, folder, folder, text);
    fclose(f);
}

static const char *content(const char *path)
{
    static char text[16384];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = '\0';
    return text;
}

static pid_t begin(const char *option)
{
    char *argv[] = { "demo", "-c", conf_path, (char *)(uintptr_t)option, NULL };
    pid_t pid;

    unlink(log_path);
    pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    alarm(DEADLINE_S);
    (void)!freopen(error_path, "w", stderr);
    (void)!freopen(error_path, "a", stdout);
    exit(service_run(&spec, option ? 4 : 3, argv));
}

static int end(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Waits for a message to the service manager that begins so. */
static void wait_notified(const char *state)
{
    char text[256];
    ssize_t n;

    do {
        n = recv(notify_fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
    } while (strncmp(text, state, strlen(state)) != 0);
}

static int before_all(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = DEADLINE_S };

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(conf_path, sizeof conf_path, "%s/demo.conf", folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(error_path, sizeof error_path, "%s/errors", folder);
    snprintf(notify_path, sizeof notify_path, "%s/notify", folder);
    memcpy(at.sun_path, notify_path, sizeof notify_path);
    setenv("NOTIFY_SOCKET", notify_path, 1);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(notify_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return bind(notify_fd, (const struct sockaddr *)&at, sizeof at);
}

static int after_all(void **state)
{
    const char *const paths[] = { conf_path, log_path, notify_path, error_path };

    (void)state;
    close(notify_fd);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        unlink(paths[i]);
    return rmdir(folder); /* its sockets are gone */
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static void it_ends_in_order_at_sigterm(void **state)
{
    pid_t pid;

    (void)state;
    write_conf("");
    pid = begin(NULL);
    wait_notified("READY=1");
    kill(pid, SIGTERM);
    assert_int_equal(end(pid), 0);
    wait_notified("STOPPING=1");
    assert_non_null(strstr(content(log_path), "stopped by the program"));
}

static void a_second_sigterm_ends_a_drain_that_does_not_end(void **state)
{
    pid_t pid;

    (void)state;
    write_conf("behaviour = \"drains for ever\" drain = 1h");
    pid = begin(NULL);
    wait_notified("READY=1");
    kill(pid, SIGTERM);
    wait_notified("STOPPING=1");
    kill(pid, SIGTERM);
    assert_int_equal(end(pid), 0);
}

static void a_drain_that_does_not_end_is_ended_in_time(void **state)
{
    pid_t pid;

    (void)state;
    write_conf("behaviour = \"drains for ever\" drain = 100ms");
    pid = begin(NULL);
    wait_notified("READY=1");
    kill(pid, SIGINT);
    assert_int_equal(end(pid), 0);
    assert_non_null(strstr(content(log_path), "drain took too long"));
}

static void a_reload_takes_what_is_good_and_names_what_needs_a_restart(void **state)
{
    char expected[200];
    pid_t pid;

    (void)state;
    write_conf("");
    pid = begin(NULL);
    wait_notified("READY=1");
    write_conf("behaviour = other number = 2");
    kill(pid, SIGHUP);
    wait_notified("RELOADING=1");
    wait_notified("READY=1");
    write_conf("number = 13");
    kill(pid, SIGHUP);
    wait_notified("RELOADING=1");
    wait_notified("READY=1");
    kill(pid, SIGTERM);
    assert_int_equal(end(pid), 0);
    assert_non_null(strstr(content(log_path), "reloaded by the program behaviour=other"));
    assert_non_null(strstr(content(log_path), "these keys take effect at the next start keys=number"));
    snprintf(expected, sizeof expected, "the old one stays why=\"%s:4: number: expected better luck\"", conf_path);
    assert_non_null(strstr(content(log_path), expected));
}

static void each_failure_has_its_exit_code_and_its_reason(void **state)
{
    static const struct {
        const char *conf, *option;
        int code;
        const char *reason; /* on standard error */
    } rows[] = {
        { "", "--check", 0, "" },
        { "number = x", "--check", 78, ":4: number: expected a whole number, not \"x\"" },
        { "number = 13", "--check", 78, "number: expected better luck" },
        { "number = x", NULL, 78, ":4: number: expected" },
        { "", "--nonsense", 2, "usage: sallyport-demo" },
        { "", "--version", 0, "sallyport-demo " },
        { "", "--reference", 0, ".It Ic behaviour\n" },
        { "", "--reference=markdown", 0, "- `behaviour`: " },
        { "", "--help", 0, "usage: sallyport-demo" },
        { "behaviour = \"no start\"", NULL, 1, "cannot start: it does not want to" },
        { "behaviour = fails", NULL, 1, "" },
        { "user = \"no such user\"", NULL, 1, "user: expected the name of a user of this system" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_conf(rows[i].conf);
        assert_int_equal(end(begin(rows[i].option)), rows[i].code);
        if (!strstr(content(error_path), rows[i].reason))
            print_error("expected: %s\ngot: %s\n", rows[i].reason, content(error_path));
        assert_non_null(strstr(content(error_path), rows[i].reason));
    }
}

static void an_inherited_socket_is_found_by_name_and_once(void **state)
{
    char pid[16];

    (void)state;
    /* What is behind the numbers does not matter here, as long as it is open. */
    assert_int_equal(dup2(notify_fd, 4), 4);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "first:second", 1);
    assert_int_equal(service_inherited_fd("third"), -1);
    assert_int_equal(service_inherited_fd("second"), 4);
    assert_int_equal(service_inherited_fd("second"), -1);
    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(service_inherited_fd("first"), -1);
    unsetenv("LISTEN_PID");
    close(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_in_order_at_sigterm),
        cmocka_unit_test(a_second_sigterm_ends_a_drain_that_does_not_end),
        cmocka_unit_test(a_drain_that_does_not_end_is_ended_in_time),
        cmocka_unit_test(a_reload_takes_what_is_good_and_names_what_needs_a_restart),
        cmocka_unit_test(each_failure_has_its_exit_code_and_its_reason),
        cmocka_unit_test(an_inherited_socket_is_found_by_name_and_once),
    };

    return cmocka_run_group_tests(tests, before_all, after_all);
}
