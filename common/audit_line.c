/* The texts of audit_line.h. RFC 8259 (JSON), RFC 3339 (time), RFC 3164 §4.1 (syslog). */
#include "common/audit_line.h"

#include <stdio.h>

enum { FACILITY_AUTHPRIV = 10, FACILITY_SHIFT = 3 };

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS "\xe2\x80\xa6"

/* --- JSON ------------------------------------------------------------------------------------- */

/* One character as it stands in a JSON string; used: the bytes of s that it took. */
static struct str escaped(struct str s, char space[13], size_t *used)
{
    uint32_t code = 0;
    size_t n = str_utf8_next(s, &code);

    *used = n > 0 ? n : 1;
    if (n == 0)
        return STR(REPLACEMENT);
    if (code == '"' || code == '\\')
        return str_of(space, (size_t)snprintf(space, 13, "\\%c", (int)code));
    if (log_is_dangerous(code)) /* all of them are below U+10000 */
        return str_of(space, (size_t)snprintf(space, 13, "\\u%04x", code));
    return str_of(s.p, n);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return true;
}

static void add_text(struct buf *out, struct str s, size_t limit)
{
    size_t start = out->n, used;
    char space[13];

    if (s.n <= limit && is_plain(s)) { /* nearly all */
        buf_add(out, s);
        return;
    }
    for (; s.n > 0; s = str_of(s.p + used, s.n - used)) {
        struct str one = escaped(s, space, &used);

        if (out->n - start + one.n > limit) {
            buf_add(out, STR(ELLIPSIS));
            return;
        }
        buf_add(out, one);
    }
}

static bool is_there(const struct kv *pair)
{
    return pair->key && (pair->kind != KV_STR || str_is_set(pair->text));
}

static bool is_last(const struct kv *pair)
{
    return pair->key && pair->key[0] == '\0';
}

static void add_number(struct buf *out, const struct kv *pair)
{
    if (pair->kind == KV_U64)
        buf_add_u64(out, pair->number);
    else
        buf_printf(out, "%lld", (long long)(int64_t)pair->number);
}

/* The head and the keys always fit; values give way. */
static size_t room(const struct buf *out, size_t start)
{
    size_t used = out->n - start, kept = AUDIT_LINE_MAX_BYTES / 8;

    if (used + kept >= AUDIT_LINE_MAX_BYTES)
        return 0;
    used = AUDIT_LINE_MAX_BYTES - kept - used;
    return used < AUDIT_VALUE_MAX_BYTES ? used : AUDIT_VALUE_MAX_BYTES;
}

static void add_member(struct buf *out, const char *key, struct str value, size_t limit)
{
    buf_add(out, STR(",\""));
    buf_add(out, str_from(key));
    buf_add(out, STR("\":\""));
    add_text(out, value, limit);
    buf_add_char(out, '"');
}

static void add_time(struct buf *out, const struct timespec *at)
{
    struct tm utc;
    char stamp[32];

    gmtime_r(&at->tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(out, "{\"time\":\"%s.%03ldZ\"", stamp, at->tv_nsec / 1000000);
}

void audit_line_json(struct buf *out, const struct audit_head *h, const struct kv *pairs)
{
    size_t start = out->n;

    add_time(out, &h->at);
    add_member(out, "event", str_from(h->event), AUDIT_VALUE_MAX_BYTES);
    if (h->process)
        add_member(out, "process", str_from(h->process), AUDIT_VALUE_MAX_BYTES);
    if (h->role)
        add_member(out, "role", str_from(h->role), AUDIT_VALUE_MAX_BYTES);
    buf_printf(out, ",\"pid\":%ld,\"seq\":%llu", h->pid, (unsigned long long)h->seq);
    for (; !is_last(pairs); pairs++) {
        if (!is_there(pairs))
            continue;
        if (pairs->kind == KV_STR) {
            add_member(out, pairs->key, pairs->text, room(out, start));
            continue;
        }
        buf_printf(out, ",\"%s\":", pairs->key);
        add_number(out, pairs);
    }
    buf_add_char(out, '}');
}

/* --- journald --------------------------------------------------------------------------------- */

/* A value with a line end in it is written with its length in front, little-endian. */
static void add_field(struct buf *out, const char *name, struct str value)
{
    buf_add(out, str_from(name));
    if (str_find(value, '\n') == value.n) {
        buf_add_char(out, '=');
    } else {
        buf_add_char(out, '\n');
        for (unsigned shift = 0; shift < 64; shift += 8)
            buf_add_char(out, (char)(uint8_t)((uint64_t)value.n >> shift));
    }
    buf_add(out, value);
    buf_add_char(out, '\n');
}

/* What is not UTF-8 is replaced as in the JSON, and as much of it is taken. */
static void add_stranger(struct buf *out, const char *name, struct str s)
{
    struct buf value = { 0 };

    while (s.n > 0 && value.n < AUDIT_VALUE_MAX_BYTES) {
        uint32_t code;
        size_t n = str_utf8_next(s, &code);

        buf_add(&value, n > 0 ? str_of(s.p, n) : STR(REPLACEMENT));
        s = str_of(s.p + (n > 0 ? n : 1), s.n - (n > 0 ? n : 1));
    }
    if (s.n > 0)
        buf_add(&value, STR(ELLIPSIS));
    add_field(out, name, buf_str(&value));
    buf_fini(&value);
}

/* Journal fields are of A-Z, 0-9 and '_'. */
static const char *field_name(const char *key, char space[64])
{
    size_t n = (size_t)snprintf(space, 64, "SALLYPORT_%s", key);

    for (size_t i = 0; i < n && i < 63; i++)
        space[i] = (char)(space[i] >= 'a' && space[i] <= 'z' ? space[i] - 'a' + 'A'
                          : space[i] == '-'                  ? '_'
                                                             : space[i]);
    return space;
}

static void add_head(struct buf *out, const struct audit_head *h, struct str json)
{
    add_field(out, "MESSAGE", json);
    buf_printf(out,
               "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=sallyport-%s\nSYSLOG_PID=%ld\n"
               "SALLYPORT_EVENT=%s\nSALLYPORT_SEQ=%llu\n",
               h->severity, FACILITY_AUTHPRIV, h->process ? h->process : "", h->pid, h->event,
               (unsigned long long)h->seq);
    if (h->process)
        add_field(out, "SALLYPORT_PROCESS", str_from(h->process));
    if (h->role)
        add_field(out, "SALLYPORT_ROLE", str_from(h->role));
}

void audit_line_journal(struct buf *out, const struct audit_head *h, const struct kv *pairs,
                        struct str json)
{
    char name[64];

    add_head(out, h, json);
    for (; !is_last(pairs); pairs++) {
        if (!is_there(pairs))
            continue;
        if (pairs->kind == KV_STR) {
            add_stranger(out, field_name(pairs->key, name), pairs->text);
            continue;
        }
        buf_printf(out, "%s=", field_name(pairs->key, name));
        add_number(out, pairs);
        buf_add_char(out, '\n');
    }
}

/* --- syslog ----------------------------------------------------------------------------------- */

void audit_line_syslog(struct buf *out, const struct audit_head *h, struct str json)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm local;

    localtime_r(&h->at.tv_sec, &local);
    buf_printf(out, "<%d>%s %2d %02d:%02d:%02d sallyport-%s[%ld]: ",
               FACILITY_AUTHPRIV << FACILITY_SHIFT | h->severity, months[local.tm_mon],
               local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
               h->process ? h->process : "", h->pid);
    buf_add(out, json);
}
