/* Directories without a server: filters that no name can change, addresses, what answers mean, and
 * which sections of the configuration are refused. */
#include "sm/conf.h"
#include "sm/directory/directory.h"
#include "sm/directory/entry.h"
#include "sm/directory/filter.h"
#include "sm/directory/state.h"
#include "sm/directory/sync.h"
#include "sm/directory/uri.h"
#include "sm/directory/verdict.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* --- entry.h --- */

static void the_same_name_folds_to_the_same(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        { "cn=Anna Maria,ou=People,dc=example,dc=org", "CN=anna  maria, OU=people, DC=Example, DC=ORG", true },
        { "cn=M\\c3\\bcller,dc=x", "cn=M\xc3\x9cLLER,dc=x", true },
        { "cn=a\\,b,dc=x", "cn=a\\2cb,dc=x", true },
        { "cn=a\\,b,dc=x", "cn=a,cn=b,dc=x", false },
        { "cn=a+sn=b,dc=x", "cn=a\\+sn\\=b,dc=x", false },
        { "cn=a,dc=x", "uid=a,dc=x", false },
        { "", "", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf a = { 0 }, b = { 0 };

        assert_int_equal(directory_dn_fold(str_from(rows[i].a), &a), ERR_OK);
        assert_int_equal(directory_dn_fold(str_from(rows[i].b), &b), ERR_OK);
        assert_int_equal(str_eq(buf_str(&a), buf_str(&b)), rows[i].is_same);
        buf_fini(&a);
        buf_fini(&b);
    }
}

static void what_is_no_name_of_an_entry_is_refused(void **state)
{
    static const struct str rows[] = { STR("x"), STR("=a"), STR("cn=a,,"), STR("cn=\"a"), STR("cn=a\\"), STR("cn=\\zz") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        assert_int_equal(directory_dn_fold(rows[i], &out), ERR_MALFORMED);
        buf_fini(&out);
    }
}

static void ranges_are_read(void **state)
{
    static const struct {
        struct str name;
        bool is_range;
        uint32_t first, last;
    } rows[] = {
        { STR("member;range=0-1499"), true, 0, 1499 },
        { STR("member;Range=1500-*"), true, 1500, UINT32_MAX },
        { STR("member"), false, 0, 0 },
        { STR("member;lang-de"), false, 0, 0 },
        { STR("member;range="), false, 0, 0 },
        { STR("member;range=5"), false, 0, 0 },
        { STR("member;range=9-3"), false, 0, 0 },
        { STR("member;range=-1-3"), false, 0, 0 },
        { STR("member;range=0-99999999999"), false, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str base = STR_NONE;
        uint32_t first = 0, last = 0;

        assert_int_equal(directory_range_read(rows[i].name, &base, &first, &last), rows[i].is_range);
        if (!rows[i].is_range)
            continue;
        assert_true(str_is(base, "member"));
        assert_int_equal(first, rows[i].first);
        assert_int_equal(last, rows[i].last);
    }
}

static void a_key_is_found_in_either_form(void **state)
{
    struct buf out = { 0 };

    (void)state;
    directory_filter_add_key(&out, "entryUUID", STR("0a-b)"));
    directory_filter_add_key(&out, "objectGUID", STR("2a41"));
    assert_true(str_is(buf_str(&out), "(entryUUID=0a-b\\29)(|(objectGUID=2a41)(objectGUID=\\2aA))"));
    buf_fini(&out);
}

/* --- sync.h --- */

#define UUID "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
#define BYTES(text) str_of(text, sizeof(text) - 1)

static void the_state_of_an_entry_is_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool is_good;
        int expected;
        const char *cookie;
    } rows[] = {
#define ROW(text, good, state, cookie) { text, sizeof(text) - 1, good, state, cookie }
        ROW("\x30\x15\x0a\x01\x03\x04\x10" UUID, true, SYNC_DELETE, ""),
        ROW("\x30\x19\x0a\x01\x01\x04\x10" UUID "\x04\x02"
            "ab",
            true, SYNC_ADD, "ab"),
        ROW("\x30\x15\x0a\x01\x04\x04\x10" UUID, false, 0, ""),  /* no such state */
        ROW("\x30\x05\x0a\x01\x01\x04\x00", false, 0, ""),         /* no UUID */
        ROW("\x30\x15\x0a\x01\x01\x04\x10\x01\x02", false, 0, ""), /* cut short */
        ROW("\x30\x80", false, 0, ""),
        ROW("", false, 0, ""),
        ROW("x", false, 0, ""),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf cookie = { 0 };
        uint8_t uuid[SYNC_UUID_BYTES];
        enum sync_state found = SYNC_PRESENT;
        enum err e = sync_state_read(str_of(rows[i].bytes, rows[i].n), &found, uuid, &cookie);

        assert_int_equal(e, rows[i].is_good ? ERR_OK : ERR_MALFORMED);
        if (rows[i].is_good) {
            assert_int_equal(found, rows[i].expected);
            assert_memory_equal(uuid, UUID, SYNC_UUID_BYTES);
            assert_true(str_is(buf_str(&cookie), rows[i].cookie));
        }
        buf_fini(&cookie);
    }
}

