/* Configuration files of the processes. Only what differs from their defaults is written. */
#include "deploy/ctl/plan_write.h"

struct str plan_listen_name(struct plan *p, bool is_direct, size_t address_index)
{
    const char *kind = is_direct ? "tls" : "starttls";

    return address_index == 0 ? str_from(kind)
                              : arena_printf(&p->arena, "%s-%zu", kind, address_index + 1);
}

static void write_list(struct buf *out, const char *key, const struct conf_list *list)
{
    if (list->count == 0)
        return;
    buf_printf(out, "    %s = {", key);
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, "%s\"%s\"", i ? ", " : "", list->items[i]);
    buf_add(out, STR("}\n"));
}

/* Whether a service of kind syslog takes what the host logs: its daemon then gets audit events. */
static bool has_collector(const struct plan *p, const struct plan_host_conf *h)
{
    const struct plan_service_conf *services = p->conf->services.items;

    for (size_t i = 0; i < p->flow_count; i++)
        for (size_t k = 0; k < p->conf->services.count; k++)
            if (services[k].kind == PLAN_SYSLOG && str_is(p->flows[i].to.name, services[k].name) &&
                str_is(p->flows[i].from.host, h->name))
                return true;
    return false;
}

/* Lines of `settings` come first: a key that stands there is not written again. */
static bool is_set(const struct plan_process_conf *c, const char *key)
{
    for (size_t i = 0; i < c->settings.count; i++)
        if (str_starts_with(str_trim(str_from(c->settings.items[i])), str_from(key)))
            return true;
    return false;
}

/* The key is a credential: root's file, which the service manager shows to this process alone. What
 * a reload must be able to renew (certificates, secrets of new peers) cannot be one, since
 * credentials are copied when a process starts. */
static void write_common(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_conf *c = p->conf;
    int len = (int)n->name.n;
    const char *name = n->name.p;

    buf_printf(out, "# %.*s on %s. Made by sallyportctl plan; changes belong into cluster.conf.\n",
               len, name, n->host->name);
    buf_printf(out, "name = \"%.*s\"\n", STR_ARG(n->full_name));
    buf_printf(out, "log_level = \"%s\"\n", n->conf->log_level);
    buf_printf(out, "audit_file = \"%s/%.*s/audit.log\"\n", c->log_dir, len, name);
    if (has_collector(p, n->host) && !is_set(n->conf, "audit_forward"))
        buf_add(out, STR("audit_forward = \"syslog\"\n"));
    buf_printf(out, "control_dir = \"%s\"\n", c->run_dir);
    buf_printf(out, "metrics = \"unix:%s/metrics/%.*s\"\n\n", c->run_dir, len, name);
    buf_printf(out, "link_cert = \"%s/%.*s/link.pem\"\n", c->config_dir, len, name);
    buf_printf(out, "link_key = \"${CREDENTIALS_DIRECTORY:-%s/%.*s}/link.key\"\n", c->config_dir,
               len, name);
    buf_printf(out, "link_ca = \"%s/link-ca.pem\"\n", c->config_dir);
    if (!c->company_ca || c->company_crl)
        buf_printf(out, "link_crl = \"%s/link-crl.pem\"\n", c->config_dir);
}

static void write_peer(struct plan *p, const struct plan_link *l, const struct plan_node *n,
                       struct buf *out)
{
    const struct plan_node *other = plan_other(l, n);

    buf_printf(out, "\npeer \"%.*s\" {\n    role = \"%s\"\n", STR_ARG(other->full_name),
               plan_role_names[other->role]);
    buf_printf(out, "    secret_file = \"%s/%.*s/secret/%.*s\"\n", p->conf->config_dir,
               STR_ARG(n->name), STR_ARG(other->name));
    if (l->is_unix)
        buf_printf(out, "    %s = \"unix:%s/%.*s/%.*s.link\"\n    user = \"%.*s\"\n",
                   l->dialler == n ? "dial" : "accept", p->conf->run_dir,
                   STR_ARG(l->listener->name), STR_ARG(l->dialler->name), STR_ARG(other->user));
    else if (l->dialler == n)
        buf_printf(out, "    dial = \"%.*s\"\n",
                   STR_ARG(plan_endpoint(p, other->address, other->conf->link_port)));
    buf_add(out, STR("}\n"));
}

static void write_listen(struct plan *p, const struct plan_node *n, bool is_direct, struct buf *out)
{
    int64_t port = is_direct ? n->conf->tls_port : n->conf->starttls_port;

    for (size_t i = 0; i < n->host->addresses.count && port; i++) {
        buf_printf(out, "\nlisten \"%.*s\" {\n", STR_ARG(plan_listen_name(p, is_direct, i)));
        buf_printf(out, "    address = \"%.*s\"\n",
                   STR_ARG(plan_endpoint(p, str_from(n->host->addresses.items[i]), port)));
        if (is_direct)
            buf_add(out, STR("    kind = \"tls\"\n"));
        write_list(out, "proxies", &n->conf->proxies);
        buf_add(out, STR("}\n"));
    }
}

