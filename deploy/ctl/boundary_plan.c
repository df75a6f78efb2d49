/* flows.json. See boundary_plan.h; the columns are those of plan_explain.c. */
#include "deploy/ctl/boundary_plan.h"

#include "common/mem.h"

#include <pwd.h>
#include <stdlib.h>

/* The value of a column, or absent. */
static struct str column(struct boundary_plan *p, json_t *row, const char *name)
{
    json_t *value = json_object_get(row, name);

    if (!json_is_string(value))
        return STR_NONE;
    return arena_str(&p->arena, str_of(json_string_value(value), json_string_length(value)));
}

static enum err fail(struct buf *why, size_t row, const char *what)
{
    buf_printf(why, "row %zu: %s", row + 1, what);
    return ERR_MALFORMED;
}

static bool find_kind(struct str text, enum boundary_kind *out)
{
    for (enum boundary_kind k = BOUNDARY_TCP; k <= BOUNDARY_UNIX; k++)
        if (str_is(text, boundary_kind_names[k])) {
            *out = k;
            return true;
        }
    return false;
}

static enum err read_place(struct boundary_plan *p, json_t *row, struct boundary_flow *f)
{
    struct str port = column(p, row, "port");
    uint64_t number = 0;

    if (f->kind == BOUNDARY_UNIX) {
        f->path = column(p, row, "path");
        return f->path.n > 0 ? ERR_OK : ERR_MALFORMED;
    }
    if (str_to_u64(port, &number) != ERR_OK || number == 0 || number > UINT16_MAX)
        return ERR_MALFORMED;
    f->port = (uint16_t)number;
    if (boundary_networks_parse(&p->arena, column(p, row, "from_address"), &f->sources) != ERR_OK)
        return ERR_MALFORMED;
    return boundary_networks_parse(&p->arena, column(p, row, "to_address"), &f->targets);
}

static enum err read_row(struct boundary_plan *p, size_t index, struct buf *why)
{
    json_t *row = json_array_get(p->rows, index);
    struct boundary_flow *f = &p->flows[index];

    f->from = column(p, row, "from");
    f->from_host = column(p, row, "from_host");
    f->from_user = column(p, row, "from_user");
    f->to = column(p, row, "to");
    f->to_host = column(p, row, "to_host");
    f->to_user = column(p, row, "to_user");
    if (!str_is_set(f->from_host) || !str_is_set(f->from_user) || !str_is_set(f->to_host) ||
        f->from.n == 0 || f->to.n == 0)
        return fail(why, index, "it is not a flow");
    if (!str_is_set(f->to_user))
        return fail(why, index, "it has no to_user: of an older plan; plan again");
    if (!find_kind(column(p, row, "protocol"), &f->kind))
        return fail(why, index, "protocol: expected tcp, udp or unix");
    if (read_place(p, row, f) != ERR_OK)
        return fail(why, index, "expected a port and addresses, or a path");
    f->name = f->kind == BOUNDARY_UNIX
                  ? arena_printf(&p->arena, "%.*s > %.*s %.*s", STR_ARG(f->from), STR_ARG(f->to),
                                 STR_ARG(f->path))
                  : arena_printf(&p->arena, "%.*s > %.*s %s/%u", STR_ARG(f->from), STR_ARG(f->to),
                                 boundary_kind_names[f->kind], f->port);
    return ERR_OK;
}

/* Only the control sockets of its own processes begin and end on one host, and come from nobody of
 * ours. */
static bool is_own_control(const struct boundary_flow *f)
{
    return f->kind == BOUNDARY_UNIX && f->to_user.n > 0 && f->from_user.n == 0 &&
           str_eq(f->from_host, f->to_host);
}

static void add_node(struct boundary_plan *p, size_t index)
{
    const struct boundary_flow *f = &p->flows[index];

    if (boundary_plan_node(p, f->to))
        return;
    p->nodes[p->node_count++] =
        (struct boundary_node){ .name = f->to,
                                .user = f->to_user,
                                .program = column(p, json_array_get(p->rows, index), "to_program"),
                                .uid = BOUNDARY_NO_UID };
}