static void what_stands_between_entries_is_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool is_good, is_refreshed, has_ids;
        const char *cookie;
    } rows[] = {
#define INFO(text, good, refreshed, ids, cookie) { text, sizeof(text) - 1, good, refreshed, ids, cookie }
        INFO("\x80\x02"
             "ab",
             true, false, false, "ab"),
        INFO("\xa1\x00", true, true, false, ""), /* refreshDone is true where it is not told */
        INFO("\xa2\x07\x04\x02"
             "ab\x01\x01\x00",
             true, false, false, "ab"),
        INFO("\xa2\x04\x04\x02"
             "ab",
             true, true, false, "ab"),
        INFO("\xa3\x02\x31\x00", true, false, true, ""),
        INFO("\x85\x00", false, false, false, ""),
        INFO("\xa1\x05\x04\x09", false, false, false, ""),
        INFO("", false, false, false, ""),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf cookie = { 0 };
        struct sync_info info;
        enum err e = sync_info_read(str_of(rows[i].bytes, rows[i].n), &info, &cookie);

        assert_int_equal(e, rows[i].is_good ? ERR_OK : ERR_MALFORMED);
        if (rows[i].is_good) {
            assert_int_equal(info.is_refreshed, rows[i].is_refreshed);
            assert_int_equal(info.has_ids, rows[i].has_ids);
            assert_true(str_is(buf_str(&cookie), rows[i].cookie));
        }
        buf_fini(&cookie);
    }
}

static void a_watch_is_asked_for_with_what_is_known(void **state)
{
    struct buf out = { 0 };

    (void)state;
    sync_request_write(&out, STR_NONE);
    assert_true(str_eq(buf_str(&out), BYTES("\x30\x03\x0a\x01\x03")));
    buf_clear(&out);
    sync_request_write(&out, STR("ab"));
    assert_true(str_eq(buf_str(&out), BYTES("\x30\x07\x0a\x01\x03\x04\x02"
                                            "ab")));
    buf_fini(&out);
}

/* --- state.h --- */

