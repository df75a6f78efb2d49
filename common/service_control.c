/* What can be asked of every process: reload, drain, and the commands that all have. */
#include "common/audit.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/notify.h"
#include "common/service_private.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const state_names[] = { "starting", "ready", "draining", "stopping" };
static const enum log_level levels[] = { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* --- reload ----------------------------------------------------------------------------------- */

static void say(struct buf *out, struct str sentence)
{
    if (out->n > 0)
        buf_add_char(out, '\n');
    buf_add(out, sentence);
}

static void log_lines(const char *sentence, struct str lines)
{
    while (lines.n > 0)
        log_error(sentence, kv_str("why", str_cut(&lines, '\n')));
}

static void notify_reloading(void)
{
    struct timespec now;
    char state[96];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(state);
}

/* The new configuration is in place; the program takes from it what it can. */
static enum err take_over(struct process *p, const void *old_conf, struct buf *out)
{
    struct buf names = { 0 }, why = { 0 };
    enum err e = ERR_OK;

    log_set_level(levels[service_own_conf(p)->log_level]);
    log_set_rate((uint64_t)service_own_conf(p)->audit_rate);
    audit_set_rate((uint64_t)service_own_conf(p)->audit_rate);
    conf_diff_at_start(p->spec->conf, p->conf_at_start, p->conf, &names);
    if (names.n > 0) {
        log_warn("these keys take effect at the next start", kv_str("keys", buf_str(&names)));
        buf_printf(out, "%sthese keys take effect at the next start: %.*s", out->n > 0 ? "\n" : "",
                   (int)names.n, names.p);
    }
    if (p->spec->reload)
        e = p->spec->reload(&p->service, old_conf, &why);
    if (e != ERR_OK || why.n > 0) {
        log_lines("part of the new configuration was not taken over", buf_str(&why));
        say(out, buf_str(&why));
    }
    buf_fini(&names);
    buf_fini(&why);
    return e;
}

static enum err reload_conf(struct process *p, struct buf *out)
{
    struct buf why = { 0 };
    void *old_conf = p->conf, *conf = NULL;
    enum err e = service_load_conf(p, &conf, &why);

    if (e != ERR_OK) {
        log_lines("the new configuration is refused, the old one stays", buf_str(&why));
        say(out, STR("the new configuration is refused, the old one stays:"));
        say(out, buf_str(&why));
    } else {
        p->conf = conf;
        p->service.conf = conf;
        e = take_over(p, old_conf, out);
        conf_free(p->spec->conf, old_conf);
    }
    buf_fini(&why);
    return e;
}

enum err service_reload(struct process *p, struct buf *out)
{
    enum err e, of_log, of_audit;

    if (p->state >= SERVICE_DRAINING) {
        say(out, STR("the process is about to end"));
        return ERR_DENIED;
    }
    if (p->state == SERVICE_READY) /* a manager that waits for READY=1 needs no other word */
        notify_reloading();
    of_log = log_reopen();
    of_audit = audit_reopen();
    if (of_log != ERR_OK || of_audit != ERR_OK) {
        log_error("the log files cannot be opened again");
        say(out, STR("the log files cannot be opened again"));
    }
    e = reload_conf(p, out);
    p->reloads++;
    p->failed_reloads += e != ERR_OK;
    service_audit_reloaded(p, e, buf_str(out));
    if (e == ERR_OK)
        log_info("configuration reloaded", kv_text("file", p->path));
    if (p->state == SERVICE_READY)
        notify_send(e == ERR_OK ? "READY=1\nSTATUS=serving"
                                : "READY=1\nSTATUS=serving; part of the last reload was refused");
    return e;
}

/* --- drain ------------------------------------------------------------------------------------ */

static void on_drain_timeout(uv_timer_t *timer)
{
    struct process *p = timer->data;

    log_warn("drain took too long, what is left is cut off");
    service_stop(p);
}

void service_drain(struct process *p)
{
    if (p->state >= SERVICE_DRAINING) {
        service_stop(p);
        return;
    }
    log_info("draining");
    audit("process-draining");
    notify_send("STOPPING=1\nSTATUS=draining");
    p->state = SERVICE_DRAINING;
    if (!p->spec->drain) {
        service_stop(p);
        return;
    }
    uv_timer_start(&p->drain_timer, on_drain_timeout, (uint64_t)service_own_conf(p)->drain_ms, 0);
    p->spec->drain(&p->service);
}

void service_drained(struct service *s)
{
    struct process *p = service_process(s);

    if (p->state == SERVICE_DRAINING)
        service_stop(p);
}

/* --- commands --------------------------------------------------------------------------------- */

static void add_state(struct process *p, struct ctl_request *r)
{
    ctl_field(r, "process", str_from(p->name));
    ctl_field(r, "state", str_from(state_names[p->state]));
    ctl_field(r, "version", str_from(service_version));
    ctl_field_u64(r, "pid", (uint64_t)getpid());
    ctl_field_u64(r, "uptime_s", (uv_now(p->service.loop) - p->service.started_ms) / 1000);
    ctl_field(r, "config", str_from(p->path));
    ctl_field_u64(r, "reloads", p->reloads);
    ctl_field_u64(r, "failed_reloads", p->failed_reloads);
}

/* The numbers of the exit codes are in order of badness, unknown last. */
static enum ctl_exit add_status(struct process *p, struct ctl_request *r)
{
    enum ctl_exit own = p->state == SERVICE_READY ? CTL_OK : CTL_WARNING, health = CTL_OK;

    if (service_confine_status(p, r) != CTL_OK)
        own = CTL_WARNING;
    if (p->spec->status)
        health = p->spec->status(&p->service, r);
    return health > own ? health : own;
}

enum ctl_exit service_certificate_health(struct ctl_request *r, const char *field, int64_t expiry)
{
    int64_t left = expiry - (int64_t)time(NULL), days = left / 86400;

    if (expiry == 0)
        return CTL_OK;
    ctl_field_u64(r, field, left > 0 ? (uint64_t)days : 0);
    if (left <= 0)
        return CTL_CRITICAL;
    return days < SERVICE_EXPIRY_WARNING_DAYS ? CTL_WARNING : CTL_OK;
}

static void run_status(void *app, struct ctl_request *r)
{
    add_state(app, r);
    add_status(app, r);
    ctl_finish(r, CTL_OK);
}

static void run_health(void *app, struct ctl_request *r)
{
    static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
    enum ctl_exit health;

    add_state(app, r);
    health = add_status(app, r);
    if (health > CTL_UNKNOWN)
        health = CTL_UNKNOWN;
    ctl_field(r, "health", str_from(words[health]));
    ctl_finish(r, health);
}

static void run_reload(void *app, struct ctl_request *r)
{
    struct buf said = { 0 };
    enum err e = service_reload(app, &said);

    if (said.n > 0)
        ctl_say(r, "%.*s", (int)said.n, said.p);
    if (e == ERR_OK)
        ctl_say(r, "reloaded");
    buf_fini(&said);
    ctl_finish(r, e == ERR_OK ? CTL_OK : CTL_FAILED);
}

static void run_drain(void *app, struct ctl_request *r)
{
    ctl_say(r, "draining; the process ends when that is done");
    ctl_finish(r, CTL_OK);
    service_drain(app);
}

static void run_metrics(void *app, struct ctl_request *r)
{
    struct buf text = { 0 };

    (void)app;
    metric_write(&text);
    ctl_say(r, "%.*s", (int)text.n - 1, text.p); /* its last LF is the answer's */
    buf_fini(&text);
    ctl_finish(r, CTL_OK);
}

static void run_log_level(void *app, struct ctl_request *r)
{
    (void)app;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (!str_is(ctl_arg(r, 0), service_log_levels[i]))
            continue;
        log_set_level(levels[i]);
        ctl_say(r, "the log level is %s until the next reload", service_log_levels[i]);
        ctl_finish(r, CTL_OK);
        return;
    }
    ctl_say(r, "expected one of error, warn, info, debug, not %.*s", STR_ARG(ctl_arg(r, 0)));
    ctl_finish(r, CTL_USAGE);
}

static void run_commands(void *app, struct ctl_request *r)
{
    ctl_list_commands(r, ((struct process *)app)->tables);
    ctl_finish(r, CTL_OK);
}

const struct ctl_command service_commands[] = {
    { "status", CTL_READ, 0, 0, "status", "What the process is doing.", run_status },
    { "health", CTL_READ, 0, 0, "health", "How well it does, as an exit code: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", run_health },
    { "metrics", CTL_READ, 0, 0, "metrics", "The counters, as Prometheus reads them.", run_metrics },
    { "commands", CTL_READ, 0, 0, "commands", "The commands that this process knows.", run_commands },
    { "reload", CTL_ADMIN, 0, 0, "reload", "Reads the configuration again, and says what needs a restart.", run_reload },
    { "drain", CTL_ADMIN, 0, 0, "drain", "Takes no new work, ends what there is, then exits, as at SIGTERM.", run_drain },
    { "log-level", CTL_ADMIN, 1, 1, "log-level error|warn|info|debug", "Changes the log level until the next reload.", run_log_level },
    { 0 },
};
