/* The session managers and the paths to them (upstream.h). */
#include "c2s/upstream.h"

#include "c2s/client.h"
#include "c2s/gate.h"
#include "common/log.h"
#include "common/mem.h"

enum { MAX_UPSTREAMS = 256 };

static struct router *router_of(struct link *l)
{
    return link_data(l);
}

struct upstream *upstream_find(struct c2s *c2s, struct str name)
{
    return table_get(&c2s->upstreams, name);
}

/* It stayed away for too long: its sessions end here, and it learns that from the answer to its
 * <sync/>. */
static void on_away(struct timer *t)
{
    struct upstream *u = CONTAINER_OF(t, struct upstream, away);

    log_warn("a session manager stays away: its sessions end", kv_text("sm", u->name));
    while (!list_is_empty(&u->parked)) {
        struct client *c = CONTAINER_OF(list_first(&u->parked), struct client, path_at);

        client_fail(c, STREAM_SYSTEM_SHUTDOWN, "the session manager stays away");
        client_die(c);
    }
}

static struct upstream *upstream_new(struct c2s *c2s, struct str name)
{
    struct upstream *u = mem_new(struct upstream);

    u->c2s = c2s;
    u->name = str_dup(name);
    list_init(&u->paths);
    list_init(&u->parked);
    list_init(&u->waiting);
    timer_init(&u->away, on_away);
    table_put(&c2s->upstreams, u);
    return u;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void leave_path(struct client *c)
{
    list_remove(&c->path_at);
    list_remove(&c->owing_at);
    c->path = NULL;
}

void upstream_detach(struct client *c)
{
    struct upstream *u = c->upstream;

    leave_path(c);
    list_remove(&c->waiting_at);
    c->upstream = NULL;
    if (u)
        upstream_account(u, -(int64_t)c->gate.kept_bytes);
}

void upstream_attach(struct client *c, struct upstream *u, struct path *path)
{
    leave_path(c);
    if (c->upstream != u) {
        upstream_detach(c);
        c->upstream = u;
        upstream_account(u, c->gate.kept_bytes);
        if (c->holds & HOLD_UPSTREAM)
            list_push_back(&u->waiting, &c->waiting_at);
    }
    c->path = path;
    list_push_back(path ? &path->clients : &u->parked, &c->path_at);
    gate_attached(c);
}

/* Whoever is let go on may fill it again, and waits at the end of the list then. */
static void wake(struct upstream *u)
{
    while (!list_is_empty(&u->waiting) && !upstream_is_full(u)) {
        struct client *c = CONTAINER_OF(list_first(&u->waiting), struct client, waiting_at);

        list_remove(&c->waiting_at);
        client_release(c, HOLD_UPSTREAM);
    }
}

void upstream_account(struct upstream *u, int64_t bytes)
{
    u->under_way = (uint64_t)((int64_t)u->under_way + bytes);
    if (bytes < 0)
        wake(u);
}

bool upstream_is_full(const struct upstream *u)
{
    return u->under_way >= (uint64_t)u->c2s->conf->sm_window_bytes;
}

/* --- paths ------------------------------------------------------------------------------------ */

struct path *upstream_path(struct c2s *c2s, struct link *l, struct str name)
{
    struct upstream *u = upstream_find(c2s, name);

    if (u) {
        LIST_FOR_EACH(item, &u->paths) {
            struct path *path = CONTAINER_OF(item, struct path, at);

            if (path->link == l)
                return path;
        }
    }
    return NULL;
}

static struct path *first_path(const struct upstream *u)
{
    return list_is_empty(&u->paths) ? NULL : CONTAINER_OF(u->paths.next, struct path, at);
}

/* Session managers by turns, and the paths of each by turns. */
struct path *upstream_any(struct c2s *c2s)
{
    struct upstream *u, *some = NULL;
    size_t reachable = 0, skip;
    struct path *path;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));)
        reachable += !list_is_empty(&u->paths);
    if (!reachable)
        return NULL;
    skip = c2s->next_upstream++ % reachable;
    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));)
        if (!list_is_empty(&u->paths) && skip-- == 0) {
            some = u;
            break;
        }
    ASSERT(some);
    path = first_path(some);
    list_remove(&path->at);
    list_push_back(&some->paths, &path->at);
    return path;
}

/* It has just lost its path. */
static void find_other(struct client *c, struct upstream *u)
{
    if (client_has_session(c)) {
        upstream_attach(c, u, first_path(u));
        if (c->path)
            gate_repeat(c);
    } else if (c->phase >= PHASE_OPENING) {
        client_open_upstream(c);
    } else {
        upstream_detach(c);
        c->is_open = false; /* between two streams: the next header opens it anew */
    }
}

