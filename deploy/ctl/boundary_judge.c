/* Verdicts, findings, notes. See boundary_judge.h. */
#include "deploy/ctl/boundary_judge.h"

#include "common/mem.h"
#include "deploy/ctl/boundary_match.h"
#include "deploy/ctl/boundary_proc.h"

#include <stdlib.h>

const char *const boundary_verdict_names[] = { [BOUNDARY_DECLARED] = "declared",
                                               [BOUNDARY_EXPECTED] = "expected",
                                               [BOUNDARY_IDLE] = "idle",
                                               [BOUNDARY_UNDECLARED] = "UNDECLARED" };
const char *const boundary_direction_names[] = { [BOUNDARY_LISTENS] = "listens",
                                                 [BOUNDARY_IN] = "in",
                                                 [BOUNDARY_OUT] = "out",
                                                 [BOUNDARY_NEITHER] = "-" };

/* Every finding about this host, and what to do about it. deploy/BOUNDARY.md has the same list. */
static const struct {
    const char *code, *advice;
} boundary_codes[] = {
    { "process-undeclared",
      "if it belongs to this cluster, declare it and plan again; else find out who started it" },
    { "process-foreign",
      "look at what it is and who started it; nothing but the planned programs runs as this user" },
    { "process-twice", "end the one that the service manager does not know" },
    { "process-program", "find out where this file comes from; start the installed one" },
    { "process-user", "give its unit the user of the plan, and restart it" },
    { "process-root", "give its unit the user of the plan, and restart it" },
    { "listener-undeclared", "find out who opened it; if it is wanted, declare it in cluster.conf, "
                             "plan and install again" },
    { "incoming-undeclared",
      "find out why the firewall admits this peer; if it is wanted, declare it, plan and install "
      "again" },
    { "outgoing-undeclared",
      "take the process for one that was taken over until you know why; if it is wanted, declare "
      "it, plan and install again" },
    { "socket-forbidden",
      "no part of Sallyport uses such a socket: take the process for one that was taken over" },
    { "socket-unlisted",
      "what cannot be told may be anything: look at the process before you restart it" },
    { "socket-undeclared", "look at the process before you restart it" },
    { "socket-unheld",
      "a process may hold it in a way that /proc does not show (io_uring, on its way between "
      "processes): look at the processes of this user" },
};

static const char *advice_of(const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(boundary_codes); i++)
        if (strcmp(boundary_codes[i].code, code) == 0)
            return boundary_codes[i].advice;
    ASSERT(!"a code that the table does not have");
}

struct judge {
    struct boundary_scene scene;
    const struct boundary_plan *plan;
    const struct boundary_look *look, *again;
    struct boundary_judgement *out;
};

struct str boundary_process_name(const struct boundary_process *p, const struct boundary_node *n)
{
    struct str program = p->program;

    if (n)
        return n->name;
    while (str_find(program, '/') < program.n)
        str_cut(&program, '/');
    return program;
}

/* --- findings and notes ----------------------------------------------------------------------- */

static void add(struct boundary_findings *list, struct boundary_finding f)
{
    if ((list->count & (list->count - 1)) == 0)
        list->items =
            mem_realloc(list->items, (list->count ? 2 * list->count : 1) * sizeof *list->items);
    list->items[list->count++] = f;
}

static void find(struct judge *j, const char *code, const struct boundary_process *p,
                 struct str what)
{
    const struct boundary_node *n = boundary_node_of(&j->scene, p);
    struct boundary_finding f = { .code = code };

    if (p) {
        f.pid = p->pid;
        f.process = boundary_process_name(p, n);
        f.text = arena_printf(&j->out->arena, "%.*s (pid %d) %.*s: %s", STR_ARG(f.process),
                              (int)p->pid, STR_ARG(what), advice_of(code));
    } else {
        f.text = arena_printf(&j->out->arena, "%.*s: %s", STR_ARG(what), advice_of(code));
    }
    add(&j->out->findings, f);
}

static void note(struct judge *j, const char *code, struct str process, struct str text)
{
    add(&j->out->notes,
        (struct boundary_finding){ .code = code, .process = process, .text = text });
}

/* --- which process is which ------------------------------------------------------------------- */

