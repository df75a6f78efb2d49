/* One line an event, written with one write(2), so that lines of several processes in one file stay
 * whole. A registry of the process: the one place besides the metrics that is global. Rotation and
 * shipping are others' work. */
#include "common/log.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PRIORITY_NOTICE = 5,   /* of audit lines in the log: they are never switched off */
    VALUE_MAX_BYTES = 1024 /* strangers choose values; what is longer is cut and marked */
};

struct target {
    char *path; /* NULL: standard error */
    int fd;
    uint64_t lost; /* lines that could not be written (disk full) and have not been reported yet */
};

static struct {
    char *name;
    struct target log, audit;
    bool has_audit, is_journal;
    enum log_level level;
} logger = { .log.fd = STDERR_FILENO, .audit.fd = -1, .level = LOG_INFO };

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_plain((unsigned char)s.p[i]))
            return true;
    return s.n == 0;
}

/* Control characters of both ranges, and those that turn the direction of text around in a
 * terminal. */
static bool is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

static void add_quoted(struct buf *line, struct str s)
{
    buf_add_char(line, '"');
    while (s.n > 0) {
        uint32_t code = 0;
        size_t n = str_utf8_next(s, &code);
        size_t step = n > 0 ? n : 1;

        if (n == 0 || is_dangerous(code))
            for (size_t i = 0; i < step; i++)
                buf_printf(line, "\\x%02x", (unsigned)(unsigned char)s.p[i]);
        else if (code == '"' || code == '\\')
            buf_printf(line, "\\%c", (int)code);
        else
            buf_add(line, str_of(s.p, n));
        s = str_of(s.p + step, s.n - step);
    }
    buf_add_char(line, '"');
}

static void add_text(struct buf *line, struct str s)
{
    bool is_cut = s.n > VALUE_MAX_BYTES;

    if (is_cut)
        s.n = VALUE_MAX_BYTES;
    if (needs_quotes(s))
        add_quoted(line, s);
    else
        buf_add(line, s);
    if (is_cut)
        buf_add(line, STR("..."));
}

static void add_pairs(struct buf *line, const struct kv *pairs)
{
    for (; !pairs->key || pairs->key[0] != '\0'; pairs++) {
        if (!pairs->key)
            continue;
        buf_printf(line, " %s=", pairs->key);
        if (pairs->kind == KV_STR)
            add_text(line, pairs->text);
        else if (pairs->kind == KV_U64)
            buf_add_u64(line, pairs->number);
        else
            buf_printf(line, "%lld", (long long)(int64_t)pairs->number);
    }
}

static const char *priority_name(int priority)
{
    switch (priority) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    default:
        return "debug";
    }
}

/* systemd.exec(5): what standard error is when journald reads it. */
static bool is_journal(void)
{
    const char *told = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return told && sscanf(told, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* "<6>" for journald, which knows the rest; the time in front of everything elsewhere. */
static void begin_line(struct buf *line, const struct target *t, int priority)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];

    if (!t->path && logger.is_journal) {
        buf_printf(line, "<%d>", priority);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(line, "%s.%03ldZ %s[%ld] ", stamp, now.tv_nsec / 1000000,
               logger.name ? logger.name : "-", (long)getpid());
    if (priority != PRIORITY_NOTICE) /* "audit=…" says it */
        buf_printf(line, "%s: ", priority_name(priority));
}

static bool write_whole(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_of(s.p + n, s.n - (size_t)n);
    }
    return true;
}

static void put_line(struct target *t, struct buf *line)
{
    buf_add_char(line, '\n');
    if (t->lost > 0) {
        struct buf notice = { 0 };

        begin_line(&notice, t, LOG_ERROR);
        buf_printf(&notice, "log lines were lost count=%llu\n", (unsigned long long)t->lost);
        if (write_whole(t->fd, buf_str(&notice)))
            t->lost = 0;
        buf_fini(&notice);
    }
    if (!write_whole(t->fd, buf_str(line)))
        t->lost++;
}

static enum err open_target(struct target *t)
{
    int fd;

    if (!t->path)
        return ERR_OK;
    fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        return ERR_IO;
    if (t->fd > STDERR_FILENO)
        close(t->fd);
    t->fd = fd;
    return ERR_OK;
}

static void close_target(struct target *t)
{
    if (t->fd > STDERR_FILENO)
        close(t->fd);
    mem_free(t->path);
    *t = (struct target){ .fd = -1 };
}

enum err log_open(const char *name, const char *file, const char *audit_file, enum log_level level)
{
    log_close();
    logger.name = mem_strdup(name);
    logger.level = level;
    logger.is_journal = is_journal();
    logger.log.path = file ? mem_strdup(file) : NULL;
    logger.has_audit = audit_file != NULL;
    logger.audit.path = audit_file ? mem_strdup(audit_file) : NULL;
    if (log_reopen() == ERR_OK)
        return ERR_OK;
    log_close();
    return ERR_IO;
}

enum err log_reopen(void)
{
    enum err log_error = open_target(&logger.log), audit_error = open_target(&logger.audit);

    return log_error != ERR_OK ? log_error : audit_error;
}

void log_close(void)
{
    close_target(&logger.log);
    close_target(&logger.audit);
    mem_free(logger.name);
    logger.name = NULL;
    logger.has_audit = false;
    logger.log.fd = STDERR_FILENO;
}

void log_set_level(enum log_level level)
{
    logger.level = level;
}

bool log_is_on(enum log_level level)
{
    return level <= logger.level;
}

void log_write(enum log_level level, const char *sentence, const struct kv *pairs)
{
    struct buf line = { 0 };

    if (!log_is_on(level))
        return;
    begin_line(&line, &logger.log, (int)level);
    buf_add(&line, str_from(sentence));
    add_pairs(&line, pairs);
    put_line(&logger.log, &line);
    buf_fini(&line);
}

void audit_write(const char *event, const struct kv *pairs)
{
    struct target *t = logger.has_audit ? &logger.audit : &logger.log;
    struct buf line = { 0 };

    begin_line(&line, t, PRIORITY_NOTICE);
    buf_printf(&line, "audit=%s", event);
    add_pairs(&line, pairs);
    put_line(t, &line);
    buf_fini(&line);
}
