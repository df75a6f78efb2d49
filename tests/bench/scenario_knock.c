/* knock: logins begin at a given rate, whether or not those before are done; each ends with its
 * answer. A login that is refused is counted, not a failure. */
#include "tests/bench/load.h"

static struct {
    int64_t begun, passed, logins, refused, under_way, most;
    uint64_t begun_ns, answer_ns;
    uv_timer_t tick;
    bool is_over;
} knocks;

static void say_when_done(struct load *l)
{
    int64_t answered = knocks.logins + knocks.refused;

    if (!knocks.is_over || knocks.under_way > 0)
        return;
    load_say("done {\"begun\": %ld, \"logins\": %ld, \"refused\": %ld, \"most_at_once\": %ld, "
             "\"failures\": %ld, \"seconds\": %.3f, \"mean_ms\": %.3f}",
             (long)knocks.begun, (long)knocks.logins, (long)knocks.refused, (long)knocks.most,
             (long)knocks.passed,
             (double)(load_now_ns() - knocks.begun_ns) / 1e9,
             answered ? (double)knocks.answer_ns / 1e6 / (double)answered : 0);
    load_await_go(l, load_quit);
}

static void answered(struct user *u)
{
    knocks.answer_ns += load_now_ns() - u->started_ns;
    knocks.under_way--;
    say_when_done(u->load);
}

static void on_in(struct user *u)
{
    knocks.logins++;
    user_stop(u);
    answered(u);
}

static void on_refused(struct user *u, const char *why)
{
    (void)why;
    knocks.refused++;
    answered(u);
}

/* Who is still waiting is passed over, which is a failure: more users are needed. */
static void on_tick(uv_timer_t *t)
{
    struct load *l = t->data;
    uint64_t elapsed_us = (load_now_ns() - knocks.begun_ns) / 1000;
    int64_t due = (int64_t)(elapsed_us * (uint64_t)l->rate / 1000000);

    if (elapsed_us > (uint64_t)l->seconds * 1000000) {
        uv_timer_stop(t);
        knocks.is_over = true;
        say_when_done(l);
        return;
    }
    for (; knocks.begun < due; knocks.begun++) {
        int i = (int)(knocks.begun % l->users);
        struct user *u = &l->all[i];

        if (u->phase != USER_CLOSED && u->load) {
            knocks.passed++;
            continue;
        }
        knocks.under_way++;
        knocks.most = knocks.under_way > knocks.most ? knocks.under_way : knocks.most;
        user_start(u, l, l->first + i);
    }
}

static void go(struct load *l)
{
    knocks.begun_ns = load_now_ns();
    uv_timer_init(l->loop, &knocks.tick);
    knocks.tick.data = l;
    uv_timer_start(&knocks.tick, on_tick, 1, 1);
}

void scenario_knock(struct load *l)
{
    l->events = (struct user_events){ .on_ready = on_in, .on_failed = on_refused };
    l->sends_presence = l->gets_roster = false;
    load_say("ready");
    load_await_go(l, go);
}
