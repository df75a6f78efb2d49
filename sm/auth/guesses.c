/* One guess at a time (guesses.h): looked up in its budgets, reserved, and settled. Strangers and
 * the known have tables of their own, so that strangers can fill theirs only. */
#include "sm/auth/guesses_parts.h"

#include "common/buf.h"
#include "common/mem.h"

struct plan {                                     /* what a guess would take */
    struct guesses_pool *pool[GUESSES_KINDS];     /* NULL: there is no limit */
    struct guesses_bucket *bucket[GUESSES_KINDS]; /* NULL: to be made */
    struct guesses_bucket *blocked;               /* its rest is under way */
};

/* true: its budget is used up, or it cannot be had. */
static bool look(struct plan *plan, struct guesses_pool *pool, struct str key, uint64_t now_ms)
{
    uint32_t limit = guesses_pool_limit(pool);
    struct guesses_bucket *b;

    if (limit == 0)
        return false;
    plan->pool[pool->kind] = pool;
    plan->bucket[pool->kind] = b = guesses_pool_find(pool, key, now_ms);
    if (!b)
        return !guesses_pool_sweep(pool, now_ms);
    if (b->used >= limit)
        return true;
    if (!plan->blocked && (uint64_t)b->used + b->pending >= limit)
        plan->blocked = b;
    return false;
}

static void hold(struct guess *u, enum guesses_kind kind, const struct plan *plan, struct str key,
                 uint64_t now_ms)
{
    struct guesses_pool *p = plan->pool[kind];

    if (!p)
        return;
    u->held[kind] = plan->bucket[kind] ? plan->bucket[kind] : guesses_pool_make(p, key, now_ms);
    u->held[kind]->pending++;
}

static struct guesses_bucket *unpin(struct guess *u)
{
    struct guesses_bucket *b = u->waits_for;

    if (u->state == GUESSES_WAITING)
        list_remove(&u->waits_at);
    else if (u->state == GUESSES_WOKEN)
        b->woken--;
    u->waits_for = NULL;
    u->state = GUESSES_NONE;
    return b;
}

/* Who waited behind it may have its turn: whatever becomes of it, its place is not lost. */
static void pass_on(struct guesses_bucket *b)
{
    if (!b)
        return;
    guesses_bucket_wake(b);
    guesses_bucket_release(b);
}

static enum guesses_answer refuse(struct guesses *g, enum guesses_answer answer)
{
    g->counters.refused++;
    return answer;
}

static enum guesses_answer wait_for(struct guess *u, struct guesses_bucket *b)
{
    u->state = GUESSES_WAITING;
    u->waits_for = b;
    list_push_back(&b->waiting, &u->waits_at);
    return GUESSES_WAIT;
}

static enum guesses_answer take(struct guess *u, uint64_t now_ms)
{
    struct guesses *g = u->guesses;
    const struct guesses_who *who = &u->who;
    struct str keys[GUESSES_KINDS] = { [GUESSES_ACCOUNT] = who->account, [GUESSES_C2S] = who->c2s };
    struct plan plan = { 0 };
    struct buf place = { 0 };
    char address[GUESSES_ADDRESS_BYTES];
    bool is_used_up = false;
    enum guesses_answer answer = GUESSES_GO;

    guesses_address(who->address, address);
    buf_printf(&place, "%.*s %s", STR_ARG(who->c2s), address);
    keys[GUESSES_ADDRESS] = buf_str(&place);
    u->is_known =
        g->limits.known > 0 && guesses_known_has(g->known, who->account, str_from(address),
                                                 who->c2s, now_ms, g->limits.known_ms);
    for (int kind = 0; kind < GUESSES_KINDS; kind++) {
        if (kind != GUESSES_ENTRY)
            is_used_up |= look(&plan, &g->pools[kind][u->is_known], keys[kind], now_ms);
    }
    if (is_used_up) {
        answer = refuse(g, GUESSES_USED_UP);
    } else if (plan.blocked && now_ms - u->since_ms > GUESSES_WAIT_MS) {
        answer = refuse(g, GUESSES_BUSY);
    } else if (plan.blocked) {
        answer = wait_for(u, plan.blocked);
    } else {
        u->state = GUESSES_UNDER_WAY;
        for (int kind = 0; kind < GUESSES_KINDS; kind++)
            hold(u, (enum guesses_kind)kind, &plan, keys[kind], now_ms);
    }
    buf_fini(&place);
    return answer;
}