static void entries_say_how_their_accounts_are(void **state)
{
    enum { NOW = 1767225600 }; /* 2026-01-01 */
    static const struct {
        const char *name, *value, *name2, *value2;
        enum directory_verdict expected;
    } rows[] = {
        { "cn", "x", "sn", "y", DIRECTORY_OK },
        { "userAccountControl", "512", "accountExpires", "0", DIRECTORY_OK },
        { "userAccountControl", "514", "cn", "x", DIRECTORY_DISABLED },
        { "useraccountcontrol", "514", "cn", "x", DIRECTORY_DISABLED },
        { "accountExpires", "9223372036854775807", "cn", "x", DIRECTORY_OK },
        { "accountExpires", "134116992000000000", "cn", "x", DIRECTORY_DISABLED }, /* this second */
        { "accountExpires", "134116992010000000", "cn", "x", DIRECTORY_OK },
        { "pwdLastSet", "0", "userAccountControl", "512", DIRECTORY_MUST_CHANGE },
        { "pwdLastSet", "0", "userAccountControl", "66048", DIRECTORY_OK },
        { "pwdLastSet", "0", "userAccountControl", "514", DIRECTORY_DISABLED },
        { "msDS-User-Account-Control-Computed", "16", "cn", "x", DIRECTORY_LOCKED },
        { "msDS-User-Account-Control-Computed", "8388608", "cn", "x", DIRECTORY_EXPIRED },
        { "nsAccountLock", "true", "cn", "x", DIRECTORY_DISABLED },
        { "nsAccountLock", "FALSE", "cn", "x", DIRECTORY_OK },
        { "krbPrincipalExpiration", "20251231235959Z", "cn", "x", DIRECTORY_DISABLED },
        { "krbPrincipalExpiration", "20260101000001Z", "cn", "x", DIRECTORY_OK },
        { "krbPasswordExpiration", "20251231235959Z", "cn", "x", DIRECTORY_EXPIRED },
        { "pwdAccountLockedTime", "000001010000Z", "cn", "x", DIRECTORY_DISABLED },
        { "pwdAccountLockedTime", "20251231235959.123456Z", "cn", "x", DIRECTORY_LOCKED },
        { "pwdAccountLockedTime", "20251231225959Z", "cn", "x", DIRECTORY_OK }, /* an hour ago */
        { "pwdEndTime", "20251231235959Z", "cn", "x", DIRECTORY_DISABLED },
        { "pwdStartTime", "20260101000001Z", "cn", "x", DIRECTORY_DISABLED },
        { "pwdReset", "TRUE", "cn", "x", DIRECTORY_MUST_CHANGE },
        { "shadowExpire", "20454", "cn", "x", DIRECTORY_DISABLED },
        { "shadowExpire", "-1", "cn", "x", DIRECTORY_OK },
        { "shadowLastChange", "20000", "shadowMax", "90", DIRECTORY_EXPIRED },
        { "shadowLastChange", "20400", "shadowMax", "90", DIRECTORY_OK },
        { "shadowLastChange", "20000", "shadowMax", "9223372036854775807", DIRECTORY_OK },
        { "shadowLastChange", "0", "cn", "x", DIRECTORY_MUST_CHANGE },
        { "accountExpires", "nonsense", "pwdEndTime", "2026", DIRECTORY_OK },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str values[] = { str_from(rows[i].value), str_from(rows[i].value2) };
        struct directory_attribute attributes[] = { { str_from(rows[i].name), 1, &values[0] }, { str_from(rows[i].name2), 1, &values[1] } };
        struct directory_entry e = { STR("cn=x"), 2, attributes };

        if (directory_state(&e, NOW, 3600) != rows[i].expected)
            fail_msg("%s: %s, %s: %s", rows[i].name, rows[i].value, rows[i].name2, rows[i].value2);
    }
}

static void a_new_password_changes_the_mark(void **state)
{
    struct arena arena = { 0 };
    struct str values[] = { STR("20260101000000Z") }, mark;
    struct directory_attribute attributes[] = { { STR("pwdChangedTime"), 1, values } };
    struct directory_entry e = { STR("cn=x"), 1, attributes };

    (void)state;
    directory_password_mark(&e, &arena, &mark);
    assert_true(str_is(mark, "pwdChangedTime=20260101000000Z"));
    e.count = 0;
    directory_password_mark(&e, &arena, &mark);
    assert_false(str_is_set(mark));
    arena_fini(&arena);
}

/* --- filter.h --- */

static const char *filtered(const char *text, struct str user)
{
    static char out[4096];
    struct buf b = { 0 };

    directory_filter_write(&b, text, user, STR("example.com"), STR("a@example.com"));
    assert_true(b.n < sizeof out);
    memcpy(out, b.p, b.n);
    out[b.n] = '\0';
    buf_fini(&b);
    return out;
}

static void placeholders_become_names(void **state)
{
    (void)state;
    assert_string_equal(filtered("(&(uid=%u)(o=%d)(mail=%a)(x=100%%))", STR("juliet")),
                        "(&(uid=juliet)(o=example.com)(mail=a@example.com)(x=100%))");
}

