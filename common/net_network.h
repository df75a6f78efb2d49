/* Sets of IP addresses as they are written in configuration: one address or a network. Pure. */
#ifndef COMMON_NET_NETWORK_H
#define COMMON_NET_NETWORK_H

#include "common/str.h"

struct net_network {
    uint8_t ip[16];
    uint8_t ip_bytes; /* 4 or 16 */
    uint8_t bits;     /* of ip that count */
};

/* "192.0.2.5", "10.0.0.0/8", "2001:db8::/32". Bits behind the prefix may be set. ERR_OK or
 * ERR_MALFORMED. */
NODISCARD enum err net_network_parse(struct str text, struct net_network *out_network);

/* ip_bytes: 4 or 16; anything else is in no network. */
bool net_network_has(const struct net_network *n, const uint8_t *ip, size_t ip_bytes);

#endif
