/* Tables of how directories say it: Active Directory, OpenLDAP's password policy, 389 Directory
 * Server and FreeIPA, RFC 2307's shadow accounts. */
#include "sm/directory/state.h"

#include <string.h>

const char *const directory_state_attributes[] = {
    /* Active Directory: MS-ADTS §2.2.16, §3.1.1.4.5.17 */
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "accountExpires",
    "pwdLastSet",
    /* draft-behera-ldap-password-policy-10 §5.3 */
    "pwdAccountLockedTime",
    "pwdStartTime",
    "pwdEndTime",
    "pwdReset",
    "pwdChangedTime",
    /* 389 Directory Server, FreeIPA */
    "nsAccountLock",
    "krbPrincipalExpiration",
    "krbPasswordExpiration",
    "krbLastPwdChange",
    /* RFC 2307 §3 */
    "shadowExpire",
    "shadowLastChange",
    "shadowMax",
    NULL,
};

enum {
    UAC_DISABLED = 0x2,
    UAC_DONT_EXPIRE = 0x10000,
    UAC_LOCKED = 0x10,      /* of the computed one */
    UAC_EXPIRED = 0x800000, /* of the computed one */
    DAY = 24 * 60 * 60,
};

const char *const *directory_state_wanted(const char *key_attribute, const char *const *extra,
                                          struct arena *arena)
{
    size_t n = 0, more = 0;
    const char **list;

    while (extra && extra[more])
        more++;
    list = arena_alloc(arena, (ARRAY_LEN(directory_state_attributes) + more + 1) * sizeof *list);
    list[n++] = key_attribute;
    for (size_t i = 0; directory_state_attributes[i]; i++)
        list[n++] = directory_state_attributes[i];
    for (size_t i = 0; i < more; i++)
        list[n++] = extra[i];
    return list;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool read_digits(struct str *text, size_t n, int *out)
{
    *out = 0;
    if (text->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        *out = *out * 10 + (text->p[i] - '0');
    }
    *text = str_of(text->p + n, text->n - n);
    return true;
}

bool directory_time_read(struct str text, time_t *out)
{
    struct tm t = { 0 };
    int year, month;

    if (!str_is_set(text) || !read_digits(&text, 4, &year) || !read_digits(&text, 2, &month) ||
        !read_digits(&text, 2, &t.tm_mday) || !read_digits(&text, 2, &t.tm_hour) ||
        !read_digits(&text, 2, &t.tm_min) || !read_digits(&text, 2, &t.tm_sec))
        return false;
    if (text.n > 0 && (text.p[0] == '.' || text.p[0] == ','))
        do
            text = str_of(text.p + 1, text.n - 1);
        while (text.n > 0 && text.p[0] >= '0' && text.p[0] <= '9');
    if (!str_is(text, "Z") || month < 1 || month > 12)
        return false;
    t.tm_year = year - 1900;
    t.tm_mon = month - 1;
    *out = timegm(&t);
    return true;
}

static bool read_int(const struct directory_entry *e, const char *name, int64_t *out)
{
    return str_to_i64(directory_entry_text(e, name), out) == ERR_OK;
}

static bool has_bit(const struct directory_entry *e, const char *name, int64_t bit)
{
    int64_t value;

    return read_int(e, name, &value) && (value & bit);
}

static bool is_true(const struct directory_entry *e, const char *name)
{
    struct str value = directory_entry_text(e, name);

    return str_is_set(value) && str_eq_nocase(value, STR("TRUE"));
}

static bool is_past(const struct directory_entry *e, const char *name, time_t now)
{
    time_t at;

    return directory_time_read(directory_entry_text(e, name), &at) && at <= now;
}

static bool is_future(const struct directory_entry *e, const char *name, time_t now)
{
    time_t at;

    return directory_time_read(directory_entry_text(e, name), &at) && at > now;
}

/* --- what they mean ----------------------------------------------------------------------------
 */

/* 100 ns since 1601; 0 and the largest number: never. */
static bool is_filetime_past(const struct directory_entry *e, const char *name, time_t now)
{
    static const int64_t epoch_s = 11644473600;
    int64_t value;

    return read_int(e, name, &value) && value > 0 && value != INT64_MAX &&
           value / 10000000 - epoch_s <= (int64_t)now;
}

static const struct str locked_for_ever = STR("000001010000Z"); /* the draft, §5.3.3 */

static bool is_disabled(const struct directory_entry *e, time_t now)
{
    int64_t day;

    return has_bit(e, "userAccountControl", UAC_DISABLED) ||
           is_filetime_past(e, "accountExpires", now) || is_true(e, "nsAccountLock") ||
           is_past(e, "krbPrincipalExpiration", now) || is_past(e, "pwdEndTime", now) ||
           is_future(e, "pwdStartTime", now) ||
           str_eq(directory_entry_text(e, "pwdAccountLockedTime"), locked_for_ever) ||
           (read_int(e, "shadowExpire", &day) && day >= 0 && day <= (int64_t)now / DAY);
}

static bool is_locked(const struct directory_entry *e, time_t now, int64_t lockout_s)
{
    time_t at;

    return has_bit(e, "msDS-User-Account-Control-Computed", UAC_LOCKED) ||
           (directory_time_read(directory_entry_text(e, "pwdAccountLockedTime"), &at) &&
            now - at < lockout_s);
}

/* shadowMax: days that a password lasts. */
static bool is_shadow_expired(const struct directory_entry *e, time_t now)
{
    int64_t changed, most;

    return read_int(e, "shadowLastChange", &changed) && changed > 0 &&
           read_int(e, "shadowMax", &most) && most > 0 && most < INT64_MAX - changed &&
           changed + most < (int64_t)now / DAY;
}

static bool is_expired(const struct directory_entry *e, time_t now)
{
    return has_bit(e, "msDS-User-Account-Control-Computed", UAC_EXPIRED) ||
           is_past(e, "krbPasswordExpiration", now) || is_shadow_expired(e, now);
}

static bool must_change(const struct directory_entry *e)
{
    int64_t value;

    if (is_true(e, "pwdReset"))
        return true;
    if (read_int(e, "shadowLastChange", &value) && value == 0)
        return true;
    return read_int(e, "pwdLastSet", &value) && value == 0 &&
           !has_bit(e, "userAccountControl", UAC_DONT_EXPIRE);
}

/* An expired password is shown as one that was never set as well: what must be changed first. */
enum directory_verdict directory_state(const struct directory_entry *e, time_t now,
                                       int64_t lockout_s)
{
    if (is_disabled(e, now))
        return DIRECTORY_DISABLED;
    if (is_locked(e, now, lockout_s))
        return DIRECTORY_LOCKED;
    if (must_change(e))
        return DIRECTORY_MUST_CHANGE;
    return is_expired(e, now) ? DIRECTORY_EXPIRED : DIRECTORY_OK;
}

void directory_password_mark(const struct directory_entry *e, struct arena *arena,
                             struct str *out_mark)
{
    static const char *const names[] = { "pwdLastSet", "pwdChangedTime", "krbLastPwdChange",
                                         "shadowLastChange" };

    *out_mark = STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = directory_entry_text(e, names[i]);

        if (value.n > 0 && value.n < 64) {
            *out_mark = arena_printf(arena, "%s=%.*s", names[i], (int)value.n, value.p);
            return;
        }
    }
}