/* RFC 4515 §3: asterisk, parentheses, backslash and NUL must be escaped; so is all that is odd. */
static void no_name_changes_a_filter(void **state)
{
    static const struct {
        struct str name;
        const char *expected;
    } rows[] = {
        { STR("*"), "(uid=\\2a)" },
        { STR(")(uid=*"), "(uid=\\29\\28uid\\3d\\2a)" },
        { STR("a)(|(objectClass=*)"), "(uid=a\\29\\28\\7c\\28objectClass\\3d\\2a\\29)" },
        { STR("\\2a"), "(uid=\\5c2a)" },
        { STR("a\0b"), "(uid=a\\00b)" },
        { STR("%u%a"), "(uid=\\25u\\25a)" },
        { STR("M\xc3\xbcller, J."), "(uid=M\\c3\\bcller\\2c J.)" },
        { STR("\xff\xfe"), "(uid=\\ff\\fe)" },
        { STR(""), "(uid=)" },
        { STR("o'brien+x#1;<>\"&|!~="), "(uid=o\\27brien\\2bx\\231\\3b\\3c\\3e\\22\\26\\7c\\21\\7e\\3d)" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(filtered("(uid=%u)", rows[i].name), rows[i].expected);
}

static void every_byte_but_the_tame_is_written_in_hexadecimal(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        struct buf b = { 0 };

        directory_filter_add_value(&b, str_of(&byte, 1));
        if (c == '*' || c == '(' || c == ')' || c == '\\' || c < ' ' || c > '~')
            assert_int_equal(b.n, 3);
        if (b.n == 1)
            assert_null(memchr("*()\\&|!=<>~,+\"#;/%", b.p[0], 18));
        buf_fini(&b);
    }
}

static void templates_are_checked(void **state)
{
    static const struct {
        const char *text;
        enum err expected;
    } rows[] = {
        { "(uid=%u)", ERR_OK },          { "(&(a=b)(mail=%a))", ERR_OK }, { "(uid=x)", ERR_MALFORMED },
        { "uid=%u", ERR_MALFORMED },     { "(uid=%u", ERR_MALFORMED },    { "(uid=%u))", ERR_MALFORMED },
        { "(uid=%u)(x=y)", ERR_MALFORMED }, { "(uid=%s)", ERR_MALFORMED }, { "(uid=%", ERR_MALFORMED },
        { "", ERR_MALFORMED },           { "(uid=%%)", ERR_MALFORMED },   { "(o=%d)", ERR_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf why = { 0 };

        assert_int_equal(directory_filter_check(rows[i].text, &why), rows[i].expected);
        assert_int_equal(why.n > 0, rows[i].expected != ERR_OK);
        buf_fini(&why);
    }
}

/* --- uri.h --- */

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text, *address; /* NULL: malformed */
    } rows[] = {
        { "ldaps://ldap.example.com", "ldap.example.com:636" },
        { "ldaps://ldap.example.com/", "ldap.example.com:636" },
        { "ldap://ldap.example.com", "ldap.example.com:389" },
        { "ldap://10.0.0.1:3890", "10.0.0.1:3890" },
        { "ldaps://[2001:db8::1]", "[2001:db8::1]:636" },
        { "ldaps://[::1]:6360", "[::1]:6360" },
        { "ldapi://%2Frun%2Fslapd%2Fldapi", "unix:/run/slapd/ldapi" },
        { "ldapi://%2frun%2fa%20b", "unix:/run/a b" },
        { "ldapi:///", NULL },
        { "ldapi://run", NULL },
        { "ldap://", NULL },
        { "ldap:///", NULL },
        { "http://x", NULL },
        { "ldap://host:0", NULL },
        { "ldap://host:65536", NULL },
        { "ldap://host:", NULL },
        { "ldap://host:1x", NULL },
        { "ldap://[::1", NULL },
        { "ldap://[::1]x", NULL },
        { "ldap://host/dc=example", NULL },
        { "ldap://a b", NULL },
        { "ldap://a,b", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct directory_uri u;
        struct buf b = { 0 };
        enum err e = directory_uri_read(rows[i].text, &u);

        assert_int_equal(e, rows[i].address ? ERR_OK : ERR_MALFORMED);
        if (e == ERR_OK) {
            directory_uri_add_address(&b, &u);
            assert_true(str_is(buf_str(&b), rows[i].address));
        }
        buf_fini(&b);
    }
}

static void only_the_loopback_is_loopback(void **state)
{
    static const char *const yes[] = { "ldap://127.0.0.1", "ldap://127.1.2.3:1", "ldap://[::1]", "ldap://localhost" };
    static const char *const no[] = { "ldap://10.0.0.1", "ldap://localhost.example.com", "ldap://[::2]", "ldap://128.0.0.1" };
    struct directory_uri u;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        assert_int_equal(directory_uri_read(yes[i], &u), ERR_OK);
        assert_true(u.is_loopback);
        assert_int_equal(directory_uri_read(no[i], &u), ERR_OK);
        assert_false(u.is_loopback);
    }
}

