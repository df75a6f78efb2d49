#include "common/bytes.h"

#include <stdlib.h>

#include "common/mem.h"

struct bytes *bytes_new(struct str s)
{
    struct bytes *b;

    ASSERT(s.n <= UINT32_MAX);
    b = malloc(sizeof *b + s.n);
    ASSERT(b != NULL);
    b->refs = 1;
    b->n = (uint32_t)s.n;
    if (s.n > 0)
        memcpy(b->p, s.p, s.n);
    return b;
}

struct bytes *bytes_ref(struct bytes *b)
{
    b->refs++;
    return b;
}

void bytes_unref(struct bytes *b)
{
    if (b && --b->refs == 0)
        mem_free(b);
}
