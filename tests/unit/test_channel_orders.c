/* The channel's rules in every order of events for small worlds, and in many random ones for larger (channel_world.h). */
#include "tests/unit/channel_events.h"

#include <cmocka.h>

/* --- every order --------------------------------------------------------------------------------------------------------------- *
 * Depth first. A world cannot be copied, so each is made again from the choices that lead to it; states that were seen are not
 * entered again. */

enum { MAX_DEPTH = 400 };

struct seen {
    uint64_t *slots;
    size_t cap, count;
};

static bool seen_add(struct seen *s, uint64_t hash)
{
    size_t i;

    hash |= 1;
    for (i = hash % s->cap; s->slots[i] != 0; i = (i + 1) % s->cap)
        if (s->slots[i] == hash)
            return false;
    s->slots[i] = hash;
    assert_true(++s->count < s->cap / 2);
    return true;
}

static uint64_t hash_now;

static void mix(uint64_t value)
{
    hash_now = (hash_now ^ value) * 0x9e3779b97f4a7c15u;
    hash_now ^= hash_now >> 29;
}

static void mix_id(const struct frame_id *id)
{
    mix((uint64_t)id->session[0] << 40 | id->count << 20 | id->part);
}

static void mix_queue(const struct queue *q)
{
    mix((uint64_t)q->count);
    for (int i = 0; i < q->count; i++) {
        const struct msg *m = &q->at[i];

        mix(m->kind);
        mix(m->e << 48 | m->n << 32 | m->h << 16 | m->f);
        mix_id(&m->id);
        mix(m->synced.up_taken << 32 | m->synced.down_last << 16 | m->synced.down_written);
        for (uint32_t k = 0; k < m->synced.copy_count; k++)
            mix_id(&m->synced.copies[k].id);
    }
}

static void mix_gate(int s)
{
    const struct channel_gate *g = &w.gates[s];

    mix(g->epoch << 48 | g->up_last << 32 | g->up_taken << 16 | (unsigned)w.pushed[s]);
    mix(g->down_last << 32 | g->down_written << 16 | g->down_final);
    mix(w.is_gate_gone[s]);
    for (uint32_t i = 0; i < g->copy_count; i++)
        mix_id(&channel_gate_copies(g)[i].id);
}

static void mix_owner(const struct proc *p, int s)
{
    const struct channel_owner *o = &p->o[s];

    mix((uint64_t)o->is_synced << 1 | p->is_ended[s]);
    mix(o->up_last << 32 | o->up_taken << 16 | o->up_final);
    mix(o->down_last << 32 | o->down_written << 16 | o->down_final);
    LIST_FOR_EACH (item, &o->ups)
        mix(CONTAINER_OF(item, struct channel_up, at)->holds);
    LIST_FOR_EACH (item, &o->downs) {
        const struct channel_down *d = CONTAINER_OF(item, struct channel_down, at);

        mix(d->n << 32 | d->pins << 8 | d->is_written << 4 | d->is_released << 3 | d->is_known << 2 | (d->origin != NULL) << 1 |
            (d->payload != NULL));
        mix_id(&d->id);
    }
    for (int i = 0; i < p->pending_count[s]; i++) {
        mix_id(&p->pending[s][i].id);
        mix(p->pending[s][i].is_row);
    }
}

static void mix_store(int s)
{
    mix((uint64_t)w.exists[s] << 32 | w.counter[s]);
    for (int i = 0; i < w.rows[s].count; i++)
        mix_id(&w.rows[s].at[i].id);
    for (int r = 0; r < w.spec.sessions; r++)
        for (int n = 0; n <= w.spec.frames; n++)
            mix(w.got[s][r][n]);
}

static uint64_t world_hash(void)
{
    hash_now = (uint64_t)w.started;
    mix((uint64_t)w.spec.starts << 24 | (uint64_t)w.spec.losses << 20 | (uint64_t)w.spec.delays << 16 |
        (uint64_t)w.spec.stores << 12 | (uint64_t)w.spec.saves << 8 | (uint64_t)w.spec.notes << 4 | (uint64_t)w.spec.gate_deaths);
    for (int s = 0; s < w.spec.sessions; s++) {
        mix_gate(s);
        mix_store(s);
    }
    for (int p = 0; p < w.started; p++) {
        mix((uint64_t)w.procs[p].is_alive << 32 | (uint64_t)w.procs[p].deletion_count);
        for (int s = 0; s < w.spec.sessions; s++) {
            mix(w.is_broken[p][s]);
            if (w.procs[p].is_alive)
                mix_owner(&w.procs[p], s);
            for (int path = 0; path < PATHS; path++) {
                mix_queue(&w.up[path][p][s]);
                mix_queue(&w.down[path][p][s]);
            }
        }
    }
    return hash_now;
}

static int path[MAX_DEPTH];

static void replay(const struct world_spec *spec, int depth, struct choices *out)
{
    world_open(spec);
    for (int i = 0; i < depth; i++) {
        choices_find(out);
        step(&out->at[path[i]]);
    }
    choices_find(out);
}