/* --- verdict.h --- */

static enum directory_verdict bound(int code, const char *diagnostic, int policy)
{
    struct directory_policy p = { .is_there = policy >= 0, .error = policy };

    return directory_bind_verdict(code, diagnostic, &p);
}

static void active_directory_is_understood(void **state)
{
    static const struct {
        const char *code;
        enum directory_verdict expected;
    } rows[] = {
        { "525", DIRECTORY_WRONG },       { "52e", DIRECTORY_WRONG },    { "530", DIRECTORY_NOT_NOW },
        { "531", DIRECTORY_NOT_NOW },     { "532", DIRECTORY_EXPIRED },  { "533", DIRECTORY_DISABLED },
        { "701", DIRECTORY_DISABLED },    { "773", DIRECTORY_MUST_CHANGE }, { "775", DIRECTORY_LOCKED },
        { "999", DIRECTORY_WRONG },       { "", DIRECTORY_WRONG },       { "77", DIRECTORY_WRONG },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[200];

        snprintf(text, sizeof text, "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data %s, v4563", rows[i].code);
        assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, text, -1), rows[i].expected);
        assert_int_equal(bound(LDAP_SUCCESS, text, -1), DIRECTORY_OK);
    }
    assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, ", data ", -1), DIRECTORY_WRONG);
    assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, "comment: x, data 775", -1), DIRECTORY_WRONG);
}

static void the_policy_control_is_understood(void **state)
{
    (void)state;
    assert_int_equal(bound(LDAP_SUCCESS, NULL, PP_noError), DIRECTORY_OK);
    assert_int_equal(bound(LDAP_SUCCESS, NULL, PP_changeAfterReset), DIRECTORY_MUST_CHANGE);
    assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, NULL, PP_passwordExpired), DIRECTORY_EXPIRED);
    assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, NULL, PP_accountLocked), DIRECTORY_LOCKED);
    assert_int_equal(bound(LDAP_INVALID_CREDENTIALS, NULL, PP_noError), DIRECTORY_WRONG);
    assert_int_equal(bound(LDAP_BUSY, NULL, PP_passwordExpired), DIRECTORY_BUSY);
}

/* Only success is success. */
static void no_other_code_lets_anybody_in(void **state)
{
    (void)state;
    for (int code = -20; code < 200; code++) {
        assert_int_equal(bound(code, NULL, -1) == DIRECTORY_OK, code == LDAP_SUCCESS);
        assert_int_equal(directory_search_verdict(code, 1) == DIRECTORY_OK, code == LDAP_SUCCESS);
        assert_int_not_equal(directory_search_verdict(code, 0), DIRECTORY_OK);
        assert_int_not_equal(directory_search_verdict(code, 2), DIRECTORY_OK);
    }
    assert_true(directory_is_temporary(bound(LDAP_UNAVAILABLE, NULL, -1)));
    assert_true(directory_is_temporary(directory_search_verdict(LDAP_NO_SUCH_OBJECT, 0)));
    assert_int_equal(directory_search_verdict(LDAP_SIZELIMIT_EXCEEDED, 2), DIRECTORY_AMBIGUOUS);
}

/* --- configuration --- */

static char *ldaps[] = { (char *)"ldaps://ldap.example.com" };
static char *plain[] = { (char *)"ldap://10.0.0.1" };
static char *loopback[] = { (char *)"ldap://127.0.0.1" };
static char *ldapi[] = { (char *)"ldapi://%2Frun%2Fldapi" };
static char *bad[] = { (char *)"ldap.example.com" };
static char *ldap[] = { (char *)"ldap" };
static char *scram[] = { (char *)"SCRAM-SHA-256" };

#define ONE(list) { (list), 1 }
#define GROUPS                                                                                 \
    .user_attribute = (char *)"uid", .name_attribute = (char *)"cn",            \
    .group_filter = (char *)"(objectClass=group)", .group_name = (char *)"cn", .group_member = (char *)"member"
