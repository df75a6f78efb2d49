/* What the table of cluster.conf's keys cannot say: names that refer to each other, addresses,
 * ports that collide, layouts that are refused. Everything that is copied into generated files is
 * checked here for what could end a word in them. */
#include "common/net_network.h"
#include "deploy/ctl/plan.h"

#include <arpa/inet.h>
#include <stdio.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct checker {
    const struct plan_conf *conf;
    struct buf *why;
    bool is_good;
};

static void refuse(struct checker *c, const char *format, ...) PRINTF_LIKE(2, 3);

static void refuse(struct checker *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(c->why, format, args);
    va_end(args);
    buf_add_char(c->why, '\n');
    c->is_good = false;
}

static bool is_made_of(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

static bool is_name(const char *text)
{
    return is_made_of(text, LOWER DIGITS "-") && text[0] != '-' && strlen(text) <= 63;
}

static bool is_path(const char *text)
{
    return text[0] == '/' && is_made_of(text, LOWER UPPER DIGITS "/._-");
}

static bool is_address(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_network(const char *text)
{
    struct net_network network;

    return net_network_parse(str_from(text), &network) == ERR_OK;
}

static void check_addresses(struct checker *c, const char *section, const char *title,
                            const struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_address(list->items[i]))
            refuse(c, "%s \"%s\": address: expected IP addresses, not \"%s\"", section, title,
                   list->items[i]);
}

static void check_networks(struct checker *c, const char *title, const char *key,
                           const struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_network(list->items[i]))
            refuse(c, "c2s \"%s\": %s: expected networks as 10.0.0.0/8, not \"%s\"", title, key,
                   list->items[i]);
}

static void check_zone(struct checker *c, const char *section, const char *title, const char *zone)
{
    if (!plan_zone(c->conf, zone))
        refuse(c, "%s \"%s\": zone: there is no section zone \"%s\"", section, title, zone);
}

/* --- parts ------------------------------------------------------------------------------------ */

static void check_top(struct checker *c)
{
    const struct {
        const char *key, *path;
    } paths[] = {
        { "config_dir", c->conf->config_dir }, { "state_dir", c->conf->state_dir },
        { "run_dir", c->conf->run_dir },       { "log_dir", c->conf->log_dir },
        { "programs", c->conf->programs },
    };

    if (!is_name(c->conf->name))
        refuse(c, "name: expected lower-case letters, digits and hyphens");
    if (!is_made_of(c->conf->internal_domain, LOWER DIGITS "-.") ||
        strlen(c->conf->internal_domain) > 150)
        refuse(c, "internal_domain: expected a DNS name in lower case");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (!is_path(paths[i].path))
            refuse(c, "%s: expected an absolute path of letters, digits and ._-", paths[i].key);
    if (strlen(c->conf->run_dir) > 40)
        refuse(c, "run_dir: expected at most 40 bytes; paths of sockets are short");
    if (!is_made_of(c->conf->read_group, LOWER DIGITS "_-") ||
        !is_made_of(c->conf->admin_group, LOWER DIGITS "_-"))
        refuse(c, "read_group: expected names of groups");
    if (c->conf->company_ca && !c->conf->company_certs)
        refuse(c, "company_ca: company_certs is needed with it");
}

static void check_hosts(struct checker *c)
{
    const struct plan_zone_conf *zones = c->conf->zones.items;
    const struct plan_host_conf *hosts = c->conf->hosts.items;

    for (size_t i = 0; i < c->conf->zones.count; i++)
        if (!is_name(zones[i].name))
            refuse(c, "zone \"%s\": expected a name of lower-case letters, digits and hyphens",
                   zones[i].name);
    for (size_t i = 0; i < c->conf->hosts.count; i++) {
        if (!is_name(hosts[i].name))
            refuse(c, "host \"%s\": expected a name of lower-case letters, digits and hyphens",
                   hosts[i].name);
        check_zone(c, "host", hosts[i].name, hosts[i].zone);
        check_addresses(c, "host", hosts[i].name, &hosts[i].addresses);
        if (hosts[i].link_address && !is_address(hosts[i].link_address))
            refuse(c, "host \"%s\": link_address: expected an IP address", hosts[i].name);
    }
}

