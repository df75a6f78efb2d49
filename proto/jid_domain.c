/* Domainparts (jid_domain.h): the mappings of RFC 5895, then libidn2 checks each label (RFC 5891)
 * and converts A-labels to U-labels. */
#include "proto/jid_domain.h"

#include "proto/precis.h"

#include <arpa/inet.h>
#include <idn2.h>

/* RFC 7622 §3.1 (IP-literal): a zone would mean nothing to others, and is refused. */
static enum err prepare_ipv6(struct str text, struct arena *arena, struct str *out_text)
{
    char canonical[INET6_ADDRSTRLEN];
    struct in6_addr address;
    struct str inside;

    if (text.n < 2 || text.p[text.n - 1] != ']')
        return ERR_MALFORMED;
    inside = arena_str(arena, str_of(text.p + 1, text.n - 2));
    if (memchr(inside.p, '\0', inside.n) || inet_pton(AF_INET6, inside.p, &address) != 1)
        return ERR_MALFORMED;
    ASSERT(inet_ntop(AF_INET6, &address, canonical, sizeof canonical));
    *out_text = arena_printf(arena, "[%s]", canonical);
    return ERR_OK;
}

/* libidn2 lets ASCII labels pass with anything in them. */
static bool is_ldh_or_high(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x80 && c != '-' && c != '.' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return true;
}

/* No empty label, no hyphen at an end. Labels of other scripts are checked in more detail by
 * libidn2. */
static bool has_good_labels(struct str name)
{
    while (str_is_set(name)) {
        struct str label = str_cut(&name, '.');

        if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        if (label.n >= 4 && label.p[2] == '-' && label.p[3] == '-' &&
            !str_starts_with(label, STR("xn--")))
            return false; /* reserved: RFC 5890 §2.3.1 */
    }
    return true;
}

/* mapped ends in NUL and holds none. */
static enum err to_u_labels(struct str mapped, struct arena *arena, struct str *out_text)
{
    uint8_t *ascii = NULL;
    char *unicode = NULL;
    enum err e = ERR_MALFORMED;

    if (idn2_lookup_u8((const uint8_t *)mapped.p, &ascii, IDN2_NO_TR46 | IDN2_ALABEL_ROUNDTRIP) !=
        IDN2_OK)
        goto out;
    if (strlen((char *)ascii) > JID_DOMAIN_MAX_NAME)
        goto out;
    if (idn2_to_unicode_8z8z((const char *)ascii, &unicode, 0) != IDN2_OK)
        goto out;
    *out_text = arena_str(arena, str_from(unicode));
    e = ERR_OK;
out:
    idn2_free(ascii);
    idn2_free(unicode);
    return e;
}

static enum err prepare_name(struct str text, struct arena *arena, struct str *out_text)
{
    struct str mapped;
    enum err e;

    if ((e = precis_map_domain(text, arena, &mapped)) != ERR_OK)
        return e;
    if (mapped.n > 0 && mapped.p[mapped.n - 1] == '.')
        mapped = arena_str(arena, str_of(mapped.p, mapped.n - 1)); /* §3.2 */
    if (mapped.n == 0 || !is_ldh_or_high(mapped) || !has_good_labels(mapped))
        return ERR_MALFORMED;
    return to_u_labels(mapped, arena, out_text);
}

/* What an A-label hid must itself be a good name, in its normal form. */
enum err jid_domain_prepare(struct str text, struct arena *arena, struct str *out_text)
{
    struct str name, again;
    enum err e;

    if (text.n > 0 && text.p[0] == '[')
        return prepare_ipv6(text, arena, out_text);
    if ((e = prepare_name(text, arena, &name)) != ERR_OK ||
        (e = prepare_name(name, arena, &again)) != ERR_OK)
        return e;
    if (!str_eq(name, again))
        return ERR_MALFORMED;
    *out_text = name;
    return ERR_OK;
}
