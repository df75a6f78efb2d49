/* Tables from answers of directories to verdicts. What is said before the password is known to be
 * right (a lock) must not tell a stranger more than a wrong password does: sm/auth decides that. */
#include "sm/directory/verdict.h"

#include "common/base.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bool is_temporary;
} verdicts[DIRECTORY_VERDICT_COUNT] = {
    [DIRECTORY_OK] = { "ok", false },
    [DIRECTORY_WRONG] = { "wrong password", false },
    [DIRECTORY_UNKNOWN] = { "no entry", false },
    [DIRECTORY_EMPTY] = { "empty password", false },
    [DIRECTORY_AMBIGUOUS] = { "more than one entry", false },
    [DIRECTORY_EXPIRED] = { "password expired", false },
    [DIRECTORY_MUST_CHANGE] = { "password must be changed", false },
    [DIRECTORY_LOCKED] = { "locked", false },
    [DIRECTORY_DISABLED] = { "account disabled or expired", false },
    [DIRECTORY_NOT_NOW] = { "not at this time or place", false },
    [DIRECTORY_HELD] = { "too many wrong passwords of this entry", false },
    [DIRECTORY_NO_KEY] = { "entry without key attribute", true },
    [DIRECTORY_BUSY] = { "directory busy", true },
    [DIRECTORY_UNAVAILABLE] = { "directory unavailable", true },
    [DIRECTORY_FAILED] = { "directory refuses to search", true },
};

const char *directory_verdict_name(enum directory_verdict v)
{
    ASSERT(v < DIRECTORY_VERDICT_COUNT);
    return verdicts[v].name;
}

bool directory_is_temporary(enum directory_verdict v)
{
    ASSERT(v < DIRECTORY_VERDICT_COUNT);
    return verdicts[v].is_temporary;
}

struct row {
    int code;
    enum directory_verdict verdict;
};

/* "80090308: LdapErr: DSID-0C09…, comment: AcceptSecurityContext error, data 52e, v2580":
 * Windows' error codes in hexadecimal. Samba says the same. */
static const struct row sub_codes[] = {
    { 0x525, DIRECTORY_WRONG }, /* no such user: found a moment ago */
    { 0x52e, DIRECTORY_WRONG },
    { 0x530, DIRECTORY_NOT_NOW },
    { 0x531, DIRECTORY_NOT_NOW },
    { 0x532, DIRECTORY_EXPIRED },
    { 0x533, DIRECTORY_DISABLED },
    { 0x701, DIRECTORY_DISABLED },
    { 0x773, DIRECTORY_MUST_CHANGE },
    { 0x775, DIRECTORY_LOCKED },
};

/* draft-behera-ldap-password-policy-10 §6.2 */
static const struct row policy_errors[] = {
    { PP_passwordExpired, DIRECTORY_EXPIRED },
    { PP_accountLocked, DIRECTORY_LOCKED },
    { PP_changeAfterReset, DIRECTORY_MUST_CHANGE },
};

/* Whatever is missing here: the directory has no opinion about this person. */
static const struct row bind_codes[] = {
    { LDAP_SUCCESS, DIRECTORY_OK },
    { LDAP_INVALID_CREDENTIALS, DIRECTORY_WRONG },
    { LDAP_INAPPROPRIATE_AUTH, DIRECTORY_WRONG }, /* the entry has no password */
    { LDAP_NO_SUCH_OBJECT, DIRECTORY_WRONG },     /* removed since it was found */
    { LDAP_INVALID_DN_SYNTAX, DIRECTORY_FAILED },
    { LDAP_UNWILLING_TO_PERFORM, DIRECTORY_WRONG },
    { LDAP_CONSTRAINT_VIOLATION, DIRECTORY_LOCKED }, /* 389 Directory Server: too many guesses */
    { LDAP_INSUFFICIENT_ACCESS, DIRECTORY_WRONG },
    { LDAP_BUSY, DIRECTORY_BUSY },
    { LDAP_ADMINLIMIT_EXCEEDED, DIRECTORY_BUSY },
};

static bool find(const struct row *rows, size_t n, int code, enum directory_verdict *out)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].code == code) {
            *out = rows[i].verdict;
            return true;
        }
    return false;
}

static bool is_sub_coded(const char *diagnostic, enum directory_verdict *out)
{
    const char *data = diagnostic ? strstr(diagnostic, ", data ") : NULL;
    char *end;
    long code;

    if (!data)
        return false;
    code = strtol(data + strlen(", data "), &end, 16);
    return *end == ',' && find(sub_codes, ARRAY_LEN(sub_codes), (int)code, out);
}

enum directory_verdict directory_bind_verdict(int code, const char *diagnostic,
                                              const struct directory_policy *policy)
{
    enum directory_verdict v = DIRECTORY_FAILED;

    if (policy->is_there && (code == LDAP_SUCCESS || code == LDAP_INVALID_CREDENTIALS) &&
        find(policy_errors, ARRAY_LEN(policy_errors), policy->error, &v))
        return v;
    if (code == LDAP_INVALID_CREDENTIALS && is_sub_coded(diagnostic, &v))
        return v;
    if (!find(bind_codes, ARRAY_LEN(bind_codes), code, &v))
        v = DIRECTORY_UNAVAILABLE;
    return v;
}

enum directory_verdict directory_query_verdict(int code)
{
    switch (code) {
    case LDAP_SUCCESS:
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_NO_SUCH_OBJECT:
        return DIRECTORY_OK;
    case LDAP_BUSY:
    case LDAP_ADMINLIMIT_EXCEEDED:
    case LDAP_TIMELIMIT_EXCEEDED:
        return DIRECTORY_BUSY;
    case LDAP_UNAVAILABLE:
    case LDAP_SERVER_DOWN:
        return DIRECTORY_UNAVAILABLE;
    default:
        return DIRECTORY_FAILED;
    }
}

/* A limit of size is what two entries look like: two are asked for. Where the base is not there,
 * somebody has configured it wrongly. */
enum directory_verdict directory_search_verdict(int code, uint32_t entries)
{
    if (code == LDAP_SIZELIMIT_EXCEEDED)
        return DIRECTORY_AMBIGUOUS;
    if (code == LDAP_NO_SUCH_OBJECT)
        return DIRECTORY_FAILED;
    if (code != LDAP_SUCCESS)
        return directory_query_verdict(code);
    return entries == 1 ? DIRECTORY_OK : entries == 0 ? DIRECTORY_UNKNOWN : DIRECTORY_AMBIGUOUS;
}