#define GOOD GROUPS, .name = (char *)"corp", .filter = (char *)"(uid=%u)", .key_attribute = (char *)"entryUUID"
#define SRV .srv = (char *)"example.com", .is_start_tls = true
#define CERT .cert_file = (char *)"/c.pem", .key_file = (char *)"/c.key"
#define KERBEROS .bind = DIRECTORY_GSSAPI, .principal = (char *)"sallyport@EXAMPLE.ORG"
#define KEYTAB .keytab = (char *)"/proc/self/auxv" /* a file that others cannot read */
#define CA .ca_file = (char *)"/etc/ca.pem"

static void sections_are_checked(void **state)
{
    static const struct {
        struct sm_directory_conf conf;
        const char *sentence; /* NULL: accepted */
    } rows[] = {
        { { GOOD, CA, .uris = ONE(ldaps) }, NULL },
        { { GOOD, .uris = ONE(ldaps) }, "ca: needed" },
        { { GOOD, CA, .uris = ONE(bad) }, "uris: expected" },
        { { GOOD, CA, .uris = ONE(plain), .is_start_tls = true }, NULL },
        { { GOOD, .uris = ONE(plain), .is_start_tls = true }, "ca: needed" },
        { { GOOD, CA, .uris = ONE(plain) }, "unencrypted" },
        { { GOOD, CA, .uris = ONE(plain), .is_plain_ok = true }, "unencrypted" },
        { { GOOD, .uris = ONE(loopback) }, "unencrypted" },
        { { GOOD, .uris = ONE(loopback), .is_plain_ok = true }, NULL },
        { { GOOD, .uris = ONE(ldapi) }, NULL },
        { { GOOD, .uris = ONE(ldapi), .bind_dn = (char *)"cn=x" }, "bind_password_file" },
        { { GOOD, .uris = ONE(ldapi), .bind_password_file = (char *)"/x" }, "bind_password_file" },
        { { GOOD, CA }, "uris: expected servers, or srv" },
        { { GOOD, CA, SRV }, NULL },
        { { GOOD, SRV }, "ca: needed" },
        { { GOOD, CA, .srv = (char *)"example.com" }, "needs start_tls" },
        { { GOOD, CA, .srv = (char *)"example.com:636", .is_start_tls = true }, "expected a domain" },
        { { GOOD, CA, .srv = (char *)"a/b", .is_start_tls = true }, "expected a domain" },
        { { GOOD, CA, SRV, .srv_ports = ONE(bad) }, "srv_ports" },
        { { GOOD, CA, SRV, .bind = DIRECTORY_EXTERNAL }, "needs cert and key" },
        { { GOOD, .uris = ONE(ldapi), .bind = DIRECTORY_EXTERNAL }, NULL },
        { { GOOD, .uris = ONE(ldapi), .bind = DIRECTORY_EXTERNAL, .bind_dn = (char *)"cn=x", .bind_password_file = (char *)"/x" },
          "bind = simple" },
        { { GOOD, CA, .uris = ONE(ldaps), .bind = DIRECTORY_EXTERNAL }, "needs cert and key" },
        { { GOOD, CA, .uris = ONE(ldaps), .bind = DIRECTORY_EXTERNAL, CERT }, NULL },
        { { GOOD, CA, .uris = ONE(ldaps), CERT }, NULL },
        { { GOOD, CA, .uris = ONE(ldaps), .cert_file = (char *)"/c" }, "it needs key" },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS, KEYTAB }, NULL },
        { { GOOD, CA, SRV, KERBEROS, KEYTAB }, NULL },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS }, "keytab" },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS, .keytab = (char *)"/" }, "keytab" },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS, .keytab = (char *)"/proc/version" }, "others cannot read" },
        { { GOOD, CA, .uris = ONE(ldaps), .bind = DIRECTORY_GSSAPI, KEYTAB }, "name@REALM" },
        { { GOOD, CA, .uris = ONE(ldaps), .bind = DIRECTORY_GSSAPI, .principal = (char *)"@X", KEYTAB }, "name@REALM" },
        { { GOOD, CA, .uris = ONE(ldaps), .bind = DIRECTORY_GSSAPI, .principal = (char *)"x@", KEYTAB }, "name@REALM" },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS, KEYTAB, .kdc_ports = ONE(bad) }, "kdc_ports" },
        { { GOOD, CA, .uris = ONE(ldaps), KERBEROS, KEYTAB, .bind_dn = (char *)"cn=x" }, "bind = simple" },
        { { GOOD, .uris = ONE(loopback), .is_plain_ok = true, KERBEROS, KEYTAB }, "StartTLS" },
        { { GOOD, .uris = ONE(ldapi), KERBEROS, KEYTAB }, "names of hosts" },
        { { GOOD, CA, .uris = ONE(ldaps), KEYTAB }, "bind = gssapi" },
        { { GROUPS, .name = (char *)"corp", .filter = (char *)"(uid=x)", .key_attribute = (char *)"x", .uris = ONE(ldapi) }, "filter: " },
        { { GROUPS, .name = (char *)"corp", .filter = (char *)"(uid=%u)", .key_attribute = (char *)"a b", .uris = ONE(ldapi) }, "key_attribute: " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sm_directory_conf d = rows[i].conf;
        struct sm_conf c = { .directories = { &d, 1 } };
        struct buf why = { 0 };

        assert_int_equal(sm_conf_check_directories(&c, &why), rows[i].sentence == NULL);
        buf_add_char(&why, '\0');
        if (rows[i].sentence)
            assert_non_null(strstr(why.p, rows[i].sentence));
        buf_fini(&why);
    }
}