static size_t count_listeners(const struct judge *j, const struct boundary_process *p,
                              const struct boundary_node *n)
{
    const struct boundary_look *l = j->look;
    size_t count = 0;

    for (size_t i = 0; i < l->holding_count; i++) {
        const struct boundary_socket *s =
            l->holdings[i].pid == p->pid ? boundary_find_socket(l, l->holdings[i].inode) : NULL;

        if (!s || (s->state != BOUNDARY_LISTENING && s->kind != BOUNDARY_UDP))
            continue;
        for (size_t k = 0; k < j->plan->flow_count; k++)
            if (j->plan->flows[k].node == n && boundary_is_listener(&j->plan->flows[k], s)) {
                count++;
                break;
            }
    }
    return count;
}

static struct str file_name(struct str path)
{
    while (str_find(path, '/') < path.n)
        str_cut(&path, '/');
    return path;
}

/* A process is the planned one whose sockets it holds: these were handed to it by the service
 * manager, and its arguments and its title are only what it says. */
static void name_processes(struct judge *j)
{
    const struct boundary_look *l = j->look;

    for (size_t k = 0; k < j->plan->node_count; k++) {
        const struct boundary_node *n = &j->plan->nodes[k];
        size_t best = l->process_count, most = 0;

        for (size_t i = 0; i < l->process_count; i++) {
            const struct boundary_process *p = &l->processes[i];
            size_t count;

            if (j->out->nodes[i] || !str_eq(file_name(p->program), file_name(n->program)))
                continue;
            count = count_listeners(j, p, n);
            if (count > most) {
                most = count;
                best = i;
            }
        }
        if (best < l->process_count)
            j->out->nodes[best] = n;
    }
}

static const struct boundary_node *held_node(const struct judge *j,
                                             const struct boundary_process *p)
{
    for (size_t k = 0; k < j->plan->node_count; k++)
        if (count_listeners(j, p, &j->plan->nodes[k]) > 0)
            return &j->plan->nodes[k];
    return NULL;
}

static size_t count_sockets(const struct judge *j, const struct boundary_process *p)
{
    size_t count = 0;

    for (size_t i = 0; i < j->look->holding_count; i++)
        count += j->look->holdings[i].pid == p->pid;
    return count;
}

static void judge_stranger(struct judge *j, const struct boundary_process *p)
{
    struct arena *a = &j->out->arena;
    const struct boundary_node *n;

    if (!boundary_proc_is_program(p->program)) {
        find(j, "process-foreign", p,
             arena_printf(a,
                          "runs %.*s as user %.*s, which is a process's own, and holds %zu sockets",
                          STR_ARG(p->program), STR_ARG(p->user), count_sockets(j, p)));
    } else if ((n = held_node(j, p))) {
        find(j, "process-twice", p,
             arena_printf(a, "holds sockets of %.*s, which another process is", STR_ARG(n->name)));
    } else {
        find(j, "process-undeclared", p,
             arena_printf(a,
                          "runs %.*s as user %.*s, holds %zu sockets, and is no process that is "
                          "planned for this host",
                          STR_ARG(p->program), STR_ARG(p->user), count_sockets(j, p)));
    }
}

static bool is_root(const struct boundary_process *p)
{
    return p->uids[0] == 0 || p->uids[1] == 0 || p->uids[2] == 0 || p->uids[3] == 0;
}

static void judge_process(struct judge *j, size_t index)
{
    const struct boundary_process *p = &j->look->processes[index];
    const struct boundary_node *n = j->out->nodes[index];
    struct arena *a = &j->out->arena;

    if (is_root(p))
        find(j, "process-root", p, STR("runs as root"));
    if (!n) {
        judge_stranger(j, p);
        return;
    }
    if (!is_root(p) && p->uids[1] != n->uid)
        find(j, "process-user", p,
             arena_printf(a, "runs as %.*s and not as %.*s", STR_ARG(p->user), STR_ARG(n->user)));
    if (!str_eq(p->program, n->program))
        find(j, "process-program", p,
             arena_printf(a, "runs %.*s and not %.*s", STR_ARG(p->program), STR_ARG(n->program)));
    if (p->is_replaced)
        note(j, "program-replaced", n->name,
             arena_printf(a,
                          "%.*s (pid %d) runs a file that has been replaced or removed since: "
                          "restart it",
                          STR_ARG(n->name), (int)p->pid));
}

/* --- sockets ---------------------------------------------------------------------------------- */

