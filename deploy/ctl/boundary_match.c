/* One socket against the flows. See boundary_match.h. */
#include "deploy/ctl/boundary_match.h"

/* What processes of ours talk to besides the flows: parts of the operating system, by Unix sockets
 * that root's programs listen on. Control, metrics and link sockets are flows, and not in here. */
static const struct {
    const char *path; /* with a slash behind it: all below it */
    const char *why;
} expected[] = {
    { "/run/systemd/journal/stdout", "journal: standard output and error" },
    { "/run/systemd/journal/socket", "journal" },
    { "/run/systemd/journal/dev-log", "system log" },
    { "/dev/log", "system log" },
    { "/run/systemd/notify", "service manager: readiness, watchdog" },
    { "@/org/freedesktop/systemd1/notify", "service manager: readiness, watchdog" },
    { "/run/systemd/userdb/", "names of users" },
    { "/run/nscd/socket", "names of users" },
    { "/var/run/nscd/socket", "names of users" },
    { "/var/lib/sss/pipes/", "names of users" },
};

static const char *find_expected(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct str known = str_from(expected[i].path);

        if (str_eq(path, known) || (str_ends_with(known, STR("/")) && str_starts_with(path, known)))
            return expected[i].why;
    }
    return NULL;
}

const struct boundary_node *boundary_node_of(const struct boundary_scene *scene,
                                             const struct boundary_process *p)
{
    return p ? scene->nodes[p - scene->look->processes] : NULL;
}

