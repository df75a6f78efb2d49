/* The registry of events: numbers, rates, what was suppressed or lost. Texts are audit_line.c's,
 * the daemons' sockets audit_forward.c's. */
#include "common/audit.h"

#include "common/audit_forward.h"
#include "common/audit_line.h"
#include "common/bucket.h"
#include "common/buf.h"
#include "common/log_target.h"
#include "common/mem.h"
#include "common/metric.h"
#include "common/table.h"

#include <time.h>
#include <unistd.h>

struct event {
    const char *name; /* a constant of the caller: there are as many as in the code */
    struct bucket bucket;
    uint64_t written;
    uint64_t suppressed; /* and not told yet */
};

static struct metric events_metric =
    METRIC("sallyport_audit_events_total", METRIC_COUNTER, "Events of the audit log.");
static struct metric suppressed_metric =
    METRIC("sallyport_audit_suppressed_total", METRIC_COUNTER,
           "Events that were over audit_rate: counted, not written.");
static struct metric lost_metric =
    METRIC("sallyport_audit_lost_total", METRIC_COUNTER,
           "Events that a file or daemon did not take; each target counts.");

static struct {
    char *process, *role;
    struct log_target file;
    enum audit_forward_to forward_to;
    struct audit_forward *forward;
    uint64_t forward_lost; /* and not told yet */
    uint64_t rate, seq;
    struct table events;
    uint64_t untold; /* of all events: suppressed and not told yet */
} registry = { .file.fd = -1 };

/* --- writing ---------------------------------------------------------------------------------- */

static void write_forward(const struct audit_head *head, const struct kv *pairs, struct str json)
{
    struct buf datagram = { 0 };

    if (registry.forward_to == AUDIT_FORWARD_JOURNAL)
        audit_line_journal(&datagram, head, pairs, json);
    else
        audit_line_syslog(&datagram, head, json);
    if (!audit_forward_send(registry.forward, buf_str(&datagram))) {
        registry.forward_lost++;
        metric_inc(&lost_metric);
    }
    buf_fini(&datagram);
}

static void put(struct event *e, enum audit_severity severity, const struct kv *pairs)
{
    struct audit_head head = { registry.process, registry.role,  e->name, (int)severity,
                               (long)getpid(),   ++registry.seq, { 0, 0 } };
    struct buf line = { 0 };

    clock_gettime(CLOCK_REALTIME, &head.at);
    audit_line_json(&line, &head, pairs);
    if (registry.forward)
        write_forward(&head, pairs, buf_str(&line));
    if (registry.file.fd >= 0) {
        buf_add_char(&line, '\n');
        if (!log_target_put(&registry.file, buf_str(&line)))
            metric_inc(&lost_metric);
    } else if (!registry.forward) {
        log_put_raw((int)severity, buf_str(&line));
    }
    e->written++;
    metric_inc(&events_metric);
    buf_fini(&line);
}

static struct str event_key(const void *item)
{
    return str_from(((const struct event *)item)->name);
}

static struct event *get_event(const char *name)
{
    struct event *e;

    if (!registry.events.key_of)
        table_init(&registry.events, event_key);
    e = table_get(&registry.events, str_from(name));
    if (e)
        return e;
    e = mem_new(struct event);
    e->name = name;
    table_put(&registry.events, e);
    return e;
}

/* These two are not held to the rate: there is one a second of each, for each event and target. */
static void tell_suppressed(struct event *e)
{
    uint64_t count = e->suppressed;

    if (count == 0)
        return;
    e->suppressed = 0;
    registry.untold -= count;
    put(get_event("audit-suppressed"), AUDIT_WARNING,
        LOG_PAIRS(kv_text("suppressed", e->name), kv_u64("count", count)));
}

