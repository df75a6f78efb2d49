/* Small allocations. They cannot fail: the process ends instead, so every growth that strangers can
 * cause is checked against a configured limit before it comes here. */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include "common/base.h"

/* n bytes, zeroed. n may be 0. The caller owns them. */
void *mem_alloc(size_t n) __attribute__((malloc, alloc_size(1)));

/* Grows or shrinks; new bytes are not initialised. p may be NULL. */
void *mem_realloc(void *p, size_t n) __attribute__((alloc_size(2)));

/* A copy that ends in NUL, of a text that must not be NULL. */
char *mem_strdup(const char *text);

/* p may be NULL. */
void mem_free(void *p);

/* From here on, for the whole life of the process: what mem_free and mem_realloc give back, and
 * what buf.h and arena.h drop, is overwritten first, so that what has passed through is nowhere.
 * For processes that stand where strangers may break in. Call it before anything else is allocated.
 */
void mem_keep_nothing(void);
bool mem_keeps_nothing(void);

/* Overwrites n bytes that are not needed any more, in a process that keeps nothing. */
void mem_drop(void *p, size_t n);

/* Overwrites n bytes in a way that the compiler keeps; for secrets, before they are freed. */
void mem_wipe(void *p, size_t n);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

#endif
