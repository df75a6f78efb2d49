/* The skeleton's course: arguments, configuration, start, loop, end. Reload, drain and commands are
 * service_control.c's. */
#include "common/service.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/notify.h"
#include "common/service_private.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { STOP_TIMEOUT_MS = 30000 };

const char service_version[] = VERSION;
const char *const service_log_levels[] = { "error", "warn", "info", "debug", NULL };
static const enum log_level levels[] = { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* --- arguments -------------------------------------------------------------------------------- */

enum action {
    ACTION_RUN,
    ACTION_CHECK,
    ACTION_REFERENCE,
    ACTION_VERSION,
    ACTION_HELP,
    ACTION_USAGE
};

struct arguments {
    enum action action;
    const char *path;
    enum conf_format format;
};

static enum action action_of(int option, struct arguments *a)
{
    switch (option) {
    case 'c':
        a->path = optarg;
        return a->action;
    case 'k':
        return ACTION_CHECK;
    case 'r':
        if (optarg && strcmp(optarg, "markdown") != 0 && strcmp(optarg, "mdoc") != 0)
            return ACTION_USAGE;
        a->format =
            optarg && strcmp(optarg, "markdown") == 0 ? CONF_FORMAT_MARKDOWN : CONF_FORMAT_MDOC;
        return ACTION_REFERENCE;
    case 'V':
        return ACTION_VERSION;
    case 'h':
        return ACTION_HELP;
    default:
        return ACTION_USAGE;
    }
}

static struct arguments read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
        { "reference", optional_argument, NULL, 'r' }, { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' }, { 0 },
    };
    struct arguments a = { .action = ACTION_RUN };
    int option;

    optind = 1;
    while (a.action != ACTION_USAGE &&
           (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        a.action = action_of(option, &a);
    if (optind < argc || (!a.path && (a.action == ACTION_RUN || a.action == ACTION_CHECK)))
        a.action = ACTION_USAGE;
    return a;
}

static void print_help(const struct service_spec *spec, FILE *to)
{
    fprintf(to,
            "sallyport-%s: %s\n"
            "usage: sallyport-%s -c FILE [--check]\n"
            "  -c FILE                      the configuration file\n"
            "  --check                      only check the configuration\n"
            "  --reference[=mdoc|markdown]  print the reference page of its keys\n"
            "  --version, --help\n",
            spec->name, spec->summary, spec->name);
}

static void print_reference(const struct service_spec *spec, enum conf_format format)
{
    struct buf page = { 0 };

    conf_write_reference(spec->conf, format, &page);
    fwrite(page.p, 1, page.n, stdout);
    buf_fini(&page);
}

/* --- configuration ---------------------------------------------------------------------------- */

enum err service_load_conf(const struct process *p, void **out_conf, struct buf *why)
{
    void *conf = NULL;
    struct buf sentences = { 0 };
    enum err e = conf_load(p->spec->conf, p->path, &conf, why);

    if (e == ERR_OK)
        e = service_confine_check(p, conf, why);
    if (e == ERR_OK && p->spec->check && (e = p->spec->check(conf, &sentences)) != ERR_OK)
        conf_add_places(p->spec->conf, p->path, buf_str(&sentences), why);
    buf_fini(&sentences);
    if (e != ERR_OK)
        conf_free(p->spec->conf, conf);
    else
        *out_conf = conf;
    return e;
}

/* Twice: the second copy stays as it is, for telling what a reload could not change. */
static enum err load_first(struct process *p)
{
    struct buf why = { 0 };
    enum err e = service_load_conf(p, &p->conf, &why);

    if (e == ERR_OK)
        e = service_load_conf(p, &p->conf_at_start, &why);
    if (e != ERR_OK)
        fprintf(stderr, "%.*s\n", STR_ARG(str_trim(buf_str(&why))));
    p->service.conf = p->conf;
    buf_fini(&why);
    return e;
}

/* Letters, digits and hyphens before the first dot of the component's name: it becomes part of
 * paths. */
static char *make_name(const struct process *p)
{
    const char *full = p->spec->instance_name ? p->spec->instance_name(p->conf) : NULL;
    size_t n =
        full ? strspn(full, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") : 0;

    if (n == 0 || (full[n] != '\0' && full[n] != '.'))
        return mem_strdup(p->spec->name);
    return str_dup(str_of(full, n));
}

/* --- start ------------------------------------------------------------------------------------ */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    notify_send("WATCHDOG=1");
}

/* Timers of the skeleton do not keep the loop alive: the end of the loop means that the program has
 * closed everything. */
static void open_loop(struct process *p)
{
    struct service *s = &p->service;
    uint64_t watchdog_ms = notify_watchdog_ms();

    s->loop = mem_new(uv_loop_t);
    ASSERT(uv_loop_init(s->loop) == 0);
    s->net = net_new(s->loop);
    s->timers = timers_new(s->loop);
    s->started_ms = uv_now(s->loop);
    p->drain_timer.data = p->watchdog.data = p;
    ASSERT(uv_timer_init(s->loop, &p->drain_timer) == 0 &&
           uv_timer_init(s->loop, &p->watchdog) == 0);
    uv_unref((uv_handle_t *)&p->drain_timer);
    uv_unref((uv_handle_t *)&p->watchdog);
    if (watchdog_ms > 1)
        uv_timer_start(&p->watchdog, on_watchdog, 0, watchdog_ms / 2);
    service_signals_open(p);
    service_audit_attach(p);
}

static enum err open_control(struct process *p, struct buf *why)
{
    const struct service_conf *conf = service_own_conf(p);
    struct ctl_server_options options = { .net = p->service.net,
                                          .timers = p->service.timers,
                                          .folder = conf->control_dir,
                                          .name = p->name,
                                          .group = conf->control_group,
                                          .admin_group = conf->control_admin_group,
                                          .tables = p->tables };

    p->tables[0] = (struct ctl_table){ service_commands, p };
    if (p->spec->commands)
        p->tables[1] = (struct ctl_table){ p->spec->commands, p->service.app };
    return conf->control_dir ? ctl_server_open(&options, &p->control, why) : ERR_OK;
}

static enum err open_metrics(struct process *p, struct buf *why)
{
    const char *address = service_own_conf(p)->metrics;

    return address ? metrics_http_open(p->service.net, p->service.timers, address, &p->metrics, why)
                   : ERR_OK;
}

static enum err start(struct process *p, struct buf *why)
{
    enum err e = service_confine_files(p, why);

    if (e != ERR_OK || (e = p->spec->start(&p->service, &p->service.app, why)) != ERR_OK)
        return e;
    if ((e = open_control(p, why)) != ERR_OK || (e = open_metrics(p, why)) != ERR_OK ||
        (e = service_drop_privileges(service_own_conf(p), why)) != ERR_OK ||
        (e = service_confine_calls(p, why)) != ERR_OK) {
        p->spec->stop(&p->service);
        return e;
    }
    p->is_up = true;
    if (p->has_promised)
        service_ready(&p->service);
    return ERR_OK;
}

void service_ready(struct service *s)
{
    struct process *p = service_process(s);

    p->has_promised = true;
    if (p->state != SERVICE_STARTING || !p->is_up)
        return;
    p->state = SERVICE_READY;
    log_info("ready", kv_text("version", service_version));
    notify_send("READY=1\nSTATUS=serving");
}

/* --- end -------------------------------------------------------------------------------------- */

void service_stop(struct process *p)
{
    if (p->state == SERVICE_STOPPING)
        return; /* the loop is running to its end already */
    p->state = SERVICE_STOPPING;
    uv_stop(p->service.loop);
}

void service_fail(struct service *s, const char *sentence)
{
    struct process *p = service_process(s);

    log_error(sentence);
    p->exit_code = SERVICE_EXIT_FAILED;
    service_stop(p);
}

static void log_open_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle) && uv_is_active(handle) && uv_has_ref(handle))
        log_error("this was not closed", kv_text("handle", uv_handle_type_name(handle->type)));
}

