/* Counters and gauges, shown as Prometheus text. Each is defined once, in the metrics.c of its
 * folder, with the macro below; a test compares them with deploy/metrics.txt. Names begin with
 * "sallyport_". */
#ifndef COMMON_METRIC_H
#define COMMON_METRIC_H

#include "common/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
    const char *name;
    const char *help;
    enum metric_kind kind;
    uint64_t value;
    struct metric *next; /* the registry's */
};

/* struct metric c2s_metric_clients = METRIC("sallyport_c2s_clients", METRIC_GAUGE, "Client
 * connections open."); */
#define METRIC(metric_name, metric_kind, metric_help) \
    { .name = (metric_name), .help = (metric_help), .kind = (metric_kind) }

/* Puts it into the registry; once each, at start. */
void metric_register(struct metric *m);

static inline void metric_add(struct metric *m, uint64_t by)
{
    m->value += by;
}

static inline void metric_inc(struct metric *m)
{
    m->value++;
}

static inline void metric_dec(struct metric *m)
{
    m->value--;
}

static inline void metric_set(struct metric *m, uint64_t value)
{
    m->value = value;
}

/* Called at each scrape, to set gauges that are not kept up to date or to add labelled lines to
 * out. */
typedef void metric_collect_fn(void *owner, struct buf *out);
void metric_on_collect(metric_collect_fn *collect, void *owner);

/* Called behind each metric's own line, to add labelled lines of the same name, and at the end with
 * name NULL, to add metrics of other names. One for the process. */
typedef void metric_more_fn(void *owner, const char *name, struct buf *out);
void metric_on_more(metric_more_fn *more, void *owner);

/* Takes back what was given with this owner, before it is freed. */
void metric_forget(const void *owner);

/* Text exposition format 0.0.4 of everything registered, and process_* (CPU, memory, descriptors,
 * start time). */
void metric_write(struct buf *out);

#endif