static void check_process(struct checker *c, enum plan_role role, const struct plan_process_conf *p)
{
    static const char *const levels[] = { "error", "warn", "info", "debug" };
    const char *section = plan_role_names[role];
    const struct plan_host_conf *host = plan_host(c->conf, p->host);
    const struct plan_zone_conf *zone = host ? plan_zone(c->conf, host->zone) : NULL;
    bool has_level = false;

    if (!is_name(p->name))
        refuse(c, "%s \"%s\": expected a name of lower-case letters, digits and hyphens", section,
               p->name);
    if (!host)
        refuse(c, "%s \"%s\": host: there is no section host \"%s\"", section, p->name, p->host);
    if (p->user && (!is_made_of(p->user, LOWER DIGITS "_-") || strcmp(p->user, "root") == 0))
        refuse(c, "%s \"%s\": user: expected the name of a user other than root", section, p->name);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        has_level |= strcmp(levels[i], p->log_level) == 0;
    if (!has_level)
        refuse(c, "%s \"%s\": log_level: expected error, warn, info or debug", section, p->name);
    if (role == PLAN_SM && zone && zone->kind == PLAN_ZONE_DMZ)
        refuse(c, "sm \"%s\": host: zone %s is a dmz; accounts and keys belong in a private zone",
               p->name, zone->name);
    if (role == PLAN_S2S && zone && zone->kind == PLAN_ZONE_PRIVATE)
        refuse(c,
               "s2s \"%s\": host: zone %s is private; other servers dial it: it belongs in a dmz",
               p->name, zone->name);
    if ((role == PLAN_C2S || role == PLAN_S2S) && p->starttls_port == 0 && p->tls_port == 0)
        refuse(c, "%s \"%s\": starttls_port: it has no port where strangers could come in", section,
               p->name);
    check_networks(c, p->name, "clients", &p->clients);
    check_networks(c, p->name, "proxies", &p->proxies);
    if (p->clients.count && p->proxies.count)
        refuse(c, "c2s \"%s\": proxies: clients and proxies exclude each other", p->name);
}

static void check_mechanisms(struct checker *c, const char *title, const char *key,
                             const struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_made_of(list->items[i], UPPER DIGITS "-_") ||
            str_ends_with(str_from(list->items[i]), STR("-PLUS")))
            refuse(c,
                   "domain \"%s\": %s: expected names as SCRAM-SHA-256 (without -PLUS), not \"%s\"",
                   title, key, list->items[i]);
}

/* What a c2s in a dmz may read is told by plan: it must not come in by a side door. */
static void check_settings(struct checker *c, const struct plan_domain_conf *d)
{
    for (size_t i = 0; i < d->settings.count; i++)
        if (strstr(d->settings.items[i], "mechanisms") || strchr(d->settings.items[i], '\n'))
            refuse(c,
                   "domain \"%s\": settings: mechanisms and mechanisms_dmz are keys of their own",
                   d->name);
}

static void check_domains(struct checker *c)
{
    const struct plan_domain_conf *items = c->conf->domains.items;

    for (size_t i = 0; i < c->conf->domains.count; i++) {
        const struct plan_domain_conf *d = &items[i];

        if (strpbrk(d->name, "\"'\\$/ %\t\n{}#") || strlen(d->name) > 253)
            refuse(c, "domain \"%s\": expected a domain", d->name);
        if ((d->cert_file && !is_path(d->cert_file)) || (d->key_file && !is_path(d->key_file)))
            refuse(c, "domain \"%s\": cert: expected an absolute path of letters, digits and ._-",
                   d->name);
        check_mechanisms(c, d->name, "mechanisms", &d->mechanisms);
        check_mechanisms(c, d->name, "mechanisms_dmz", &d->mechanisms_dmz);
        check_settings(c, d);
        for (size_t k = 0; k < d->admins.count; k++)
            if (strpbrk(d->admins.items[k], "\"\\$\n"))
                refuse(c, "domain \"%s\": admins: expected addresses", d->name);
    }
}

