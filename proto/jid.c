/* Splitting and normalising addresses (jid.h). ASCII, nearly all there is, takes one pass and no
 * library; the rest goes to precis.h, and domains to jid_domain.h. RFC 7622. */
#include "proto/jid.h"

#include "proto/jid_domain.h"
#include "proto/precis.h"

/* What an ASCII character may stand in: the IdentifierClass without RFC 7622 §3.3.1's exclusions,
 * NR-LDH labels and dots, the FreeformClass; and what ends a part. */
enum { LOCAL = 1, DOMAIN = 2, RESOURCE = 4, SEPARATOR = 8, UPPER = 32 };

static const uint8_t allowed[256] = {
    [' '] = RESOURCE,
    ['!'] = LOCAL | RESOURCE,
    ['"'] = RESOURCE,
    ['#' ... '%'] = LOCAL | RESOURCE,
    ['&' ... '\''] = RESOURCE,
    ['(' ... ','] = LOCAL | RESOURCE,
    ['-' ... '.'] = LOCAL | DOMAIN | RESOURCE,
    ['/'] = RESOURCE | SEPARATOR,
    ['0' ... '9'] = LOCAL | DOMAIN | RESOURCE,
    [':'] = RESOURCE,
    [';'] = LOCAL | RESOURCE,
    ['<'] = RESOURCE,
    ['='] = LOCAL | RESOURCE,
    ['>'] = RESOURCE,
    ['?'] = LOCAL | RESOURCE,
    ['@'] = RESOURCE | SEPARATOR,
    ['A' ... 'Z'] = LOCAL | DOMAIN | RESOURCE | UPPER, /* the bit that makes it small */
    ['[' ... '`'] = LOCAL | RESOURCE,
    ['a' ... 'z'] = LOCAL | DOMAIN | RESOURCE,
    ['{' ... '~'] = LOCAL | RESOURCE,
};

static bool is_ascii(struct str s)
{
    unsigned char all = 0;

    for (size_t i = 0; i < s.n; i++)
        all |= (unsigned char)s.p[i];
    return all < 0x80;
}

static void fold(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(p[i] | (allowed[(unsigned char)p[i]] & UPPER));
}

/* --- parts --------------------------------------------------------------------------------- */

static enum err check_part(struct str part, uint8_t where)
{
    uint8_t all = where;

    for (size_t i = 0; i < part.n; i++)
        all &= allowed[(unsigned char)part.p[i]];
    return all && part.n > 0 && part.n <= JID_PART_MAX_BYTES ? ERR_OK : ERR_MALFORMED;
}

enum err jid_prepare_local(struct str text, struct arena *arena, struct str *out_text)
{
    struct str s = text;
    enum err e;

    if (text.n > JID_MAX_BYTES)
        return ERR_MALFORMED;
    if (!is_ascii(text)) {
        if ((e = precis_username(text, arena, &s)) != ERR_OK)
            return e;
        for (size_t i = 0; i < s.n; i++) /* §3.3.1, also for what was mapped to it */
            if ((unsigned char)s.p[i] < 0x80 && !(allowed[(unsigned char)s.p[i]] & LOCAL))
                return ERR_MALFORMED;
        if (s.n > JID_PART_MAX_BYTES)
            return ERR_MALFORMED;
        *out_text = s;
        return ERR_OK;
    }
    if ((e = check_part(text, LOCAL)) != ERR_OK)
        return e;
    s = arena_str(arena, text);
    fold((char *)s.p, s.n);
    *out_text = s;
    return ERR_OK;
}

enum err jid_prepare_domain(struct str text, struct arena *arena, struct str *out_text)
{
    return text.n > JID_MAX_BYTES ? ERR_MALFORMED : jid_domain_prepare(text, arena, out_text);
}

/* Table 2 of RFC 7622 §3.5, row 18, refuses a leading space, though OpaqueString alone would not.
 */
enum err jid_prepare_resource(struct str text, struct arena *arena, struct str *out_text)
{
    struct str s;
    enum err e;

    if (text.n > JID_MAX_BYTES)
        return ERR_MALFORMED;
    if ((e = jid_prepare_password(text, arena, &s)) != ERR_OK)
        return e;
    if (s.n > JID_PART_MAX_BYTES || s.p[0] == ' ')
        return ERR_MALFORMED;
    *out_text = s;
    return ERR_OK;
}

enum err jid_prepare_password(struct str text, struct arena *arena, struct str *out_text)
{
    if (!is_ascii(text))
        return precis_opaque(text, arena, out_text);
    for (size_t i = 0; i < text.n; i++)
        if (!(allowed[(unsigned char)text.p[i]] & RESOURCE))
            return ERR_MALFORMED;
    if (text.n == 0)
        return ERR_MALFORMED;
    *out_text = arena_str(arena, text);
    return ERR_OK;
}

/* --- joining and splitting ----------------------------------------------------------------- */

