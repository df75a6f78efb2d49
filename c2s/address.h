/* How many connections each client address has: an IPv4 address, or the /64 of an IPv6 address,
 * which is what one household has. */
#ifndef C2S_ADDRESS_H
#define C2S_ADDRESS_H

#include "common/table.h"

struct address {
    uint8_t key[8]; /* 4 or 8 bytes */
    uint8_t key_bytes;
    uint32_t count;
};

struct addresses {
    struct table table;
};

void addresses_init(struct addresses *as);
void addresses_fini(struct addresses *as);

/* Counts one more. ip_bytes: 4 or 16. Returns NULL when there are max already. */
struct address *address_enter(struct addresses *as, const uint8_t *ip, size_t ip_bytes,
                              uint32_t max);

/* One less; a may be NULL. */
void address_leave(struct addresses *as, struct address *a);

/* "192.0.2.1:1234" or "[2001:db8::1]:1234", ends in NUL. */
void address_text(const uint8_t *ip, size_t ip_bytes, uint16_t port, char out_text[64]);

#endif
