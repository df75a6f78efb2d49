/* sock_diag messages. See boundary_diag.h. Their layout is the kernel's: linux/inet_diag.h,
 * unix_diag.h, packet_diag.h, netlink_diag.h. Lengths are checked against what has arrived, and
 * everything is copied out: nothing here is aligned by promise. */
#include "deploy/ctl/boundary_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* The list of raw sockets is asked for by IPPROTO_RAW, which stands for all of them. */
const struct boundary_diag boundary_diags[] = {
    { BOUNDARY_TCP, AF_INET, IPPROTO_TCP, true },
    { BOUNDARY_TCP, AF_INET6, IPPROTO_TCP, true },
    { BOUNDARY_UDP, AF_INET, IPPROTO_UDP, true },
    { BOUNDARY_UDP, AF_INET6, IPPROTO_UDP, true },
    { BOUNDARY_UNIX, AF_UNIX, 0, true },
    { BOUNDARY_SCTP, AF_INET, IPPROTO_SCTP, false },
    { BOUNDARY_SCTP, AF_INET6, IPPROTO_SCTP, false },
    { BOUNDARY_RAW, AF_INET, IPPROTO_RAW, false },
    { BOUNDARY_RAW, AF_INET6, IPPROTO_RAW, false },
    { BOUNDARY_PACKET, AF_PACKET, 0, false },
    { BOUNDARY_NETLINK, AF_NETLINK, NDIAG_PROTO_ALL, false },
};
const size_t boundary_diag_count = ARRAY_LEN(boundary_diags);

/* --- asking ----------------------------------------------------------------------------------- */

void boundary_diag_ask(const struct boundary_diag *d, struct buf *out)
{
    /* Those in TIME_WAIT, and those that nobody has accepted yet, belong to no process. */
    static const uint32_t ownerless =
        1u << TCP_TIME_WAIT | 1u << TCP_SYN_RECV | 1u << (TCP_CLOSING + 1);
    const struct inet_diag_req_v2 inet = { .sdiag_family = d->family,
                                           .sdiag_protocol = d->protocol,
                                           .idiag_states = ~ownerless };
    const struct unix_diag_req local = { .sdiag_family = AF_UNIX,
                                         .udiag_states = UINT32_MAX,
                                         .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER |
                                                       UDIAG_SHOW_ICONS | UDIAG_SHOW_UID };
    const struct packet_diag_req packet = { .sdiag_family = AF_PACKET,
                                            .pdiag_show = PACKET_SHOW_INFO };
    const struct netlink_diag_req netlink = { .sdiag_family = AF_NETLINK,
                                              .sdiag_protocol = d->protocol };
    struct str request = d->family == AF_UNIX      ? str_of(&local, sizeof local)
                         : d->family == AF_PACKET  ? str_of(&packet, sizeof packet)
                         : d->family == AF_NETLINK ? str_of(&netlink, sizeof netlink)
                                                   : str_of(&inet, sizeof inet);
    const struct nlmsghdr header = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + request.n),
                                     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };

    buf_add(out, str_of(&header, sizeof header));
    buf_add(out, request);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The next attribute of a list, or false. ERR_MALFORMED in *e when there is one that is none. */
static bool next_attribute(struct str *rest, uint16_t *type, struct str *value, enum err *e)
{
    struct rtattr a;
    size_t padded;

    if (rest->n == 0)
        return false;
    *e = ERR_MALFORMED;
    if (rest->n < sizeof a)
        return false;
    memcpy(&a, rest->p, sizeof a);
    if (a.rta_len < sizeof a || a.rta_len > rest->n)
        return false;
    *e = ERR_OK;
    *type = a.rta_type;
    *value = str_of(rest->p + sizeof a, a.rta_len - sizeof a);
    padded = RTA_ALIGN(a.rta_len);
    *rest = str_of(rest->p + (padded < rest->n ? padded : rest->n),
                   padded < rest->n ? rest->n - padded : 0);
    return true;
}

static enum boundary_state tcp_state(uint8_t state)
{
    switch (state) {
    case TCP_LISTEN:
        return BOUNDARY_LISTENING;
    case TCP_ESTABLISHED:
        return BOUNDARY_CONNECTED;
    case TCP_SYN_SENT:
    case TCP_SYN_RECV:
        return BOUNDARY_CONNECTING;
    case TCP_CLOSE:
    case TCP_CLOSING + 2: /* TCP_BOUND_INACTIVE: has an address, and does nothing */
        return BOUNDARY_CLOSED;
    default:
        return BOUNDARY_CLOSING;
    }
}

static enum err read_inet(const struct boundary_diag *d, struct str body, struct boundary_socket *s)
{
    struct inet_diag_msg m;
    size_t size = d->family == AF_INET ? 4 : 16;

    if (body.n < sizeof m)
        return ERR_MALFORMED;
    memcpy(&m, body.p, sizeof m);
    if (m.idiag_family != d->family)
        return ERR_MALFORMED;
    s->inode = m.idiag_inode;
    s->uid = m.idiag_uid;
    s->local = boundary_address_of(m.id.idiag_src, size, ntohs(m.id.idiag_sport));
    s->remote = boundary_address_of(m.id.idiag_dst, size, ntohs(m.id.idiag_dport));
    if (d->kind == BOUNDARY_TCP || d->kind == BOUNDARY_SCTP)
        s->state = tcp_state(m.idiag_state);
    else
        s->state = m.idiag_state == TCP_ESTABLISHED ? BOUNDARY_CONNECTED : BOUNDARY_OPEN;
    if (s->state == BOUNDARY_LISTENING || s->state == BOUNDARY_OPEN)
        s->remote = (struct boundary_address){ 0 };
    return ERR_OK;
}

