/* A hash table from byte strings to things that hold their own key. Keys come from strangers:
 * SipHash-2-4 under a random key, open addressing with linear probing, 8 to 32 bytes an entry. */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

#include "common/str.h"

/* The key of an item; borrowed, must not change while the item is in the table. */
typedef struct str table_key_fn(const void *item);

struct table {
    struct table_slot *slots;
    size_t cap;   /* a power of two, or 0 */
    size_t count;
    table_key_fn *key_of;
};

struct table_slot {
    void *item;
    uint64_t hash;
};

void table_init(struct table *t, table_key_fn *key_of);

/* Frees the table, not its items. */
void table_fini(struct table *t);

/* NULL when there is none. */
void *table_get(const struct table *t, struct str key);

/* Returns the item that had this key before and is now replaced, or NULL. */
void *table_put(struct table *t, void *item);

/* Returns what was removed, or NULL. */
void *table_remove(struct table *t, struct str key);

/* Walks all items in no order: for (size_t at = 0; (x = table_next(&t, &at));) Nothing may be put
 * or removed meanwhile. */
void *table_next(const struct table *t, size_t *at);

/* SipHash-2-4 (Aumasson, Bernstein 2012) under a 128-bit key. */
uint64_t table_siphash(const uint8_t key[16], struct str bytes);

#endif
