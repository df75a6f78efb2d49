/* For guesses.c and guesses_table.c: buckets, and the tables that they are in. */
#ifndef SM_AUTH_GUESSES_PARTS_H
#define SM_AUTH_GUESSES_PARTS_H

#include "common/table.h"
#include "sm/auth/guesses.h"
#include "sm/auth/guesses_known.h"

struct guesses_bucket {
    struct list at; /* of pool.by_age */
    struct list waiting;
    struct guesses_pool *pool;
    uint32_t used, pending, woken; /* woken: who waited, and has not tried again yet */
    uint64_t at_ms;                /* of the last wrong guess; of what leaks: counted up to here */
    uint64_t told_ms;
    bool is_told;
    char *account; /* of an entry: who was last about to be bound */
    size_t n;
    char key[];
};

/* Of one kind, strangers' or the known's. */
struct guesses_pool {
    struct guesses *guesses;
    enum guesses_kind kind;
    bool is_known;
    struct table buckets;
    struct list by_age; /* the longest ago changed first */
};

struct guesses {
    struct guesses_options options;
    struct guesses_limits limits;
    struct guesses_counters counters;
    struct guesses_known *known;
    uint8_t key[16];
    struct guesses_pool pools[GUESSES_KINDS][2];
};

enum { GUESSES_NONE, GUESSES_WAITING, GUESSES_WOKEN, GUESSES_UNDER_WAY }; /* guess.state */

/* Address and c2s bound a rate, the others mirror a directory's count. */
bool guesses_kind_leaks(enum guesses_kind kind);

uint32_t guesses_pool_limit(const struct guesses_pool *p); /* 0: none */
/* Makes room for one more bucket. false: there is none. */
bool guesses_pool_sweep(struct guesses_pool *p, uint64_t now_ms);
/* NULL: nothing is counted there. */
struct guesses_bucket *guesses_pool_find(const struct guesses_pool *p, struct str key,
                                         uint64_t now_ms);
struct guesses_bucket *guesses_pool_make(struct guesses_pool *p, struct str key, uint64_t now_ms);

/* Takes out what time has taken out. */
void guesses_bucket_refresh(struct guesses_bucket *b, uint64_t now_ms);
/* Wakes as many as there is room for; when there never will be, all: to be refused. */
void guesses_bucket_wake(struct guesses_bucket *b);
/* Frees it if nothing is counted, under way or waiting. */
void guesses_bucket_release(struct guesses_bucket *b);
/* Texts are the bucket's. */
struct guesses_state guesses_bucket_state(const struct guesses_bucket *b, uint64_t now_ms);

#endif