/* A path has its NUL behind it, an abstract name has one in front. */
static struct str unix_name(struct arena *arena, struct str name)
{
    if (name.n > 0 && name.p[0] == '\0') {
        struct str text = boundary_printable(arena, str_of(name.p + 1, name.n - 1));

        return arena_printf(arena, "@%.*s", STR_ARG(text));
    }
    while (name.n > 0 && name.p[name.n - 1] == '\0')
        name.n--;
    return boundary_printable(arena, name);
}

static void read_pending(struct boundary_diag_reader *r, struct str inodes, uint64_t listener)
{
    uint32_t inode;

    for (; inodes.n >= sizeof inode;
         inodes = str_of(inodes.p + sizeof inode, inodes.n - sizeof inode)) {
        memcpy(&inode, inodes.p, sizeof inode);
        if (inode != 0)
            r->on_pending(r->owner, inode, listener);
    }
}

static enum err read_unix(struct boundary_diag_reader *r, struct str body,
                          struct boundary_socket *s)
{
    struct unix_diag_msg m;
    enum err e = ERR_OK;
    struct str rest, value;
    uint16_t type;
    uint32_t number;

    if (body.n < sizeof m)
        return ERR_MALFORMED;
    memcpy(&m, body.p, sizeof m);
    if (m.udiag_family != AF_UNIX)
        return ERR_MALFORMED;
    s->inode = m.udiag_ino;
    rest = str_of(body.p + sizeof m, body.n - sizeof m);
    while (next_attribute(&rest, &type, &value, &e)) {
        if (type == UNIX_DIAG_NAME) {
            s->path = unix_name(r->arena, value);
        } else if (type == UNIX_DIAG_ICONS) {
            read_pending(r, value, s->inode);
        } else if (type == UNIX_DIAG_PEER || type == UNIX_DIAG_UID) {
            if (value.n < sizeof number)
                return ERR_MALFORMED;
            memcpy(&number, value.p, sizeof number);
            if (type == UNIX_DIAG_PEER)
                s->peer = number;
            else
                s->uid = number;
        }
    }
    /* A datagram socket that sends to one address alone has a peer, and no state of its own. */
    s->state = m.udiag_state == TCP_LISTEN                        ? BOUNDARY_LISTENING
               : m.udiag_state == TCP_ESTABLISHED || s->peer != 0 ? BOUNDARY_CONNECTED
                                                                  : BOUNDARY_OPEN;
    return e;
}

static enum err read_packet(struct str body, struct boundary_socket *s)
{
    struct packet_diag_msg m;

    if (body.n < sizeof m)
        return ERR_MALFORMED;
    memcpy(&m, body.p, sizeof m);
    s->inode = m.pdiag_ino;
    s->state = BOUNDARY_OPEN;
    return m.pdiag_family == AF_PACKET ? ERR_OK : ERR_MALFORMED;
}

static enum err read_netlink(struct str body, struct boundary_socket *s)
{
    struct netlink_diag_msg m;

    if (body.n < sizeof m)
        return ERR_MALFORMED;
    memcpy(&m, body.p, sizeof m);
    s->inode = m.ndiag_ino;
    s->state = BOUNDARY_OPEN;
    return m.ndiag_family == AF_NETLINK ? ERR_OK : ERR_MALFORMED;
}

static enum err read_socket(struct boundary_diag_reader *r, struct str body)
{
    struct boundary_socket s = { .kind = r->diag->kind };
    enum err e = r->diag->family == AF_UNIX      ? read_unix(r, body, &s)
                 : r->diag->family == AF_PACKET  ? read_packet(body, &s)
                 : r->diag->family == AF_NETLINK ? read_netlink(body, &s)
                                                 : read_inet(r->diag, body, &s);

    if (e == ERR_OK && s.inode != 0)
        r->on_socket(r->owner, &s);
    return e;
}

/* NLMSG_DONE has an error, too, when a list broke off. */
static enum err read_end(struct boundary_diag_reader *r, uint16_t type, struct str body)
{
    int32_t code = 0;

    if (body.n >= sizeof code)
        memcpy(&code, body.p, sizeof code);
    else if (type == NLMSG_ERROR)
        return ERR_MALFORMED;
    if (code > 0 || code < -4095)
        return ERR_MALFORMED;
    r->error = -code;
    r->is_done = true;
    return ERR_OK;
}

enum err boundary_diag_read(struct boundary_diag_reader *r, struct str datagram)
{
    enum err e = ERR_OK;

    while (e == ERR_OK && datagram.n > 0 && !r->is_done) {
        struct nlmsghdr h;
        struct str body;
        size_t padded;

        if (datagram.n < NLMSG_HDRLEN)
            return ERR_MALFORMED;
        memcpy(&h, datagram.p, sizeof h);
        if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > datagram.n)
            return ERR_MALFORMED;
        body = str_of(datagram.p + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN);
        if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR)
            e = read_end(r, h.nlmsg_type, body);
        else if (h.nlmsg_type == SOCK_DIAG_BY_FAMILY)
            e = read_socket(r, body);
        else if (h.nlmsg_type != NLMSG_NOOP)
            e = ERR_MALFORMED;
        padded = NLMSG_ALIGN((size_t)h.nlmsg_len);
        datagram = padded < datagram.n ? str_of(datagram.p + padded, datagram.n - padded)
                                       : (struct str){ 0 };
    }
    return e;
}
