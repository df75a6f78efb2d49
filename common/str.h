/* A borrowed run of bytes with a length. It owns nothing and need not end in NUL. */
#ifndef COMMON_STR_H
#define COMMON_STR_H

#include "common/base.h"

#include <string.h>

struct str {
    const char *p; /* may be NULL when n is 0: "absent" */
    size_t n;
};

#define STR(literal) ((struct str){ "" literal "", sizeof(literal) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })

/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

/* text may be NULL: then absent. */
static inline struct str str_from(const char *text)
{
    return (struct str){ text, text ? strlen(text) : 0 };
}

static inline struct str str_of(const void *p, size_t n)
{
    return (struct str){ p, n };
}

/* Present, even if empty. */
static inline bool str_is_set(struct str s)
{
    return s.p != NULL;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);

/* ASCII letters alone are folded. */
bool str_eq_nocase(struct str a, struct str b);

/* < 0, 0, > 0 by bytes, the shorter first; for sorting. */
int str_cmp(struct str a, struct str b);

/* Takes time that depends on the lengths only; for secrets. */
bool str_eq_const_time(struct str a, struct str b);

/* The index of the first c, or s.n. */
size_t str_find(struct str s, char c);

/* Cuts *rest at the first c: returns what was before it and leaves what is behind it; without c the
 * whole is returned and *rest becomes absent. */
struct str str_cut(struct str *rest, char c);

/* Without ASCII white space (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* Decimal digits only, no sign, no space, no overflow. ERR_MALFORMED otherwise. */
NODISCARD enum err str_to_u64(struct str s, uint64_t *out_value);

/* The same with an optional '-'. */
NODISCARD enum err str_to_i64(struct str s, int64_t *out_value);

/* A heap copy that ends in NUL; the caller frees it with mem_free. NUL bytes inside are kept. */
char *str_dup(struct str s);

/* The length of the UTF-8 sequence at s.p and its code point, or 0 when it is not well-formed (RFC
 * 3629). */
size_t str_utf8_next(struct str s, uint32_t *out_code);
bool str_is_utf8(struct str s);

#endif
