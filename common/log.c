/* One line an event. A registry of the process: the one place besides the metrics and the audit log
 * that is global. Rotation and shipping are others' work. */
#include "common/log.h"

#include "common/bucket.h"
#include "common/buf.h"
#include "common/log_target.h"
#include "common/mem.h"
#include "common/metric.h"
#include "common/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    VALUE_MAX_BYTES = 1024 /* strangers choose values; what is longer is cut and marked */
};

/* A sentence is a constant: there are as many as in the code. Debugging is not counted. */
struct sentence {
    const char *text;
    struct bucket bucket;
    uint64_t suppressed; /* and not told yet */
    enum log_level level;
};

static struct {
    char *name;
    struct log_target target;
    bool is_journal;
    enum log_level level;
    uint64_t rate;
    struct table sentences;
    uint64_t untold; /* of all sentences: suppressed and not told yet */
} logger = { .target.fd = STDERR_FILENO, .level = LOG_INFO };

static struct metric suppressed_metric =
    METRIC("sallyport_log_suppressed_total", METRIC_COUNTER,
           "Lines of the log that were over audit_rate: counted, not written.");

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
bool log_is_dangerous(uint32_t code)
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

        if (n == 0 || log_is_dangerous(code))
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
static void begin_line(struct buf *line, int priority)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];

    if (!logger.target.path && logger.is_journal) {
        buf_printf(line, "<%d>", priority);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(line, "%s.%03ldZ %s[%ld] %s: ", stamp, now.tv_nsec / 1000000,
               logger.name ? logger.name : "-", (long)getpid(), priority_name(priority));
}

static void put_line(struct buf *line)
{
    struct log_target *t = &logger.target;

    buf_add_char(line, '\n');
    if (t->lost > 0) {
        struct buf notice = { 0 };
        uint64_t lost = t->lost;

        begin_line(&notice, LOG_ERROR);
        buf_printf(&notice, "log lines were lost count=%llu\n", (unsigned long long)lost);
        if (log_target_put(t, buf_str(&notice)))
            t->lost -= lost;
        else
            t->lost--; /* the notice is no line of the log */
        buf_fini(&notice);
    }
    (void)log_target_put(t, buf_str(line));
}

/* --- open, close ------------------------------------------------------------------------------ */

enum err log_open(const char *name, const char *file, enum log_level level)
{
    log_close();
    logger.name = mem_strdup(name);
    logger.level = level;
    logger.is_journal = is_journal();
    logger.target.path = file ? mem_strdup(file) : NULL;
    metric_register(&suppressed_metric);
    if (log_reopen() == ERR_OK)
        return ERR_OK;
    log_close();
    return ERR_IO;
}

enum err log_reopen(void)
{
    return log_target_open(&logger.target);
}

void log_close(void)
{
    struct sentence *s;

    log_tick();
    log_target_close(&logger.target);
    logger.target.fd = STDERR_FILENO;
    for (size_t at = 0; (s = table_next(&logger.sentences, &at));)
        mem_free(s);
    table_fini(&logger.sentences);
    logger.untold = 0;
    mem_free(logger.name);
    logger.name = NULL;
}

void log_set_level(enum log_level level)
{
    logger.level = level;
}

void log_set_rate(uint64_t rate)
{
    logger.rate = rate;
}

bool log_is_on(enum log_level level)
{
    return level <= logger.level;
}

/* --- rate ------------------------------------------------------------------------------------- */

static struct str sentence_key(const void *item)
{
    return str_from(((const struct sentence *)item)->text);
}

static struct sentence *get_sentence(enum log_level level, const char *text)
{
    struct sentence *s;

    if (!logger.sentences.key_of)
        table_init(&logger.sentences, sentence_key);
    s = table_get(&logger.sentences, str_from(text));
    if (s)
        return s;
    s = mem_new(struct sentence);
    s->text = text;
    s->level = level;
    table_put(&logger.sentences, s);
    return s;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void put_sentence(enum log_level level, const char *text, const struct kv *pairs)
{
    struct buf line = { 0 };

    begin_line(&line, (int)level);
    buf_add(&line, str_from(text));
    add_pairs(&line, pairs);
    put_line(&line);
    buf_fini(&line);
}

static void tell_suppressed(struct sentence *s)
{
    uint64_t count = s->suppressed;

    if (count == 0)
        return;
    s->suppressed = 0;
    logger.untold -= count;
    put_sentence(s->level, "lines were suppressed",
                 LOG_PAIRS(kv_text("sentence", s->text), kv_u64("count", count)));
}

void log_tick(void)
{
    struct sentence *s;

    for (size_t at = 0; logger.untold > 0 && (s = table_next(&logger.sentences, &at));)
        tell_suppressed(s);
}

static bool may_say(enum log_level level, const char *sentence)
{
    struct sentence *s;

    if (logger.rate == 0 || level == LOG_DEBUG)
        return true;
    s = get_sentence(level, sentence);
    if (bucket_take(&s->bucket, logger.rate, now_ms())) {
        tell_suppressed(s);
        return true;
    }
    s->suppressed++;
    logger.untold++;
    metric_inc(&suppressed_metric);
    return false;
}

/* --- lines ------------------------------------------------------------------------------------ */

void log_write(enum log_level level, const char *sentence, const struct kv *pairs)
{
    if (log_is_on(level) && may_say(level, sentence))
        put_sentence(level, sentence, pairs);
}

void log_put_raw(int priority, struct str text)
{
    struct buf line = { 0 };

    if (!logger.target.path && logger.is_journal)
        begin_line(&line, priority);
    buf_add(&line, text);
    put_line(&line);
    buf_fini(&line);
}
