/* Every flow that follows from the plan: links, clients, other servers, components, and the sockets
 * inside each host; what hosts and processes need from the perimeter is plan_perimeter.c's.
 * Firewalls, units and the table for people are all made from these, so they cannot disagree. */
#include "deploy/ctl/plan_flow_parts.h"

#include "common/mem.h"

struct plan_flow *plan_flow_add(struct plan_flow_maker *m, struct plan_end from, struct plan_end to,
                                enum plan_protocol protocol)
{
    struct plan *p = m->p;

    if (p->flow_count == m->cap) {
        struct plan_flow *old = p->flows;

        m->cap = m->cap ? 2 * m->cap : 32;
        p->flows = arena_alloc(&p->arena, m->cap * sizeof *p->flows);
        if (old)
            memcpy(p->flows, old, p->flow_count * sizeof *old);
    }
    p->flows[p->flow_count] = (struct plan_flow){
        .from = from, .to = to, .protocol = protocol, .is_crossing = !str_eq(from.zone, to.zone)
    };
    return &p->flows[p->flow_count++];
}

const struct str *plan_flow_texts(struct plan_flow_maker *m, const struct conf_list *list)
{
    struct str *out = arena_alloc(&m->p->arena, list->count * sizeof *out);

    for (size_t i = 0; i < list->count; i++)
        out[i] = str_from(list->items[i]);
    return out;
}

static struct plan_end end_of_node(const struct plan_node *n)
{
    return (struct plan_end){
        n->name, str_from(n->host->name), str_from(n->zone->name), n, &n->address, 1
    };
}

/* As a source it may use any address of its host: the kernel picks one by its routes. */
struct plan_end plan_flow_dialler(struct plan_flow_maker *m, const struct plan_node *n)
{
    struct plan_end e = end_of_node(n);
    const struct conf_list *list = &n->host->addresses;
    struct str *all = arena_alloc(&m->p->arena, (list->count + 1) * sizeof *all);

    all[0] = n->address;
    for (size_t i = 0; i < list->count; i++)
        if (!str_is(n->address, list->items[i]))
            all[e.address_count++] = str_from(list->items[i]);
    e.addresses = all;
    return e;
}

struct plan_end plan_flow_outside(struct str name, struct str zone, const struct str *addresses,
                                  size_t count)
{
    return (struct plan_end){ name, STR(""), zone, NULL, addresses, count };
}

bool plan_flow_is_inward(const struct plan_conf *conf, struct str from_zone, const char *to_zone)
{
    const struct plan_zone_conf *to = plan_zone(conf, to_zone);
    const struct plan_zone_conf *zones = conf->zones.items;

    for (size_t i = 0; i < conf->zones.count; i++)
        if (str_is(from_zone, zones[i].name))
            return zones[i].kind == PLAN_ZONE_DMZ && to && to->kind == PLAN_ZONE_PRIVATE;
    return false;
}

/* --- links ------------------------------------------------------------------------------------ */

/* By the leaf's role: ARCHITECTURE, the router's policy. */
static const char *const link_carries[] = {
    [PLAN_C2S] = "frames: stanzas and SASL messages of its own clients to session managers, "
                 "answers and host tables back; keepalives",
    [PLAN_SM] =
        "frames: all that sessions, components and other session managers exchange; keepalives",
    [PLAN_S2S] = "frames: stanzas of other servers to session managers and back; keepalives",
};

