/* Who can be reached. What follows from it for sessions is session_peer.c's. */
#include "sm/peers.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/hosts.h"
#include "sm/login.h"
#include "sm/metrics.h"
#include "sm/session_parts.h"

enum { MAX_PEERS = 4096 };

static struct str key_of(const void *item)
{
    return str_from(((const struct peer *)item)->name);
}

void peers_init(struct sm *sm)
{
    table_init(&sm->peers, key_of);
}

void peers_fini(struct sm *sm)
{
    struct peer *p;

    for (size_t at = 0; (p = table_next(&sm->peers, &at));) {
        timer_stop(&p->lost);
        buf_fini(&p->acks);
        mem_free(p->name);
        mem_free(p);
    }
    table_fini(&sm->peers);
}

struct peer *peers_find(const struct sm *sm, struct str name)
{
    return table_get(&sm->peers, name);
}

bool peers_is_role(const struct peer *p, const char *role)
{
    return p && str_is(str_from(p->role), role);
}

static void set_text(char *out, size_t cap, struct str text)
{
    size_t n = text.n < cap ? text.n : cap - 1;

    if (n > 0)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

static void on_lost(struct timer *t)
{
    struct peer *p = CONTAINER_OF(t, struct peer, lost);

    log_warn("c2s did not come back: its sessions end", kv_text("c2s", p->name));
    session_peer_lost(p);
}

/* What a router says of names is believed within limits: it can neither fill our memory, nor make a hosted domain somebody else's, nor
 * make of a c2s that holds sessions something else. */
static bool may_be(const struct sm *sm, const struct control_peer *told)
{
    const struct peer *p = peers_find(sm, told->name);

    if (sm_is_hosted(sm, told->name))
        return false;
    return p ? list_is_empty(&p->sessions) || str_is(told->role, p->role) : sm->peers.count < MAX_PEERS;
}

static struct peer *get(struct sm *sm, struct str name, struct str role)
{
    struct peer *p = peers_find(sm, name);

    if (!p) {
        p = mem_new(struct peer);
        p->name = str_dup(name);
        p->sm = sm;
        list_init(&p->sessions);
        list_init(&p->acks_at);
        timer_init(&p->lost, on_lost);
        table_put(&sm->peers, p);
    }
    set_text(p->role, sizeof p->role, role);
    return p;
}

static void watch(struct peer *p)
{
    if (p->path_count == 0 && p->lost.due_ms == 0 && peers_is_role(p, "c2s"))
        timer_set(p->sm->service->timers, &p->lost, (uint64_t)p->sm->conf->lost_c2s_ms);
}

struct peer *peers_c2s(struct sm *sm, struct str name)
{
    struct peer *p = get(sm, name, STR("c2s"));

    watch(p);
    return p;
}

bool peers_has_path(const struct peer *p, const struct link *l)
{
    for (size_t i = 0; i < p->path_count; i++) {
        if (p->paths[i] == l)
            return true;
    }
    return false;
}

struct link *peers_path(const struct peer *p, struct link *preferred)
{
    if (!p || p->path_count == 0)
        return NULL;
    return preferred && peers_has_path(p, preferred) ? preferred : p->paths[0];
}

struct peer *peers_component(const struct sm *sm, struct str domain)
{
    struct peer *p = peers_find(sm, domain);

    return peers_is_role(p, "component") && p->path_count > 0 ? p : NULL;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

static void remove_path(struct peer *p, struct link *l)
{
    size_t kept = 0;

    if (!peers_has_path(p, l))
        return;
    for (size_t i = 0; i < p->path_count; i++) {
        if (p->paths[i] != l)
            p->paths[kept++] = p->paths[i];
    }
    p->path_count = kept;
    if (p->acks_via == l) {
        buf_clear(&p->acks);
        list_remove(&p->acks_at);
    }
    if (kept == 0)
        log_info("peer cannot be reached", kv_text("peer", p->name), kv_text("role", p->role));
    watch(p);
    if (peers_is_role(p, "c2s"))
        session_peer_path_lost(p, l);
}

static void add_path(struct peer *p, struct link *l)
{
    if (peers_has_path(p, l) || p->path_count == PEERS_MAX_PATHS)
        return;
    p->paths[p->path_count++] = l;
    timer_stop(&p->lost);
    if (!peers_is_role(p, "c2s"))
        return;
    hosts_send(p->sm, l, str_from(p->name));
    session_peer_path_found(p, l);
}

/* Another process under that name: what the old one held is gone with it. */
static void new_instance(struct peer *p, struct str instance)
{
    p->path_count = 0;
    buf_clear(&p->acks);
    list_remove(&p->acks_at);
    set_text(p->instance, sizeof p->instance, instance);
    if (peers_is_role(p, "c2s"))
        login_peer_lost(p->sm, str_from(p->name));
}

static void take(struct sm *sm, struct link *router, const struct control_peer *told)
{
    struct peer *p = peers_find(sm, told->name);

    if (!told->is_up) {
        /* A router that is late must not take away the path to a newer instance by itself. */
        if (p && (!str_is_set(told->instance) || str_is(told->instance, p->instance)))
            remove_path(p, router);
        return;
    }
    if (!may_be(sm, told)) {
        metric_inc(&sm_metric_violations);
        audit_warning("frame-refused", kv_str("from", link_name(router)), kv_str("peer", told->name), kv_text("what", "a peer that cannot be"));
        return;
    }
    p = get(sm, told->name, told->role);
    if (str_is_set(told->instance) && !str_is(told->instance, p->instance))
        new_instance(p, told->instance);
    add_path(p, router);
}

static bool is_told(const struct control_peers *told, const struct peer *p)
{
    for (size_t i = 0; i < told->count; i++) {
        if (str_is(told->peers[i].name, p->name))
            return true;
    }
    return false;
}

/* Of those that the complete list does not name. Paths change no key of the table: it may be walked meanwhile. */
static void remove_untold(struct sm *sm, struct link *router, const struct control_peers *told)
{
    struct peer *p;

    for (size_t at = 0; (p = table_next(&sm->peers, &at));) {
        if (peers_has_path(p, router) && !is_told(told, p))
            remove_path(p, router);
    }
}

void peers_on_control(struct sm *sm, struct link *router, const struct control_peers *told)
{
    if (told->is_all)
        remove_untold(sm, router, told);
    for (size_t i = 0; i < told->count; i++)
        take(sm, router, &told->peers[i]);
}

void peers_on_link_down(struct sm *sm, struct link *router)
{
    struct peer *p;

    for (size_t at = 0; (p = table_next(&sm->peers, &at));)
        remove_path(p, router);
    login_link_lost(sm, router);
}
