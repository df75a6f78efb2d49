/* The skeleton's part of the audit log: it is opened before anything else is, says when the process
 * starts, takes a new configuration and ends, and is ticked once a second. */
#include "common/audit.h"
#include "common/service_private.h"

#include <unistd.h>

enum { TICK_MS = 1000 };

const char *const service_audit_forwards[] = { "none", "journal", "syslog", NULL };

enum err service_audit_open(struct process *p)
{
    const struct service_conf *conf = service_own_conf(p);
    struct audit_options options = {
        .process = p->name,
        .role = p->spec->name,
        .file = conf->audit_file,
        .forward = (enum audit_forward_to)conf->audit_forward,
        .socket = conf->audit_socket,
        .rate = (uint64_t)conf->audit_rate,
    };
    enum err e = audit_open(&options);

    if (e != ERR_OK)
        return e;
    log_set_rate((uint64_t)conf->audit_rate);
    audit("process-started", kv_text("version", service_version), kv_text("config", p->path),
          kv_u64("uid", geteuid()));
    return ERR_OK;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    audit_tick();
    log_tick();
}

void service_audit_attach(struct process *p)
{
    ASSERT(uv_timer_init(p->service.loop, &p->audit_timer) == 0);
    uv_unref((uv_handle_t *)&p->audit_timer);
    uv_timer_start(&p->audit_timer, on_tick, TICK_MS, TICK_MS);
    audit_attach(p->service.loop);
}

void service_audit_detach(struct process *p)
{
    audit_detach();
    uv_close((uv_handle_t *)&p->audit_timer, NULL);
}

/* why: the lines that were said; the first says enough, unless it only announces the others. */
void service_audit_reloaded(struct process *p, enum err e, struct str why)
{
    struct str line = why.n > 0 ? str_cut(&why, '\n') : STR_NONE;

    if (str_ends_with(line, STR(":")) && str_is_set(why))
        line = str_cut(&why, '\n');
    audit("configuration-reloaded", kv_text("config", p->path),
          kv_text("result", e == ERR_OK ? "ok" : "failed"), kv_str("why", line));
}

void service_audit_close(struct process *p)
{
    audit("process-stopped", kv_i64("exit", p->exit_code));
    audit_close();
}
