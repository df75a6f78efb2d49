/* Servers and the connections to them. The chosen server is the first that is not down; it stays
 * chosen until it goes down, or a better one has been up for a while: so a server that comes and
 * goes does not take everybody with it. Every server that is up has a connection that is used now
 * and then, and thus is known to be up; one that is down is dialled at growing intervals. */
#include "sm/directory/parts.h"

#include "common/mem.h"

enum {
    RETRY_MS = 1000,
    TICK_MS = 1000,
};

static uint64_t now(const struct directory *d)
{
    return uv_now(d->set->loop);
}

struct dir_server *dir_pool_chosen(struct directory *d)
{
    static const enum dir_state order[] = { DIR_UP, DIR_NEW };

    if (d->chosen && d->chosen->state != DIR_DOWN)
        return d->chosen;
    for (size_t o = 0; o < ARRAY_LEN(order); o++)
        for (size_t i = 0; i < d->server_count; i++)
            if (d->servers[i]->state == order[o])
                return d->chosen = d->servers[i];
    return NULL;
}

static void change(struct dir_server *s, enum dir_state state, const char *why)
{
    struct directory *d = s->directory;
    bool is_news = state == DIR_DOWN || s->state == DIR_DOWN;

    if (s->state == state)
        return;
    s->state = state;
    s->since_ms = now(d);
    if (is_news && d->set->changed)
        d->set->changed(d->set->owner, d->options.name, s->uri, state == DIR_UP, why);
}

static void note_error(struct dir_server *s, const char *why)
{
    if (why == s->last_error)
        return;
    mem_free(s->last_error);
    s->last_error = mem_strdup(why);
}

/* --- connections ------------------------------------------------------------------------------- */

static void on_freed(void *owner)
{
    dir_server_unref(owner);
}

/* Whoever it worked for is told after it is gone from the pool. */
static void close_conn(struct dir_conn *c, bool is_timeout)
{
    struct dir_server *s = c->owner;
    struct dir_job *j = c->job;

    if (c->is_closing)
        return;
    s->counts[c->pool]--;
    dir_conn_close(c);
    if (j)
        dir_job_lost(j, is_timeout);
}

void dir_pool_drop(struct dir_conn *c)
{
    struct dir_server *s = c->owner;

    s->lost++;
    close_conn(c, false);
}

static void on_lost(struct dir_conn *c)
{
    struct dir_server *s = c->owner;

    dir_pool_drop(c);
    dir_pool_run(s->directory);
}

static void close_all(struct dir_server *s)
{
    for (int pool = 0; pool < DIR_POOLS; pool++)
        while (!list_is_empty(&s->conns[pool]))
            close_conn(CONTAINER_OF(list_first(&s->conns[pool]), struct dir_conn, at), true);
}

void dir_pool_down(struct dir_server *s, const char *why)
{
    struct directory *d = s->directory;
    uint64_t wait_ms = RETRY_MS, most_ms = (uint64_t)d->options.retry_ms;

    if (s->is_gone) {
        close_all(s);
        return;
    }
    note_error(s, why);
    for (uint32_t i = 0; i < s->failures && wait_ms < most_ms; i++)
        wait_ms *= 2;
    s->failures++;
    change(s, DIR_DOWN, why);
    timer_set(d->set->timers, &s->retry, wait_ms < most_ms ? wait_ms : most_ms);
    close_all(s);
    if (dir_servers_are_hopeless(d))
        dir_jobs_fail_waiting(d, DIRECTORY_UNAVAILABLE);
}

/* --- health ------------------------------------------------------------------------------------ */

static void on_probed(struct dir_conn *c, const struct dir_answer *answer)
{
    struct dir_server *s = c->owner;
    struct directory *d = s->directory;

    c->used_ms = now(d);
    if (answer->end == DIR_TIMEOUT)
        dir_pool_down(s, "it did not answer in time");
    else if (answer->end == DIR_LOST)
        dir_pool_drop(c);
    dir_pool_run(d);
}

