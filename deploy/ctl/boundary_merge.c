/* Reports against each other. See boundary_merge.h. */
#include "deploy/ctl/boundary_merge.h"

#include "common/mem.h"

#include <stdlib.h>

struct host {
    json_t *report;
    struct boundary_plan plan;
    time_t time;
};

struct merge {
    struct arena arena;
    struct host *hosts;
    size_t count;
    int64_t within_s;
    json_t *findings, *notes;
};

static void set(json_t *object, const char *member, json_t *take_value)
{
    ASSERT(json_object_set_new(object, member, take_value) == 0);
}

static json_t *text(struct str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static void say(json_t *list, struct str host, const char *code, struct str words)
{
    json_t *o = json_object();

    set(o, "host", text(host));
    set(o, "code", json_string(code));
    set(o, "process", json_string(""));
    set(o, "pid", json_integer(0));
    set(o, "text", text(words));
    ASSERT(json_array_append_new(list, o) == 0);
}

static struct host *find_host(struct merge *m, struct str name)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->hosts[i].plan.host, name))
            return &m->hosts[i];
    return NULL;
}

/* --- taking the reports ----------------------------------------------------------------------- */

static bool read_time(struct str s, time_t *out)
{
    char copy[32];
    struct tm tm = { 0 };
    const char *end;

    if (s.n >= sizeof copy)
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    end = strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &tm);
    *out = timegm(&tm);
    return end && *end == '\0';
}

static void copy_sentences(json_t *to, struct str host, json_t *report, const char *list)
{
    json_t *from = json_object_get(report, list);

    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *o = json_object();

        set(o, "host", text(host));
        ASSERT(json_object_update(o, json_array_get(from, i)) == 0);
        ASSERT(json_array_append_new(to, o) == 0);
    }
}

static enum err take(struct merge *m, json_t *report, struct buf *why)
{
    struct host *h = &m->hosts[m->count];
    struct str name = boundary_report_text(report, "host");
    enum err e;

    if (!read_time(boundary_report_text(report, "time"), &h->time)) {
        buf_printf(why, "%.*s: time: expected one as 2026-01-31T12:00:00Z", STR_ARG(name));
        return ERR_MALFORMED;
    }
    if (find_host(m, name)) {
        buf_printf(why, "there are two reports of host %.*s; take the newer one", STR_ARG(name));
        return ERR_MALFORMED;
    }
    e = boundary_plan_take(json_object_get(report, "flows"), &h->plan, why);
    if (e != ERR_OK)
        return e;
    h->report = report;
    m->count++;
    if (str_eq(h->plan.host, name))
        return ERR_OK;
    buf_printf(why, "the report of %.*s has the flows of %.*s", STR_ARG(name),
               STR_ARG(h->plan.host));
    return ERR_MALFORMED;
}

/* --- the plans -------------------------------------------------------------------------------- */

static bool has_row(const struct boundary_plan *p, json_t *row)
{
    for (size_t i = 0; i < json_array_size(p->rows); i++)
        if (json_equal(json_array_get(p->rows, i), row))
            return true;
    return false;
}

/* The name of the host at the other end; "" when the flow stays here, or ends at none of ours. */
static struct str other_host(const struct host *h, const struct boundary_flow *f)
{
    struct str other = str_eq(f->from_host, h->plan.host) ? f->to_host : f->from_host;

    return str_eq(other, h->plan.host) ? STR("") : other;
}

static bool was_said(const struct merge *m, struct str host, const char *code)
{
    for (size_t i = 0; i < json_array_size(m->findings); i++) {
        json_t *o = json_array_get(m->findings, i);

        if (str_eq(boundary_report_text(o, "host"), host) &&
            str_is(boundary_report_text(o, "code"), code))
            return true;
    }
    return false;
}

static void compare_plans(struct merge *m, const struct host *h)
{
    for (size_t i = 0; i < h->plan.flow_count; i++) {
        const struct boundary_flow *f = &h->plan.flows[i];
        struct str name = other_host(h, f);
        const struct host *other = find_host(m, name);

        if (name.n == 0)
            continue;
        if (!other && !was_said(m, name, "host-missing"))
            say(m->findings, name, "host-missing",
                arena_printf(&m->arena,
                             "there is no report of it, and %.*s has a flow with it (%.*s): run "
                             "sallyportctl boundary --json there",
                             STR_ARG(h->plan.host), STR_ARG(f->name)));
        else if (other && !has_row(&other->plan, json_array_get(h->plan.rows, i)) &&
                 !was_said(m, name, "plans-differ"))
            say(m->findings, name, "plans-differ",
                arena_printf(&m->arena,
                             "its flows.json is not of the same plan as that of %.*s (%.*s): plan "
                             "again and install the bundles of all hosts",
                             STR_ARG(h->plan.host), STR_ARG(f->name)));
    }
}

