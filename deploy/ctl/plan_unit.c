/* Service units and what goes with them. A template for each role holds the sandbox; a drop-in for
 * each process holds what depends on the plan: user, sockets, and which addresses it may talk to.
 * systemd.exec(5), systemd.resource-control(5). */
#include "deploy/ctl/plan_write.h"

#define UNITS "/etc/systemd/system/"

/* Everything that Debian 12's service manager (252) can take away and that a process which holds
 * sockets and files does not need. PrivateUsers= is not among it: the uid at the other end of a
 * Unix socket would be nobody's. */
static const char sandbox[] =
    "UMask=0077\n"
    "LimitCORE=0\n"
    "NoNewPrivileges=yes\n"
    "CapabilityBoundingSet=\n"
    "AmbientCapabilities=\n"
    "ProtectSystem=strict\n"
    "ProtectHome=yes\n"
    "PrivateTmp=yes\n"
    "PrivateDevices=yes\n"
    "DevicePolicy=closed\n"
    "PrivateIPC=yes\n"
    "PrivateMounts=yes\n"
    "ProtectKernelTunables=yes\n"
    "ProtectKernelModules=yes\n"
    "ProtectKernelLogs=yes\n"
    "ProtectControlGroups=yes\n"
    "ProtectClock=yes\n"
    "ProtectHostname=yes\n"
    "ProtectProc=invisible\n"
    "ProcSubset=pid\n"
    "RestrictNamespaces=yes\n"
    "RestrictRealtime=yes\n"
    "RestrictSUIDSGID=yes\n"
    "LockPersonality=yes\n"
    "MemoryDenyWriteExecute=yes\n"
    "RemoveIPC=yes\n"
    "KeyringMode=private\n"
    "SystemCallArchitectures=native\n"
    "SystemCallErrorNumber=EPERM\n"
    "SystemCallFilter=@system-service\n"
    "SystemCallFilter=~@privileged @resources @aio @keyring @ipc @setuid @chown\n"
    "SystemCallFilter=pipe pipe2 seccomp landlock_create_ruleset landlock_add_rule "
    "landlock_restrict_self\n";

static const struct {
    const char *title;
    const char *own; /* lines of this role alone */
} roles[] = {
    [PLAN_ROUTER] = { "router", "" },
    /* It is ready when it knows which hosts there are, which a router tells it. */
    [PLAN_C2S] = { "connection manager", "TimeoutStartSec=infinity\n" },
    [PLAN_S2S] = { "server connection manager", "" },
    [PLAN_SM] = { "session manager", "StateDirectory=sallyport/%i\nStateDirectoryMode=0700\n" },
};

static void write_template(struct plan *p, enum plan_role role, struct plan_bundle *b)
{
    const char *name = plan_role_names[role];
    const struct plan_conf *c = p->conf;
    struct buf *out =
        plan_bundle_add(b, arena_printf(&p->arena, UNITS "sallyport-%s@.service", name));

    buf_printf(out,
               "# Made by sallyportctl plan.\n[Unit]\nDescription=Sallyport %s "
               "%%i\nDocumentation=man:sallyport-%s(8)\n",
               roles[role].title, name);
    buf_add(out, STR("PartOf=sallyport.target\nRequires=sallyport-firewall.service\nAfter=network."
                     "target sallyport-firewall.service\n\n"));
    buf_printf(
        out,
        "[Service]\nType=notify\nNotifyAccess=main\nExecStart=%s/sallyport-%s -c %s/%%i.conf\n",
        c->programs, name, c->config_dir);
    buf_add(out, STR("ExecReload=/bin/kill -HUP "
                     "$MAINPID\nRestart=always\nRestartSec=1\nWatchdogSec=30\nTimeoutStopSec="
                     "45\nLimitNOFILE=1048576\n"));
    buf_add(out, str_from(roles[role].own));
    buf_printf(out,
               "RuntimeDirectory=sallyport/%%i\nLogsDirectory=sallyport/"
               "%%i\nLogsDirectoryMode=0750\nLoadCredential=link.key:%s/%%i/link.key\n\n",
               c->config_dir);
    buf_add(out, str_from(sandbox));
}

/* --- drop-ins --------------------------------------------------------------------------------- */

/* A process that dials nobody over TCP gets no network at all: its listeners are handed over. */
static void write_network(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    size_t count = 0;

    buf_add(out, STR("SocketBindDeny=any\nIPAddressDeny=any\n"));
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        if (f->from.node != n || f->protocol == PLAN_UNIX)
            continue;
        if (f->to.address_count == 0) /* other servers: wherever they are */
            buf_printf(out, "%sany", count++ ? " " : "IPAddressAllow=");
        for (size_t k = 0; k < f->to.address_count; k++)
            buf_printf(out, "%s%.*s",
                       count++ ? " " : "IPAddressAllow=", STR_ARG(f->to.addresses[k]));
    }
    if (count)
        buf_add(out, STR("\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"));
    else
        buf_add(out, STR("PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\n"));
}

