/* What the load generator does. Pairs are users 2i and 2i+1; the first writes to the second. */
#include "tests/bench/load.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- login: each user connects, authenticates, binds, leaves, and does so again --------------- */

static uint64_t logins, login_ns, run_started_ns;
static bool is_running;

static void login_next(struct user *u)
{
    struct load *l = u->load;

    if (is_running && l->started < l->users)
        user_start(u, l, l->first + l->started++);
    else if (--l->in_flight == 0) {
        double seconds = (double)(load_now_ns() - run_started_ns) / 1e9;

        load_say("done {\"logins\": %lu, \"failures\": %lu, \"seconds\": %.3f, \"mean_ms\": %.3f}",
                 (unsigned long)logins, (unsigned long)l->failures, seconds,
                 logins ? (double)login_ns / 1e6 / (double)logins : 0);
        load_await_go(l, load_quit);
    }
}

static void on_logged_in(struct user *u)
{
    logins++;
    login_ns += load_now_ns() - u->started_ns;
    user_stop(u);
    login_next(u);
}

static void on_login_failed(struct user *u, const char *why)
{
    load_say("failed %d %s", u->number, why);
    login_next(u);
}

static void login_go(struct load *l)
{
    int first = l->in_flight;

    is_running = true;
    run_started_ns = load_now_ns();
    l->started = first;
    for (int i = 0; i < first; i++)
        user_start(&l->all[i], l, l->first + i);
}

void scenario_login(struct load *l)
{
    l->events = (struct user_events){ .on_ready = on_logged_in, .on_failed = on_login_failed };
    l->sends_presence = l->gets_roster = false;
    if (l->in_flight > l->users)
        l->in_flight = l->users;
    load_say("ready");
    load_await_go(l, login_go);
}

/* --- messages and rate ------------------------------------------------------------------------ */

static struct {
    uint64_t sent, received;
    uint64_t *latencies; /* ns; of scenario_rate */
    size_t latency_count, latency_cap;
    char *body;
    uv_timer_t timer, tick;
    int drain_checks; /* left */
    uint64_t due;     /* messages that should have been sent by now */
    int next_pair;
} run;

static void make_body(struct load *l)
{
    run.body = mem_alloc((size_t)l->body_bytes + 1);
    memset(run.body, 'x', (size_t)l->body_bytes);
}

static void send_one(struct user *from)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "<message to='%s%d@%s' type='chat' id='%lx'><body>%.*s</body></message>",
                     from->load->prefix, from->partner->number, from->load->domain,
                     (unsigned long)load_now_ns(), from->load->body_bytes, run.body);

    user_send(from, str_of(text, (size_t)n));
    run.sent++;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_ms(double p)
{
    if (run.latency_count == 0)
        return 0;
    return (double)run.latencies[(size_t)(p * (double)(run.latency_count - 1))] / 1e6;
}

static void report(struct load *l)
{
    double seconds = (double)(load_now_ns() - run_started_ns) / 1e9;

    qsort(run.latencies, run.latency_count, sizeof *run.latencies, by_value);
    load_say("done {\"sent\": %lu, \"received\": %lu, \"failures\": %lu, \"seconds\": %.3f, "
             "\"p50_ms\": %.3f, \"p99_ms\": %.3f}",
             (unsigned long)run.sent, (unsigned long)run.received, (unsigned long)l->failures,
             seconds, percentile_ms(0.5), percentile_ms(0.99));
    load_await_go(l, load_quit);
}

static void on_drain(uv_timer_t *t)
{
    if (run.received < run.sent && --run.drain_checks > 0)
        return;
    uv_timer_stop(t);
    ((struct load *)t->data)->failures += run.sent - run.received;
    report(t->data);
}

/* Nothing is sent any more; what is under way is waited for, at most 20 s, so that it is counted
 * like the work it makes. */
static void on_run_over(uv_timer_t *t)
{
    is_running = false;
    uv_timer_stop(&run.tick);
    run.drain_checks = 2000;
    uv_timer_start(t, on_drain, 0, 10);
}

static void on_windowed(struct user *u, struct str stanza)
{
    (void)stanza;
    run.received++;
    if (is_running)
        send_one(u->partner);
}

static void begin_run(struct load *l)
{
    is_running = true;
    run_started_ns = load_now_ns();
    uv_timer_init(l->loop, &run.timer);
    uv_timer_init(l->loop, &run.tick);
    run.timer.data = run.tick.data = l;
    uv_timer_start(&run.timer, on_run_over, (uint64_t)l->seconds * 1000, 0);
}

static void messages_go(struct load *l)
{
    begin_run(l);
    for (int i = 0; i + 1 < l->users; i += 2)
        for (int k = 0; k < l->window; k++)
            send_one(&l->all[i]);
}

static void paired_ready(struct load *l)
{
    for (int i = 0; i + 1 < l->users; i += 2) {
        l->all[i].partner = &l->all[i + 1];
        l->all[i + 1].partner = &l->all[i];
    }
    load_say("ready");
}

static void messages_ready(struct load *l)
{
    paired_ready(l);
    load_await_go(l, messages_go);
}

void scenario_messages(struct load *l)
{
    make_body(l);
    l->events = (struct user_events){ .on_message = on_windowed };
    load_login_all(l, messages_ready);
}

static void on_timed(struct user *u, struct str stanza)
{
    struct str id = user_attribute(stanza, "id");
    uint64_t sent_ns = str_is_set(id) ? strtoull(id.p, NULL, 16) : 0;

    (void)u;
    run.received++;
    if (!sent_ns || run.latency_count == run.latency_cap)
        return;
    run.latencies[run.latency_count++] = load_now_ns() - sent_ns;
}

/* Each tick sends what is due, spread over the pairs; ticks are 1 ms, so a tick at 2,000/s sends
 * two. */
static void on_tick(uv_timer_t *t)
{
    struct load *l = t->data;
    uint64_t elapsed_ns = load_now_ns() - run_started_ns;

    run.due = elapsed_ns / 1000 * (uint64_t)l->rate / 1000000;
    while (run.sent < run.due) {
        send_one(&l->all[run.next_pair * 2]);
        run.next_pair = (run.next_pair + 1) % (l->users / 2);
    }
}

static void rate_go(struct load *l)
{
    run.latency_cap = (size_t)l->rate * (size_t)l->seconds + 1000;
    run.latencies = mem_alloc(run.latency_cap * sizeof *run.latencies);
    begin_run(l);
    uv_timer_start(&run.tick, on_tick, 1, 1);
}

static void rate_ready(struct load *l)
{
    paired_ready(l);
    load_await_go(l, rate_go);
}

void scenario_rate(struct load *l)
{
    make_body(l);
    l->events = (struct user_events){ .on_message = on_timed };
    load_login_all(l, rate_ready);
}

/* --- idle ------------------------------------------------------------------------------------- */

static void idle_over(struct load *l)
{
    load_say("done {\"failures\": %lu}", (unsigned long)l->failures);
    load_await_go(l, load_quit);
}

static void idle_ready(struct load *l)
{
    load_say("ready");
    load_await_go(l, idle_over);
}

void scenario_idle(struct load *l)
{
    l->events = (struct user_events){ 0 };
    load_login_all(l, idle_ready);
}
