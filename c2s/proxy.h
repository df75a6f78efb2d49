/* The PROXY protocol, version 2: who is behind the proxy. Pure: bytes in, an address out.
 * Specification: haproxy.org, "The PROXY protocol", versions 1 & 2, section 2.2. */
#ifndef C2S_PROXY_H
#define C2S_PROXY_H

#include "common/str.h"

enum {
    PROXY_MAX_HEADER = 16 + 2048
}; /* with what a proxy may add (TLVs); longer ones are refused */

struct proxy_source {
    bool is_known; /* false: the proxy speaks for itself (LOCAL), or of a family that has no
                      address: keep the socket's */
    uint8_t ip[16];
    size_t ip_bytes; /* 4 or 16 */
    uint16_t port;
};

/* Reads the header at the front of bytes.
 * out_used  how many bytes it took, on ERR_OK.
 * Returns ERR_OK, ERR_AGAIN (more bytes are needed), ERR_MALFORMED (anything else, version 1 too),
 * ERR_LIMIT. */
NODISCARD enum err proxy_read(struct str bytes, struct proxy_source *out_source, size_t *out_used);

#endif