void jid_make(struct str local, struct str domain, struct str resource, struct arena *arena,
              struct jid *out_jid)
{
    char *p = arena_alloc(arena, local.n + domain.n + resource.n + 3), *at = p;
    struct jid j = { 0 };

    if (str_is_set(local)) {
        memcpy(at, local.p, local.n);
        j.local = str_of(at, local.n);
        at += local.n;
        *at++ = '@';
    }
    memcpy(at, domain.p, domain.n);
    j.domain = str_of(at, domain.n);
    at += domain.n;
    j.bare = str_of(p, (size_t)(at - p));
    if (str_is_set(resource)) {
        *at++ = '/';
        memcpy(at, resource.p, resource.n);
        j.resource = str_of(at, resource.n);
        at += resource.n;
    }
    j.full = str_of(p, (size_t)(at - p));
    *out_jid = j;
}

/* RFC 7622 §3.2: the resourcepart begins behind the first "/", and only before that an "@" ends a
 * localpart. */
void jid_split(struct str normalised, struct jid *out_jid)
{
    struct jid j = { .full = normalised };
    struct str rest = normalised;
    size_t at;

    j.bare = str_cut(&rest, '/');
    j.resource = rest;
    j.domain = j.bare;
    at = str_find(j.bare, '@');
    if (at < j.bare.n) {
        j.local = str_of(j.bare.p, at);
        j.domain = str_of(j.bare.p + at + 1, j.bare.n - at - 1);
    }
    *out_jid = j;
}

/* Domains of one or more labels that need neither IDNA nor anything else: no empty label, no hyphen
 * at an end, nothing reserved ("--" as third and fourth), lengths of RFC 1034 §3.1. text: letters,
 * digits, hyphens and dots. */
static bool is_plain_domain(struct str text)
{
    size_t start = 0;

    if (text.n == 0 || text.n > JID_DOMAIN_MAX_NAME)
        return false;
    for (size_t i = 0; i <= text.n; i++) {
        size_t n = i - start;

        if (i < text.n && text.p[i] != '.')
            continue;
        if (n == 0 || n > JID_DOMAIN_MAX_LABEL || text.p[start] == '-' || text.p[i - 1] == '-' ||
            (n >= 4 && text.p[start + 2] == '-' && text.p[start + 3] == '-'))
            return false;
        start = i + 1;
    }
    return true;
}

/* Makes letters small up to the end or a separator; returns what all characters before it may stand
 * in. */
static uint8_t take_part(char *p, size_t n, size_t *at)
{
    uint8_t all = 0xff;
    size_t i;

    for (i = *at; i < n; i++) {
        uint8_t may = allowed[(unsigned char)p[i]];

        if (may & SEPARATOR)
            break;
        all &= may;
        p[i] = (char)(p[i] | (may & UPPER));
    }
    *at = i;
    return all;
}

static bool is_plain_resource(struct str s)
{
    return check_part(s, RESOURCE) == ERR_OK && s.p[0] != ' ';
}

/* p: a copy of the text, which becomes the address itself. False when it needs the long way (or is
 * malformed). */
static bool parse_ascii(char *p, size_t n, struct jid *out_jid)
{
    struct jid j = { .full = str_of(p, n) };
    size_t at = 0, start = 0;
    uint8_t may = take_part(p, n, &at);

    if (at < n && p[at] == '@') {
        if (!(may & LOCAL) || at == 0 || at > JID_PART_MAX_BYTES)
            return false;
        j.local = str_of(p, at);
        start = ++at;
        may = take_part(p, n, &at);
    }
    if (at < n && p[at] != '/')
        return false;
    j.bare = str_of(p, at);
    j.domain = str_of(p + start, at - start);
    if (at < n)
        j.resource = str_of(p + at + 1, n - at - 1);
    *out_jid = j;
    return (may & DOMAIN) && is_plain_domain(j.domain) &&
           (at == n || is_plain_resource(j.resource));
}

static enum err parse_any(struct str text, struct arena *arena, struct jid *out_jid)
{
    struct jid raw;
    struct str local = STR_NONE, domain, resource = STR_NONE;
    enum err e;

    jid_split(text, &raw);
    if (str_is_set(raw.local) && (e = jid_prepare_local(raw.local, arena, &local)) != ERR_OK)
        return e;
    if ((e = jid_prepare_domain(raw.domain, arena, &domain)) != ERR_OK)
        return e;
    if (str_is_set(raw.resource) &&
        (e = jid_prepare_resource(raw.resource, arena, &resource)) != ERR_OK)
        return e;
    jid_make(local, domain, resource, arena, out_jid);
    return ERR_OK;
}

enum err jid_parse(struct str text, struct arena *arena, struct jid *out_jid)
{
    struct jid j;
    struct str copy;

    if (text.n == 0 || text.n > JID_MAX_BYTES)
        return ERR_MALFORMED;
    copy = arena_str(arena, text);
    if (parse_ascii((char *)copy.p, copy.n, &j)) {
        *out_jid = j;
        return ERR_OK;
    }
    return parse_any(text, arena, out_jid);
}