static void on_stop_timeout(uv_timer_t *timer)
{
    struct process *p = timer->data;

    log_error("the end takes too long, what is left is cut off");
    uv_walk(timer->loop, log_open_handle, NULL);
    p->exit_code = SERVICE_EXIT_FAILED;
    uv_stop(timer->loop);
}

static void close_own(struct process *p)
{
    ctl_server_close(p->control);
    metrics_http_close(p->metrics);
    p->control = NULL;
    p->metrics = NULL;
    service_signals_close(p);
}

/* First what the program has (it may need sockets and timers for a proper end), then what the
 * skeleton gave it. */
static void close_all(struct process *p)
{
    uv_timer_start(&p->drain_timer, on_stop_timeout, STOP_TIMEOUT_MS, 0);
    timers_unref(p->service.timers); /* it sleeps on towards timers that were stopped */
    uv_run(p->service.loop, UV_RUN_DEFAULT);
    net_close(p->service.net);
    timers_close(p->service.timers);
    uv_run(p->service.loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&p->drain_timer, NULL);
    uv_close((uv_handle_t *)&p->watchdog, NULL);
    service_audit_detach(p);
    uv_run(p->service.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(p->service.loop) == 0)
        mem_free(p->service.loop);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void run_loop(struct process *p)
{
    struct buf why = { 0 };

    open_loop(p);
    if (start(p, &why) != ERR_OK) {
        log_error("cannot start", kv_str("why", buf_str(&why)));
        if (service_own_conf(p)->log_file)
            fprintf(stderr, "cannot start: %.*s\n", (int)why.n, why.p ? why.p : "");
        p->exit_code = SERVICE_EXIT_FAILED;
        close_own(p);
    } else {
        uv_run(p->service.loop, UV_RUN_DEFAULT);
        log_info("stopping");
        p->state = SERVICE_STOPPING;
        close_own(p);
        p->spec->stop(&p->service);
    }
    buf_fini(&why);
    close_all(p);
    log_info("stopped");
}

static void run_process(struct process *p)
{
    const struct service_conf *conf = service_own_conf(p);

    service_harden(conf->is_confined);
    notify_open();
    p->name = make_name(p);
    if (log_open(p->name, conf->log_file, levels[conf->log_level]) != ERR_OK) {
        fprintf(stderr, "cannot open the log %s\n", conf->log_file);
        p->exit_code = SERVICE_EXIT_FAILED;
        return;
    }
    if (service_audit_open(p) != ERR_OK) {
        fprintf(stderr, "cannot open the audit log %s\n", conf->audit_file);
        p->exit_code = SERVICE_EXIT_FAILED;
        return;
    }
    log_info("starting", kv_text("version", service_version), kv_text("config", p->path));
    run_loop(p);
    service_audit_close(p);
    notify_close();
    log_close();
}

static int run_configured(const struct service_spec *spec, const struct arguments *a)
{
    struct process p = { .spec = spec };
    char *resolved = realpath(a->path, NULL);

    p.path = resolved ? resolved : a->path;
    if (load_first(&p) != ERR_OK)
        p.exit_code = SERVICE_EXIT_CONFIG;
    else if (a->action == ACTION_RUN)
        run_process(&p);
    conf_free(spec->conf, p.conf);
    conf_free(spec->conf, p.conf_at_start);
    confine_free(p.confine);
    mem_free(p.name);
    free(resolved); /* realpath's malloc */
    return p.exit_code;
}

int service_run(const struct service_spec *spec, int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);

    switch (a.action) {
    case ACTION_RUN:
    case ACTION_CHECK:
        return run_configured(spec, &a);
    case ACTION_REFERENCE:
        print_reference(spec, a.format);
        return 0;
    case ACTION_VERSION:
        printf("sallyport-%s %s\n", spec->name, service_version);
        return 0;
    case ACTION_HELP:
        print_help(spec, stdout);
        return 0;
    case ACTION_USAGE:
        break;
    }
    print_help(spec, stderr);
    return SERVICE_EXIT_USAGE;
}
