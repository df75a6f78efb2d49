/* One server looked at, in a thread that may wait: how it is reached, its certificate, what it can
 * do, its clock, and what the service account may see. */
#include "sm/directory/check_parts.h"

#include "common/mem.h"
#include "sm/directory/filter.h"
#include "sm/directory/opening.h"

#include <gnutls/x509.h>
#include <time.h>

enum { DAYS_LEFT_TO_WARN = 30, DAY_S = 86400, CLOCK_WARN_S = 60, MANY_ENTRIES = 2000 };

struct look {
    const struct directory_options *options;
    struct dir_opening *opening;
    struct check_report *report;
    LDAPMessage *root; /* the root entry */
    bool is_lost;      /* it does not answer any more */
};

static void PRINTF_LIKE(5, 6) add(struct check_report *r, const char *step,
                                  enum directory_finding finding, uint64_t ms, const char *format,
                                  ...)
{
    struct buf text = { 0 };
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    r->rows = mem_realloc(r->rows, (r->count + 1) * sizeof *r->rows);
    r->rows[r->count++] = (struct check_row){ step, finding, str_dup(buf_str(&text)), ms };
    buf_fini(&text);
}

static uint64_t now_ms(void)
{
    enum { NS_IN_MS = 1000000 };

    return uv_hrtime() / NS_IN_MS;
}

/* --- the way there ----------------------------------------------------------------------------- */

static void add_name(struct buf *out, gnutls_datum_t *name, int rc)
{
    if (rc >= 0)
        buf_add(out, str_of((const char *)name->data, name->size));
    else
        buf_add_char(out, '?');
    gnutls_free(name->data);
}

static void look_at_certificate(struct check_report *r, struct str der)
{
    gnutls_datum_t bytes = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.n };
    gnutls_datum_t subject = { 0 }, issuer = { 0 };
    gnutls_x509_crt_t crt;
    struct buf names = { 0 };
    int64_t left_s;
    char until[32];
    time_t end;
    struct tm tm;

    if (der.n == 0 || gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &bytes, GNUTLS_X509_FMT_DER) >= 0) {
        add_name(&names, &subject, gnutls_x509_crt_get_dn3(crt, &subject, 0));
        buf_add(&names, STR(", signed by "));
        add_name(&names, &issuer, gnutls_x509_crt_get_issuer_dn3(crt, &issuer, 0));
        end = gnutls_x509_crt_get_expiration_time(crt);
        left_s = (int64_t)end - (int64_t)time(NULL);
        gmtime_r(&end, &tm);
        strftime(until, sizeof until, "%Y-%m-%d", &tm);
        add(r, "certificate",
            left_s < 0                           ? DIRECTORY_FAILURE
            : left_s < DAYS_LEFT_TO_WARN * DAY_S ? DIRECTORY_WARNING
                                                 : DIRECTORY_FINE,
            0, "%.*s, until %s (%lld days)", (int)names.n, names.p, until,
            (long long)(left_s / DAY_S));
    }
    gnutls_x509_crt_deinit(crt);
    buf_fini(&names);
}

/* It was not believed: another look, only at what it shows. Nothing is said over this connection.
 */
static void look_unverified(const struct dir_opening *failed, const char *uri,
                            const char *tls_name, struct check_report *r)
{
    struct dir_opening o;

    if (failed->certificate.n > 0) {
        look_at_certificate(r, buf_str(&failed->certificate));
        return;
    }
    dir_opening_init(&o, &failed->options, uri, tls_name);
    o.is_unverified = true;
    dir_opening_run(&o);
    look_at_certificate(r, buf_str(&o.certificate));
    dir_opening_fini(&o);
}

