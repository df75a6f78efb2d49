/* Every flow that follows from the plan: links, clients, components, what hosts and session
 * managers need from the perimeter, and the sockets inside each host. Firewalls, units and the
 * table for people are all made from these, so they cannot disagree. */
#include "deploy/ctl/plan.h"

#include "common/mem.h"

struct maker {
    struct plan *p;
    size_t cap;
    struct buf *why;
    bool is_good;
};

static struct plan_flow *add(struct maker *m, struct plan_end from, struct plan_end to,
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

static const struct str *texts(struct maker *m, const struct conf_list *list)
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
static struct plan_end end_of_dialler(struct maker *m, const struct plan_node *n)
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

static struct plan_end end_of_host(struct maker *m, const struct plan_host_conf *h)
{
    return (struct plan_end){ STR("host"), str_from(h->name),       str_from(h->zone),
                              NULL,        texts(m, &h->addresses), h->addresses.count };
}

static struct plan_end outside(struct str name, struct str zone, const struct str *addresses,
                               size_t count)
{
    return (struct plan_end){ name, STR(""), zone, NULL, addresses, count };
}

static bool is_inward(const struct plan_conf *conf, struct str from_zone, const char *to_zone)
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
};

static void add_link(struct maker *m, const struct plan_link *l)
{
    struct plan *p = m->p;
    struct plan_flow *f = add(m, end_of_dialler(m, l->dialler), end_of_node(l->listener),
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

/* --- clients and components
 * -------------------------------------------------------------------------------------- */

static void add_clients(struct maker *m, const struct plan_node *n, int64_t port, const char *how)
{
    const struct plan_process_conf *c = n->conf;
    const struct conf_list *networks = c->proxies.count ? &c->proxies : &c->clients;
    bool is_open = n->zone->kind == PLAN_ZONE_DMZ;
    struct plan_end to = end_of_node(n);
    struct plan_flow *f;

    if (port == 0)
        return;
    to.addresses = texts(m, &n->host->addresses);
    to.address_count = n->host->addresses.count;
    f = add(m,
            outside(c->proxies.count ? STR("proxies") : STR("clients"),
                    is_open ? STR("Internet") : to.zone, texts(m, networks), networks->count),
            to, PLAN_TCP);
    f->port = (uint16_t)port;
    f->identity = arena_printf(
        &m->p->arena,
        "%s, the certificate of the domain; the client by SASL, which the session manager decides",
        how);
    f->carries = STR("XMPP streams of clients");
    f->why = c->proxies.count ? STR("clients, through load balancers that speak PROXY protocol v2")
                              : STR("clients");
}

static void add_component(struct maker *m, const struct plan_component_conf *c,
                          const struct plan_node *router)
{
    bool is_local = c->addresses.count == 0, is_plain = !plan_has_remote_components(m->p);
    struct plan_end to = end_of_node(router),
                    from = outside(arena_printf(&m->p->arena, "component %s", c->domain),
                                   str_from(c->zone), texts(m, &c->addresses), c->addresses.count);
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
    f = add(m, from, to, PLAN_TCP);
    f->port = (uint16_t)router->conf->component_port;
    f->identity =
        is_plain ? STR("XEP-0114 secret; plain TCP on loopback")
                 : STR("TLS, the router's link certificate; the component by its XEP-0114 secret");
    f->carries = STR("stanzas from its own domain to session managers, and back; each one is "
                     "parsed and checked");
    f->why = STR("third-party component (XEP-0114)");
}

static void add_components(struct maker *m)
{
    const struct plan_component_conf *items = m->p->conf->components.items;

    for (size_t i = 0; i < m->p->conf->components.count; i++) {
        bool has_router = false;

        for (size_t k = 0; k < m->p->node_count; k++) {
            const struct plan_node *n = &m->p->nodes[k];

            if (n->role != PLAN_ROUTER ||
                (items[i].addresses.count &&
                 is_inward(m->p->conf, str_from(items[i].zone), n->zone->name)))
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

/* --- the perimeter ---------------------------------------------------------------------------- */

enum user { BY_HOST, BY_SM, TO_HOST };

static const struct service_kind {
    uint16_t port;
    bool has_tcp, has_udp;
    enum user user;
    const char *identity, *carries, *why;
} kinds[] = {
    [PLAN_DNS] = { 53, true, true, BY_HOST, "the address", "names to look up",
                   "name resolution of the host; links are dialled by address and do not need it" },
    [PLAN_NTP] = { 123, false, true, BY_HOST, "the address; NTS where the server has it",
                   "the time", "certificates and logs need the right time" },
    [PLAN_SYSLOG] = { 6514, true, false, BY_HOST, "TLS, the server's certificate",
                      "logs and audit events, without bodies and secrets",
                      "logs leave the host at once" },
    [PLAN_LDAP] = { 636, true, false, BY_SM,
                    "TLS, the server's certificate; the session manager's service account",
                    "searches for accounts, binds with users' passwords",
                    "accounts live in the directory" },
    [PLAN_KDC] = { 88, true, true, BY_SM, "Kerberos", "service tickets", "GSSAPI logins" },
    [PLAN_DATABASE] = { 5432, true, false, BY_SM,
                        "TLS on both sides; the session manager's database role",
                        "everything durable", "the store" },
    [PLAN_MONITORING] = { 9100, true, false, TO_HOST, "the monitoring system's own",
                          "metrics, read through the host's own agent: processes show them on Unix "
                          "sockets alone",
                          "monitoring" },
};

static bool has_sm(const struct plan *p, const struct plan_host_conf *h)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].role == PLAN_SM && p->nodes[i].host == h)
            return true;
    return false;
}

static bool uses(const struct plan *p, const struct plan_service_conf *s,
                 const struct plan_host_conf *h)
{
    for (size_t i = 0; i < s->hosts.count; i++)
        if (strcmp(s->hosts.items[i], h->name) == 0)
            return true;
    if (s->hosts.count)
        return false;
    return kinds[s->kind].user == BY_SM ? has_sm(p, h) : strcmp(h->zone, s->zone) == 0;
}

static void add_use(struct maker *m, const struct plan_service_conf *s, struct plan_end ours,
                    enum plan_protocol protocol)
{
    const struct service_kind *k = &kinds[s->kind];
    struct plan_end theirs =
        outside(str_from(s->name), str_from(s->zone), texts(m, &s->addresses), s->addresses.count);
    struct plan_flow *f =
        k->user == TO_HOST ? add(m, theirs, ours, protocol) : add(m, ours, theirs, protocol);

    f->port = s->port ? (uint16_t)s->port : k->port;
    f->identity = str_from(k->identity);
    f->carries = str_from(k->carries);
    f->why = str_from(k->why);
}

static void add_service_on(struct maker *m, const struct plan_service_conf *s,
                           const struct plan_host_conf *h)
{
    const struct service_kind *k = &kinds[s->kind];

    for (size_t i = 0; i < m->p->node_count || k->user != BY_SM; i++) {
        const struct plan_node *n = &m->p->nodes[i];
        struct plan_end ours = k->user == BY_SM ? end_of_dialler(m, n) : end_of_host(m, h);

        if (k->user == BY_SM && (n->role != PLAN_SM || n->host != h))
            continue;
        if (k->has_udp)
            add_use(m, s, ours, PLAN_UDP);
        if (k->has_tcp)
            add_use(m, s, ours, PLAN_TCP);
        if (k->user != BY_SM)
            return;
    }
}

static void add_service(struct maker *m, const struct plan_service_conf *s)
{
    const struct plan_host_conf *hosts = m->p->conf->hosts.items;

    for (size_t i = 0; i < m->p->conf->hosts.count; i++) {
        const struct plan_host_conf *h = &hosts[i];
        bool is_to_host = kinds[s->kind].user == TO_HOST;

        if (!uses(m->p, s, h))
            continue;
        if (is_to_host ? is_inward(m->p->conf, str_from(s->zone), h->zone)
                       : is_inward(m->p->conf, str_from(h->zone), s->zone)) {
            buf_printf(m->why,
                       "service \"%s\": hosts: between %s (zone %s) and zone %s it would open "
                       "connections from a dmz to the inside; give the dmz a service of its own\n",
                       s->name, h->name, h->zone, s->zone);
            m->is_good = false;
            continue;
        }
        add_service_on(m, s, h);
    }
}

/* --- inside a host ---------------------------------------------------------------------------- */

static void add_sockets(struct maker *m, const struct plan_node *n)
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
        f = add(m, local, end_of_node(n), PLAN_UNIX);
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
    struct maker m = { .p = p, .why = why, .is_good = true };
    const struct plan_service_conf *services = p->conf->services.items;

    for (size_t i = 0; i < p->node_count; i++) {
        if (p->nodes[i].role != PLAN_C2S)
            continue;
        add_clients(&m, &p->nodes[i], p->nodes[i].conf->starttls_port, "TLS by STARTTLS");
        add_clients(&m, &p->nodes[i], p->nodes[i].conf->tls_port, "TLS from the first byte");
    }
    for (size_t i = 0; i < p->link_count; i++)
        add_link(&m, &p->links[i]);
    add_components(&m);
    for (size_t i = 0; i < p->conf->services.count; i++)
        add_service(&m, &services[i]);
    for (size_t i = 0; i < p->node_count; i++)
        add_sockets(&m, &p->nodes[i]);
    return m.is_good ? ERR_OK : ERR_MALFORMED;
}
