/* The glue of guessing.h. */
#include "sm/guessing.h"

#include "common/audit.h"
#include "common/log.h"
#include "sm/auth/auth.h"
#include "sm/auth/guesses.h"
#include "sm/metrics.h"
#include "sm/session.h"

/* Whose budget: a person at a known address does not share that of strangers. */
static const char *whose(const struct guesses_state *s)
{
    return s->is_known ? "known" : "strangers";
}

static void on_used_up(void *owner, const struct guesses_state *s, const struct guesses_who *who)
{
    (void)owner;
    audit_warning("guesses-used-up", kv_text("budget", guesses_kind_name(s->kind)), kv_text("whose", whose(s)), kv_str("what", s->what),
                  kv_u64("limit", s->limit), kv_str("claimed", who->account), kv_str("address", who->address), kv_str("c2s", who->c2s));
}

const struct guesses_options guessing_options = { .used_up = on_used_up };

static void on_collect(void *owner, struct buf *out)
{
    const struct guesses *g = auth_guesses(owner);
    const struct guesses_counters *c = guesses_counters(g);

    (void)out;
    metric_set(&sm_metric_guesses, c->wrong);
    metric_set(&sm_metric_guesses_refused, c->refused);
    metric_set(&sm_metric_guesses_used_up, c->used_up);
    metric_set(&sm_metric_guesses_counted, guesses_buckets(g));
}

/* A restart forgets who is known; who has a session through it is known from that. */
static void know_sessions(struct sm *sm)
{
    struct session *s;

    for (size_t at = 0; (s = table_next(&sm->sessions, &at));) {
        struct guesses_who who = { .account = s->jid.bare,
                                   .address = str_from(s->addr ? s->addr : ""),
                                   .c2s = frame_address_name(str_from(s->address ? s->address : "")) };

        guesses_know(auth_guesses(sm->auth), &who, sm_now_ms(sm));
    }
}

void guessing_start(struct sm *sm)
{
    guessing_apply(sm);
    know_sessions(sm);
    metric_on_collect(on_collect, sm->auth);
}

void guessing_apply(struct sm *sm)
{
    const struct sm_conf *c = sm->conf;
    struct guesses_limits limits = { .account = (uint32_t)c->guesses_account,
                                     .known = (uint32_t)c->guesses_known,
                                     .address = (uint32_t)c->guesses_address,
                                     .c2s = (uint32_t)c->guesses_c2s,
                                     .period_ms = (uint64_t)c->guesses_period_ms,
                                     .known_ms = (uint64_t)c->guesses_remember_ms };

    guesses_set_limits(auth_guesses(sm->auth), &limits);
}

void guessing_stop(struct sm *sm)
{
    if (sm->auth)
        metric_forget(sm->auth);
}

/* --- sallyportctl guesses ---------------------------------------------------------------------------------------- */

static void add_row(void *owner, const struct guesses_state *s)
{
    struct arena arena = { 0 };
    struct str cells[] = { str_from(guesses_kind_name(s->kind)),
                           str_from(whose(s)),
                           s->what,
                           str_is_set(s->c2s) ? s->c2s : STR("-"),
                           arena_printf(&arena, "%u", s->used),
                           arena_printf(&arena, "%u", s->limit),
                           s->limit > 0 && s->used >= s->limit ? STR("yes") : STR("no"),
                           arena_printf(&arena, "%llu", (unsigned long long)((s->wait_ms + 999) / 1000)) };

    ctl_row(owner, cells);
    arena_fini(&arena);
}

static void forgive(struct sm *sm, struct ctl_request *r, struct str what)
{
    size_t count = guesses_forgive(auth_guesses(sm->auth), what, sm_now_ms(sm));

    if (count == 0) {
        ctl_say(r, "no wrong guesses are counted of %.*s", STR_ARG(what));
        ctl_finish(r, CTL_NO_SUCH);
        return;
    }
    audit("guesses-forgiven", kv_str("what", what), kv_u64("budgets", count), kv_text("by", "administrator"));
    ctl_say(r, "%.*s: %zu budget(s) are whole again", STR_ARG(what), count);
    ctl_finish(r, CTL_OK);
}

void guessing_run(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "budget", "whose", "what", "c2s", "wrong", "limit", "used_up", "seconds", NULL };
    struct sm *sm = app;

    if (ctl_arg_count(r) == 0) {
        ctl_columns(r, columns);
        guesses_each(auth_guesses(sm->auth), sm_now_ms(sm), add_row, r);
        ctl_finish(r, CTL_OK);
    } else if (ctl_arg_count(r) == 2 && str_is(ctl_arg(r, 0), "forgive")) {
        forgive(sm, r, ctl_arg(r, 1));
    } else {
        ctl_say(r, "expected guesses, or guesses forgive ACCOUNT, ADDRESS or C2S");
        ctl_finish(r, CTL_USAGE);
    }
}
