/* Socket units: every TCP port and control socket is opened by the service manager, so that no
 * process needs the right to bind, and one that may not even make an Internet socket (c2s with the
 * router inside) still serves clients. */
#include "deploy/ctl/plan_write.h"

struct socket_spec {
    struct str name;             /* of the descriptor, common/service.h */
    struct str address;          /* "ADDRESS:PORT" or a path */
    int64_t port;                /* TCP: to be put behind the address */
    const char *group;           /* of a path; NULL: TCP */
    const struct plan_end *only; /* who may connect; NULL or without addresses: anybody */
};

static struct str write_socket(struct plan *p, const struct plan_node *n, struct plan_bundle *b,
                               const struct socket_spec *s)
{
    struct str unit =
        arena_printf(&p->arena, "sallyport-%.*s-%.*s.socket", STR_ARG(n->name), STR_ARG(s->name));
    struct buf *out =
        plan_bundle_add(b, arena_printf(&p->arena, "/etc/systemd/system/%.*s", STR_ARG(unit)));

    buf_printf(out, "# Made by sallyportctl plan.\n[Unit]\nDescription=Sallyport %.*s: %.*s\n",
               STR_ARG(n->name), STR_ARG(s->name));
    buf_printf(out, "PartOf=sallyport.target\n");
    if (!s->group)
        buf_add(out,
                STR("Requires=sallyport-firewall.service\nAfter=sallyport-firewall.service\n"));
    buf_printf(out, "\n[Socket]\nListenStream=%.*s\nFileDescriptorName=%.*s\n", STR_ARG(s->address),
               STR_ARG(s->name));
    buf_printf(out, "Service=sallyport-%s@%.*s.service\n", plan_role_names[n->role],
               STR_ARG(n->name));
    if (s->group)
        buf_printf(out, "SocketGroup=%s\nSocketMode=0660\nDirectoryMode=0755\nRemoveOnStop=yes\n",
                   s->group);
    else
        buf_add(out, STR("FreeBind=yes\nBindIPv6Only=ipv6-only\nBacklog=1024\n"));
    if (s->only && s->only->address_count) {
        buf_add(out, STR("IPAddressDeny=any\nIPAddressAllow="));
        for (size_t i = 0; i < s->only->address_count; i++)
            buf_printf(out, "%s%.*s", i ? " " : "", STR_ARG(s->only->addresses[i]));
        buf_add_char(out, '\n');
    }
    return unit;
}

static void append(struct plan *p, struct str *names, struct str unit)
{
    *names = arena_printf(&p->arena, "%.*s %.*s", STR_ARG(*names), STR_ARG(unit));
}

static void write_control(struct plan *p, const struct plan_node *n, struct plan_bundle *b,
                          struct str *names)
{
    const struct {
        struct str name;
        const char *folder, *suffix, *group;
    } rows[] = {
        { STR("control"), "", ".sock", p->conf->read_group },
        { STR("control-admin"), "", "-admin.sock", p->conf->admin_group },
        { STR("metrics"), "/metrics", "", p->conf->read_group },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct socket_spec s = { .name = rows[i].name, .group = rows[i].group };

        s.address = arena_printf(&p->arena, "%s%s/%.*s%s", p->conf->run_dir, rows[i].folder,
                                 STR_ARG(n->name), rows[i].suffix);
        append(p, names, write_socket(p, n, b, &s));
    }
}

/* Flows to one port come from several peers: their addresses together. */
static struct plan_end senders(struct plan *p, const struct plan_node *n, int64_t port)
{
    struct plan_end all = { 0 };
    struct str *addresses;
    size_t most = 0;

    for (size_t i = 0; i < p->flow_count; i++)
        most += p->flows[i].from.address_count;
    addresses = arena_alloc(&p->arena, most * sizeof *addresses);
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        if (f->to.node != n || f->port != port || f->protocol != PLAN_TCP)
            continue;
        if (f->from.address_count == 0)
            return (struct plan_end){ 0 }; /* anybody */
        memcpy(addresses + all.address_count, f->from.addresses,
               f->from.address_count * sizeof *addresses);
        all.address_count += f->from.address_count;
    }
    all.addresses = addresses;
    return all;
}

static void add_tcp(struct plan *p, const struct plan_node *n, struct plan_bundle *b,
                    struct str *names, struct socket_spec s)
{
    struct plan_end only = senders(p, n, s.port);

    s.address = plan_endpoint(p, s.address, s.port);
    s.only = &only;
    append(p, names, write_socket(p, n, b, &s));
}

struct str plan_write_sockets(struct plan *p, const struct plan_node *n, struct plan_bundle *b)
{
    struct str names = STR("");

    for (int direct = 0; direct <= 1 && (n->role == PLAN_C2S || n->role == PLAN_S2S); direct++) {
        int64_t port = direct ? n->conf->tls_port : n->conf->starttls_port;

        for (size_t i = 0; i < n->host->addresses.count && port; i++)
            add_tcp(p, n, b, &names,
                    (struct socket_spec){ .name = plan_listen_name(p, direct, i),
                                          .address = str_from(n->host->addresses.items[i]),
                                          .port = port });
    }
    if (plan_is_dialled_tcp(p, n))
        add_tcp(p, n, b, &names,
                (struct socket_spec){
                    .name = STR("link"), .address = n->address, .port = n->conf->link_port });
    if (n->role == PLAN_ROUTER && plan_has_components(p, n))
        add_tcp(p, n, b, &names,
                (struct socket_spec){ .name = STR("component"),
                                      .address = plan_has_remote_components(p) ? n->address
                                                                               : STR("127.0.0.1"),
                                      .port = n->conf->component_port });
    write_control(p, n, b, &names);
    return names;
}