static void write_c2s(struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_domain_conf *domains = p->conf->domains.items;

    write_listen(p, n, false, out);
    write_listen(p, n, true, out);
    for (size_t i = 0; i < p->conf->domains.count; i++) {
        const struct plan_domain_conf *d = &domains[i];

        buf_printf(out, "\ncertificate \"%s\" {\n", d->name);
        if (d->cert_file)
            buf_printf(out, "    cert = \"%s\"\n", d->cert_file);
        else
            buf_printf(out, "    cert = \"%s/tls/%s.pem\"\n", p->conf->config_dir, d->name);
        if (d->key_file)
            buf_printf(out, "    key = \"%s\"\n", d->key_file);
        else
            buf_printf(out, "    key = \"%s/tls/%s.key\"\n", p->conf->config_dir, d->name);
        buf_add(out, STR("}\n"));
    }
}

static void write_router(struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_component_conf *items = p->conf->components.items;
    bool is_remote = plan_has_remote_components(p);

    if (!plan_has_components(p, n))
        return;
    buf_printf(out, "\ncomponent_listen = \"%.*s\"\n",
               STR_ARG(plan_endpoint(p, is_remote ? n->address : STR("127.0.0.1"),
                                     n->conf->component_port)));
    if (is_remote) {
        buf_printf(out, "component_cert = \"%s/%.*s/link.pem\"\n", p->conf->config_dir,
                   STR_ARG(n->name));
        buf_printf(out, "component_key = \"${CREDENTIALS_DIRECTORY:-%s/%.*s}/link.key\"\n",
                   p->conf->config_dir, STR_ARG(n->name));
    }
    for (size_t i = 0; i < p->conf->components.count; i++)
        buf_printf(out,
                   "component \"%s\" {\n    secret_file = \"%s/%.*s/secret/component-%s\"\n}\n",
                   items[i].domain, p->conf->config_dir, STR_ARG(n->name), items[i].domain);
}

/* Whose clients may use what a c2s in a dmz could read. */
static void write_inside(const struct plan *p, struct buf *out)
{
    size_t count = 0;

    for (size_t i = 0; i < p->node_count; i++) {
        const struct plan_node *n = &p->nodes[i];

        if (n->role == PLAN_C2S && plan_is_inside(p, n))
            buf_printf(out, "%s\"%.*s\"", count++ ? ", " : "inside = {", STR_ARG(n->full_name));
    }
    buf_add(out, count ? STR("}\n") : STR(""));
}

static void write_sm(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_domain_conf *domains = p->conf->domains.items;

    buf_printf(out, "\nstore_path = \"%s/%.*s/store.db\"\n", p->conf->state_dir, STR_ARG(n->name));
    write_inside(p, out);
    for (size_t i = 0; i < p->conf->domains.count; i++) {
        const struct plan_domain_conf *d = &domains[i];

        buf_printf(out, "\nhost \"%s\" {\n", d->name);
        write_list(out, "mechanisms", &d->mechanisms);
        write_list(out, "mechanisms_dmz", &d->mechanisms_dmz);
        write_list(out, "admins", &d->admins);
        buf_printf(out, "    register = %s\n", d->may_register ? "yes" : "no");
        buf_printf(out, "    change_password = %s\n", d->may_change_password ? "yes" : "no");
        for (size_t k = 0; k < d->settings.count; k++)
            buf_printf(out, "    %s\n", d->settings.items[k]);
        buf_add(out, STR("}\n"));
    }
}

void plan_write_process(struct plan *p, const struct plan_node *n, struct buf *out)
{
    write_common(p, n, out);
    if (plan_is_dialled_tcp(p, n))
        buf_printf(out, "link_listen = \"%.*s\"\n",
                   STR_ARG(plan_endpoint(p, n->address, n->conf->link_port)));
    for (size_t i = 0; i < n->conf->settings.count; i++)
        buf_printf(out, "%s\n", n->conf->settings.items[i]);
    if (n->role == PLAN_C2S)
        write_c2s(p, n, out);
    else if (n->role == PLAN_ROUTER)
        write_router(p, n, out);
    else if (n->role == PLAN_SM)
        write_sm(p, n, out); /* what s2s needs comes with the program: plan_check_version */
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].router == n || p->links[i].leaf == n)
            write_peer(p, &p->links[i], n, out);
}
