/* The PROXY protocol of proxy.h, section 2.2 of its specification. */
#include "c2s/proxy.h"

enum {
    SIGNATURE_BYTES = 12,
    FIXED_BYTES = 16,
    VERSION_2 = 0x2,
    COMMAND_LOCAL = 0x0,
    COMMAND_PROXY = 0x1,
    FAMILY_INET = 0x1,
    FAMILY_INET6 = 0x2,
    FAMILY_LAST = 0x3, /* AF_UNIX */
    TRANSPORT_LAST = 0x2,
};

static const uint8_t signature[SIGNATURE_BYTES] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                    0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

/* Source address, destination address, source port, destination port. */
static enum err read_source(const uint8_t *p, size_t n, size_t ip_bytes, struct proxy_source *out)
{
    if (n < 2 * ip_bytes + 4)
        return ERR_MALFORMED;
    memcpy(out->ip, p, ip_bytes);
    out->ip_bytes = ip_bytes;
    out->port = (uint16_t)(p[2 * ip_bytes] << 8 | p[2 * ip_bytes + 1]);
    out->is_known = true;
    return ERR_OK;
}

static enum err read_body(const uint8_t *fixed, const uint8_t *body, size_t n,
                          struct proxy_source *out)
{
    uint8_t command = fixed[12] & 0x0f, family = fixed[13] >> 4, transport = fixed[13] & 0x0f;

    if (command > COMMAND_PROXY || family > FAMILY_LAST || transport > TRANSPORT_LAST)
        return ERR_MALFORMED;
    if (command == COMMAND_LOCAL)
        return ERR_OK;
    if (family == FAMILY_INET)
        return read_source(body, n, 4, out);
    if (family == FAMILY_INET6)
        return read_source(body, n, 16, out);
    return ERR_OK;
}

enum err proxy_read(struct str bytes, struct proxy_source *out_source, size_t *out_used)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t known = bytes.n < SIGNATURE_BYTES ? bytes.n : SIGNATURE_BYTES;
    struct proxy_source source = { 0 };
    size_t n;
    enum err e;

    if (known && memcmp(p, signature, known) != 0)
        return ERR_MALFORMED;
    if (bytes.n > SIGNATURE_BYTES && p[12] >> 4 != VERSION_2)
        return ERR_MALFORMED;
    if (bytes.n < FIXED_BYTES)
        return ERR_AGAIN;
    n = (size_t)p[14] << 8 | p[15];
    if (FIXED_BYTES + n > PROXY_MAX_HEADER)
        return ERR_LIMIT;
    if (bytes.n < FIXED_BYTES + n)
        return ERR_AGAIN;
    if ((e = read_body(p, p + FIXED_BYTES, n, &source)) != ERR_OK)
        return e;
    *out_source = source;
    *out_used = FIXED_BYTES + n;
    return ERR_OK;
}