static void add_link(struct plan_flow_maker *m, const struct plan_link *l)
{
    struct plan *p = m->p;
    struct plan_flow *f =
        plan_flow_add(m, plan_flow_dialler(m, l->dialler), end_of_node(l->listener),
                      l->is_unix ? PLAN_UNIX : PLAN_TCP);

    f->carries = str_from(link_carries[l->leaf->role]);
    f->why = l->dialler == l->router ? STR("link; the router stands inside and dials out")
                                     : STR("link; it dials its router");
    if (l->is_unix) {
        f->path = arena_printf(&p->arena, "%s/%.*s/%.*s.link", p->conf->run_dir,
                               STR_ARG(l->listener->name), STR_ARG(l->dialler->name));
        f->identity = arena_printf(
            &p->arena, "the kernel's word: user %.*s; the socket's path; XEP-0114 secret",
            STR_ARG(l->dialler->user));
        return;
    }
    f->port = (uint16_t)l->listener->conf->link_port;
    f->identity = arena_printf(&p->arena,
                               "TLS 1.3, certificates of the link CA on both sides: %.*s (%s) to "
                               "%.*s (%s); XEP-0114 secret",
                               STR_ARG(l->dialler->full_name), plan_role_names[l->dialler->role],
                               STR_ARG(l->listener->full_name), plan_role_names[l->listener->role]);
}

/* --- clients, other servers, components ------------------------------------------------------- */

/* Where strangers come in: all addresses of the host. */
static struct plan_end end_of_stranger(struct plan_flow_maker *m, const struct plan_node *n)
{
    struct plan_end to = end_of_node(n);

    to.addresses = plan_flow_texts(m, &n->host->addresses);
    to.address_count = n->host->addresses.count;
    return to;
}

static void add_clients(struct plan_flow_maker *m, const struct plan_node *n, int64_t port,
                        const char *how)
{
    const struct plan_process_conf *c = n->conf;
    const struct conf_list *networks = c->proxies.count ? &c->proxies : &c->clients;
    bool is_open = n->zone->kind == PLAN_ZONE_DMZ;
    struct plan_end to = end_of_stranger(m, n);
    struct plan_flow *f;

    if (port == 0)
        return;
    f = plan_flow_add(m,
                      plan_flow_outside(c->proxies.count ? STR("proxies") : STR("clients"),
                                        is_open ? STR("Internet") : to.zone,
                                        plan_flow_texts(m, networks), networks->count),
                      to, PLAN_TCP);
    f->port = (uint16_t)port;
    f->identity = arena_printf(
        &m->p->arena,
        "%s, the certificate of the domain; the client by SASL, which the session manager decides, "
        "with the domain's %s",
        how, plan_is_inside(m->p, n) ? "mechanisms" : "mechanisms_dmz");
    f->carries = STR("XMPP streams of clients");
    f->why = c->proxies.count ? STR("clients, through load balancers that speak PROXY protocol v2")
                              : STR("clients");
}

/* Other servers dial us, and we dial them, by what the DNS says. */
static void add_servers(struct plan_flow_maker *m, const struct plan_node *n)
{
    static const uint16_t ports[] = { 5269, 5270 };
    const struct {
        int64_t port;
        const char *how;
    } doors[] = { { n->conf->starttls_port, "TLS by STARTTLS" },
                  { n->conf->tls_port, "TLS from the first byte" } };
    struct plan_end servers = plan_flow_outside(STR("servers"), STR("Internet"), NULL, 0);
    struct plan_flow *f;

    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (doors[i].port == 0)
            continue;
        f = plan_flow_add(m, servers, end_of_stranger(m, n), PLAN_TCP);
        f->port = (uint16_t)doors[i].port;
        f->identity = arena_printf(
            &m->p->arena, "%s, certificates of both domains, or dialback (XEP-0220)", doors[i].how);
        f->carries = STR("XMPP streams of other servers");
        f->why = STR("other servers");
    }
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        f = plan_flow_add(m, plan_flow_dialler(m, n), servers, PLAN_TCP);
        f->port = ports[i];
        f->identity = STR("TLS, certificates of both domains, or dialback (XEP-0220)");
        f->carries = STR("XMPP streams to other servers");
        f->why = STR("other servers; one that publishes another port is not reached");
    }
}