/* Connections that were idle for so long. */
static void probe(struct dir_server *s, int64_t idle_ms)
{
    struct directory *d = s->directory;

    for (int pool = 0; pool < DIR_POOLS && s->state == DIR_UP; pool++)
        LIST_FOR_EACH_SAFE(at, following, &s->conns[pool]) {
            struct dir_conn *c = CONTAINER_OF(at, struct dir_conn, at);

            if (c->is_busy || now(d) - c->used_ms < (uint64_t)idle_ms)
                continue;
            if (pool == DIR_BULK || pool == DIR_NEWS)
                close_conn(c, false); /* it was there for one search */
            else if (!dir_conn_probe(c, d->options.search_ms, on_probed))
                dir_pool_drop(c);
        }
}

/* It took no further connection, but has some: it may be full, or it may be gone. */
static void doubt(struct dir_server *s, const char *why)
{
    note_error(s, why);
    s->hold_until_ms = now(s->directory) + RETRY_MS;
    probe(s, 0);
}

/* --- opening ----------------------------------------------------------------------------------- */

struct wish {
    struct dir_server *server;
    enum dir_pool pool;
};

static void run_all(struct directories *ds)
{
    LIST_FOR_EACH_SAFE(at, following, &ds->all)
        dir_pool_run(CONTAINER_OF(at, struct directory, at));
}

static void take(struct dir_server *s, enum dir_pool pool, struct dir_opening *o)
{
    struct directory *d = s->directory;
    struct dir_conn *c = dir_conn_new(d->set->loop, d->set->timers, o->ld, on_lost, on_freed, s);

    o->ld = NULL;
    dir_server_ref(s);
    c->pool = (int)pool;
    c->used_ms = now(d);
    s->counts[pool]++;
    s->failures = 0;
    list_push_back(&s->conns[pool], &c->at);
    mem_free(s->tls);
    s->tls = o->tls.n > 0 ? str_dup(buf_str(&o->tls)) : NULL;
    timer_stop(&s->retry);
    change(s, DIR_UP, NULL);
}

/* A service account that is refused is not tried often: it might be locked for that. */
static void on_opened(struct dir_opening *o)
{
    enum { AS_IF = 5 };
    struct wish *w = o->owner;
    struct dir_server *s = w->server;
    struct directory *d = s->directory;
    struct directories *ds = d->set;

    s->counts[w->pool]--;
    s->opening--;
    ds->openings--;
    if (d->is_closed || s->is_gone) {
        /* nobody wants it any more */
    } else if (o->ld) {
        take(s, w->pool, o);
    } else {
        s->lost++;
        if (o->is_refused && s->failures < AS_IF)
            s->failures = AS_IF;
        buf_add_char(&o->why, '\0');
        if (list_is_empty(&s->conns[w->pool]))
            dir_pool_down(s, o->why.p);
        else
            doubt(s, o->why.p);
    }
    mem_free(w);
    if (!ds->is_closed)
        run_all(ds);
    dir_server_unref(s);
}

/* One at a time to a server, so that one that hangs holds one thread. */
static bool open_conn(struct dir_server *s, enum dir_pool pool)
{
    struct directory *d = s->directory;
    struct wish *w;

    if (s->opening > 0 || now(d) < s->hold_until_ms ||
        d->set->openings >= DIR_OPENINGS_AT_ONCE)
        return false;
    w = mem_new(struct wish);
    *w = (struct wish){ s, pool };
    s->opening++;
    s->counts[pool]++;
    d->set->openings++;
    dir_server_ref(s);
    dir_opening_start(d->set->loop, &d->options, s->uri, s->tls_name, on_opened, w);
    return true;
}

static void on_retry(struct timer *t)
{
    struct dir_server *s = CONTAINER_OF(t, struct dir_server, retry);

    if (s->opening == 0 && !open_conn(s, DIR_SEARCH))
        timer_set(s->directory->set->timers, t, RETRY_MS);
}

/* --- giving ------------------------------------------------------------------------------------ */

static struct dir_conn *find_idle(struct dir_server *s, enum dir_pool pool)
{
    LIST_FOR_EACH(at, &s->conns[pool]) {
        struct dir_conn *c = CONTAINER_OF(at, struct dir_conn, at);

        if (!c->is_busy && !c->is_closing)
            return c;
    }
    return NULL;
}

static int64_t limit_of(const struct directory *d, enum dir_pool pool)
{
    enum { BULK_CONNECTIONS = 1, NEWS_CONNECTIONS = 2 };

    return pool == DIR_BIND     ? d->options.bind_connections
           : pool == DIR_SEARCH ? d->options.search_connections
           : pool == DIR_NEWS   ? NEWS_CONNECTIONS
                                : BULK_CONNECTIONS;
}