static void path_lost(struct path *path)
{
    struct upstream *u = path->upstream;

    log_info("path lost", kv_text("sm", u->name), kv_str("router", link_name(path->link)));
    list_remove(&path->at);
    list_remove(&path->router_at);
    if (list_is_empty(&u->paths))
        timer_set(u->c2s->service->timers, &u->away, (uint64_t)u->c2s->conf->park_timeout_ms);
    LIST_FOR_EACH(item, &path->clients)
    { /* nobody sends by it any more, whoever is let go on meanwhile */
        struct client *c = CONTAINER_OF(item, struct client, path_at);

        list_remove(&c->owing_at);
        c->path = NULL;
    }
    while (!list_is_empty(&path->clients)) {
        struct client *c = CONTAINER_OF(list_first(&path->clients), struct client, path_at);

        list_remove(&c->path_at);
        find_other(c, u);
    }
    mem_free(path);
}

static void path_up(struct c2s *c2s, struct link *l, const struct control_peer *peer)
{
    struct upstream *u = upstream_find(c2s, peer->name);
    struct path *path;

    if (!u && c2s->upstreams.count >= MAX_UPSTREAMS) /* no router may fill our memory with names */
        return;
    path = mem_new(struct path);
    if (!u)
        u = upstream_new(c2s, peer->name);
    path->upstream = u;
    path->link = l;
    memcpy(path->instance, peer->instance.p, peer->instance.n);
    list_init(&path->clients);
    list_init(&path->owing);
    list_init(&path->lazy);
    list_push_back(&u->paths, &path->at);
    list_push_back(&router_of(l)->paths, &path->router_at);
    timer_stop(&u->away);
    log_info("path up", kv_text("sm", u->name), kv_str("router", link_name(l)),
             kv_text("instance", path->instance));
    while (!list_is_empty(&u->parked)) {
        struct client *c = CONTAINER_OF(list_first(&u->parked), struct client, path_at);

        upstream_attach(c, u, path);
        gate_repeat(c);
    }
    while (!list_is_empty(&c2s->unopened))
        client_open_upstream(CONTAINER_OF(list_first(&c2s->unopened), struct client, path_at));
}

/* --- what routers tell ------------------------------------------------------------------------ */

void upstream_router_up(struct c2s *c2s, struct link *l)
{
    struct router *r = mem_new(struct router);

    (void)c2s;
    list_init(&r->paths);
    link_set_data(l, r);
}

void upstream_router_down(struct c2s *c2s, struct link *l)
{
    struct router *r = router_of(l);

    LIST_FOR_EACH(item, &r->paths) /* none of them is another's way out */
        list_remove(&CONTAINER_OF(item, struct path, router_at)->at);
    while (!list_is_empty(&r->paths))
        path_lost(CONTAINER_OF(list_first(&r->paths), struct path, router_at));
    link_set_data(l, NULL);
    mem_free(r);
    c2s_update(c2s);
}

static bool is_listed(const struct control_peers *peers, const struct path *path)
{
    for (size_t i = 0; i < peers->count; i++)
        if (peers->peers[i].is_up && str_is(peers->peers[i].name, path->upstream->name))
            return true;
    return false;
}

static void on_peer(struct c2s *c2s, struct link *l, const struct control_peer *peer)
{
    struct path *path = upstream_path(c2s, l, peer->name);

    if (!str_is(peer->role, link_role_names[LINK_ROLE_SM]) ||
        peer->instance.n >= sizeof(path->instance))
        return;
    if (path && (!peer->is_up || !str_is(peer->instance, path->instance))) {
        path_lost(path); /* another instance is another one: what the old one had in hand is gone */
        path = NULL;
    }
    if (!path && peer->is_up)
        path_up(c2s, l, peer);
}

void upstream_peers(struct c2s *c2s, struct link *l, const struct control_peers *peers)
{
    if (peers->is_all)
        LIST_FOR_EACH_SAFE(item, following, &router_of(l)->paths) {
            struct path *path = CONTAINER_OF(item, struct path, router_at);

            if (!is_listed(peers, path))
                path_lost(path);
        }
    for (size_t i = 0; i < peers->count; i++)
        on_peer(c2s, l, &peers->peers[i]);
    c2s_update(c2s);
}

void upstream_flush(struct c2s *c2s, bool is_lazy)
{
    struct upstream *u;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));) {
        LIST_FOR_EACH(item, &u->paths)
            gate_flush(CONTAINER_OF(item, struct path, at), is_lazy);
        if (is_lazy)
            wake(u); /* those that came to it while they waited for another */
    }
}

void upstream_free_all(struct c2s *c2s)
{
    struct upstream *u;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));) {
        timer_stop(&u->away);
        mem_free(u->name);
        mem_free(u);
    }
    table_fini(&c2s->upstreams);
}