static void add_row(struct judge *j, const struct boundary_process *p,
                    const struct boundary_socket *s)
{
    struct boundary_judgement *out = j->out;
    struct boundary_row *row;

    if ((out->row_count & (out->row_count - 1)) == 0)
        out->rows =
            mem_realloc(out->rows, (out->row_count ? 2 * out->row_count : 1) * sizeof *out->rows);
    row = &out->rows[out->row_count++];
    *row =
        (struct boundary_row){ .process = p, .node = boundary_node_of(&j->scene, p), .socket = s };
    boundary_match(&j->scene, row);
}

/* Whether the second look still has it as the first one saw it. */
static bool is_still_there(const struct judge *j, const struct boundary_row *row)
{
    const struct boundary_socket *then = row->socket,
                                 *now = boundary_find_socket(j->again, then->inode);
    bool is_held = boundary_find_holder(j->again, then->inode) != NULL;

    return now && now->kind == then->kind && now->state == then->state &&
           (now->space == 0) == (then->space == 0) && is_held == (row->process != NULL);
}

static struct str row_text(struct judge *j, const struct boundary_row *row)
{
    struct arena *a = &j->out->arena;
    const char *kind = boundary_kind_names[row->socket->kind];
    struct str why = row->why;

    switch (row->direction) {
    case BOUNDARY_LISTENS:
        return arena_printf(a, "%s on %s %.*s, %.*s",
                            row->socket->state == BOUNDARY_OPEN ? "is open" : "listens", kind,
                            STR_ARG(row->local), STR_ARG(why));
    case BOUNDARY_IN:
        return arena_printf(a, "has a connection on %s %.*s from %.*s, %.*s", kind,
                            STR_ARG(row->local), STR_ARG(row->remote), STR_ARG(why));
    case BOUNDARY_OUT:
        return arena_printf(a, "%s %s %.*s, %.*s",
                            row->socket->state == BOUNDARY_CONNECTING ? "is dialling"
                                                                      : "is connected to",
                            kind, STR_ARG(row->remote), STR_ARG(why));
    case BOUNDARY_NEITHER:
        break;
    }
    return arena_printf(a, "%s %s socket, inode %llu, %.*s",
                        row->process ? "holds a" : "There is a", kind,
                        (unsigned long long)row->socket->inode, STR_ARG(why));
}

/* Of a process that is none of the plan's, the process is the finding. */
static void judge_row(struct judge *j, struct boundary_row *row)
{
    if (row->verdict != BOUNDARY_UNDECLARED)
        return;
    if (row->is_momentary && !j->again)
        j->out->needs_second_look = true;
    if (row->is_momentary && j->again && !is_still_there(j, row)) {
        row->verdict = BOUNDARY_IDLE;
        row->why = STR("gone at a second look");
        row->code = NULL;
    } else if (!row->process || row->node) {
        find(j, row->code, row->process, row_text(j, row));
    }
}

static int compare_rows(const void *x, const void *y)
{
    const struct boundary_row *a = x, *b = y;
    pid_t pa = a->process ? a->process->pid : 0, pb = b->process ? b->process->pid : 0;
    struct str na = a->process ? boundary_process_name(a->process, a->node) : STR("~"),
               nb = b->process ? boundary_process_name(b->process, b->node) : STR("~");
    int r = str_cmp(na, nb);

    if (r == 0)
        r = (pa > pb) - (pa < pb);
    if (r == 0)
        r = (int)a->socket->kind - (int)b->socket->kind;
    if (r == 0)
        r = (int)a->direction - (int)b->direction;
    if (r == 0)
        r = str_cmp(a->local, b->local);
    if (r == 0)
        r = str_cmp(a->remote, b->remote);
    return r ? r : (a->socket->inode > b->socket->inode) - (a->socket->inode < b->socket->inode);
}

/* The same socket in two processes is a row for each. */
static void judge_sockets(struct judge *j)
{
    const struct boundary_look *l = j->look;

    for (size_t i = 0; i < l->holding_count; i++) {
        const struct boundary_socket *s = boundary_find_socket(l, l->holdings[i].inode);
        const struct boundary_process *p = boundary_find_process(l, l->holdings[i].pid);

        if (s && p)
            add_row(j, p, s);
    }
    for (size_t i = 0; i < l->socket_count; i++)
        if (boundary_plan_has_uid(j->plan, l->sockets[i].uid) &&
            !boundary_find_holder(l, l->sockets[i].inode))
            add_row(j, NULL, &l->sockets[i]);
    if (j->out->row_count > 0)
        qsort(j->out->rows, j->out->row_count, sizeof *j->out->rows, compare_rows);
    for (size_t i = 0; i < j->out->row_count; i++)
        judge_row(j, &j->out->rows[i]);
}