static void tell_way(const struct dir_opening *o, struct check_report *r)
{
    static const char *const steps[] = { "resolve", "connect", "tls", "bind" };
    static const char *const binds[] = { "simple", "external", "gssapi" };

    for (int step = 0; step < DIR_STEPS && (step < (int)o->step || (o->ld && step == (int)o->step));
         step++) {
        if (step == DIR_TLS && o->tls.n == 0)
            add(r, steps[step], DIRECTORY_NOTE, 0, "not encrypted");
        else
            add(r, steps[step], DIRECTORY_FINE, o->ms[step], "%s",
                step == DIR_CONNECT        ? o->address.p
                : step == DIR_TLS          ? o->tls.p
                : step == DIR_SERVICE_BIND ? !o->options.bind_dn && o->options.bind == DIRECTORY_SIMPLE
                                                 ? "anonymous"
                                                 : binds[o->options.bind]
                                           : "");
    }
    if (!o->ld)
        add(r, steps[o->step], DIRECTORY_FAILURE, o->ms[o->step], "%.*s", (int)o->why.n, o->why.p);
}

/* --- asking ------------------------------------------------------------------------------------ */

/* out: to be freed; NULL when nothing came. */
static int search(struct look *l, const char *base, int scope, const char *filter,
                  const char *attribute, const char *second, int most, LDAPMessage **out)
{
    char *attributes[] = { (char *)(uintptr_t)attribute, (char *)(uintptr_t)second, NULL };
    int64_t ms = l->options->connect_ms;
    struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    int rc;

    *out = NULL;
    rc = ldap_search_ext_s(l->opening->ld, base, scope, filter, attributes, 0, NULL, NULL, &limit,
                           most, out);
    l->is_lost |= rc == LDAP_TIMEOUT || rc == LDAP_SERVER_DOWN;
    return rc;
}

static bool has_value(const struct look *l, const char *attribute, const char *value)
{
    LDAPMessage *e = ldap_first_entry(l->opening->ld, l->root);
    struct berval **values = e ? ldap_get_values_len(l->opening->ld, e, attribute) : NULL;
    bool is_found = false;

    for (int i = 0; values && values[i]; i++)
        is_found |= str_is(str_of(values[i]->bv_val, values[i]->bv_len), value);
    ldap_value_free_len(values);
    return is_found;
}

/* What strangers may say in a line: printable ASCII. */
static void add_values(const struct look *l, LDAPMessage *e, const char *attribute, const char *glue,
                       struct buf *out)
{
    enum { MOST = 200 };
    struct berval **values = e ? ldap_get_values_len(l->opening->ld, e, attribute) : NULL;

    for (int i = 0; values && values[i]; i++) {
        buf_add(out, str_from(i > 0 ? glue : ""));
        for (size_t at = 0; at < values[i]->bv_len && at < MOST; at++)
            buf_add_char(out, values[i]->bv_val[at] >= ' ' && values[i]->bv_val[at] <= '~'
                                  ? values[i]->bv_val[at]
                                  : '?');
    }
    ldap_value_free_len(values);
}

/* --- what it can do ---------------------------------------------------------------------------- */

static const struct {
    const char *oid, *name;
} controls[] = {
    { "1.2.840.113556.1.4.319", "paging" },
    { "1.3.6.1.4.1.4203.1.9.1.1", "syncrepl" },
    { "1.2.840.113556.1.4.528", "change notification" },
    { "1.2.840.113556.1.4.841", "DirSync" },
    { "1.3.6.1.4.1.42.2.27.8.5.1", "password policy" },
};

