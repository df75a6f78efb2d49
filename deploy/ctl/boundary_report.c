/* The document. See boundary_report.h. */
#include "deploy/ctl/boundary_report.h"

#include "common/mem.h"

/* Texts of ours are UTF-8: files are checked by the parser, and what the kernel names is printable
 * ASCII by the time it comes here. */
static json_t *text(struct str s)
{
    json_t *value = json_stringn(s.p ? s.p : "", s.n);

    return value ? value : json_string("(not UTF-8)");
}

static void set(json_t *object, const char *member, json_t *take_value)
{
    ASSERT(json_object_set_new(object, member, take_value) == 0);
}

static void append(json_t *array, json_t *take_value)
{
    ASSERT(json_array_append_new(array, take_value) == 0);
}

/* --- processes -------------------------------------------------------------------------------- */

static json_t *hexadecimal(uint64_t value)
{
    char digits[17];

    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)value);
    return json_string(digits);
}

static json_t *make_process(const struct boundary_process *p, const struct boundary_node *n)
{
    static const char *const seccomp[] = { "none", "strict", "filter" };
    json_t *o = json_object();

    set(o, "process", text(boundary_process_name(p, n)));
    set(o, "pid", json_integer(p->pid));
    set(o, "is_planned", json_boolean(n != NULL));
    set(o, "program", text(p->program));
    set(o, "user", text(p->user));
    set(o, "uid", json_integer(p->uids[1]));
    set(o, "network_namespace", json_integer((json_int_t)p->space));
    set(o, "cap_effective", hexadecimal(p->cap_effective));
    set(o, "cap_bounding", hexadecimal(p->cap_bounding));
    set(o, "no_new_privs", json_boolean(p->no_new_privs));
    set(o, "seccomp", json_string(seccomp[p->seccomp]));
    set(o, "is_dumpable", json_boolean(p->is_dumpable));
    set(o, "core_limit", text(p->core_limit));
    return o;
}

static int compare_names(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    int r = str_cmp(boundary_report_text(*x, "process"), boundary_report_text(*y, "process"));

    if (r != 0)
        return r;
    return json_integer_value(json_object_get(*x, "pid")) >
                   json_integer_value(json_object_get(*y, "pid"))
               ? 1
               : -1;
}

static json_t *make_processes(const struct boundary_look *look, const struct boundary_judgement *j)
{
    json_t **all = mem_alloc((look->process_count + 1) * sizeof(json_t *)), *list = json_array();

    for (size_t i = 0; i < look->process_count; i++)
        all[i] = make_process(&look->processes[i], j->nodes[i]);
    if (look->process_count > 0)
        qsort(all, look->process_count, sizeof *all, compare_names);
    for (size_t i = 0; i < look->process_count; i++)
        append(list, all[i]);
    mem_free(all);
    return list;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static json_t *make_row(const struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;
    json_t *o = json_object();

    set(o, "process",
        text(row->process ? boundary_process_name(row->process, row->node) : STR("")));
    set(o, "pid", json_integer(row->process ? row->process->pid : 0));
    set(o, "kind", json_string(boundary_kind_names[s->kind]));
    set(o, "state", json_string(boundary_state_names[s->state]));
    set(o, "direction", json_string(boundary_direction_names[row->direction]));
    set(o, "local", text(row->local));
    set(o, "remote", text(row->remote));
    set(o, "verdict", json_string(boundary_verdict_names[row->verdict]));
    set(o, "flow", text(row->flow ? row->flow->name : STR("")));
    set(o, "from", text(row->flow ? row->flow->from : STR("")));
    set(o, "to", text(row->flow ? row->flow->to : STR("")));
    set(o, "why", text(row->why));
    set(o, "count", json_integer(1));
    set(o, "inode", json_integer((json_int_t)s->inode));
    set(o, "network_namespace", json_integer((json_int_t)s->space));
    return o;
}

/* Connections of clients and of who asks control sockets: how many, not which. */
static bool is_counted(const struct boundary_row *row)
{
    return row->verdict == BOUNDARY_DECLARED && row->direction == BOUNDARY_IN &&
           row->flow->from_user.n == 0;
}

struct counted {
    json_t *row;
    const struct boundary_process *process;
    struct str local;
};

static void add_counted(json_t *list, struct counted *c, const struct boundary_row *row)
{
    if (c->row && c->process == row->process && str_eq(c->local, row->local)) {
        json_int_t count = json_integer_value(json_object_get(c->row, "count"));

        set(c->row, "count", json_integer(count + 1));
        return;
    }
    *c = (struct counted){ make_row(row), row->process, row->local };
    set(c->row, "remote", json_string(row->socket->kind == BOUNDARY_UNIX ? "" : "*"));
    set(c->row, "inode", json_integer(0));
    set(c->row, "state", json_string(boundary_state_names[BOUNDARY_CONNECTED]));
    append(list, c->row);
}

static json_t *make_sockets(const struct boundary_plan *plan, const struct boundary_judgement *j,
                            bool is_each)
{
    struct counted *counted = mem_alloc((plan->flow_count + 1) * sizeof *counted);
    json_t *list = json_array();

    for (size_t i = 0; i < j->row_count; i++)
        if (!is_each && is_counted(&j->rows[i]))
            add_counted(list, &counted[j->rows[i].flow - plan->flows], &j->rows[i]);
        else
            append(list, make_row(&j->rows[i]));
    mem_free(counted);
    return list;
}

/* --- the whole -------------------------------------------------------------------------------- */

static json_t *make_sentences(const struct boundary_findings *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->count; i++) {
        json_t *o = json_object();

        set(o, "code", json_string(f->items[i].code));
        set(o, "process", text(f->items[i].process));
        set(o, "pid", json_integer(f->items[i].pid));
        set(o, "text", text(f->items[i].text));
        append(list, o);
    }
    return list;
}

