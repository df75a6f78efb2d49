/* The registry of counters and its text form (Prometheus text exposition format 0.0.4). Who serves
 * the text is service's business. */
#include "common/metric.h"

#include "common/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct collector {
    metric_collect_fn *collect;
    void *owner;
};

static struct {
    struct metric *first, **end;
    struct collector *collectors;
    size_t collector_count;
    metric_more_fn *more;
    void *more_owner;
} registry;

/* Asking again for what is there already does nothing: a module may be started twice in one
 * process. */
void metric_register(struct metric *m)
{
    if (!registry.end)
        registry.end = &registry.first;
    for (struct metric *known = registry.first; known; known = known->next) {
        ASSERT(known == m || strcmp(known->name, m->name) != 0);
        if (known == m)
            return;
    }
    m->next = NULL;
    *registry.end = m;
    registry.end = &m->next;
}

void metric_on_collect(metric_collect_fn *collect, void *owner)
{
    size_t n = registry.collector_count;

    for (size_t i = 0; i < n; i++)
        if (registry.collectors[i].collect == collect && registry.collectors[i].owner == owner)
            return;
    registry.collectors = mem_realloc(registry.collectors, (n + 1) * sizeof *registry.collectors);
    registry.collectors[n] = (struct collector){ collect, owner };
    registry.collector_count = n + 1;
}

void metric_on_more(metric_more_fn *more, void *owner)
{
    registry.more = more;
    registry.more_owner = owner;
}

void metric_forget(const void *owner)
{
    size_t kept = 0;

    for (size_t i = 0; i < registry.collector_count; i++)
        if (registry.collectors[i].owner != owner)
            registry.collectors[kept++] = registry.collectors[i];
    registry.collector_count = kept;
    if (registry.more_owner == owner)
        registry.more = NULL;
}

static void write_more(struct buf *out, const char *name)
{
    if (registry.more)
        registry.more(registry.more_owner, name, out);
}

static void write_head(struct buf *out, const char *name, const char *help, enum metric_kind kind)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
               kind == METRIC_COUNTER ? "counter" : "gauge");
}

static void write_number(struct buf *out, const char *name, const char *help, enum metric_kind kind,
                         double value)
{
    write_head(out, name, help, kind);
    buf_printf(out, "%s %.15g\n", name, value);
    write_more(out, name);
}

/* Small files of /proc only. */
static bool read_small(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void write_cpu(struct buf *out)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    write_number(out, "process_cpu_seconds_total", "User and system CPU time.", METRIC_COUNTER,
                 (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void write_memory(struct buf *out)
{
    char text[128];
    unsigned long long total, resident;
    double page = (double)sysconf(_SC_PAGESIZE);

    if (!read_small("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%llu %llu", &total, &resident) != 2)
        return;
    write_number(out, "process_virtual_memory_bytes", "Address space.", METRIC_GAUGE,
                 (double)total * page);
    write_number(out, "process_resident_memory_bytes", "Memory in use.", METRIC_GAUGE,
                 (double)resident * page);
}

static void write_descriptors(struct buf *out)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t count = 0;

    if (dir) {
        for (struct dirent *entry; (entry = readdir(dir));)
            count += entry->d_name[0] != '.';
        closedir(dir);
        /* The folder's own descriptor was among them. */
        write_number(out, "process_open_fds", "Open descriptors.", METRIC_GAUGE,
                     (double)(count - 1));
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_number(out, "process_max_fds", "Limit of open descriptors.", METRIC_GAUGE,
                     (double)limit.rlim_cur);
}

/* proc(5): the 22nd field of stat counts clock ticks since boot; the second may itself hold spaces
 * and brackets. */
static double started_at(void)
{
    char text[4096], *at;
    unsigned long long ticks = 0, boot = 0;

    if (!read_small("/proc/self/stat", text, sizeof text) || !(at = strrchr(text, ')')))
        return 0;
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    ticks = at ? strtoull(at + 1, NULL, 10) : 0;
    if (!read_small("/proc/uptime", text, sizeof text))
        return 0;
    boot = (unsigned long long)time(NULL) - strtoull(text, NULL, 10);
    return (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void metric_write(struct buf *out)
{
    static double start_time;

    for (size_t i = 0; i < registry.collector_count; i++)
        registry.collectors[i].collect(registry.collectors[i].owner, out);
    for (const struct metric *m = registry.first; m; m = m->next) {
        write_head(out, m->name, m->help, m->kind);
        buf_printf(out, "%s %llu\n", m->name, (unsigned long long)m->value);
        write_more(out, m->name);
    }
    write_cpu(out);
    write_memory(out);
    write_descriptors(out);
    if (start_time == 0)
        start_time = started_at();
    write_number(out, "process_start_time_seconds", "Start, seconds since 1970.", METRIC_GAUGE,
                 start_time);
    write_more(out, NULL);
}