enum guesses_answer guesses_begin(struct guesses *g, struct guess *guess,
                                  const struct guesses_who *who, uint64_t now_ms)
{
    struct guesses_bucket *behind = NULL;
    enum guesses_answer answer;

    ASSERT(guess->state == GUESSES_NONE || guess->state == GUESSES_WOKEN);
    if (guess->state ==
        GUESSES_WOKEN) { /* take finds it again: nothing is dropped before it is passed on */
        behind = unpin(guess);
    } else {
        guess->guesses = g;
        guess->since_ms = now_ms;
        list_init(&guess->waits_at);
    }
    guess->who = *who;
    answer = take(guess, now_ms);
    pass_on(behind);
    return answer;
}

static void count(struct guesses_bucket *b, const struct guess *u, uint64_t now_ms)
{
    struct guesses *g = b->pool->guesses;
    uint32_t limit = guesses_pool_limit(b->pool);
    struct guesses_state state;

    guesses_bucket_refresh(b, now_ms);
    if (b->used == 0 || !guesses_kind_leaks(b->pool->kind))
        b->at_ms = now_ms;
    b->used++;
    list_remove(&b->at);
    list_push_back(&b->pool->by_age, &b->at);
    if (limit == 0 || b->used < limit || b->is_told)
        return;
    b->is_told = true;
    b->told_ms = now_ms;
    g->counters.used_up++;
    state = guesses_bucket_state(b, now_ms);
    if (g->options.used_up)
        g->options.used_up(g->options.owner, &state, &u->who);
}

bool guesses_take_entry(struct guess *guess, struct str entry, uint64_t now_ms)
{
    struct guesses *g = guess->guesses;
    struct plan plan = { 0 };
    struct guesses_bucket *b;

    if (guess->state != GUESSES_UNDER_WAY || guess->held[GUESSES_ENTRY])
        return false;
    if (look(&plan, &g->pools[GUESSES_ENTRY][guess->is_known], entry, now_ms) || plan.blocked) {
        g->counters.refused++;
        return false;
    }
    hold(guess, GUESSES_ENTRY, &plan, entry, now_ms);
    if ((b = guess->held[GUESSES_ENTRY]) != NULL) {
        mem_free(b->account);
        b->account = str_dup(guess->who.account);
    }
    return true;
}

static void settle(struct guess *u, enum guesses_outcome outcome, uint64_t now_ms)
{
    struct guesses *g = u->guesses;
    bool is_counted = outcome == GUESSES_WRONG || (outcome == GUESSES_UNANSWERED && !u->is_known);

    g->counters.wrong += is_counted;
    if (outcome == GUESSES_RIGHT)
        guesses_know(g, &u->who, now_ms);
    for (int kind = 0; kind < GUESSES_KINDS; kind++) {
        struct guesses_bucket *b = u->held[kind];

        u->held[kind] = NULL;
        if (!b)
            continue;
        b->pending--;
        if (is_counted)
            count(b, u, now_ms);
        else if (outcome == GUESSES_RIGHT && u->is_known && !guesses_kind_leaks(kind))
            b->used = 0;
        pass_on(b);
    }
}

void guesses_end(struct guess *guess, enum guesses_outcome outcome, uint64_t now_ms)
{
    if (guess->state == GUESSES_UNDER_WAY) {
        guess->state = GUESSES_NONE;
        settle(guess, outcome, now_ms);
    } else if (guess->state != GUESSES_NONE) {
        pass_on(unpin(guess));
    }
}

void guesses_know(struct guesses *g, const struct guesses_who *who, uint64_t now_ms)
{
    char address[GUESSES_ADDRESS_BYTES];

    guesses_address(who->address, address);
    guesses_known_add(g->known, who->account, str_from(address), who->c2s, now_ms);
}

size_t guesses_forget_c2s(struct guesses *g, struct str c2s)
{
    return guesses_known_forget_c2s(g->known, c2s);
}
