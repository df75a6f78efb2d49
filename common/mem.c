#include "common/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static bool keeps_nothing;

void *mem_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    ASSERT(p != NULL);
    return p;
}

/* realloc(3) leaves what it moves where it was. */
static void *move(void *p, size_t n)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *q = malloc(n ? n : 1);

    ASSERT(q != NULL);
    if (old > 0)
        memcpy(q, p, old < n ? old : n);
    mem_free(p);
    return q;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = keeps_nothing ? move(p, n) : realloc(p, n ? n : 1);

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
    if (keeps_nothing && p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

void mem_keep_nothing(void)
{
    keeps_nothing = true;
}

bool mem_keeps_nothing(void)
{
    return keeps_nothing;
}

void mem_drop(void *p, size_t n)
{
    if (keeps_nothing)
        mem_wipe(p, n);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}
