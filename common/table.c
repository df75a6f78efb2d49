#include "common/table.h"

#include "common/mem.h"

#include <stdlib.h>
#include <sys/random.h>

static const uint8_t *process_key(void)
{
    static uint8_t key[16];
    static bool made;

    if (!made) {
        ASSERT(getrandom(key, sizeof key, 0) == (ssize_t)sizeof key);
        made = true;
    }
    return key;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

uint64_t table_siphash(const uint8_t key[16], struct str bytes)
{
    uint64_t k0 = load_le(key, 8), k1 = load_le(key + 8, 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u };
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t whole = bytes.n / 8 * 8;
    uint64_t word;

    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, p + i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        sip_absorb(v, word);
    }
    word = (uint64_t)bytes.n << 56;
    if (bytes.n > whole)
        word |= load_le(p + whole, bytes.n - whole);
    sip_absorb(v, word);
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void table_init(struct table *t, table_key_fn *key_of)
{
    *t = (struct table){ .key_of = key_of };
}

void table_fini(struct table *t)
{
    mem_free(t->slots);
    *t = (struct table){ .key_of = t->key_of };
}

/* The slot of the key, or the free one where it would go. */
static size_t find_slot(const struct table *t, uint64_t hash, struct str key)
{
    size_t i = hash & (t->cap - 1);

    while (t->slots[i].item &&
           !(t->slots[i].hash == hash && str_eq(t->key_of(t->slots[i].item), key)))
        i = (i + 1) & (t->cap - 1);
    return i;
}

static void resize(struct table *t, size_t cap)
{
    struct table old = *t;

    t->slots = mem_alloc(cap * sizeof *t->slots);
    t->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        size_t at = old.slots[i].hash & (cap - 1);

        if (!old.slots[i].item)
            continue;
        while (t->slots[at].item)
            at = (at + 1) & (cap - 1);
        t->slots[at] = old.slots[i];
    }
    mem_free(old.slots);
}

void *table_get(const struct table *t, struct str key)
{
    if (t->count == 0)
        return NULL;
    return t->slots[find_slot(t, table_siphash(process_key(), key), key)].item;
}

void *table_put(struct table *t, void *item)
{
    struct str key = t->key_of(item);
    uint64_t hash = table_siphash(process_key(), key);
    size_t i;
    void *old;

    if ((t->count + 1) * 4 > t->cap * 3)
        resize(t, t->cap ? t->cap * 2 : 8);
    i = find_slot(t, hash, key);
    old = t->slots[i].item;
    t->slots[i] = (struct table_slot){ item, hash };
    t->count += old == NULL;
    return old;
}

void *table_remove(struct table *t, struct str key)
{
    size_t hole, i;
    void *item;

    if (t->count == 0)
        return NULL;
    hole = find_slot(t, table_siphash(process_key(), key), key);
    item = t->slots[hole].item;
    if (!item)
        return NULL;
    t->count--;
    /* Moves back every later member of the run that a probe could no longer reach across the hole.
     */
    for (i = (hole + 1) & (t->cap - 1); t->slots[i].item; i = (i + 1) & (t->cap - 1)) {
        size_t home = t->slots[i].hash & (t->cap - 1);

        if (((i - home) & (t->cap - 1)) >= ((i - hole) & (t->cap - 1))) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (struct table_slot){ 0 };
    if (t->cap > 64 && t->count * 8 < t->cap)
        resize(t, t->cap / 4);
    return item;
}

void *table_next(const struct table *t, size_t *at)
{
    while (*at < t->cap) {
        void *item = t->slots[(*at)++].item;

        if (item)
            return item;
    }
    return NULL;
}