static void explore(const struct world_spec *spec, struct seen *seen, int depth)
{
    struct choices c;
    const char *wrong;

    assert_true(depth < MAX_DEPTH);
    replay(spec, depth, &c);
    if (!seen_add(seen, world_hash())) {
        world_close();
        return;
    }
    world_settle();
    check_at_rest();
    wrong = w.wrong;
    world_close();
    if (wrong) {
        is_traced = true;
        replay(spec, depth, &c);
        world_settle();
        print_error("broken: %s\n", wrong);
        fail();
    }
    for (path[depth] = 0; path[depth] < c.count; path[depth]++)
        explore(spec, seen, depth + 1);
}

static void every_order(const struct world_spec *spec, const char *name)
{
    struct seen seen = { .cap = (size_t)1 << 23 };

    seen.slots = calloc(seen.cap, sizeof *seen.slots);
    assert_non_null(seen.slots);
    explore(spec, &seen, 0);
    print_message("%s: %zu states\n", name, seen.count);
    free(seen.slots);
}

struct order_row {
    const char *name;
    struct world_spec spec;
};

static void every_order_of_a_restart_keeps_the_promise(void **state)
{
    static const struct order_row rows[] = {
        { "a restart", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 1 } },
        { "a restart and a lost link", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 1, .losses = 1 } },
        { "a restart and a link that is late", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 1, .delays = 1 } },
        { "a restart between two frames", { .sessions = 2, .frames = 2, .senders = 1, .window = { 2, 99 }, .starts = 1 } },
        { "a restart of who writes to itself", { .sessions = 1, .frames = 2, .senders = 1, .window = { 1, 99 }, .starts = 1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        every_order(&rows[i].spec, rows[i].name);
}

/* Minutes with the sanitizers: `make orders`, which asks for the deep form by CHANNEL_DEEP=1. */
static void every_order_of_larger_worlds_keeps_the_promise(void **state)
{
    static const struct order_row rows[] = {
        { "a slow client", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 1, .losses = 1, .stores = 1 } },
        { "two restarts", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 2 } },
        { "two senders", { .sessions = 3, .frames = 1, .senders = 2, .window = { 1, 99 }, .starts = 1 } },
        { "two senders, a dead gate", { .sessions = 3, .frames = 1, .senders = 2, .window = { 1, 99 }, .starts = 1, .gate_deaths = 1 } },
        { "two restarts and a lost link", { .sessions = 2, .frames = 1, .senders = 1, .window = { 1, 99 }, .starts = 2, .losses = 1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        every_order(&rows[i].spec, rows[i].name);
}

/* --- many random orders ---------------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int pick(uint64_t *r, int limit)
{
    return (int)(next_random(r) % (uint64_t)limit);
}

static struct world_spec random_spec(uint64_t *r)
{
    struct world_spec spec = {
        .sessions = 2 + pick(r, 2), .frames = 1 + pick(r, MAX_COUNT), .is_mixed = pick(r, 3) == 0,
        .window = { 1 + (uint32_t)pick(r, 4), 1 + (uint32_t)pick(r, 16) },
        .starts = pick(r, PROCS), .losses = pick(r, 4), .delays = pick(r, 3), .stores = pick(r, 4),
        .saves = pick(r, 3), .notes = pick(r, 3),
    };

    spec.senders = spec.is_mixed ? spec.sessions : spec.sessions - 1;
    spec.gate_deaths = !spec.is_mixed && pick(r, 4) == 0;
    return spec;
}

static void one_random_order(uint64_t seed)
{
    uint64_t r = seed * 0x9e3779b97f4a7c15u + 1;
    struct world_spec spec = random_spec(&r);
    struct choices c;

    world_open(&spec);
    for (choices_find(&c); c.count > 0 && !w.wrong; choices_find(&c)) {
        if (pick(&r, 300) == 0)
            break;
        step(&c.at[pick(&r, c.count)]);
    }
    world_settle();
    check_at_rest();
    if (w.wrong) {
        if (!is_traced) {
            is_traced = true;
            world_close();
            one_random_order(seed);
        }
        print_error("seed %llu: broken: %s\n", (unsigned long long)seed, w.wrong);
        fail();
    }
    world_close();
}

/* CHANNEL_SEED and CHANNEL_SEEDS choose others. */
static void random_orders_keep_the_promise(void **state)
{
    const char *first = getenv("CHANNEL_SEED"), *count = getenv("CHANNEL_SEEDS");
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1, n = count ? strtoull(count, NULL, 10) : first ? 1 : 20000;

    (void)state;
    for (uint64_t i = 0; i < n; i++)
        one_random_order(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_a_restart_keeps_the_promise),
        cmocka_unit_test(random_orders_keep_the_promise),
    };
    const struct CMUnitTest deep[] = { cmocka_unit_test(every_order_of_larger_worlds_keeps_the_promise) };

    if (getenv("CHANNEL_DEEP"))
        return cmocka_run_group_tests(deep, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
