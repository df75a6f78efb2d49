/* The audit log: security events, one JSON object a line (deploy/AUDIT.md), into a file, and as
 * datagrams to journald or to a syslog daemon.
 *
 *     audit("link-up", kv_text("peer", name), kv_text("address", address));
 *
 * Every event is a line of deploy/audit-events.txt, with its severity and its fields; a test
 * compares that table with the code. Never a message body, never a secret. Values come from
 * strangers: they are escaped and cut here. A value that is absent leaves its field out.
 *
 * When a call returns the line is in the kernel (file), or in a queue that the kernel or this
 * module holds (datagrams): kill -9 loses none that the file got. A registry of the process, like
 * the log; for the loop's thread alone.
 *
 * Confinement: the file is opened again by its path after rotation (log_target.h). Forwarding makes
 * sockets of AF_UNIX, SOCK_DGRAM at any time (socket, connect, sendto on AUDIT_JOURNAL_SOCKET or
 * AUDIT_SYSLOG_SOCKET, or on the path of the configuration), as those daemons restart; it opens
 * no file. Of the syscall filter it needs socket, connect, sendto, close, epoll_ctl. */
#ifndef COMMON_AUDIT_H
#define COMMON_AUDIT_H

#include "common/log.h"

#include <uv.h>

#define AUDIT_JOURNAL_SOCKET "/run/systemd/journal/socket"
#define AUDIT_SYSLOG_SOCKET "/dev/log"

enum audit_severity { /* syslog's numbers */
                      AUDIT_ERROR = 3,
                      AUDIT_WARNING = 4,
                      AUDIT_NOTICE = 5,
                      AUDIT_INFO = 6
};

enum audit_forward_to { AUDIT_FORWARD_NONE, AUDIT_FORWARD_JOURNAL, AUDIT_FORWARD_SYSLOG };

struct audit_options {
    const char *process; /* "sm-1" */
    const char *role;    /* "sm" */
    const char *file;    /* NULL: no file; with no forwarding either the lines go to the log */
    enum audit_forward_to forward;
    const char *socket; /* of the daemon; NULL: the usual one */
    uint64_t rate;      /* lines a second of one event, five times as many at once; 0: no limit */
};

/* Texts are copied. ERR_IO when the file cannot be opened; a daemon that is not there is waited
 * for. Before it, events go to the log without process and role. */
NODISCARD enum err audit_open(const struct audit_options *options);
NODISCARD enum err audit_reopen(void);
void audit_set_rate(uint64_t rate);
void audit_close(void);
/* Between them: the process is running. */
bool audit_is_open(void);

/* Forwarding learns from this loop when a daemon takes datagrams again; without a loop, at the next
 * event or tick. audit_detach before the loop ends: one turn of it frees what was attached. */
void audit_attach(uv_loop_t *loop);
void audit_detach(void);

/* Once a second: says what was suppressed or lost, connects again, looks at certificates. */
void audit_tick(void);

/* event: a constant. pairs ends with a pair whose key is "". Pairs whose key is NULL are left out.
 * What is over the rate is counted, and told by one audit-suppressed a second at most. */
void audit_write(enum audit_severity severity, const char *event, const struct kv *pairs);

#define audit(event, ...) audit_write(AUDIT_NOTICE, event, LOG_PAIRS(__VA_ARGS__))
#define audit_info(event, ...) audit_write(AUDIT_INFO, event, LOG_PAIRS(__VA_ARGS__))
#define audit_warning(event, ...) audit_write(AUDIT_WARNING, event, LOG_PAIRS(__VA_ARGS__))
#define audit_error(event, ...) audit_write(AUDIT_ERROR, event, LOG_PAIRS(__VA_ARGS__))

/* --- our own certificates (audit_certificate.c) ----------------------------------------------- */

enum { AUDIT_EXPIRY_WARNING_DAYS = 14 };

/* Tells of a certificate of this process that ends within AUDIT_EXPIRY_WARNING_DAYS, or has ended:
 * now, and then once a day. Called at start and after each reload.
 * what    "link", or the title of the section that names it; one certificate each.
 * expiry  seconds since 1970; 0: there is none (any more). */
void audit_certificate(const char *what, int64_t expiry);
/* A certificate, key or CA cannot be used. While the process runs only: who checks a file, or
 * starts, is told by other means. */
void audit_certificate_refused(const char *what, struct str reason);
/* For audit.c. */
void audit_certificates_tick(int64_t now);
void audit_certificates_forget(void);

#endif
