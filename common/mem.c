#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    ASSERT(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);

    ASSERT(q != NULL);
    return q;
}

char *mem_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = mem_alloc(n);

    memcpy(p, text, n);
    return p;
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}
