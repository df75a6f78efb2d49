/* A growing run of bytes that it owns. Zeroed memory is an empty buf that holds nothing. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/str.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t n;
    size_t cap;
};

/* Frees what it holds; it is empty and usable again. */
void buf_fini(struct buf *b);

/* Room for extra more bytes behind n. */
void buf_reserve(struct buf *b, size_t extra);

void buf_add(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Drops n bytes at the front; n must not exceed b->n. What is left moves: amortise by dropping in
 * large steps. */
void buf_drop(struct buf *b, size_t n);

/* Keeps the memory; mem_drop looks after what was in it. */
void buf_clear(struct buf *b);

/* Borrowed until the next change. */
static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->p, b->n);
}

/* Base64 of RFC 4648 §4 with padding, in both directions. Decoding is strict: no white space,
 * canonical padding; ERR_MALFORMED leaves b as it was. */
void buf_add_base64(struct buf *b, struct str bytes);
NODISCARD enum err buf_add_base64_decoded(struct buf *b, struct str text);

/* Lower-case hexadecimal; decoding takes both cases. */
void buf_add_hex(struct buf *b, struct str bytes);
NODISCARD enum err buf_add_hex_decoded(struct buf *b, struct str text);

#endif
