/* Networks (net_network.h). */
#include "common/net_network.h"

#include <arpa/inet.h>

enum err net_network_parse(struct str text, struct net_network *out_network)
{
    struct net_network n = { 0 };
    struct str address = str_cut(&text, '/');
    char copy[INET6_ADDRSTRLEN];
    uint64_t bits;

    if (address.n == 0 || address.n >= sizeof copy || memchr(address.p, '\0', address.n))
        return ERR_MALFORMED;
    memcpy(copy, address.p, address.n);
    copy[address.n] = '\0';
    if (inet_pton(AF_INET, copy, n.ip) == 1)
        n.ip_bytes = 4;
    else if (inet_pton(AF_INET6, copy, n.ip) == 1)
        n.ip_bytes = 16;
    else
        return ERR_MALFORMED;
    bits = n.ip_bytes * 8u;
    if (str_is_set(text) && (str_to_u64(text, &bits) != ERR_OK || bits > n.ip_bytes * 8u))
        return ERR_MALFORMED;
    n.bits = (uint8_t)bits;
    *out_network = n;
    return ERR_OK;
}

bool net_network_has(const struct net_network *n, const uint8_t *ip, size_t ip_bytes)
{
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8, mask = 0xffu << (8 - rest);

    return ip_bytes == n->ip_bytes && memcmp(ip, n->ip, whole) == 0 &&
           (rest == 0 || ((ip[whole] ^ n->ip[whole]) & mask & 0xff) == 0);
}
