/* Flows with what the perimeter serves: name resolution, time, logs, directory, tickets, database,
 * monitoring. By its kind a service is used by hosts, by session managers, or itself dials hosts.
 */
#include "deploy/ctl/plan_flow_parts.h"

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
                      "logs and audit events, without bodies and secrets; what a dmz logs is a "
                      "claim",
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
                          "sockets alone; a router shows those of its peers as well, as their "
                          "claims",
                          "monitoring; what runs in a dmz is seen through the router, and nothing "
                          "in a dmz dials for it" },
};

static struct plan_end end_of_host(struct plan_flow_maker *m, const struct plan_host_conf *h)
{
    return (struct plan_end){ STR("host"),
                              str_from(h->name),
                              str_from(h->zone),
                              NULL,
                              plan_flow_texts(m, &h->addresses),
                              h->addresses.count };
}

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

static struct plan_flow *add_use(struct plan_flow_maker *m, const struct plan_service_conf *s,
                                 struct plan_end ours, enum plan_protocol protocol)
{
    const struct service_kind *k = &kinds[s->kind];
    struct plan_end theirs =
        plan_flow_outside(str_from(s->name), str_from(s->zone), plan_flow_texts(m, &s->addresses),
                          s->addresses.count);
    struct plan_flow *f = k->user == TO_HOST ? plan_flow_add(m, theirs, ours, protocol)
                                             : plan_flow_add(m, ours, theirs, protocol);

    f->port = s->port ? (uint16_t)s->port : k->port;
    f->identity = str_from(k->identity);
    f->carries = str_from(k->carries);
    f->why = str_from(k->why);
    return f;
}

static void add_service_on(struct plan_flow_maker *m, const struct plan_service_conf *s,
                           const struct plan_host_conf *h)
{
    const struct service_kind *k = &kinds[s->kind];

    for (size_t i = 0; i < m->p->node_count || k->user != BY_SM; i++) {
        const struct plan_node *n = &m->p->nodes[i];
        struct plan_end ours = k->user == BY_SM ? plan_flow_dialler(m, n) : end_of_host(m, h);

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

/* The resolver of a server connection manager is its own affair: SRV and TLSA records of strangers.
 */
static void add_resolver(struct plan_flow_maker *m, const struct plan_service_conf *s,
                         const struct plan_host_conf *h)
{
    static const enum plan_protocol protocols[] = { PLAN_UDP, PLAN_TCP };

    for (size_t i = 0; i < m->p->node_count; i++) {
        const struct plan_node *n = &m->p->nodes[i];

        if (n->role != PLAN_S2S || n->host != h)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
            struct plan_flow *f = add_use(m, s, plan_flow_dialler(m, n), protocols[k]);

            f->carries = STR("names of other servers: SRV, A, AAAA, TLSA");
            f->why = STR("finding other servers");
        }
    }
}

static bool has_resolver(const struct plan *p, const struct plan_node *n)
{
    for (size_t i = 0; i < p->flow_count; i++)
        if (p->flows[i].from.node == n && p->flows[i].protocol == PLAN_UDP)
            return true;
    return false;
}

static void check_resolvers(struct plan_flow_maker *m)
{
    for (size_t i = 0; i < m->p->node_count; i++) {
        const struct plan_node *n = &m->p->nodes[i];

        if (n->role != PLAN_S2S || has_resolver(m->p, n))
            continue;
        buf_printf(
            m->why,
            "s2s \"%.*s\": host: it finds other servers by the DNS: a service of kind dns is "
            "needed that host %s may ask\n",
            STR_ARG(n->name), n->host->name);
        m->is_good = false;
    }
}

static void add_service(struct plan_flow_maker *m, const struct plan_service_conf *s)
{
    const struct plan_host_conf *hosts = m->p->conf->hosts.items;

    for (size_t i = 0; i < m->p->conf->hosts.count; i++) {
        const struct plan_host_conf *h = &hosts[i];
        bool is_to_host = kinds[s->kind].user == TO_HOST;

        if (!uses(m->p, s, h))
            continue;
        if (is_to_host ? plan_flow_is_inward(m->p->conf, str_from(s->zone), h->zone)
                       : plan_flow_is_inward(m->p->conf, str_from(h->zone), s->zone)) {
            buf_printf(m->why,
                       "service \"%s\": hosts: between %s (zone %s) and zone %s it would open "
                       "connections from a dmz to the inside; give the dmz a service of its own\n",
                       s->name, h->name, h->zone, s->zone);
            m->is_good = false;
            continue;
        }
        add_service_on(m, s, h);
        if (s->kind == PLAN_DNS)
            add_resolver(m, s, h);
    }
}

void plan_add_services(struct plan_flow_maker *m)
{
    const struct plan_service_conf *services = m->p->conf->services.items;

    for (size_t i = 0; i < m->p->conf->services.count; i++)
        add_service(m, &services[i]);
    check_resolvers(m);
}
