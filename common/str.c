#include "common/str.h"

#include "common/mem.h"

static unsigned char ascii_lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_of(s.p, prefix.n), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || str_eq(str_of(s.p + s.n - suffix.n, suffix.n), suffix));
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_eq_const_time(struct str a, struct str b)
{
    unsigned char different = a.n != b.n;

    if (different)
        return false;
    for (size_t i = 0; i < a.n; i++)
        different |= (unsigned char)(a.p[i] ^ b.p[i]);
    return different == 0;
}

size_t str_find(struct str s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

struct str str_cut(struct str *rest, char c)
{
    size_t i = str_find(*rest, c);
    struct str head = str_of(rest->p, i);

    *rest = i < rest->n ? str_of(rest->p + i + 1, rest->n - i - 1) : STR_NONE;
    return head;
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = str_of(s.p + 1, s.n - 1);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

enum err str_to_u64(struct str s, uint64_t *out_value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return ERR_MALFORMED;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

        if (digit > 9 || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit, &v))
            return ERR_MALFORMED;
    }
    *out_value = v;
    return ERR_OK;
}

enum err str_to_i64(struct str s, int64_t *out_value)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;

    if (negative)
        s = str_of(s.p + 1, s.n - 1);
    if (str_to_u64(s, &v) != ERR_OK || v > (uint64_t)INT64_MAX)
        return ERR_MALFORMED;
    *out_value = negative ? -(int64_t)v : (int64_t)v;
    return ERR_OK;
}

char *str_dup(struct str s)
{
    char *p = mem_alloc(s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

size_t str_utf8_next(struct str s, uint32_t *out_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c = s.n > 0 ? (unsigned char)s.p[0] : 0xff;
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    uint32_t code = n == 1 ? c : n == 0 ? 0 : c & (0xffu >> (n + 1));

    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *out_code = code;
    return n;
}

bool str_is_utf8(struct str s)
{
    uint32_t code;

    while (s.n > 0) {
        size_t n = str_utf8_next(s, &code);

        if (n == 0)
            return false;
        s = str_of(s.p + n, s.n - n);
    }
    return true;
}
