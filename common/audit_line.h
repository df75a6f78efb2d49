/* One audit event as text: JSON, the native protocol of journald, a line for syslog. Pure. For
 * audit.c. */
#ifndef COMMON_AUDIT_LINE_H
#define COMMON_AUDIT_LINE_H

#include "common/buf.h"
#include "common/log.h"

#include <time.h>

enum {
    AUDIT_LINE_MAX_BYTES = 7680, /* rsyslog cuts at 8 KiB with what stands in front of the JSON */
    AUDIT_VALUE_MAX_BYTES = 1024 /* of one value as it is written; what is longer ends in "…" */
};

struct audit_head {
    const char *process, *role; /* NULL: left out */
    const char *event;
    int severity;
    long pid;
    uint64_t seq;
    struct timespec at;
};

/* Without LF. */
void audit_line_json(struct buf *out, const struct audit_head *h, const struct kv *pairs);

/* systemd's JOURNAL_NATIVE_PROTOCOL: MESSAGE is the JSON; PRIORITY, SYSLOG_FACILITY,
 * SYSLOG_IDENTIFIER, SYSLOG_PID; SALLYPORT_EVENT and one SALLYPORT_… a field, in capitals. */
void audit_line_journal(struct buf *out, const struct audit_head *h, const struct kv *pairs,
                        struct str json);

/* As syslog(3) writes it, which both rsyslog's imuxsock and journald read: facility authpriv, local
 * time, "sallyport-sm-1[PID]: ", the JSON. */
void audit_line_syslog(struct buf *out, const struct audit_head *h, struct str json);

#endif