static enum err find_nodes(struct boundary_plan *p, struct buf *why)
{
    p->nodes = arena_alloc(&p->arena, p->flow_count * sizeof *p->nodes);
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct boundary_flow *f = &p->flows[i];

        if (!is_own_control(f))
            continue;
        if (p->host.n == 0)
            p->host = f->to_host;
        if (!str_eq(p->host, f->to_host) || p->node_count == BOUNDARY_MAX_NODES) {
            buf_printf(why,
                       "it is not the flows.json of one host: it has control sockets of %.*s "
                       "and of %.*s",
                       STR_ARG(p->host), STR_ARG(f->to_host));
            return ERR_MALFORMED;
        }
        add_node(p, i);
    }
    if (p->node_count == 0) {
        buf_add(why, STR("it declares no process of this host"));
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < p->flow_count; i++) {
        struct boundary_flow *f = &p->flows[i];

        if (str_eq(f->to_host, p->host) && f->to_user.n > 0)
            f->node = boundary_plan_node(p, f->to);
        if (str_eq(f->from_host, p->host) && f->from_user.n > 0)
            f->dialler = boundary_plan_node(p, f->from);
    }
    return ERR_OK;
}

enum err boundary_plan_take(json_t *rows, struct boundary_plan *out, struct buf *why)
{
    enum err e = ERR_OK;

    *out = (struct boundary_plan){ .rows = json_incref(rows) };
    if (!json_is_array(rows) || json_array_size(rows) > BOUNDARY_MAX_FLOWS) {
        buf_printf(why, "expected an array of at most %d flows", BOUNDARY_MAX_FLOWS);
        e = ERR_MALFORMED;
    } else {
        out->flow_count = json_array_size(rows);
        out->flows = arena_alloc(&out->arena, out->flow_count * sizeof *out->flows);
    }
    for (size_t i = 0; i < out->flow_count && e == ERR_OK; i++)
        e = read_row(out, i, why);
    if (e == ERR_OK)
        e = find_nodes(out, why);
    if (e != ERR_OK)
        boundary_plan_fini(out);
    return e;
}

enum err boundary_plan_read(struct str text, struct boundary_plan *out, struct buf *why)
{
    json_error_t error;
    json_t *rows = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    enum err e;

    *out = (struct boundary_plan){ 0 };
    if (!rows) {
        buf_printf(why, "line %d: %s", error.line, error.text);
        return ERR_MALFORMED;
    }
    e = boundary_plan_take(rows, out, why);
    json_decref(rows);
    return e;
}

void boundary_plan_fini(struct boundary_plan *p)
{
    json_decref(p->rows);
    arena_fini(&p->arena);
    *p = (struct boundary_plan){ 0 };
}

static uint32_t find_uid(struct str user)
{
    char *name = str_dup(user);
    const struct passwd *found = getpwnam(name);

    mem_free(name);
    return found ? found->pw_uid : BOUNDARY_NO_UID;
}

/* As it is written when it is not there. */
static struct str find_program(struct arena *arena, struct str program)
{
    char *path = str_dup(program), *real = realpath(path, NULL);

    if (real)
        program = boundary_printable(arena, str_from(real));
    free(real);
    mem_free(path);
    return program;
}

void boundary_plan_resolve(struct boundary_plan *p)
{
    for (size_t i = 0; i < p->node_count; i++) {
        p->nodes[i].uid = find_uid(p->nodes[i].user);
        p->nodes[i].program = find_program(&p->arena, p->nodes[i].program);
    }
}

bool boundary_plan_has_uid(const struct boundary_plan *p, uint32_t uid)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].uid == uid && uid != BOUNDARY_NO_UID)
            return true;
    return false;
}

const struct boundary_node *boundary_plan_node(const struct boundary_plan *p, struct str name)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (str_eq(p->nodes[i].name, name))
            return &p->nodes[i];
    return NULL;
}