/* --- what is declared and is not there -------------------------------------------------------- */

static bool is_running(const struct judge *j, const struct boundary_node *n)
{
    for (size_t i = 0; i < j->look->process_count; i++)
        if (j->out->nodes[i] == n)
            return true;
    return false;
}

/* A row that shows it: that listens for f on address (NULL: a path), or is connected by it. */
static bool has_row(const struct judge *j, const struct boundary_flow *f,
                    const struct boundary_node *n, enum boundary_direction direction,
                    const struct boundary_network *target)
{
    for (size_t i = 0; i < j->out->row_count; i++) {
        const struct boundary_row *row = &j->out->rows[i];

        if (row->node != n || row->direction != direction)
            continue;
        if (direction == BOUNDARY_OUT
                ? row->flow == f
                : boundary_is_listener(f, row->socket) &&
                      (!target || memcmp(row->socket->local.bytes, target->address.bytes,
                                         target->address.size) == 0))
            return true;
    }
    return false;
}

static void note_listener(struct judge *j, const struct boundary_flow *f)
{
    for (size_t i = 0; i < f->targets.count || (i == 0 && f->targets.count == 0); i++) {
        const struct boundary_network *target = f->targets.count ? &f->targets.items[i] : NULL;
        struct boundary_address at = target ? target->address : (struct boundary_address){ 0 };

        at.port = f->port;
        if (has_row(j, f, f->node, BOUNDARY_LISTENS, target))
            continue;
        note(j, "not-listening", f->node->name,
             arena_printf(&j->out->arena, "%.*s does not listen on %s %.*s, for %.*s",
                          STR_ARG(f->node->name), boundary_kind_names[f->kind],
                          STR_ARG(f->kind == BOUNDARY_UNIX
                                      ? f->path
                                      : boundary_address_text(&j->out->arena, &at)),
                          STR_ARG(f->from)));
    }
}

static void note_missing(struct judge *j)
{
    for (size_t i = 0; i < j->plan->node_count; i++) {
        const struct boundary_node *n = &j->plan->nodes[i];

        if (n->uid == BOUNDARY_NO_UID)
            note(j, "no-user", n->name,
                 arena_printf(&j->out->arena, "this host has no user %.*s, as whom %.*s is to run",
                              STR_ARG(n->user), STR_ARG(n->name)));
        if (!is_running(j, n))
            note(j, "not-running", n->name,
                 arena_printf(&j->out->arena, "%.*s is declared and does not run",
                              STR_ARG(n->name)));
    }
    for (size_t i = 0; i < j->plan->flow_count; i++) {
        const struct boundary_flow *f = &j->plan->flows[i];

        if (f->node && is_running(j, f->node))
            note_listener(j, f);
        if (f->dialler && f->to_user.n > 0 && is_running(j, f->dialler) &&
            !has_row(j, f, f->dialler, BOUNDARY_OUT, NULL))
            note(j, "not-connected", f->dialler->name,
                 arena_printf(&j->out->arena, "%.*s has no connection to %.*s",
                              STR_ARG(f->dialler->name), STR_ARG(f->to)));
    }
}

void boundary_judge(const struct boundary_plan *plan, const struct boundary_look *look,
                    const struct boundary_look *again, struct boundary_judgement *out)
{
    struct judge j = { .plan = plan, .look = look, .again = again, .out = out };

    *out = (struct boundary_judgement){ 0 };
    out->nodes = mem_alloc((look->process_count + 1) * sizeof *out->nodes);
    j.scene = (struct boundary_scene){
        .plan = plan, .look = look, .nodes = out->nodes, .arena = &out->arena
    };
    boundary_list_listeners(&j.scene);
    name_processes(&j);
    for (size_t i = 0; i < look->process_count; i++)
        judge_process(&j, i);
    judge_sockets(&j);
    note_missing(&j);
    if (!look->is_whole_host)
        note(
            &j, "not-whole-host", STR(""),
            STR("this report was made inside a PID namespace: processes outside it are not in it"));
}

void boundary_judgement_fini(struct boundary_judgement *j)
{
    mem_free(j->nodes);
    mem_free(j->rows);
    mem_free(j->findings.items);
    mem_free(j->notes.items);
    arena_fini(&j->arena);
    *j = (struct boundary_judgement){ 0 };
}
