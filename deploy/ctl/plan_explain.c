/* The table of flows for people. See plan_explain.h. */
#include "deploy/ctl/plan_explain.h"

static const struct plan_column flow_columns[] = {
    { "from", false },         { "from_host", false },  { "from_zone", false },
    { "from_address", false }, { "to", false },         { "to_host", false },
    { "to_zone", false },      { "to_address", false }, { "protocol", false },
    { "port", false },         { "crosses", false },    { "from_user", true },
    { "to_user", true },       { "to_program", true },  { "path", true },
    { "identity", true },      { "carries", true },     { "why", true },
};

static struct str join(struct plan *p, const struct plan_end *e)
{
    struct str text = e->address_count ? e->addresses[0] : STR("any");

    for (size_t i = 1; i < e->address_count; i++)
        text = arena_printf(&p->arena, "%.*s %.*s", STR_ARG(text), STR_ARG(e->addresses[i]));
    return text;
}

static void fill_flow(struct plan *p, const struct plan_flow *f, struct str *cells)
{
    bool is_unix = f->protocol == PLAN_UNIX;
    struct str values[] = {
        f->from.name,
        f->from.host,
        f->from.zone,
        is_unix ? STR("") : join(p, &f->from),
        f->to.name,
        f->to.host,
        f->to.zone,
        is_unix ? STR("") : join(p, &f->to),
        str_from(plan_protocol_names[f->protocol]),
        is_unix ? STR("") : arena_printf(&p->arena, "%u", f->port),
        f->is_crossing ? STR("yes") : STR("no"),
        f->from.node ? f->from.node->user : STR(""),
        f->to.node ? f->to.node->user : STR(""),
        f->to.node ? arena_printf(&p->arena, "%s/sallyport-%s", p->conf->programs,
                                  plan_role_names[f->to.node->role])
                   : STR(""),
        f->path,
        f->identity,
        f->carries,
        f->why,
    };

    _Static_assert(ARRAY_LEN(values) == ARRAY_LEN(flow_columns), "a value for each column");
    memcpy(cells, values, sizeof values);
}

void plan_explain_flows(struct plan *p, const char *host, enum plan_format format, struct buf *out)
{
    struct plan_table t = { .columns = flow_columns, .column_count = ARRAY_LEN(flow_columns) };

    t.cells = arena_alloc(&p->arena, p->flow_count * t.column_count * sizeof *t.cells);
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        if (!host || str_is(f->from.host, host) || str_is(f->to.host, host))
            fill_flow(p, f, &t.cells[t.row_count++ * t.column_count]);
    }
    plan_table_print(&t, format, out);
    if (format == PLAN_TEXT)
        buf_add(out, STR("\nNot in this table, and not touched by the rules: SSH for "
                         "administration, backups, updates "
                         "of the system. They are yours.\n"));
}
