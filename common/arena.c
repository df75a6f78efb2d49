#include "common/arena.h"

#include "common/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 2048 - 32, ALIGNMENT = alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap;
    alignas(max_align_t) char bytes[];
};

void arena_fini(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;

        mem_free(a->chunks);
        a->chunks = next;
    }
    *a = (struct arena){ 0 };
}

void arena_wipe(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks; c; c = c->next)
        mem_wipe(c->bytes, c->cap);
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *kept = NULL;

    /* A chunk that one large request made must not stay behind as the small steady one. */
    if (a->chunks && a->chunks->cap == CHUNK_BYTES) {
        kept = a->chunks;
        a->chunks = kept->next;
        mem_drop(kept->bytes, a->used);
    }
    arena_fini(a);
    if (kept)
        kept->next = NULL;
    a->chunks = kept;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p;

    ASSERT(n <= SIZE_MAX / 2);
    n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!a->chunks || a->chunks->cap - a->used < n) {
        size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        struct arena_chunk *c = malloc(sizeof *c + cap); /* zeroed piece by piece below */

        ASSERT(c != NULL);
        c->cap = cap;
        c->next = a->chunks;
        a->chunks = c;
        a->used = 0;
    }
    p = a->chunks->bytes + a->used;
    a->used += n;
    a->total += n;
    return memset(p, 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p;

    if (!str_is_set(s))
        return s;
    p = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    int n;
    char *p;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(n >= 0);
    p = arena_alloc(a, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return str_of(p, (size_t)n);
}
