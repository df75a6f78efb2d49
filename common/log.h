/* The log: one line an event, a constant sentence and key=value pairs. Never a message body, never
 * a secret. Values come from strangers: they are quoted and escaped here. For the loop's thread
 * alone. Security events are audit.h's.
 *
 *     log_info("link up", kv_str("peer", name), kv_u64("instance", n));
 *
 * Where journald reads standard error each line starts with the priority for it ("<6>"); everywhere
 * else with the UTC time of RFC 3339. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/str.h"

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 }; /* syslog's numbers */

struct kv {
    const char *key; /* NULL: left out */
    enum { KV_STR, KV_U64, KV_I64 } kind;
    struct str text;
    uint64_t number;
};

static inline struct kv kv_str(const char *key, struct str value)
{
    return (struct kv){ .key = key, .kind = KV_STR, .text = value };
}

static inline struct kv kv_text(const char *key, const char *value)
{
    return kv_str(key, str_from(value));
}

static inline struct kv kv_u64(const char *key, uint64_t value)
{
    return (struct kv){ .key = key, .kind = KV_U64, .number = value };
}

static inline struct kv kv_i64(const char *key, int64_t value)
{
    return (struct kv){ .key = key, .kind = KV_I64, .number = (uint64_t)value };
}

static inline struct kv kv_err(enum err e)
{
    return kv_text("error", err_text(e));
}

/* Opens the log; before it everything goes to standard error.
 * name     the executable's, "c2s"; shown in each line of a file.
 * file     path, or NULL for standard error. Reopened by log_reopen (SIGHUP, after rotation). */
NODISCARD enum err log_open(const char *name, const char *file, enum log_level level);
NODISCARD enum err log_reopen(void);
void log_close(void);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* Lines a second of one sentence, five times as many at once; what is over is counted, and told
 * once a second. 0, at first: no limit. Lines of debugging have none. */
void log_set_rate(uint64_t rate);
/* Once a second: tells what was suppressed. */
void log_tick(void);

/* sentence: a constant. pairs ends with a pair whose key is "". Pairs whose key is NULL are left
 * out. */
void log_write(enum log_level level, const char *sentence, const struct kv *pairs);

#define LOG_PAIRS(...) ((const struct kv[]){ { .key = NULL }, ##__VA_ARGS__, { .key = "" } })
#define log_error(sentence, ...) log_write(LOG_ERROR, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_warn(sentence, ...) log_write(LOG_WARN, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_info(sentence, ...) log_write(LOG_INFO, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_debug(sentence, ...) \
    (log_is_on(LOG_DEBUG) ? log_write(LOG_DEBUG, sentence, LOG_PAIRS(__VA_ARGS__)) : (void)0)

/* A whole line as it is, for audit.c; for journald with its priority in front. */
void log_put_raw(int priority, struct str text);

/* Control characters of both ranges, and those that turn the direction of text around: no log
 * shows them as they are. */
bool log_is_dangerous(uint32_t code);

#endif