json_t *boundary_report_make(const struct boundary_plan *plan, const struct boundary_look *look,
                             const struct boundary_judgement *j, const struct boundary_facts *facts)
{
    json_t *o = json_object();
    struct tm tm;
    char when[32];

    ASSERT(gmtime_r(&facts->time, &tm) && strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm));
    set(o, "format", json_string(BOUNDARY_FORMAT));
    set(o, "host", text(plan->host));
    set(o, "hostname", text(str_from(facts->hostname)));
    set(o, "time", json_string(when));
    set(o, "version", json_string(facts->version));
    set(o, "flows_file", text(str_from(facts->flows_file)));
    set(o, "flows", json_incref(plan->rows));
    set(o, "processes", make_processes(look, j));
    set(o, "sockets", make_sockets(plan, j, facts->is_each));
    set(o, "findings", make_sentences(&j->findings));
    set(o, "notes", make_sentences(&j->notes));
    return o;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct str boundary_report_text(json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);

    return str_of(json_string_value(value), json_string_length(value));
}

/* name: NULL ends; texts unless its first letter is '#' (a number) or '?' (a truth). */
static const char *const process_members[] = { "process",
                                               "#pid",
                                               "?is_planned",
                                               "program",
                                               "user",
                                               "#uid",
                                               "cap_effective",
                                               "cap_bounding",
                                               "?no_new_privs",
                                               "seccomp",
                                               "?is_dumpable",
                                               "core_limit",
                                               NULL };
static const char *const socket_members[] = { "process", "#pid",   "kind",    "state", "direction",
                                              "local",   "remote", "verdict", "flow",  "from",
                                              "to",      "why",    "#count",  NULL };
static const char *const sentence_members[] = { "code", "process", "#pid", "text", NULL };
static const char *const top_members[] = { "format", "host", "time", "version", NULL };

/* Nothing in it may be anything but what a terminal can show. */
static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool has_members(json_t *object, const char *const *members)
{
    for (; *members; members++) {
        bool is_number = **members == '#', is_truth = **members == '?';
        json_t *value = json_object_get(object, *members + (is_number || is_truth));

        if (is_number ? !json_is_integer(value)
            : is_truth
                ? !json_is_boolean(value)
                : !json_is_string(value) || !is_printable(boundary_report_text(object, *members)))
            return false;
    }
    return true;
}

enum err boundary_report_check(json_t *report, struct buf *why)
{
    static const struct {
        const char *list;
        const char *const *members;
    } lists[] = { { "processes", process_members },
                  { "sockets", socket_members },
                  { "findings", sentence_members },
                  { "notes", sentence_members } };

    if (!has_members(report, top_members) ||
        !str_is(boundary_report_text(report, "format"), BOUNDARY_FORMAT)) {
        buf_add(why, STR("expected a report of format " BOUNDARY_FORMAT));
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        json_t *list = json_object_get(report, lists[i].list);
        bool is_good = json_is_array(list);

        for (size_t k = 0; is_good && k < json_array_size(list); k++)
            is_good = has_members(json_array_get(list, k), lists[i].members);
        if (!is_good) {
            buf_printf(why, "%s: not what this tool writes", lists[i].list);
            return ERR_MALFORMED;
        }
    }
    return ERR_OK;
}
