/* Bytes that never change and are counted: what is sent to many is made once and shared. */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include "common/str.h"

struct bytes {
    uint32_t refs;
    uint32_t n;
    char p[];
};

/* A copy of s with one reference, the caller's. */
struct bytes *bytes_new(struct str s);
struct bytes *bytes_ref(struct bytes *b);

/* b may be NULL; the last one frees it. */
void bytes_unref(struct bytes *b);

static inline struct str bytes_str(const struct bytes *b)
{
    return str_of(b->p, b->n);
}

#endif