static void look_at_root(struct look *l)
{
    uint64_t begin = now_ms();
    int rc = search(l, "", LDAP_SCOPE_BASE, "(objectClass=*)", LDAP_ALL_USER_ATTRIBUTES,
                    LDAP_ALL_OPERATIONAL_ATTRIBUTES, 0, &l->root);
    LDAPMessage *e = rc == LDAP_SUCCESS ? ldap_first_entry(l->opening->ld, l->root) : NULL;
    struct buf about = { 0 }, has = { 0 }, lacks = { 0 };
    bool is_ad;

    if (!e) {
        add(l->report, "root", DIRECTORY_FAILURE, now_ms() - begin, "%s",
            rc == LDAP_SUCCESS ? "the root entry cannot be read" : ldap_err2string(rc));
        return;
    }
    is_ad = has_value(l, "supportedCapabilities", "1.2.840.113556.1.4.800");
    buf_add(&about, is_ad ? STR("Active Directory; ") : STR(""));
    add_values(l, e, "vendorName", " ", &about);
    buf_add(&about, STR(" "));
    add_values(l, e, "vendorVersion", " ", &about);
    buf_add(&about, STR(" has "));
    add_values(l, e, "namingContexts", "; ", &about);
    add(l->report, "root", DIRECTORY_FINE, now_ms() - begin, "%.*s", (int)about.n, about.p);
    for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
        struct buf *b = has_value(l, "supportedControl", controls[i].oid) ? &has : &lacks;

        buf_printf(b, "%s%s", b->n > 0 ? ", " : "", controls[i].name);
    }
    add(l->report, "controls",
        has_value(l, "supportedControl", controls[0].oid) ? DIRECTORY_FINE : DIRECTORY_WARNING, 0,
        "it has %.*s; not %.*s", (int)has.n, has.n > 0 ? has.p : "", (int)lacks.n,
        lacks.n > 0 ? lacks.p : "");
    buf_fini(&about);
    buf_fini(&has);
    buf_fini(&lacks);
}

/* --- the clock --------------------------------------------------------------------------------- */

bool directory_check_time(struct str text, int64_t *out_s)
{
    static const int widths[] = { 4, 2, 2, 2, 2, 2 };
    int numbers[6];
    size_t at = 0;
    struct tm tm;

    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        numbers[i] = 0;
        for (int k = 0; k < widths[i]; k++, at++) {
            if (at >= text.n || text.p[at] < '0' || text.p[at] > '9')
                return false;
            numbers[i] = numbers[i] * 10 + (text.p[at] - '0');
        }
    }
    if (at >= text.n || (text.p[at] != '.' && text.p[at] != 'Z'))
        return false;
    tm = (struct tm){ .tm_year = numbers[0] - 1900,
                      .tm_mon = numbers[1] - 1,
                      .tm_mday = numbers[2],
                      .tm_hour = numbers[3],
                      .tm_min = numbers[4],
                      .tm_sec = numbers[5] };
    *out_s = (int64_t)timegm(&tm);
    return true;
}

/* Seconds that the newest value is before our clock (negative: behind it). */
static bool age_of(const struct look *l, LDAPMessage *e, const char *attribute, int64_t *out_s)
{
    struct berval **values = e ? ldap_get_values_len(l->opening->ld, e, attribute) : NULL;
    bool is_there = false;
    int64_t at, newest = INT64_MIN;

    for (int i = 0; values && values[i]; i++)
        if (directory_check_time(str_of(values[i]->bv_val, values[i]->bv_len), &at)) {
            newest = at > newest ? at : newest;
            is_there = true;
        }
    ldap_value_free_len(values);
    if (is_there)
        *out_s = (int64_t)time(NULL) - newest;
    return is_there;
}

/* Active Directory tells its time; of others only the newest change is known, which cannot be in
 * the future. */
static void look_at_clock(struct look *l)
{
    LDAPMessage *e = ldap_first_entry(l->opening->ld, l->root), *base = NULL;
    int64_t s;

    if (age_of(l, e, "currentTime", &s)) {
        add(l->report, "clock",
            s > CLOCK_WARN_S || s < -CLOCK_WARN_S ? DIRECTORY_WARNING : DIRECTORY_FINE, 0,
            "%lld seconds %s ours", (long long)(s < 0 ? -s : s), s < 0 ? "ahead of" : "behind");
        return;
    }
    (void)search(l, l->options->base, LDAP_SCOPE_BASE, "(objectClass=*)", "contextCSN",
                 "modifyTimestamp", 0, &base);
    e = base ? ldap_first_entry(l->opening->ld, base) : NULL;
    if (age_of(l, e, "contextCSN", &s) || age_of(l, e, "modifyTimestamp", &s))
        add(l->report, "clock", s < -CLOCK_WARN_S ? DIRECTORY_WARNING : DIRECTORY_NOTE, 0,
            s < -CLOCK_WARN_S ? "its newest change is %lld seconds in the future"
                              : "not told; the newest change that is seen is %lld seconds old",
            (long long)(s < 0 ? -s : s));
    else
        add(l->report, "clock", DIRECTORY_NOTE, 0, "not told");
    ldap_msgfree(base);
}