static void add_component(struct plan_flow_maker *m, const struct plan_component_conf *c,
                          const struct plan_node *router)
{
    bool is_local = c->addresses.count == 0, is_plain = !plan_has_remote_components(m->p);
    struct plan_end to = end_of_node(router),
                    from = plan_flow_outside(arena_printf(&m->p->arena, "component %s", c->domain),
                                             str_from(c->zone), plan_flow_texts(m, &c->addresses),
                                             c->addresses.count);
    static const struct str loopback = { "127.0.0.1", 9 };
    struct plan_flow *f;

    if (is_local) {
        from.host = to.host;
        from.zone = to.zone;
        from.addresses = is_plain ? &loopback : to.addresses;
        from.address_count = 1;
    }
    if (is_plain)
        to.addresses = &loopback;
    f = plan_flow_add(m, from, to, PLAN_TCP);
    f->port = (uint16_t)router->conf->component_port;
    f->identity =
        is_plain ? STR("XEP-0114 secret; plain TCP on loopback")
                 : STR("TLS, the router's link certificate; the component by its XEP-0114 secret");
    f->carries = STR("stanzas from its own domain to session managers, and back; each one is "
                     "parsed and checked");
    f->why = STR("third-party component (XEP-0114)");
}

static void add_components(struct plan_flow_maker *m)
{
    const struct plan_component_conf *items = m->p->conf->components.items;

    for (size_t i = 0; i < m->p->conf->components.count; i++) {
        bool has_router = false;

        for (size_t k = 0; k < m->p->node_count; k++) {
            const struct plan_node *n = &m->p->nodes[k];

            if (n->role != PLAN_ROUTER ||
                (items[i].addresses.count &&
                 plan_flow_is_inward(m->p->conf, str_from(items[i].zone), n->zone->name)))
                continue;
            add_component(m, &items[i], n);
            has_router = true;
        }
        if (!has_router) {
            buf_printf(m->why,
                       "component \"%s\": zone: %s is a dmz and every router is inside: it would "
                       "open connections inwards\n",
                       items[i].domain, items[i].zone);
            m->is_good = false;
        }
    }
}

/* --- inside a host ---------------------------------------------------------------------------- */

static void add_sockets(struct plan_flow_maker *m, const struct plan_node *n)
{
    static const struct {
        const char *folder, *suffix, *who, *carries, *why;
        bool is_admin;
    } rows[] = {
        { "", ".sock", "readers", "questions and answers of sallyportctl",
          "status, health, metrics", false },
        { "", "-admin.sock", "administrators", "orders of sallyportctl", "administration", true },
        { "/metrics", "", "monitoring agent", "counters, as Prometheus reads them", "monitoring",
          false },
    };
    struct plan_end local = { .host = str_from(n->host->name), .zone = str_from(n->zone->name) };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan_flow *f;

        local.name = str_from(rows[i].who);
        f = plan_flow_add(m, local, end_of_node(n), PLAN_UNIX);
        f->path = arena_printf(&m->p->arena, "%s%s/%.*s%s", m->p->conf->run_dir, rows[i].folder,
                               STR_ARG(n->name), rows[i].suffix);
        f->identity =
            arena_printf(&m->p->arena, "the kernel's word: group %s",
                         rows[i].is_admin ? m->p->conf->admin_group : m->p->conf->read_group);
        f->carries = str_from(rows[i].carries);
        f->why = str_from(rows[i].why);
    }
}

enum err plan_find_flows(struct plan *p, struct buf *why)
{
    struct plan_flow_maker m = { .p = p, .why = why, .is_good = true };

    for (size_t i = 0; i < p->node_count; i++) {
        const struct plan_node *n = &p->nodes[i];

        if (n->role == PLAN_C2S) {
            add_clients(&m, n, n->conf->starttls_port, "TLS by STARTTLS");
            add_clients(&m, n, n->conf->tls_port, "TLS from the first byte");
        } else if (n->role == PLAN_S2S) {
            add_servers(&m, n);
        }
    }
    for (size_t i = 0; i < p->link_count; i++)
        add_link(&m, &p->links[i]);
    add_components(&m);
    plan_add_services(&m);
    for (size_t i = 0; i < p->node_count; i++)
        add_sockets(&m, &p->nodes[i]);
    return m.is_good ? ERR_OK : ERR_MALFORMED;
}