static void write_order(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    for (size_t i = 0; i < p->link_count; i++) {
        const struct plan_link *l = &p->links[i];

        if (l->is_unix && l->dialler == n)
            buf_printf(out, "After=sallyport-%s@%.*s.service\n", plan_role_names[l->listener->role],
                       STR_ARG(l->listener->name));
    }
}

static struct str write_process(struct plan *p, const struct plan_node *n, struct plan_bundle *b)
{
    struct str unit = arena_printf(&p->arena, "sallyport-%s@%.*s.service", plan_role_names[n->role],
                                   STR_ARG(n->name));
    struct buf *out =
        plan_bundle_add(b, arena_printf(&p->arena, UNITS "%.*s.d/plan.conf", STR_ARG(unit)));
    struct str sockets = plan_write_sockets(p, n, b);

    buf_add(out, STR("# Made by sallyportctl plan.\n[Unit]\n"));
    buf_printf(out, "Requires=%.*s\nAfter=%.*s\n", STR_ARG(str_trim(sockets)),
               STR_ARG(str_trim(sockets)));
    write_order(p, n, out);
    buf_printf(out, "\n[Service]\nUser=%.*s\nSockets=%.*s\n", STR_ARG(n->user),
               STR_ARG(str_trim(sockets)));
    write_network(p, n, out);
    return arena_printf(&p->arena, "Wants=%.*s%.*s\n", STR_ARG(unit), STR_ARG(sockets));
}

/* --- of the host ------------------------------------------------------------------------------ */

static void write_firewall(struct plan *p, struct plan_bundle *b)
{
    struct buf *out = plan_bundle_add(b, STR(UNITS "sallyport-firewall.service"));

    buf_add(out, STR("# Made by sallyportctl plan.\n[Unit]\nDescription=Sallyport firewall table "
                     "(inet sallyport)\nDocumentation=man:nft(8)\n"
                     "After=nftables.service\n"
                     /* whose reload may flush every table */
                     "ReloadPropagatedFrom=nftables.service\n\n[Service]\nType="
                     "oneshot\nRemainAfterExit=yes\n"));
    buf_printf(out,
               "ExecStart=/usr/sbin/nft -f %s/sallyport.nft\nExecReload=/usr/sbin/nft -f "
               "%s/sallyport.nft\n",
               p->conf->config_dir, p->conf->config_dir);
    buf_add(out, STR("ExecStop=/usr/sbin/nft delete table inet sallyport\n\n"));
    buf_add(out, str_from(sandbox));
    buf_add(out, STR("CapabilityBoundingSet=CAP_NET_ADMIN\nRestrictAddressFamilies=AF_UNIX "
                     "AF_NETLINK\nIPAddressDeny=any\nSocketBindDeny=any\n"));
}

static void write_sysusers(struct plan *p, const struct plan_host_conf *h, struct plan_bundle *b)
{
    struct buf *out = plan_bundle_add(b, STR("/etc/sysusers.d/sallyport.conf"));

    buf_printf(out, "# Made by sallyportctl plan.\ng %s -\ng %s -\n", p->conf->read_group,
               p->conf->admin_group);
    for (size_t i = 0; i < p->node_count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < i; k++)
            is_known |= p->nodes[k].host == h && str_eq(p->nodes[k].user, p->nodes[i].user);
        if (p->nodes[i].host == h && !is_known)
            buf_printf(out, "u %.*s - \"Sallyport %s\" - -\n", STR_ARG(p->nodes[i].user),
                       roles[p->nodes[i].role].title);
    }
}

void plan_write_units(struct plan *p, const struct plan_host_conf *h, struct plan_bundle *b)
{
    struct buf *target = plan_bundle_add(b, STR(UNITS "sallyport.target"));
    bool has_role[ARRAY_LEN(roles)] = { false };

    buf_printf(target, "# Made by sallyportctl plan.\n[Unit]\nDescription=Sallyport on %s\n",
               h->name);
    for (size_t i = 0; i < p->node_count; i++) {
        const struct plan_node *n = &p->nodes[i];

        if (n->host != h)
            continue;
        if (!has_role[n->role])
            write_template(p, n->role, b);
        has_role[n->role] = true;
        buf_add(target, write_process(p, n, b));
    }
    buf_add(target, STR("\n[Install]\nWantedBy=multi-user.target\n"));
    write_firewall(p, b);
    write_sysusers(p, h, b);
}