/* --- rights ------------------------------------------------------------------------------------ */

static int scope_of(const struct directory_options *o)
{
    return o->scope == DIRECTORY_ONE_LEVEL ? LDAP_SCOPE_ONELEVEL : LDAP_SCOPE_SUBTREE;
}

static bool look_at_base(struct look *l)
{
    LDAPMessage *found;
    uint64_t begin = now_ms();
    int rc = search(l, l->options->base, LDAP_SCOPE_BASE, "(objectClass=*)", LDAP_NO_ATTRS, NULL, 0,
                    &found);
    bool is_there = rc == LDAP_SUCCESS && ldap_count_entries(l->opening->ld, found) == 1;

    add(l->report, "base", is_there ? DIRECTORY_FINE : DIRECTORY_FAILURE, now_ms() - begin, "%s%s",
        l->options->base, is_there             ? ""
                          : rc == LDAP_SUCCESS ? ": the service account cannot see it"
                                               : ldap_err2string(rc));
    ldap_msgfree(found);
    return is_there;
}

/* Entries that show this attribute. */
static int count(struct look *l, const char *attribute, const char *also, int most, int *out_rc)
{
    struct buf filter = { 0 };
    LDAPMessage *found;
    int n;

    buf_printf(&filter, "(&(%s=*)(%s=*))", attribute, also);
    buf_add_char(&filter, '\0');
    *out_rc = search(l, l->options->base, scope_of(l->options), filter.p, LDAP_NO_ATTRS, NULL, most,
                     &found);
    n = found ? ldap_count_entries(l->opening->ld, found) : 0;
    ldap_msgfree(found);
    buf_fini(&filter);
    return n;
}

static void look_at_rights(struct look *l)
{
    const char *key = l->options->key_attribute;
    uint64_t begin = now_ms();
    int rc, n = count(l, key, key, 1, &rc);

    add(l->report, "key", n > 0 ? DIRECTORY_FINE : DIRECTORY_FAILURE, now_ms() - begin,
        n > 0 ? "%s can be read" : "no entry below the base shows its %s", key);
    if (l->is_lost)
        return;
    n = count(l, "userPassword", "objectClass", 1, &rc);
    add(l->report, "userPassword", n > 0 ? DIRECTORY_WARNING : DIRECTORY_FINE, 0,
        n > 0 ? "the service account can read passwords: take that right away" : "cannot be read");
}

/* More than the server gives at once must be asked for in pages. */
static void look_at_limits(struct look *l)
{
    bool has_pages = has_value(l, "supportedControl", controls[0].oid);
    uint64_t begin = now_ms();
    int rc, n = count(l, "objectClass", l->options->key_attribute, MANY_ENTRIES, &rc);

    if (rc == LDAP_SIZELIMIT_EXCEEDED && n < MANY_ENTRIES)
        add(l->report, "limits", has_pages ? DIRECTORY_NOTE : DIRECTORY_WARNING, now_ms() - begin,
            "it gives %d entries at once%s", n, has_pages ? ", more in pages" : ", and has no pages");
    else if (rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED)
        add(l->report, "limits", DIRECTORY_FINE, now_ms() - begin, "%d%s entries at once", n,
            rc == LDAP_SUCCESS ? "" : " and more");
    else
        add(l->report, "limits", DIRECTORY_WARNING, now_ms() - begin, "%s", ldap_err2string(rc));
}

/* --- groups ------------------------------------------------------------------------------------ */

