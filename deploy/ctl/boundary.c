/* Addresses, networks and names. See boundary.h. */
#include "deploy/ctl/boundary.h"

#include "common/mem.h"

#include <arpa/inet.h>

const char *const boundary_kind_names[] = {
    [BOUNDARY_TCP] = "tcp",         [BOUNDARY_UDP] = "udp",     [BOUNDARY_UNIX] = "unix",
    [BOUNDARY_SCTP] = "sctp",       [BOUNDARY_RAW] = "raw",     [BOUNDARY_PACKET] = "packet",
    [BOUNDARY_NETLINK] = "netlink", [BOUNDARY_OTHER] = "other",
};

const char *const boundary_state_names[] = {
    [BOUNDARY_LISTENING] = "listening", [BOUNDARY_CONNECTING] = "connecting",
    [BOUNDARY_CONNECTED] = "connected", [BOUNDARY_CLOSING] = "closing",
    [BOUNDARY_OPEN] = "open",           [BOUNDARY_CLOSED] = "closed",
};

/* --- addresses -------------------------------------------------------------------------------- */

struct boundary_address boundary_address_of(const void *bytes, size_t size, uint16_t port)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct boundary_address a = { .size = (uint8_t)size, .port = port };

    ASSERT(size == 4 || size == 16);
    if (size == 16 && memcmp(bytes, mapped, sizeof mapped) == 0) {
        a.size = 4;
        memcpy(a.bytes, (const uint8_t *)bytes + sizeof mapped, 4);
    } else {
        memcpy(a.bytes, bytes, size);
    }
    return a;
}

bool boundary_address_eq(const struct boundary_address *a, const struct boundary_address *b)
{
    return a->size == b->size && a->port == b->port && memcmp(a->bytes, b->bytes, a->size) == 0;
}

struct str boundary_address_text(struct arena *arena, const struct boundary_address *a)
{
    char text[INET6_ADDRSTRLEN];

    if (a->size == 0)
        return STR("");
    ASSERT(inet_ntop(a->size == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof text));
    return arena_printf(arena, a->size == 4 ? "%s:%u" : "[%s]:%u", text, a->port);
}

/* An address alone. */
static enum err parse_ip(struct str text, struct boundary_address *out)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];

    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n))
        return ERR_MALFORMED;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        *out = boundary_address_of(bytes, 4, 0);
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        *out = boundary_address_of(bytes, 16, 0);
    else
        return ERR_MALFORMED;
    return ERR_OK;
}

enum err boundary_address_parse(struct str text, struct boundary_address *out)
{
    size_t colon = text.n;
    uint64_t port;
    enum err e;

    *out = (struct boundary_address){ 0 };
    if (str_is(text, "*") || text.n == 0)
        return ERR_OK;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || str_to_u64(str_of(text.p + colon, text.n - colon), &port) != ERR_OK ||
        port > UINT16_MAX)
        return ERR_MALFORMED;
    text.n = colon - 1;
    if (text.n > 1 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_of(text.p + 1, text.n - 2);
    e = parse_ip(text, out);
    out->port = (uint16_t)port;
    return e;
}

/* --- networks --------------------------------------------------------------------------------- */

static enum err parse_network(struct str text, struct boundary_network *out)
{
    struct str rest = text, address = str_cut(&rest, '/');
    bool is_mapped = str_find(address, ':') < address.n;
    uint64_t bits;
    enum err e = parse_ip(address, &out->address);

    if (e != ERR_OK)
        return e;
    is_mapped = is_mapped && out->address.size == 4;
    bits = out->address.size * 8u;
    if (str_is_set(rest)) {
        if (is_mapped || str_to_u64(rest, &bits) != ERR_OK || bits > out->address.size * 8u)
            return ERR_MALFORMED;
    }
    out->bits = (uint8_t)bits;
    return ERR_OK;
}

enum err boundary_networks_parse(struct arena *arena, struct str text,
                                 struct boundary_networks *out)
{
    *out = (struct boundary_networks){ 0 };
    if (str_is(text, "any"))
        return ERR_OK;
    out->items = arena_alloc(arena, (text.n / 2 + 1) * sizeof *out->items);
    while (text.n > 0) {
        struct str one = str_cut(&text, ' ');

        if (one.n == 0)
            continue;
        if (parse_network(one, &out->items[out->count++]) != ERR_OK)
            return ERR_MALFORMED;
    }
    return out->count > 0 ? ERR_OK : ERR_MALFORMED; /* nothing at all must not become any */
}

static bool is_in(const struct boundary_network *n, const struct boundary_address *a)
{
    size_t whole = n->bits / 8;
    uint8_t mask = (uint8_t)(0xff << (8 - n->bits % 8));

    if (n->address.size != a->size || memcmp(n->address.bytes, a->bytes, whole) != 0)
        return false;
    return n->bits % 8 == 0 || ((n->address.bytes[whole] ^ a->bytes[whole]) & mask) == 0;
}

bool boundary_networks_have(const struct boundary_networks *n, const struct boundary_address *a)
{
    for (size_t i = 0; i < n->count; i++)
        if (is_in(&n->items[i], a))
            return true;
    return n->count == 0;
}

/* --- names ------------------------------------------------------------------------------------ */

struct str boundary_printable(struct arena *arena, struct str bytes)
{
    struct buf text = { 0 };
    struct str s;

    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char b = (unsigned char)bytes.p[i];

        if (b > 0x20 && b < 0x7f && b != '\\')
            buf_add_char(&text, (char)b);
        else
            buf_printf(&text, "\\x%02x", b);
    }
    s = arena_printf(arena, "%.*s", STR_ARG(buf_str(&text)));
    buf_fini(&text);
    return s;
}

/* --- looking up ------------------------------------------------------------------------------- */

void boundary_look_fini(struct boundary_look *l)
{
    mem_free(l->processes);
    mem_free(l->holdings);
    mem_free(l->sockets);
    mem_free(l->others);
    arena_fini(&l->arena);
    *l = (struct boundary_look){ 0 };
}

const struct boundary_socket *boundary_find_socket(const struct boundary_look *l, uint64_t inode)
{
    size_t low = 0, high = l->socket_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->sockets[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->socket_count && l->sockets[low].inode == inode ? &l->sockets[low] : NULL;
}

const struct boundary_holding *boundary_find_holding(const struct boundary_look *l, uint64_t inode)
{
    size_t low = 0, high = l->holding_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->holdings[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->holding_count && l->holdings[low].inode == inode ? &l->holdings[low] : NULL;
}

const struct boundary_process *boundary_find_process(const struct boundary_look *l, pid_t pid)
{
    for (size_t i = 0; i < l->process_count; i++)
        if (l->processes[i].pid == pid)
            return &l->processes[i];
    return NULL;
}

const struct boundary_process *boundary_find_holder(const struct boundary_look *l, uint64_t inode)
{
    const struct boundary_holding *h = boundary_find_holding(l, inode);

    return h ? boundary_find_process(l, h->pid) : NULL;
}
