/* The log and the audit log: one line an event, a constant sentence and key=value pairs.
 * Never a message body, never a secret. Values come from strangers: they are quoted and escaped
 * here.
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
 * file     path, or NULL for standard error. Reopened by log_reopen (SIGHUP, after rotation).
 * audit    path of the audit log, or NULL: then audit lines go to the log, marked audit=EVENT. */
NODISCARD enum err log_open(const char *name, const char *file, const char *audit,
                            enum log_level level);
NODISCARD enum err log_reopen(void);
void log_close(void);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* pairs ends with a pair whose key is "". Pairs whose key is NULL are left out. */
void log_write(enum log_level level, const char *sentence, const struct kv *pairs);

#define LOG_PAIRS(...) ((const struct kv[]){ { .key = NULL }, ##__VA_ARGS__, { .key = "" } })
#define log_error(sentence, ...) log_write(LOG_ERROR, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_warn(sentence, ...) log_write(LOG_WARN, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_info(sentence, ...) log_write(LOG_INFO, sentence, LOG_PAIRS(__VA_ARGS__))
#define log_debug(sentence, ...) \
    (log_is_on(LOG_DEBUG) ? log_write(LOG_DEBUG, sentence, LOG_PAIRS(__VA_ARGS__)) : (void)0)

/* Security events: logins, refusals, links, policy violations, administration. event is one of the
 * names listed in deploy/audit-events.txt (a test compares that list with the code). */
void audit_write(const char *event, const struct kv *pairs);
#define audit(event, ...) audit_write(event, LOG_PAIRS(__VA_ARGS__))

#endif