/* In the order of asking; but when that has become too slow for a login, who has just come is served
 * first: those behind would all get their turn too late, and nobody would be let in. */
static struct dir_job *next_of(const struct directory *d, enum dir_pool pool)
{
    struct dir_job *first = CONTAINER_OF(list_first(&d->waiting[pool]), struct dir_job, waits_at);

    if (now(d) - first->began_ms <= (uint64_t)d->options.answer_ms / 2)
        return first;
    return CONTAINER_OF(d->waiting[pool].prev, struct dir_job, waits_at);
}

static void run_pool(struct directory *d, enum dir_pool pool)
{
    while (!list_is_empty(&d->waiting[pool])) {
        struct dir_server *s = dir_pool_chosen(d);
        struct dir_conn *c = s ? find_idle(s, pool) : NULL;
        struct dir_job *j;

        if (!s) {
            if (dir_servers_are_hopeless(d))
                dir_jobs_fail_waiting(d, DIRECTORY_UNAVAILABLE);
            return;
        }
        if (!c) {
            if (s->counts[pool] < (uint64_t)limit_of(d, pool))
                open_conn(s, pool);
            return;
        }
        j = next_of(d, pool);
        list_remove(&j->waits_at);
        c->used_ms = now(d);
        dir_job_run(j, c);
    }
}

/* Connections of drained servers that have nothing to do; and these servers, behind the last. */
static void reap(struct directory *d)
{
    LIST_FOR_EACH_SAFE(at, following, &d->drained) {
        struct dir_server *s = CONTAINER_OF(at, struct dir_server, drained_at);
        bool has_work = s->opening > 0;

        for (int pool = 0; pool < DIR_POOLS; pool++)
            LIST_FOR_EACH_SAFE(c_at, c_following, &s->conns[pool]) {
                struct dir_conn *c = CONTAINER_OF(c_at, struct dir_conn, at);

                if (c->is_busy)
                    has_work = true;
                else
                    close_conn(c, false);
            }
        if (has_work)
            continue;
        list_remove(&s->drained_at);
        dir_server_unref(s);
    }
}

void dir_pool_run(struct directory *d)
{
    if (d->is_closed)
        return;
    reap(d);
    for (size_t i = 0; i < d->server_count; i++)
        if (d->servers[i]->state != DIR_DOWN && d->servers[i]->counts[DIR_SEARCH] == 0)
            open_conn(d->servers[i], DIR_SEARCH);
    for (int pool = 0; pool < DIR_POOLS; pool++)
        run_pool(d, (enum dir_pool)pool);
}

/* --- the course of time ------------------------------------------------------------------------ */

/* Back to a better server, when it has been up long enough. */
static void fail_back(struct directory *d)
{
    for (size_t i = 0; i < d->server_count && d->servers[i] != d->chosen; i++)
        if (d->servers[i]->state == DIR_UP &&
            now(d) - d->servers[i]->since_ms >= (uint64_t)d->options.failback_ms) {
            d->chosen = d->servers[i];
            return;
        }
}

static void on_tick(struct timer *t)
{
    struct directory *d = CONTAINER_OF(t, struct directory, tick);

    dir_servers_tick(d);
    for (size_t i = 0; i < d->server_count; i++)
        probe(d->servers[i], d->options.probe_ms);
    fail_back(d);
    dir_pool_run(d);
    timer_set(d->set->timers, t, TICK_MS);
}

void dir_pool_add(struct dir_server *s)
{
    timer_init(&s->retry, on_retry);
}

void dir_pool_remove(struct dir_server *s)
{
    timer_stop(&s->retry);
    close_all(s);
}

void dir_pool_drain(struct dir_server *s)
{
    timer_stop(&s->retry);
    s->is_gone = true;
}

void dir_pool_open(struct directory *d)
{
    timer_init(&d->tick, on_tick);
    timer_set(d->set->timers, &d->tick, TICK_MS);
    dir_servers_open(d);
    dir_pool_run(d);
}

void dir_pool_close(struct directory *d)
{
    timer_stop(&d->tick);
    dir_servers_close(d);
}
