/* The skeleton of every executable: arguments, configuration, log, privileges, signals, control
 * socket, metrics, readiness, reload, drain. main() is a table handed to service_run.
 *
 * Usage of each executable: -c FILE, --check (only checks), --reference (prints the reference page
 * of its keys),
 * --version, --help. Exit codes: 0, 1 (failed while running), 2 (usage), 78 (configuration). */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include "common/conf.h"
#include "common/confine.h"
#include "common/ctl.h"
#include "common/net.h"
#include "common/timer.h"

/* The part that each process's configuration struct begins with. */
struct service_conf {
    char *log_file;        /* NULL: standard error */
    char *audit_file;      /* NULL: into the log, unless they are forwarded */
    int audit_forward;     /* enum audit_forward_to, index of service_audit_forwards */
    char *audit_socket;    /* of the daemon; NULL: the usual one */
    int64_t audit_rate;    /* lines a second of one event, and of one sentence of the log */
    int log_level;         /* index of service_log_levels */
    char *
        control_dir; /* NULL: no control sockets; else NAME.sock (read) and NAME-admin.sock in it */
    char *control_group;       /* may read */
    char *control_admin_group; /* may administer */
    char *metrics; /* "127.0.0.1:9100" or "unix:/path"; NULL: none. Only loopback and Unix sockets
                      are accepted */
    char *user;            /* to become after the listeners are open; NULL: stay */
    int64_t drain_ms;      /* SIGTERM: at most so long */
    bool is_confined;      /* common/confine.h */
};

/* Rows for struct service_conf at offset 0; put SERVICE_CONF_KEYS first into the top-level table.
 */
extern const char *const service_log_levels[]; /* "error" "warn" "info" "debug" NULL */
extern const char *const service_audit_forwards[]; /* "none" "journal" "syslog" NULL */
#define SERVICE_CONF_KEYS \
    { "log_file", CONF_PATH, offsetof(struct service_conf, log_file), "", 0, 0, NULL, CONF_AT_START, "Where the log goes; standard error when absent." }, \
    { "audit_file", CONF_PATH, offsetof(struct service_conf, audit_file), "", 0, 0, NULL, CONF_AT_START, "Where security events go, one JSON object a line; into the log when absent and audit_forward is none." }, \
    { "audit_forward", CONF_CHOICE, offsetof(struct service_conf, audit_forward), "none", 0, 0, service_audit_forwards, CONF_AT_START, "Where security events go besides: to journald with a field for each attribute, or to the syslog daemon as authpriv." }, \
    { "audit_socket", CONF_PATH, offsetof(struct service_conf, audit_socket), "", 0, 0, NULL, CONF_AT_START, "Socket of that daemon; /run/systemd/journal/socket or /dev/log when absent." }, \
    { "audit_rate", CONF_INT, offsetof(struct service_conf, audit_rate), "5000", 0, 1000000, NULL, CONF_AT_RELOAD, "How often in a second one event may be written to the audit log, and one sentence to the log; five times as many at once; 0 for no limit. What is over is counted." }, \
    { "log_level", CONF_CHOICE, offsetof(struct service_conf, log_level), "info", 0, 0, service_log_levels, CONF_AT_RELOAD, "The least important events to be logged." }, \
    { "control_dir", CONF_PATH, offsetof(struct service_conf, control_dir), "", 0, 0, NULL, CONF_AT_START, "Folder of the control sockets for sallyportctl; none when absent." }, \
    { "control_group", CONF_TEXT, offsetof(struct service_conf, control_group), "", 0, 0, NULL, CONF_AT_START, "Group that may ask; only the process's own when absent." }, \
    { "control_admin_group", CONF_TEXT, offsetof(struct service_conf, control_admin_group), "", 0, 0, NULL, CONF_AT_START, "Group that may administer; only the process's own when absent." }, \
    { "metrics", CONF_TEXT, offsetof(struct service_conf, metrics), "", 0, 0, NULL, CONF_AT_START, "Address of the Prometheus endpoint, on loopback or a Unix socket; none when absent." }, \
    { "user", CONF_TEXT, offsetof(struct service_conf, user), "", 0, 0, NULL, CONF_AT_START, "User to become once everything is open." }, \
    { "drain", CONF_DURATION, offsetof(struct service_conf, drain_ms), "10s", 0, 3600000, NULL, CONF_AT_START, "How long SIGTERM may take to end what is under way." }, \
    { "confine", CONF_BOOL, offsetof(struct service_conf, is_confined), "yes", 0, 0, NULL, CONF_AT_START, "The process gives up all rights that it does not need: system calls, files, ports, core dumps. no is for debugging, and a warning." }

