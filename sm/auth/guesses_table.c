/* Buckets and their tables (guesses_parts.h): bounded, swept as they grow. One in which nothing is
 * counted, under way or waiting is freed at once. */
#include "sm/auth/guesses_parts.h"

#include "common/mem.h"

#include <stdio.h>
#include <sys/random.h>

enum {
    MAX_KEY_BYTES = 256, /* a longer one is cut, and told from others by a hash */
    CUT_KEY_BYTES = 160,
    SWEEP = 8, /* old buckets looked at for each new one */
};

static const struct {
    const char *name;
    size_t max;
    bool leaks, gives_way; /* when the table is full the oldest goes */
} kinds[GUESSES_KINDS] = {
    [GUESSES_ACCOUNT] = { "account", GUESSES_MAX_ACCOUNTS, false, false },
    [GUESSES_ENTRY] = { "entry", GUESSES_MAX_ACCOUNTS, false, false },
    [GUESSES_ADDRESS] = { "address", GUESSES_MAX_ADDRESSES, true, true },
    [GUESSES_C2S] = { "c2s", GUESSES_MAX_C2S, true, true },
};

const char *guesses_kind_name(enum guesses_kind kind)
{
    ASSERT(kind < GUESSES_KINDS);
    return kinds[kind].name;
}

bool guesses_kind_leaks(enum guesses_kind kind)
{
    return kinds[kind].leaks;
}

static struct str key_of(const void *item)
{
    const struct guesses_bucket *b = item;

    return str_of(b->key, b->n);
}

uint32_t guesses_pool_limit(const struct guesses_pool *p)
{
    const struct guesses_limits *l = &p->guesses->limits;

    switch (p->kind) {
    case GUESSES_ADDRESS:
        return l->address;
    case GUESSES_C2S:
        return l->c2s;
    default:
        return p->is_known && l->account > 0 ? l->known : l->account;
    }
}

/* --- buckets ---------------------------------------------------------------------------------- */

static uint64_t step_ms(const struct guesses *g, uint32_t limit)
{
    uint64_t step = limit > 0 ? g->limits.period_ms / limit : 0;

    return step > 0 ? step : 1;
}

void guesses_bucket_refresh(struct guesses_bucket *b, uint64_t now_ms)
{
    const struct guesses *g = b->pool->guesses;
    uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0, step, n;

    if (b->is_told && now_ms - b->told_ms > g->limits.period_ms)
        b->is_told = false;
    if (b->used == 0)
        return;
    if (!kinds[b->pool->kind].leaks) {
        if (passed > g->limits.period_ms)
            b->used = 0;
        return;
    }
    step = step_ms(g, guesses_pool_limit(b->pool));
    n = passed / step;
    b->used = n < b->used ? b->used - (uint32_t)n : 0;
    b->at_ms += n * step;
}

static bool is_idle(const struct guesses_bucket *b)
{
    return b->pending == 0 && b->woken == 0 && list_is_empty(&b->waiting);
}

static void drop(struct guesses_bucket *b)
{
    list_remove(&b->at);
    table_remove(&b->pool->buckets, key_of(b));
    mem_free(b->account);
    mem_free(b);
}

void guesses_bucket_release(struct guesses_bucket *b)
{
    if (b->used == 0 && is_idle(b))
        drop(b);
}

bool guesses_pool_sweep(struct guesses_pool *p, uint64_t now_ms)
{
    struct guesses_bucket *oldest = NULL;
    int looked = 0;

    LIST_FOR_EACH_SAFE(at, next, &p->by_age)
    {
        struct guesses_bucket *b = CONTAINER_OF(at, struct guesses_bucket, at);

        if (looked++ == SWEEP)
            break;
        guesses_bucket_refresh(b, now_ms);
        if (b->used == 0 && is_idle(b))
            drop(b);
        else if (!oldest && is_idle(b))
            oldest = b;
    }
    if (p->buckets.count >= kinds[p->kind].max && kinds[p->kind].gives_way && oldest)
        drop(oldest);
    return p->buckets.count < kinds[p->kind].max;
}

/* Long names differ in their hash, under a key that nobody knows. */
static struct str cut(const struct guesses *g, struct str key, char out[MAX_KEY_BYTES])
{
    int n;

    if (key.n <= MAX_KEY_BYTES)
        return key;
    memcpy(out, key.p, CUT_KEY_BYTES);
    n = snprintf(out + CUT_KEY_BYTES, MAX_KEY_BYTES - CUT_KEY_BYTES, "#%016llx",
                 (unsigned long long)table_siphash(g->key, key));
    return str_of(out, CUT_KEY_BYTES + (size_t)n);
}

struct guesses_bucket *guesses_pool_find(const struct guesses_pool *p, struct str key,
                                         uint64_t now_ms)
{
    char out[MAX_KEY_BYTES];
    struct guesses_bucket *b = table_get(&p->buckets, cut(p->guesses, key, out));

    if (b)
        guesses_bucket_refresh(b, now_ms);
    return b;
}

struct guesses_bucket *guesses_pool_make(struct guesses_pool *p, struct str key, uint64_t now_ms)
{
    char out[MAX_KEY_BYTES];
    struct str text = cut(p->guesses, key, out);
    struct guesses_bucket *b = mem_alloc(sizeof *b + text.n);

    list_init(&b->at);
    list_init(&b->waiting);
    b->pool = p;
    b->at_ms = now_ms;
    b->n = text.n;
    memcpy(b->key, text.p, text.n);
    table_put(&p->buckets, b);
    list_push_back(&p->by_age, &b->at);
    return b;
}