/* A group and one of its members; "" when there is none to be seen. */
static void find_group(struct look *l, struct buf *group, struct buf *member)
{
    const struct directory_options *o = l->options;
    struct buf filter = { 0 };
    LDAPMessage *found, *e;
    char *dn = NULL;

    buf_printf(&filter, "(&%s(%s=*))", o->group_filter, o->group_member);
    buf_add_char(&filter, '\0');
    (void)search(l, o->group_base ? o->group_base : o->base, LDAP_SCOPE_SUBTREE, filter.p,
                 o->group_member, NULL, 1, &found);
    e = found ? ldap_first_entry(l->opening->ld, found) : NULL;
    if (e && (dn = ldap_get_dn(l->opening->ld, e))) {
        struct berval **values = ldap_get_values_len(l->opening->ld, e, o->group_member);

        if (values && values[0]) {
            buf_add(group, str_from(dn));
            buf_add(member, str_of(values[0]->bv_val, values[0]->bv_len));
        }
        ldap_value_free_len(values);
    }
    ldap_memfree(dn);
    ldap_msgfree(found);
    buf_add_char(group, '\0');
    buf_add_char(member, '\0');
    buf_fini(&filter);
}

/* LDAP_MATCHING_RULE_IN_CHAIN is announced nowhere: it is tried with a member that is known. */
static void look_at_chain(struct look *l)
{
    bool is_wanted = l->options->group_nesting == DIRECTORY_NEST_CHAIN, is_there = false;
    struct buf group = { 0 }, member = { 0 }, filter = { 0 };
    uint64_t begin = now_ms();
    LDAPMessage *found;

    find_group(l, &group, &member);
    if (group.p[0] != '\0') {
        buf_printf(&filter, "(%s:1.2.840.113556.1.4.1941:=", l->options->group_member);
        directory_filter_add_value(&filter, str_from(member.p));
        buf_add_char(&filter, ')');
        buf_add_char(&filter, '\0');
        is_there = search(l, group.p, LDAP_SCOPE_BASE, filter.p, LDAP_NO_ATTRS, NULL, 0, &found) ==
                       LDAP_SUCCESS &&
                   ldap_count_entries(l->opening->ld, found) == 1;
        ldap_msgfree(found);
    }
    add(l->report, "in-chain",
        is_there    ? DIRECTORY_FINE
        : is_wanted ? DIRECTORY_WARNING
                    : DIRECTORY_NOTE,
        now_ms() - begin, "%s",
        is_there                 ? "the server finds groups of groups"
        : group.p[0] == '\0'     ? "no group with members is seen to try it with"
        : is_wanted              ? "group_nesting = in-chain, but this server does not do it"
                                 : "the server does not: group_nesting = walk");
    buf_fini(&group);
    buf_fini(&member);
    buf_fini(&filter);
}

/* --- one server -------------------------------------------------------------------------------- */

static void look_inside(struct look *l)
{
    static void (*const steps[])(struct look *l) = { look_at_clock, look_at_rights, look_at_limits,
                                                     look_at_chain };

    look_at_root(l);
    if (!l->is_lost && look_at_base(l))
        for (size_t i = 0; i < ARRAY_LEN(steps) && !l->is_lost; i++)
            steps[i](l);
    if (l->is_lost)
        add(l->report, "answers", DIRECTORY_FAILURE, 0, "it stopped to answer");
    ldap_msgfree(l->root);
}

void check_server(const struct directory_options *options, const char *uri, const char *tls_name,
                  struct check_report *out)
{
    struct dir_opening o;
    struct look l = { .options = options, .opening = &o, .report = out };

    dir_opening_init(&o, options, uri, tls_name);
    dir_opening_run(&o);
    buf_add_char(&o.tls, '\0');
    o.tls.n--;
    tell_way(&o, out);
    if (o.ld || o.step == DIR_SERVICE_BIND)
        look_at_certificate(out, buf_str(&o.certificate));
    else if (o.step == DIR_TLS)
        look_unverified(&o, uri, tls_name, out);
    if (o.ld)
        look_inside(&l);
    dir_opening_fini(&o);
}
