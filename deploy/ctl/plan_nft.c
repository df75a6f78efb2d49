/* Firewall rules of a host: one table of our own. It says who may reach our ports and where our
 * users may go, and nothing about anything else: packets that do not concern us fall through, and
 * what another table drops stays dropped. */
#include "deploy/ctl/plan_write.h"

static bool is_six(struct str address)
{
    return str_find(address, ':') < address.n;
}

static void write_set(struct buf *out, const struct plan_end *e, bool six, const char *direction)
{
    size_t n = 0;

    for (size_t i = 0; i < e->address_count; i++) {
        if (is_six(e->addresses[i]) != six)
            continue;
        if (n++ == 0)
            buf_printf(out, "%s %s { ", six ? "ip6" : "ip", direction);
        else
            buf_add(out, STR(", "));
        buf_add(out, e->addresses[i]);
    }
    if (n)
        buf_add(out, STR(" } "));
}

static bool has_family(const struct plan_end *e, bool six)
{
    for (size_t i = 0; i < e->address_count; i++)
        if (is_six(e->addresses[i]) == six)
            return true;
    return e->address_count == 0;
}

static void write_rules(const struct plan_flow *f, bool is_inbound, struct buf *out)
{
    const char *protocol = plan_protocol_names[f->protocol];

    buf_printf(out, "        # %.*s to %.*s: %.*s\n", STR_ARG(f->from.name), STR_ARG(f->to.name),
               STR_ARG(f->why));
    for (int six = 0; six <= 1; six++) {
        if (!has_family(&f->from, six) || !has_family(&f->to, six))
            continue;
        buf_add(out, STR("        "));
        if (!is_inbound)
            buf_printf(out, "meta skuid \"%.*s\" ", STR_ARG(f->from.node->user));
        else
            write_set(out, &f->from, six, "saddr");
        write_set(out, &f->to, six, "daddr");
        buf_printf(out, "%s dport %u accept\n", protocol, f->port);
    }
}

static bool is_ours_inbound(const struct plan_flow *f, const struct plan_host_conf *h)
{
    return f->protocol != PLAN_UNIX && f->to.node && f->to.node->host == h;
}

static bool is_ours_outbound(const struct plan_flow *f, const struct plan_host_conf *h)
{
    return f->protocol != PLAN_UNIX && f->from.node && f->from.node->host == h;
}

/* The ports that we serve, comma-separated; everything else on the host is not our business. */
static void list_ports(const struct plan *p, const struct plan_host_conf *h, struct buf *out)
{
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];
        bool is_known = false;

        for (size_t k = 0; k < i; k++)
            is_known |= is_ours_inbound(&p->flows[k], h) && p->flows[k].port == f->port;
        if (is_ours_inbound(f, h) && !is_known)
            buf_printf(out, "%s%u", out->n ? ", " : "", f->port);
    }
}

static void write_users(const struct plan *p, const struct plan_host_conf *h, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < p->node_count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < i; k++)
            is_known |= p->nodes[k].host == h && str_eq(p->nodes[k].user, p->nodes[i].user);
        if (p->nodes[i].host != h || is_known)
            continue;
        buf_printf(out, "%s\"%.*s\"", n++ ? ", " : "        meta skuid { ",
                   STR_ARG(p->nodes[i].user));
    }
    if (n)
        buf_add(out, STR(" } jump ours\n"));
}

static void write_inbound(const struct plan *p, const struct plan_host_conf *h, struct str ports,
                          struct buf *out)
{
    buf_add(out, STR("    chain inbound {\n        type filter hook input priority filter + 10; "
                     "policy accept;\n"));
    for (size_t i = 0; i < p->flow_count; i++)
        if (is_ours_inbound(&p->flows[i], h))
            write_rules(&p->flows[i], true, out);
    if (ports.n) {
        buf_printf(out,
                   "        tcp dport { %.*s } limit rate 10/minute burst 20 packets log prefix "
                   "\"sallyport in refused: \"\n",
                   STR_ARG(ports));
        buf_printf(out, "        tcp dport { %.*s } counter drop\n", STR_ARG(ports));
    }
    buf_add(out, STR("    }\n\n"));
}

/* What is refused is told at once: over IPv6 the kernel hands an ICMP error of the output hook to
 * nobody, so that a process would wait for a timeout; a reset it hears.
 * Without connection tracking, whose table a host with many clients would fill: what leaves from
 * our ports and opens no connection is an answer. */
static void write_outbound(const struct plan *p, const struct plan_host_conf *h, struct str ports,
                           struct buf *out)
{
    buf_add(out, STR("    chain outbound {\n        type filter hook output priority filter + 10; "
                     "policy accept;\n"));
    write_users(p, h, out);
    buf_add(out, STR("    }\n\n    chain ours {\n"));
    if (ports.n)
        buf_printf(out, "        tcp sport { %.*s } tcp flags & (syn | ack) != syn accept\n",
                   STR_ARG(ports));
    for (size_t i = 0; i < p->flow_count; i++)
        if (is_ours_outbound(&p->flows[i], h))
            write_rules(&p->flows[i], false, out);
    buf_add(
        out,
        STR("        limit rate 10/minute burst 20 packets log prefix \"sallyport out refused: \"\n"
            "        meta l4proto tcp counter reject with tcp reset\n"
            "        counter reject with icmpx type admin-prohibited\n    }\n"));
}

void plan_write_nft(struct plan *p, const struct plan_host_conf *h, struct buf *out)
{
    struct buf ports = { 0 };

    list_ports(p, h, &ports);
    buf_printf(out, "# Firewall of %s. Made by sallyportctl plan; load it with: nft -f FILE\n",
               h->name);
    buf_add(out,
            STR("# It has a table of its own and touches nothing else. The first two lines make "
                "loading it again replace it.\n"
                "table inet sallyport\ndelete table inet sallyport\n\ntable inet sallyport {\n"));
    write_inbound(p, h, buf_str(&ports), out);
    write_outbound(p, h, buf_str(&ports), out);
    buf_add(out, STR("}\n"));
    buf_fini(&ports);
}
