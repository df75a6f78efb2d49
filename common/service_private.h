/* What the files of the skeleton share: service.c (arguments, start, end), service_control.c
 * (reload, drain, the common commands), service_signals.c, service_system.c (limits, privileges),
 * service_confine.c.
 */
#ifndef COMMON_SERVICE_PRIVATE_H
#define COMMON_SERVICE_PRIVATE_H

#include "common/ctl_server.h"
#include "common/metrics_http.h"
#include "common/service.h"

enum { SERVICE_EXIT_FAILED = 1, SERVICE_EXIT_USAGE = 2, SERVICE_EXIT_CONFIG = 78 };

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_DRAINING, SERVICE_STOPPING };

enum { SERVICE_SIGNAL_COUNT = 3 };

struct process {
    struct service service;
    const struct service_spec *spec;
    const char *path;          /* of the configuration, absolute */
    char *name;                /* "c2s-1" */
    void *conf;                /* service.conf, as its owner */
    void *conf_at_start;       /* what keys that need a restart are compared with */
    enum service_state state;
    bool is_up;                /* start has returned, and the process is confined */
    bool has_promised;         /* service_ready was called before that */
    struct confine *confine;   /* what was applied; NULL: confine = no */
    struct confine_report confined;
    int exit_code;
    struct ctl_table tables[3];
    struct ctl_server *control;
    struct metrics_http *metrics;
    uv_signal_t signals[SERVICE_SIGNAL_COUNT];
    uv_timer_t drain_timer, watchdog;
    uv_timer_t audit_timer; /* service_audit.c's */
    uint64_t reloads, failed_reloads;
};

static inline struct process *service_process(struct service *s)
{
    return CONTAINER_OF(s, struct process, service);
}

static inline const struct service_conf *service_own_conf(const struct process *p)
{
    return p->conf;
}

/* --- service.c --- */

/* Reads and checks the file; why as conf_load makes it. */
NODISCARD enum err service_load_conf(const struct process *p, void **out_conf, struct buf *why);
/* Leaves the loop; what is left is closed by service_run. */
void service_stop(struct process *p);

/* --- service_control.c --- */
extern const struct ctl_command service_commands[];
/* Logs what it does. out: sentences for who asked; ERR_OK also when some keys need a restart. */
NODISCARD enum err service_reload(struct process *p, struct buf *out);
/* The first time drains, and stops when that is done; the second time stops. */
void service_drain(struct process *p);

/* --- service_signals.c --- */
void service_signals_open(struct process *p);
void service_signals_close(struct process *p);

/* --- service_audit.c --- */

/* By the configuration; says that the process starts. ERR_IO: its file cannot be opened. */
NODISCARD enum err service_audit_open(struct process *p);
/* From here on it forwards and ticks; until detach, before the loop's last turn. */
void service_audit_attach(struct process *p);
void service_audit_detach(struct process *p);
/* After a reload. */
void service_audit_reloaded(struct process *p, enum err e, struct str why);
/* Says that the process ends. */
void service_audit_close(struct process *p);

/* --- service_system.c --- */

/* Limits, umask, SIGPIPE, malloc; when it is to be confined core dumps and new privileges, too. */
void service_harden(bool is_confined);
/* Becomes the user of the configuration, if it names one. why: one sentence. */
NODISCARD enum err service_drop_privileges(const struct service_conf *conf, struct buf *why);

/* --- service_confine.c --- */

/* What the skeleton itself needs. path: of the configuration. */
void service_confine_describe(const struct service_conf *conf, const char *path, struct confine *c);

/* Both do nothing with confine = no; what the kernel does not have is a warning in the log. Files
 * before the first other thread, calls when everything is open. why: one sentence. */
NODISCARD enum err service_confine_files(struct process *p, struct buf *why);
NODISCARD enum err service_confine_calls(struct process *p, struct buf *why);
/* Whether a new configuration can be served with what was applied. why: a sentence a line. */
NODISCARD enum err service_confine_check(const struct process *p, const void *conf,
                                         struct buf *why);
/* Fields of status, as the kernel reports them where it does. */
enum ctl_exit service_confine_status(const struct process *p, struct ctl_request *r);

#endif
