/* Reports for people. See boundary_report.h. */
#include "deploy/ctl/boundary_report.h"

#include "common/mem.h"

enum { MAX_COLUMNS = 12 };

struct table {
    struct arena arena;
    const char *const *columns; /* NULL ends */
    size_t column_count;
    struct str *cells;
    size_t row_count, cap;
};

static void start(struct table *t, const char *const *columns)
{
    *t = (struct table){ .columns = columns };
    while (columns[t->column_count])
        t->column_count++;
    ASSERT(t->column_count <= MAX_COLUMNS);
}

static void add_row(struct table *t, const struct str *cells)
{
    if (t->row_count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->cells = mem_realloc(t->cells, t->cap * t->column_count * sizeof *t->cells);
    }
    memcpy(&t->cells[t->row_count++ * t->column_count], cells, t->column_count * sizeof *cells);
}

static void add_line(const struct table *t, const struct str *cells, const size_t *widths,
                     struct buf *out)
{
    for (size_t c = 0; c < t->column_count; c++) {
        buf_add(out, cells[c]);
        for (size_t i = cells[c].n; c + 1 < t->column_count && i < widths[c] + 2; i++)
            buf_add_char(out, ' ');
    }
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
    buf_add_char(out, '\n');
}

static void finish(struct table *t, struct buf *out)
{
    struct str header[MAX_COLUMNS];
    size_t widths[MAX_COLUMNS];

    for (size_t c = 0; c < t->column_count; c++) {
        header[c] = str_from(t->columns[c]);
        widths[c] = header[c].n;
        for (size_t r = 0; r < t->row_count; r++)
            if (t->cells[r * t->column_count + c].n > widths[c])
                widths[c] = t->cells[r * t->column_count + c].n;
    }
    add_line(t, header, widths, out);
    for (size_t r = 0; r < t->row_count; r++)
        add_line(t, &t->cells[r * t->column_count], widths, out);
    mem_free(t->cells);
    arena_fini(&t->arena);
}

static struct str number(struct table *t, json_t *object, const char *member)
{
    return arena_printf(&t->arena, "%lld",
                        (long long)json_integer_value(json_object_get(object, member)));
}

static struct str or_dash(struct str s)
{
    return s.n ? s : STR("-");
}

/* The flow that declares it, or the verdict with its reason. */
static struct str verdict(struct table *t, json_t *row)
{
    struct str flow = boundary_report_text(row, "flow"),
               word = boundary_report_text(row, "verdict"), why = boundary_report_text(row, "why");
    json_int_t count = json_integer_value(json_object_get(row, "count"));

    if (flow.n == 0)
        return arena_printf(&t->arena, "%.*s: %.*s", STR_ARG(word), STR_ARG(why));
    if (count > 1)
        return arena_printf(&t->arena, "%.*s (%lld connections)", STR_ARG(flow), (long long)count);
    return flow;
}

void boundary_report_print_sockets(json_t *const *reports, size_t count, struct buf *out)
{
    static const char *const columns[] = { "host",   "process",   "pid",          "kind", "local",
                                           "remote", "direction", "flow/verdict", NULL };
    size_t skipped = count == 1; /* the host */
    struct table t;

    start(&t, columns + skipped);
    for (size_t i = 0; i < count; i++) {
        json_t *list = json_object_get(reports[i], "sockets");

        for (size_t k = 0; k < json_array_size(list); k++) {
            json_t *o = json_array_get(list, k);
            struct str cells[] = { boundary_report_text(reports[i], "host"),
                                   or_dash(boundary_report_text(o, "process")),
                                   number(&t, o, "pid"),
                                   boundary_report_text(o, "kind"),
                                   or_dash(boundary_report_text(o, "local")),
                                   or_dash(boundary_report_text(o, "remote")),
                                   boundary_report_text(o, "direction"),
                                   verdict(&t, o) };

            add_row(&t, cells + skipped);
        }
    }
    finish(&t, out);
}

void boundary_report_print_processes(json_t *const *reports, size_t count, struct buf *out)
{
    static const char *const columns[] = { "host",     "process",    "pid",          "user",
                                           "cap_eff",  "cap_bnd",    "no_new_privs", "seccomp",
                                           "dumpable", "core_limit", "program",      NULL };
    size_t skipped = count == 1;
    struct table t;

    start(&t, columns + skipped);
    for (size_t i = 0; i < count; i++) {
        json_t *list = json_object_get(reports[i], "processes");

        for (size_t k = 0; k < json_array_size(list); k++) {
            json_t *o = json_array_get(list, k);
            struct str cells[] = {
                boundary_report_text(reports[i], "host"),
                boundary_report_text(o, "process"),
                number(&t, o, "pid"),
                boundary_report_text(o, "user"),
                boundary_report_text(o, "cap_effective"),
                boundary_report_text(o, "cap_bounding"),
                json_is_true(json_object_get(o, "no_new_privs")) ? STR("yes") : STR("no"),
                boundary_report_text(o, "seccomp"),
                json_is_true(json_object_get(o, "is_dumpable")) ? STR("yes") : STR("no"),
                boundary_report_text(o, "core_limit"),
                or_dash(boundary_report_text(o, "program"))
            };

            add_row(&t, cells + skipped);
        }
    }
    finish(&t, out);
}

void boundary_report_print_sentences(json_t *list, const char *what, struct buf *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *o = json_array_get(list, i);
        struct str host = boundary_report_text(o, "host"), words = boundary_report_text(o, "text");

        buf_printf(out, "%s: ", what);
        if (host.n > 0)
            buf_printf(out, "%.*s: ", STR_ARG(host));
        buf_printf(out, "%.*s\n", STR_ARG(words));
    }
}
