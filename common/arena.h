/* Memory that is freed all at once. One request, one parse has one arena. */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include "common/str.h"

struct arena_chunk;

/* Zeroed memory is an empty arena. */
struct arena {
    struct arena_chunk *chunks;
    size_t used;  /* of the newest chunk */
    size_t total; /* bytes handed out since the last reset; callers compare it with their limit */
};

void arena_fini(struct arena *a);

/* Everything in it is overwritten, not freed: what it held was secret. */
void arena_wipe(struct arena *a);

/* Everything in it is gone; one chunk is kept for the next use. */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy, with a NUL behind it that n does not count. An absent str stays absent. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