static void compare_versions(struct merge *m)
{
    struct str first = boundary_report_text(m->hosts[0].report, "version");

    for (size_t i = 1; i < m->count; i++) {
        struct str version = boundary_report_text(m->hosts[i].report, "version");

        if (!str_eq(first, version))
            say(m->notes, m->hosts[i].plan.host, "versions-differ",
                arena_printf(&m->arena, "its report is of version %.*s, that of %.*s of %.*s",
                             STR_ARG(version), STR_ARG(m->hosts[0].plan.host), STR_ARG(first)));
    }
}

/* --- the connections -------------------------------------------------------------------------- */

/* Of a declared connection between processes of two hosts: the host at its other end. NULL: none.
 */
static const struct host *far_end(struct merge *m, const struct host *h, json_t *row)
{
    struct str from = boundary_report_text(row, "from"), to = boundary_report_text(row, "to");

    if (!str_is(boundary_report_text(row, "kind"), "tcp") ||
        !str_is(boundary_report_text(row, "state"), "connected"))
        return NULL;
    for (size_t i = 0; i < h->plan.flow_count; i++) {
        const struct boundary_flow *f = &h->plan.flows[i];

        if (f->from_user.n > 0 && f->to_user.n > 0 && str_eq(f->from, from) && str_eq(f->to, to) &&
            other_host(h, f).n > 0)
            return find_host(m, other_host(h, f));
    }
    return NULL;
}

static bool has_mirror(const struct host *h, json_t *row)
{
    json_t *list = json_object_get(h->report, "sockets");

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *o = json_array_get(list, i);

        if (str_is(boundary_report_text(o, "kind"), "tcp") &&
            str_eq(boundary_report_text(o, "local"), boundary_report_text(row, "remote")) &&
            str_eq(boundary_report_text(o, "remote"), boundary_report_text(row, "local")))
            return true;
    }
    return false;
}

static void compare_connections(struct merge *m, const struct host *h)
{
    json_t *list = json_object_get(h->report, "sockets");

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *row = json_array_get(list, i);
        const struct host *other = far_end(m, h, row);
        double apart = other ? difftime(h->time, other->time) : 0;
        bool is_close = apart <= (double)m->within_s && -apart <= (double)m->within_s;

        if (!other || has_mirror(other, row))
            continue;
        say(is_close ? m->findings : m->notes, h->plan.host, "one-sided",
            arena_printf(
                &m->arena,
                "%.*s has a connection %.*s - %.*s (%.*s), which %.*s does not have; the reports "
                "are %.0f s apart%s",
                STR_ARG(boundary_report_text(row, "process")),
                STR_ARG(boundary_report_text(row, "local")),
                STR_ARG(boundary_report_text(row, "remote")),
                STR_ARG(boundary_report_text(row, "flow")), STR_ARG(other->plan.host),
                apart < 0 ? -apart : apart,
                is_close ? ": make both again; if it stays, somebody else answers at this address"
                         : ""));
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static json_t *list_hosts(const struct merge *m)
{
    static const char *const members[] = { "host", "time", "version" };
    json_t *list = json_array();

    for (size_t i = 0; i < m->count; i++) {
        json_t *o = json_object();

        for (size_t k = 0; k < ARRAY_LEN(members); k++)
            set(o, members[k], text(boundary_report_text(m->hosts[i].report, members[k])));
        ASSERT(json_array_append_new(list, o) == 0);
    }
    return list;
}

static json_t *finish(struct merge *m)
{
    json_t *out = json_object();

    for (size_t i = 0; i < m->count; i++) {
        copy_sentences(m->findings, m->hosts[i].plan.host, m->hosts[i].report, "findings");
        copy_sentences(m->notes, m->hosts[i].plan.host, m->hosts[i].report, "notes");
    }
    for (size_t i = 0; i < m->count; i++)
        compare_plans(m, &m->hosts[i]);
    for (size_t i = 0; i < m->count; i++)
        compare_connections(m, &m->hosts[i]);
    compare_versions(m);
    set(out, "format", json_string("sallyport-boundary-merge-1"));
    set(out, "hosts", list_hosts(m));
    set(out, "findings", m->findings);
    set(out, "notes", m->notes);
    return out;
}

enum err boundary_merge(json_t *const *reports, size_t count, int64_t within_s, json_t **out,
                        struct buf *why)
{
    struct merge m = { .hosts = mem_alloc(count * sizeof *m.hosts), .within_s = within_s };
    enum err e = count > 0 ? ERR_OK : ERR_MALFORMED;

    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = take(&m, reports[i], why);
    if (e == ERR_OK) {
        m.findings = json_array();
        m.notes = json_array();
        *out = finish(&m);
    }
    for (size_t i = 0; i < m.count; i++)
        boundary_plan_fini(&m.hosts[i].plan);
    mem_free(m.hosts);
    arena_fini(&m.arena);
    return e;
}