static void check_services(struct checker *c)
{
    const struct plan_service_conf *items = c->conf->services.items;
    const struct plan_component_conf *components = c->conf->components.items;

    for (size_t i = 0; i < c->conf->services.count; i++) {
        check_zone(c, "service", items[i].name, items[i].zone);
        check_addresses(c, "service", items[i].name, &items[i].addresses);
        for (size_t k = 0; k < items[i].hosts.count; k++)
            if (!plan_host(c->conf, items[i].hosts.items[k]))
                refuse(c, "service \"%s\": hosts: there is no section host \"%s\"", items[i].name,
                       items[i].hosts.items[k]);
    }
    for (size_t i = 0; i < c->conf->components.count; i++) {
        check_addresses(c, "component", components[i].domain, &components[i].addresses);
        if (!is_made_of(components[i].domain, LOWER DIGITS "-.") || components[i].domain[0] == '.')
            refuse(c, "component \"%s\": expected a domain in lower case", components[i].domain);
        if (components[i].addresses.count)
            check_zone(c, "component", components[i].domain,
                       components[i].zone ? components[i].zone : "");
    }
}

/* --- what goes together
 * ------------------------------------------------------------------------------------------ */

static bool has_port(const struct plan_process_conf *p, int64_t port)
{
    return port && (p->link_port == port || p->starttls_port == port || p->tls_port == port ||
                    p->component_port == port);
}

static void check_pair(struct checker *c, const char *section, const struct plan_process_conf *a,
                       const struct plan_process_conf *b)
{
    const int64_t ports[] = { a->link_port, a->starttls_port, a->tls_port, a->component_port };

    if (strcmp(a->name, b->name) == 0)
        refuse(c, "%s \"%s\": another process has this name", section, a->name);
    for (size_t i = 0; i < ARRAY_LEN(ports); i++)
        if (strcmp(a->host, b->host) == 0 && has_port(b, ports[i]))
            refuse(c, "%s \"%s\": port %d of host %s is also that of %s", section, a->name,
                   (int)ports[i], a->host, b->name);
}

static void check_against_earlier(struct checker *c, enum plan_role role, size_t index)
{
    const struct plan_process_conf *own =
        &((const struct plan_process_conf *)plan_processes(c->conf, role)->items)[index];

    for (enum plan_role r = 0; r <= role; r++) {
        const struct plan_process_conf *others = plan_processes(c->conf, r)->items;
        size_t count = r == role ? index : plan_processes(c->conf, r)->count;

        for (size_t i = 0; i < count; i++)
            check_pair(c, plan_role_names[role], own, &others[i]);
    }
}

/* What session managers say to each other must not cross a dmz. */
static void check_layout(struct checker *c)
{
    const struct plan_process_conf *routers = c->conf->routers.items;
    bool has_inner = false;

    for (size_t i = 0; i < c->conf->routers.count; i++) {
        const struct plan_host_conf *host = plan_host(c->conf, routers[i].host);
        const struct plan_zone_conf *zone = host ? plan_zone(c->conf, host->zone) : NULL;

        has_inner |= zone && zone->kind == PLAN_ZONE_PRIVATE;
    }
    if (c->conf->sms.count > 1 && c->conf->routers.count > 0 && !has_inner)
        refuse(c,
               "router \"%s\": host: all routers stand in a dmz, and there are several session "
               "managers: what they say to each "
               "other needs a router in a private zone",
               routers[0].name);
}

static void check_processes(struct checker *c)
{
    for (enum plan_role role = 0; role < PLAN_ROLE_COUNT; role++) {
        const struct conf_items *items = plan_processes(c->conf, role);

        if (items->count == 0 && role != PLAN_S2S)
            refuse(c, "%s: expected at least one section %s \"NAME\"", plan_role_names[role],
                   plan_role_names[role]);
        for (size_t i = 0; i < items->count; i++) {
            check_process(c, role, &((const struct plan_process_conf *)items->items)[i]);
            check_against_earlier(c, role, i);
        }
    }
    if (c->conf->domains.count == 0)
        refuse(c, "domain: expected at least one section domain \"NAME\"");
}

enum err plan_check(const struct plan_conf *conf, struct buf *why)
{
    struct checker c = { .conf = conf, .why = why, .is_good = true };

    check_top(&c);
    check_hosts(&c);
    check_processes(&c);
    check_layout(&c);
    check_domains(&c);
    check_services(&c);
    return c.is_good ? ERR_OK : ERR_MALFORMED;
}