struct service {
    uv_loop_t *loop;
    struct net *net;
    struct timers *timers;
    const void *conf; /* the current one; replaced by reload */
    void *app;        /* what start returned */
    uint64_t started_ms; /* uv_now at start */
};

struct service_spec {
    const char *name;    /* "c2s"; the executable is sallyport-NAME */
    const char *summary; /* one line for --help */
    const struct conf_spec *conf;
    /* The process's own component name ("c2s-1.example.internal"): what is before its first dot
     * names log lines and control sockets. May be NULL: then name does. */
    const char *(*instance_name)(const void *conf);
    /* What the table of keys cannot say (a file that does not exist, keys that contradict); may be
     * NULL. why: lines as conf_load makes them. Used by --check, at start and at reload. */
    enum err (*check)(const void *conf, struct buf *why);
    /* What the configuration makes necessary, besides what the skeleton itself needs: its own file,
     * logs, control sockets and metrics. Called for a reload's configuration, too, which is refused
     * when it needs more. NULL: nothing. */
    void (*confine)(const void *conf, struct confine *c);
    /* Opens everything. The loop is not running yet; privileges are dropped when it has returned.
     * why: one sentence on failure. */
    enum err (*start)(struct service *s, void **out_app, struct buf *why);
    /* SIGHUP or the control socket, s->conf already the new one; old_conf is freed afterwards.
     * Keeps the old state of what cannot be loaded, and says so in why (logged as an error). May be
     * NULL. */
    enum err (*reload)(struct service *s, const void *old_conf, struct buf *why);
    /* SIGTERM: stop taking new work, end what there is, then call service_drained; service_run does
     * not wait longer than the key drain. May be NULL. */
    void (*drain)(struct service *s);
    /* Closes and frees everything; the loop runs until all handles are closed. */
    void (*stop)(struct service *s);
    const struct ctl_command
        *commands; /* besides the common ones: status, health, reload, drain, metrics, log-level */
    /* Adds fields to status, and returns how healthy it is for health (may be NULL). */
    enum ctl_exit (*status)(struct service *s, struct ctl_request *r);
};

/* Returns the exit code of the process. */
int service_run(const struct service_spec *spec, int argc, char **argv);

/* Says that start's promise holds now: READY=1 to the service manager (sd_notify) and a log line,
 * but not before the process is confined. start need not be ready when it returns (c2s is when it
 * has a host table). */
void service_ready(struct service *s);
void service_drained(struct service *s);

/* For status: adds a field with the days that are left of a certificate. expiry: seconds since
 * 1970; 0: there is none, no field. Returns CTL_OK, CTL_WARNING in its last 14 days, CTL_CRITICAL
 * when it has ended. */
enum { SERVICE_EXPIRY_WARNING_DAYS = 14 };
enum ctl_exit service_certificate_health(struct ctl_request *r, const char *field, int64_t expiry);

/* Ends the loop because something cannot go on; logged as an error, exit code 1. */
void service_fail(struct service *s, const char *sentence);

/* Version of the software, "0.1.0". */
extern const char service_version[];

/* Listening sockets handed over by the service manager (LISTEN_FDS, LISTEN_FDNAMES): the descriptor
 * with this name, or -1. Each can be taken once. Names in use: "control" and "control-admin"
 * (ctl_server.c), "metrics", "link" (TLS links), "component" (the router's port for components),
 * and the titles of c2s's listen sections. */
int service_inherited_fd(const char *name);

#endif
