/* The model behind cluster.conf: processes, links, who dials whom. See plan.h. ARCHITECTURE:
 * processes and zones. */
#include "deploy/ctl/plan.h"

#include "common/mem.h"

const char *const plan_role_names[] = { "router", "c2s", "sm", "s2s", NULL };
const char *const plan_protocol_names[] = { "tcp", "udp", "unix", NULL };

const struct conf_items *plan_processes(const struct plan_conf *conf, enum plan_role role)
{
    const struct conf_items *const all[PLAN_ROLE_COUNT] = { [PLAN_ROUTER] = &conf->routers,
                                                            [PLAN_C2S] = &conf->c2s,
                                                            [PLAN_SM] = &conf->sms,
                                                            [PLAN_S2S] = &conf->s2s };

    return all[role];
}

const struct plan_zone_conf *plan_zone(const struct plan_conf *conf, const char *name)
{
    const struct plan_zone_conf *items = conf->zones.items;

    for (size_t i = 0; i < conf->zones.count; i++)
        if (name && strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

const struct plan_host_conf *plan_host(const struct plan_conf *conf, const char *name)
{
    const struct plan_host_conf *items = conf->hosts.items;

    for (size_t i = 0; i < conf->hosts.count; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

const struct plan_node *plan_node(const struct plan *p, struct str name)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (str_eq(p->nodes[i].name, name))
            return &p->nodes[i];
    return NULL;
}

const struct plan_node *plan_other(const struct plan_link *l, const struct plan_node *n)
{
    return l->router == n ? l->leaf : l->router;
}

bool plan_dials_tcp(const struct plan *p, const struct plan_node *n)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].dialler == n && !p->links[i].is_unix)
            return true;
    return false;
}

bool plan_is_dialled_tcp(const struct plan *p, const struct plan_node *n)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].listener == n && !p->links[i].is_unix)
            return true;
    return false;
}

/* A component in a dmz cannot dial a router inside; those without an address stand beside every
 * router of a private zone. */
bool plan_has_components(const struct plan *p, const struct plan_node *router)
{
    const struct plan_component_conf *items = p->conf->components.items;

    for (size_t i = 0; i < p->conf->components.count; i++) {
        const struct plan_zone_conf *zone = plan_zone(p->conf, items[i].zone);

        if (!zone || zone->kind == PLAN_ZONE_PRIVATE || router->zone->kind == PLAN_ZONE_DMZ)
            return true;
    }
    return false;
}

bool plan_has_remote_components(const struct plan *p)
{
    const struct plan_component_conf *items = p->conf->components.items;

    for (size_t i = 0; i < p->conf->components.count; i++)
        if (items[i].addresses.count)
            return true;
    return false;
}

bool plan_is_inside(const struct plan *p, const struct plan_node *c2s)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].role == PLAN_ROUTER && p->nodes[i].zone->kind == PLAN_ZONE_DMZ)
            return false;
    return c2s->zone->kind == PLAN_ZONE_PRIVATE;
}

struct str plan_endpoint(struct plan *p, struct str address, int64_t port)
{
    bool is_six = str_find(address, ':') < address.n;

    return arena_printf(&p->arena, is_six ? "[%.*s]:%d" : "%.*s:%d", STR_ARG(address), (int)port);
}

/* --- nodes and links
 * --------------------------------------------------------------------------------------------- */

static void add_nodes(struct plan *p, enum plan_role role)
{
    const struct conf_items *items = plan_processes(p->conf, role);
    const struct plan_process_conf *conf = items->items;

    for (size_t i = 0; i < items->count; i++) {
        struct plan_node *n = &p->nodes[p->node_count++];

        n->conf = &conf[i];
        n->role = role;
        n->host = plan_host(p->conf, conf[i].host);
        n->zone = plan_zone(p->conf, n->host->zone);
        n->name = str_from(conf[i].name);
        n->full_name = arena_printf(&p->arena, "%s.%s", conf[i].name, p->conf->internal_domain);
        n->user = conf[i].user ? str_from(conf[i].user)
                               : arena_printf(&p->arena, "sallyport-%s", plan_role_names[role]);
        n->address =
            str_from(n->host->link_address ? n->host->link_address : n->host->addresses.items[0]);
    }
}

/* The side that is inside dials; where both are in zones of one kind, the leaf does. So no
 * connection is ever opened from a dmz to the inside, in both layouts: with the router inside it
 * dials out to c2s, with the router in the dmz everybody dials it. */
static struct plan_link make_link(const struct plan_node *router, const struct plan_node *leaf)
{
    bool is_outward = router->zone->kind == PLAN_ZONE_PRIVATE && leaf->zone->kind == PLAN_ZONE_DMZ;

    return (struct plan_link){ .router = router,
                               .leaf = leaf,
                               .dialler = is_outward ? router : leaf,
                               .listener = is_outward ? leaf : router,
                               .is_unix = router->host == leaf->host };
}

static void build(struct plan *p)
{
    size_t routers = p->conf->routers.count, count = 0;

    for (enum plan_role role = 0; role < PLAN_ROLE_COUNT; role++)
        count += plan_processes(p->conf, role)->count;
    p->nodes = arena_alloc(&p->arena, count * sizeof *p->nodes);
    for (enum plan_role role = 0; role < PLAN_ROLE_COUNT; role++)
        add_nodes(p, role);
    p->links = arena_alloc(&p->arena, routers * count * sizeof *p->links);
    for (size_t i = 0; i < routers; i++)
        for (size_t k = routers; k < count; k++)
            p->links[p->link_count++] = make_link(&p->nodes[i], &p->nodes[k]);
}

/* --- open, close ------------------------------------------------------------------------------ */

enum err plan_open(const char *path, struct plan **out_plan, struct buf *why)
{
    struct plan *p = mem_new(struct plan);
    struct buf sentences = { 0 };
    void *conf = NULL;
    enum err e = conf_load(&plan_conf_spec, path, &conf, why);

    if (e != ERR_OK)
        goto fail;
    p->conf = conf;
    e = plan_check(p->conf, &sentences);
    if (e == ERR_OK) {
        build(p);
        e = plan_check_mechanisms(p, &sentences);
    }
    if (e == ERR_OK)
        e = plan_find_flows(p, &sentences);
    if (e != ERR_OK)
        conf_add_places(&plan_conf_spec, path, buf_str(&sentences), why);
fail:
    buf_fini(&sentences);
    if (e == ERR_OK)
        *out_plan = p;
    else
        plan_free(p);
    return e;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    conf_free(&plan_conf_spec, p->conf);
    arena_fini(&p->arena);
    mem_free(p);
}