bool boundary_is_listener(const struct boundary_flow *f, const struct boundary_socket *s)
{
    if (s->kind != f->kind)
        return false;
    if (f->kind == BOUNDARY_UNIX)
        return s->state == BOUNDARY_LISTENING && str_eq(s->path, f->path);
    return s->state == (f->kind == BOUNDARY_TCP ? BOUNDARY_LISTENING : BOUNDARY_OPEN) &&
           s->local.port == f->port && boundary_networks_have(&f->targets, &s->local);
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void declare(struct boundary_row *row, const struct boundary_flow *f)
{
    row->verdict = BOUNDARY_DECLARED;
    row->flow = f;
}

static void condemn(struct boundary_row *row, const char *code, struct str why)
{
    row->verdict = BOUNDARY_UNDECLARED;
    row->code = code;
    row->why = why;
}

static void excuse(struct boundary_row *row, enum boundary_verdict verdict, const char *why)
{
    row->verdict = verdict;
    row->why = str_from(why);
}

/* --- Internet sockets ------------------------------------------------------------------------- */

void boundary_list_listeners(struct boundary_scene *scene)
{
    const struct boundary_look *l = scene->look;
    struct boundary_listener *list = arena_alloc(scene->arena, l->holding_count * sizeof *list);

    scene->listeners = list;
    scene->listener_count = 0;
    for (size_t i = 0; i < l->holding_count; i++) {
        const struct boundary_socket *s = boundary_find_socket(l, l->holdings[i].inode);

        if (s && s->state == BOUNDARY_LISTENING && s->kind != BOUNDARY_UNIX)
            list[scene->listener_count++] =
                (struct boundary_listener){ l->holdings[i].pid, s->kind, s->local.port };
    }
}

/* The kernel does not say who opened a connection. One from a port on which its process listens, or
 * is declared to, came in: a second socket cannot be bound to the port of a listener. */
static bool came_in(const struct boundary_scene *scene, const struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;

    for (size_t i = 0; i < scene->plan->flow_count && row->node; i++) {
        const struct boundary_flow *f = &scene->plan->flows[i];

        if (f->node == row->node && f->kind == s->kind && f->port == s->local.port)
            return true;
    }
    for (size_t i = 0; i < scene->listener_count && row->process; i++) {
        const struct boundary_listener *l = &scene->listeners[i];

        if (l->pid == row->process->pid && l->kind == s->kind && l->port == s->local.port)
            return true;
    }
    return false;
}

static bool is_flow_of(const struct boundary_flow *f, const struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;

    if (!row->node || f->kind != s->kind)
        return false;
    switch (row->direction) {
    case BOUNDARY_LISTENS:
        return f->node == row->node && boundary_is_listener(f, s);
    case BOUNDARY_IN:
        return f->node == row->node && f->port == s->local.port &&
               boundary_networks_have(&f->targets, &s->local) &&
               boundary_networks_have(&f->sources, &s->remote);
    case BOUNDARY_OUT:
        return f->dialler == row->node && f->port == s->remote.port &&
               boundary_networks_have(&f->targets, &s->remote) &&
               boundary_networks_have(&f->sources, &s->local);
    default:
        return false;
    }
}

static const char *ip_code(enum boundary_direction d)
{
    return d == BOUNDARY_LISTENS ? "listener-undeclared"
           : d == BOUNDARY_IN    ? "incoming-undeclared"
                                 : "outgoing-undeclared";
}

static void match_ip(const struct boundary_scene *scene, struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;

    row->direction = s->state == BOUNDARY_LISTENING || s->state == BOUNDARY_OPEN ? BOUNDARY_LISTENS
                     : came_in(scene, row)                                       ? BOUNDARY_IN
                                                                                 : BOUNDARY_OUT;
    for (size_t i = 0; i < scene->plan->flow_count; i++)
        if (is_flow_of(&scene->plan->flows[i], row)) {
            declare(row, &scene->plan->flows[i]);
            return;
        }
    condemn(row, ip_code(row->direction), STR("no flow declares it"));
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* Who holds it, for people. */
static struct str holder_text(const struct boundary_scene *scene, uint64_t inode)
{
    const struct boundary_look *l = scene->look;
    const struct boundary_process *p = boundary_find_holder(l, inode);
    const struct boundary_node *n = boundary_node_of(scene, p);

    if (n)
        return n->name;
    if (p)
        return arena_printf(scene->arena, "pid %d", (int)p->pid);
    for (size_t i = 0; i < l->other_count; i++)
        if (l->others[i].inode == inode)
            return arena_printf(scene->arena, "pid %d", (int)l->others[i].pid);
    return STR("");
}

/* Whether the other end is who the flow says; a flow that does not begin at a process of ours is
 * guarded by the modes of its path. */
static bool is_peer_of(const struct boundary_scene *scene, struct str name, struct str user,
                       const struct boundary_socket *s)
{
    const struct boundary_node *n;

    if (user.n == 0 || s->state == BOUNDARY_LISTENING || s->peer == 0)
        return true;
    n = boundary_node_of(scene, boundary_find_holder(scene->look, s->peer));
    if (n)
        return str_eq(n->name, name);
    return holder_text(scene, s->peer).n == 0; /* it has ended meanwhile */
}

static void match_unix_in(const struct boundary_scene *scene, struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;

    row->direction = s->state == BOUNDARY_LISTENING ? BOUNDARY_LISTENS : BOUNDARY_IN;
    for (size_t i = 0; i < scene->plan->flow_count; i++) {
        const struct boundary_flow *f = &scene->plan->flows[i];

        if (f->kind != BOUNDARY_UNIX || !row->node || f->node != row->node ||
            !str_eq(f->path, s->path) || s->state == BOUNDARY_OPEN)
            continue;
        if (is_peer_of(scene, f->from, f->from_user, s))
            declare(row, f);
        else
            condemn(row, ip_code(row->direction),
                    arena_printf(scene->arena, "its other end is %.*s and not %.*s",
                                 STR_ARG(row->remote), STR_ARG(f->from)));
        return;
    }
    condemn(row, ip_code(row->direction), STR("no flow declares it"));
    row->is_momentary = s->state == BOUNDARY_OPEN;
}

/* Of the service manager: the datagram socket that processes tell their readiness to, wherever it
 * has it. It has a name and no other end; its state is that of whoever connected to it. A listener
 * is none: those that it hands over are held by it, too. */
static bool is_managers(const struct boundary_scene *scene, const struct boundary_socket *s)
{
    const struct boundary_look *l = scene->look;
    bool is_receiver = s && s->state != BOUNDARY_LISTENING && s->peer == 0 && s->path.n > 0;

    for (size_t i = 0; i < l->other_count && is_receiver; i++)
        if (l->others[i].inode == s->inode && l->others[i].pid == 1)
            return true;
    return false;
}

static void match_unix_out(const struct boundary_scene *scene, struct boundary_row *row,
                           const struct boundary_socket *peer)
{
    const char *known = peer ? find_expected(peer->path) : NULL;

    if (!known && is_managers(scene, peer))
        known = "service manager: readiness, watchdog";

    row->direction = BOUNDARY_OUT;
    for (size_t i = 0; i < scene->plan->flow_count && peer; i++) {
        const struct boundary_flow *f = &scene->plan->flows[i];

        if (f->kind == BOUNDARY_UNIX && row->node && f->dialler == row->node &&
            str_eq(f->path, peer->path) && is_peer_of(scene, f->to, f->to_user, row->socket)) {
            declare(row, f);
            return;
        }
    }
    if (known)
        excuse(row, BOUNDARY_EXPECTED, known);
    else
        condemn(row, ip_code(BOUNDARY_OUT), STR("no flow declares it"));
}

static void match_unix(const struct boundary_scene *scene, struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket,
                                 *peer =
                                     s->peer ? boundary_find_socket(scene->look, s->peer) : NULL;

    row->local = s->path;
    if (s->peer != 0)
        row->remote = peer && peer->path.n > 0 ? peer->path : holder_text(scene, s->peer);
    if (s->path.n > 0) {
        match_unix_in(scene, row);
    } else if (s->peer != 0 && row->process &&
               boundary_find_holder(scene->look, s->peer) == row->process) {
        row->direction = BOUNDARY_NEITHER;
        excuse(row, BOUNDARY_EXPECTED, "both ends are in the process");
    } else if (s->peer != 0) {
        match_unix_out(scene, row, peer);
    } else if (s->state == BOUNDARY_CONNECTED) {
        row->direction = BOUNDARY_OUT;
        excuse(row, BOUNDARY_IDLE, "its other end is gone");
    } else {
        row->direction = BOUNDARY_NEITHER;
        condemn(row, "socket-undeclared", STR("it has neither a name nor another end"));
        row->is_momentary = true;
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static struct str describe(const struct boundary_scene *scene, const struct boundary_socket *s)
{
    if (s->what.n == 0)
        return STR("of a kind that no flow has");
    return s->kind == BOUNDARY_OTHER
               ? s->what
               : arena_printf(scene->arena, "in no list of the kernel's (%.*s)", STR_ARG(s->what));
}

void boundary_match(const struct boundary_scene *scene, struct boundary_row *row)
{
    const struct boundary_socket *s = row->socket;

    row->local = boundary_address_text(scene->arena, &s->local);
    row->remote = boundary_address_text(scene->arena, &s->remote);
    row->direction = BOUNDARY_NEITHER;
    if (s->state == BOUNDARY_CLOSED) {
        excuse(row, BOUNDARY_IDLE, "closed");
    } else if (!row->process) {
        condemn(row, "socket-unheld",
                holder_text(scene, s->inode).n > 0
                    ? arena_printf(scene->arena, "made by %u, held by %.*s", s->uid,
                                   STR_ARG(holder_text(scene, s->inode)))
                    : arena_printf(scene->arena, "made by uid %u, held by no descriptor", s->uid));
        row->is_momentary = true;
    } else if (s->kind > BOUNDARY_UNIX) {
        condemn(row, "socket-forbidden", describe(scene, s));
        row->is_momentary = s->kind == BOUNDARY_NETLINK || s->space == 0;
    } else if (s->space == 0) {
        condemn(row, "socket-unlisted", describe(scene, s));
        row->is_momentary = true;
    } else if (s->kind == BOUNDARY_UNIX) {
        match_unix(scene, row);
    } else {
        match_ip(scene, row);
    }
}