#define LDAP_HOST .name = (char *)"example.com", .auth = ONE(ldap), .is_tls_required = true

static void hosts_are_checked(void **state)
{
    static const struct {
        struct sm_host_conf conf;
        const char *sentence;
    } rows[] = {
        { { .name = (char *)"example.com" }, NULL },
        { { LDAP_HOST, .directory = (char *)"corp", .may_change_password = true }, NULL },
        { { LDAP_HOST }, "needs one" },
        { { LDAP_HOST, .directory = (char *)"other" }, "no section" },
        { { LDAP_HOST, .directory = (char *)"corp", .may_register = true }, "register" },
        { { LDAP_HOST, .directory = (char *)"corp", .mechanisms = ONE(scram) }, "PLAIN" },
        { { .name = (char *)"example.com", .auth = ONE(ldap), .directory = (char *)"corp" }, "tls_required" },
        { { .name = (char *)"example.com", .auth = ONE(bad) }, "auth: expected" },
        { { .name = (char *)"example.com", .directory = (char *)"corp" }, "it needs auth" },
        { { .name = (char *)"example.com", .renamed = SM_RENAMED_MOVE }, "renamed: it needs auth" },
    };
    struct sm_directory_conf d = { GOOD, .uris = ONE(ldapi) };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sm_host_conf h = rows[i].conf;
        struct sm_conf c = { .directories = { &d, 1 }, .hosts = { &h, 1 } };
        struct buf why = { 0 };

        assert_int_equal(sm_conf_check_directories(&c, &why), rows[i].sentence == NULL);
        buf_add_char(&why, '\0');
        if (rows[i].sentence)
            assert_non_null(strstr(why.p, rows[i].sentence));
        if (!rows[i].sentence)
            assert_false(h.may_change_password);
        buf_fini(&why);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_folds_to_the_same),
        cmocka_unit_test(what_is_no_name_of_an_entry_is_refused),
        cmocka_unit_test(ranges_are_read),
        cmocka_unit_test(a_key_is_found_in_either_form),
        cmocka_unit_test(the_state_of_an_entry_is_read),
        cmocka_unit_test(what_stands_between_entries_is_read),
        cmocka_unit_test(a_watch_is_asked_for_with_what_is_known),
        cmocka_unit_test(entries_say_how_their_accounts_are),
        cmocka_unit_test(a_new_password_changes_the_mark),
        cmocka_unit_test(placeholders_become_names),
        cmocka_unit_test(no_name_changes_a_filter),
        cmocka_unit_test(every_byte_but_the_tame_is_written_in_hexadecimal),
        cmocka_unit_test(templates_are_checked),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(only_the_loopback_is_loopback),
        cmocka_unit_test(active_directory_is_understood),
        cmocka_unit_test(the_policy_control_is_understood),
        cmocka_unit_test(no_other_code_lets_anybody_in),
        cmocka_unit_test(sections_are_checked),
        cmocka_unit_test(hosts_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