static void tell_lost(const char *target, uint64_t *count)
{
    uint64_t lost = *count;

    if (lost == 0)
        return;
    *count = 0;
    put(get_event("audit-lost"), AUDIT_ERROR,
        LOG_PAIRS(kv_text("target", target), kv_u64("count", lost)));
    if (*count > 0)
        *count += lost; /* again, and this line with them */
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void audit_write(enum audit_severity severity, const char *event, const struct kv *pairs)
{
    struct event *e = get_event(event);

    if (!bucket_take(&e->bucket, registry.rate, now_ms())) {
        e->suppressed++;
        registry.untold++;
        metric_inc(&suppressed_metric);
        return;
    }
    tell_suppressed(e);
    put(e, severity, pairs);
}

/* --- once a second ---------------------------------------------------------------------------- */

/* An event is put into the table at most by audit-suppressed itself: walking begins again. */
static void tell_all_suppressed(void)
{
    struct event *e;

    (void)get_event("audit-suppressed");
    for (size_t at = 0; registry.untold > 0 && (e = table_next(&registry.events, &at));)
        tell_suppressed(e);
}

void audit_tick(void)
{
    static const char *const forward_names[] = { "none", "journal", "syslog" };

    if (registry.forward)
        audit_forward_tick(registry.forward);
    if (registry.forward_lost > 0 && audit_forward_is_clear(registry.forward))
        tell_lost(forward_names[registry.forward_to], &registry.forward_lost);
    tell_lost("file", &registry.file.lost);
    if (registry.untold > 0)
        tell_all_suppressed();
    audit_certificates_tick((int64_t)time(NULL));
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void collect(void *owner, struct buf *out)
{
    struct event *e;

    (void)owner;
    buf_add(out, STR("# HELP sallyport_audit_event_total Events of the audit log, by name.\n"
                     "# TYPE sallyport_audit_event_total counter\n"));
    for (size_t at = 0; (e = table_next(&registry.events, &at));)
        buf_printf(out, "sallyport_audit_event_total{event=\"%s\"} %llu\n", e->name,
                   (unsigned long long)e->written);
}

/* --- open, close ------------------------------------------------------------------------------ */

enum err audit_open(const struct audit_options *o)
{
    const char *usual =
        o->forward == AUDIT_FORWARD_JOURNAL ? AUDIT_JOURNAL_SOCKET : AUDIT_SYSLOG_SOCKET;

    audit_close();
    tzset(); /* syslog's lines have local time: its file is read here, before any confinement */
    registry.process = mem_strdup(o->process);
    registry.role = mem_strdup(o->role);
    registry.rate = o->rate;
    registry.file.path = o->file ? mem_strdup(o->file) : NULL;
    if (log_target_open(&registry.file) != ERR_OK) {
        audit_close();
        return ERR_IO;
    }
    registry.forward_to = o->forward;
    if (o->forward != AUDIT_FORWARD_NONE)
        registry.forward = audit_forward_new(o->socket ? o->socket : usual);
    metric_register(&events_metric);
    metric_register(&suppressed_metric);
    metric_register(&lost_metric);
    metric_on_collect(collect, &registry);
    return ERR_OK;
}

enum err audit_reopen(void)
{
    return log_target_open(&registry.file);
}

bool audit_is_open(void)
{
    return registry.process != NULL;
}

void audit_set_rate(uint64_t rate)
{
    registry.rate = rate;
}

void audit_attach(uv_loop_t *loop)
{
    if (registry.forward)
        audit_forward_attach(registry.forward, loop);
}

void audit_detach(void)
{
    if (registry.forward)
        audit_forward_detach(registry.forward);
}

void audit_close(void)
{
    struct event *e;

    tell_all_suppressed();
    metric_forget(&registry);
    for (size_t at = 0; (e = table_next(&registry.events, &at));)
        mem_free(e);
    table_fini(&registry.events);
    audit_forward_free(registry.forward);
    log_target_close(&registry.file);
    audit_certificates_forget();
    mem_free(registry.process);
    mem_free(registry.role);
    memset(&registry, 0, sizeof registry);
    registry.file.fd = -1;
}