void guesses_bucket_wake(struct guesses_bucket *b)
{
    uint32_t limit = guesses_pool_limit(b->pool);
    uint64_t taken = (uint64_t)b->used + b->pending + b->woken;
    bool is_all = limit == 0 || b->used >= limit;

    while (!list_is_empty(&b->waiting) && (is_all || taken < limit)) {
        struct guess *u = CONTAINER_OF(list_first(&b->waiting), struct guess, waits_at);

        list_remove(&u->waits_at);
        u->state = GUESSES_WOKEN;
        b->woken++;
        taken++;
        u->wake(u);
    }
}

struct guesses_state guesses_bucket_state(const struct guesses_bucket *b, uint64_t now_ms)
{
    const struct guesses *g = b->pool->guesses;
    struct str key = key_of(b), rest = key;
    struct guesses_state s = { .kind = b->pool->kind,
                               .is_known = b->pool->is_known,
                               .what = key,
                               .c2s = STR_NONE,
                               .used = b->used,
                               .limit = guesses_pool_limit(b->pool) };
    uint64_t all = kinds[s.kind].leaks ? step_ms(g, s.limit) : g->limits.period_ms,
             passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;

    if (s.kind == GUESSES_ADDRESS) {
        s.c2s = str_cut(&rest, ' ');
        s.what = rest;
    }
    if (s.limit > 0 && s.used >= s.limit)
        s.wait_ms = passed < all ? all - passed : 0;
    return s;
}

/* --- the tables ------------------------------------------------------------------------------- */

struct guesses *guesses_new(const struct guesses_options *options)
{
    struct guesses *g = mem_new(struct guesses);

    g->options = *options;
    g->known = guesses_known_new();
    ASSERT(getrandom(g->key, sizeof g->key, 0) == (ssize_t)sizeof g->key);
    for (int kind = 0; kind < GUESSES_KINDS; kind++) {
        for (int known = 0; known < 2; known++) {
            struct guesses_pool *p = &g->pools[kind][known];

            p->guesses = g;
            p->kind = (enum guesses_kind)kind;
            p->is_known = known;
            table_init(&p->buckets, key_of);
            list_init(&p->by_age);
        }
    }
    return g;
}

/* Each bucket once; it may be dropped meanwhile. */
static void walk(struct guesses *g, void (*visit)(struct guesses_bucket *b, void *what), void *what)
{
    for (int i = 0; i < GUESSES_KINDS * 2; i++) {
        LIST_FOR_EACH_SAFE(at, next, &g->pools[i / 2][i % 2].by_age)
        visit(CONTAINER_OF(at, struct guesses_bucket, at), what);
    }
}

static void visit_free(struct guesses_bucket *b, void *what)
{
    (void)what;
    ASSERT(is_idle(b));
    drop(b);
}

void guesses_free(struct guesses *g)
{
    if (!g)
        return;
    walk(g, visit_free, NULL);
    for (int i = 0; i < GUESSES_KINDS * 2; i++)
        table_fini(&g->pools[i / 2][i % 2].buckets);
    guesses_known_free(g->known);
    mem_free(g);
}

static void visit_wake(struct guesses_bucket *b, void *what)
{
    (void)what;
    guesses_bucket_wake(b);
}

void guesses_set_limits(struct guesses *g, const struct guesses_limits *limits)
{
    g->limits = *limits;
    walk(g, visit_wake, NULL);
}

const struct guesses_counters *guesses_counters(const struct guesses *g)
{
    return &g->counters;
}

size_t guesses_buckets(const struct guesses *g)
{
    size_t n = 0;

    for (int i = 0; i < GUESSES_KINDS * 2; i++)
        n += g->pools[i / 2][i % 2].buckets.count;
    return n;
}

/* --- what administrators see ------------------------------------------------------------------ */

void guesses_each(struct guesses *g, uint64_t now_ms,
                  void (*each)(void *owner, const struct guesses_state *state), void *owner)
{
    for (int i = 0; i < GUESSES_KINDS * 2; i++) {
        LIST_FOR_EACH(at, &g->pools[i / 2][i % 2].by_age)
        {
            struct guesses_bucket *b = CONTAINER_OF(at, struct guesses_bucket, at);
            struct guesses_state s;

            guesses_bucket_refresh(b, now_ms);
            s = guesses_bucket_state(b, now_ms);
            if (s.used > 0)
                each(owner, &s);
        }
    }
}

struct pardon {
    struct str what, address;
    uint64_t now_ms;
    size_t count;
};

static void visit_forgive(struct guesses_bucket *b, void *what)
{
    struct pardon *p = what;
    struct guesses_state s;

    guesses_bucket_refresh(b, p->now_ms);
    s = guesses_bucket_state(b, p->now_ms);
    if (!str_eq(s.what, p->what) && !(b->account && str_is(p->what, b->account)) &&
        !(s.kind == GUESSES_ADDRESS && str_eq(s.what, p->address)))
        return;
    p->count += b->used > 0;
    b->used = 0;
    b->is_told = false;
    guesses_bucket_wake(b);
    guesses_bucket_release(b);
}

size_t guesses_forgive(struct guesses *g, struct str what, uint64_t now_ms)
{
    char address[GUESSES_ADDRESS_BYTES], key[MAX_KEY_BYTES];
    struct pardon p = { .what = cut(g, what, key), .now_ms = now_ms };

    guesses_address(what, address);
    p.address = str_from(address);
    if (str_is(p.address, GUESSES_UNKNOWN_ADDRESS))
        p.address = STR_NONE;
    walk(g, visit_forgive, &p);
    return p.count;
}
