/* What may happen in the world of channel_world.h, and what must be true after it. */
#ifndef TESTS_CHANNEL_EVENTS_H
#define TESTS_CHANNEL_EVENTS_H

#include "tests/unit/channel_ends.h"

/* --- events ------------------------------------------------------------------------------------------------------- */

enum event_kind {
    EV_UP, EV_DOWN, EV_OLD_UP, EV_OLD_DOWN, /* a queue's first arrives; old: from the delayed path */
    EV_WRITE,         /* a client's socket takes a frame */
    EV_PUSH,          /* a client sends */
    EV_NOTE,          /* the owner sends something of its own */
    EV_FINISH, EV_DELETE, EV_STORE, EV_SAVE,
    EV_REPAIR,        /* another link is chosen */
    EV_LOSE, EV_DELAY,
    EV_REPLACE,       /* kill -9 and a new owner */
    EV_OVERTAKE,      /* a new owner while the old one sleeps, to wake up late */
    EV_GATE_DIES, EV_LEARN,
};
struct event {
    enum event_kind kind;
    int p, s;
};

static const char *const event_names[] = {
    [EV_UP] = "up", [EV_DOWN] = "down", [EV_OLD_UP] = "late up", [EV_OLD_DOWN] = "late down", [EV_WRITE] = "write",
    [EV_PUSH] = "push", [EV_NOTE] = "note", [EV_FINISH] = "finish", [EV_DELETE] = "delete rows", [EV_STORE] = "store",
    [EV_SAVE] = "save counter", [EV_REPAIR] = "repair", [EV_LOSE] = "lose", [EV_DELAY] = "delay",
    [EV_REPLACE] = "replace owner", [EV_OVERTAKE] = "overtake owner", [EV_GATE_DIES] = "gate dies", [EV_LEARN] = "learn",
};

static void repair(int p, int s)
{
    queue_clear(&w.up[0][p][s]);
    queue_clear(&w.down[0][p][s]);
    w.is_broken[p][s] = false;
    if (!w.is_gate_gone[s] && w.gates[s].epoch == (uint64_t)p + 1)
        gate_repeat(s);
    if (w.procs[p].is_alive && !w.procs[p].is_ended[s])
        owner_repeat(p, s);
}

static void delay(int p, int s)
{
    w.up[1][p][s] = w.up[0][p][s];
    w.down[1][p][s] = w.down[0][p][s];
    w.up[0][p][s].count = w.down[0][p][s].count = 0;
    repair(p, s);
}

static void push(int s)
{
    struct bytes *payload = payload_of(s, (uint64_t)++w.pushed[s]);

    gate_send(s, channel_gate_push(&w.gates[s], payload), payload);
    bytes_unref(payload);
}

static void note(int p, int s)
{
    struct bytes *payload = payload_of(NOTE_SENDER, 0);

    session_send(p, s, NULL, payload, NULL);
    bytes_unref(payload);
}

static void gate_dies(int s)
{
    channel_gate_fini(&w.gates[s]);
    w.is_gate_gone[s] = true;
}

static void finish(int p, int s)
{
    if (channel_owner_finish(&w.procs[p].o[s]))
        owner_send(p, s, 0, NULL, NULL);
    owner_flush(p, s);
}

static void write_one(int s)
{
    channel_gate_written(&w.gates[s], w.gates[s].down_written + 1);
    gate_send(s, 0, NULL);
}

static void hear(struct queue *q, int p, int s, bool is_up)
{
    struct msg m = queue_take(q);

    if (is_up)
        owner_hear(p, s, &m);
    else
        gate_hear(p, s, &m);
    msg_fini(&m);
}

static void run_event(const struct event *e)
{
    int p = e->p, s = e->s;

    switch (e->kind) {
    case EV_UP: hear(&w.up[0][p][s], p, s, true); break;
    case EV_DOWN: hear(&w.down[0][p][s], p, s, false); break;
    case EV_OLD_UP: hear(&w.up[1][p][s], p, s, true); break;
    case EV_OLD_DOWN: hear(&w.down[1][p][s], p, s, false); break;
    case EV_WRITE: write_one(s); break;
    case EV_PUSH: push(s); break;
    case EV_NOTE: w.spec.notes--; note(p, s); break;
    case EV_FINISH: finish(p, s); break;
    case EV_DELETE: delete_rows(p); break;
    case EV_STORE: w.spec.stores--; store_session(p, s); break;
    case EV_SAVE: w.spec.saves--; save_counter(p, s); break;
    case EV_REPAIR: repair(p, s); break;
    case EV_LOSE: w.spec.losses--; w.is_broken[p][s] = true; break;
    case EV_DELAY: w.spec.delays--; delay(p, s); break;
    case EV_REPLACE: w.spec.starts--; proc_kill(w.started - 1); proc_start(); break;
    case EV_OVERTAKE: w.spec.starts--; proc_start(); break;
    case EV_GATE_DIES: w.spec.gate_deaths--; gate_dies(s); break;
    case EV_LEARN: end_session(p, s); break;
    }
}

/* --- after each event --------------------------------------------------------------------------------------------- */

static void send_acks(void)
{
    for (int p = 0; p < w.started; p++)
        for (int s = 0; s < w.spec.sessions; s++) {
            struct proc *proc = &w.procs[p];

            if (proc->is_alive && !proc->is_ended[s] && proc->is_ack_due[s])
                owner_send(p, s, 0, NULL, NULL);
            proc->is_ack_due[s] = false;
        }
}

static void check_acknowledged(void)
{
    for (int s = 0; s < w.spec.senders; s++)
        for (uint64_t n = 1; n <= w.gates[s].up_taken; n++)
            for (int r = 0; r < w.spec.sessions; r++) {
                struct frame_id id = id_of(s, n, (uint32_t)r);

                if (recipients_of(s, n) >> r & 1)
                    MUST(w.got[r][s][n] == 1 || rows_find(&w.rows[r], &id) >= 0, "nothing acknowledged is lost");
            }
}

static bool is_traced;

static void trace(const struct event *e)
{
    const struct queue *q = e->kind == EV_UP       ? &w.up[0][e->p][e->s]
                            : e->kind == EV_DOWN     ? &w.down[0][e->p][e->s]
                            : e->kind == EV_OLD_UP   ? &w.up[1][e->p][e->s]
                            : e->kind == EV_OLD_DOWN ? &w.down[1][e->p][e->s]
                                                     : NULL;

    printf("  %-14s process %d session %d", event_names[e->kind], e->p + 1, e->s);
    if (q)
        printf("  kind=%d e=%d n=%d h=%d f=%d id=%d.%d.%d copies=%d", q->at[0].kind, (int)q->at[0].e, (int)q->at[0].n,
               (int)q->at[0].h, (int)q->at[0].f, q->at[0].id.session[0] - 1, (int)q->at[0].id.count, (int)q->at[0].id.part,
               (int)q->at[0].synced.copy_count);
    printf("\n");
}

static void step(const struct event *e)
{
    if (is_traced)
        trace(e);
    run_event(e);
    send_acks();
    check_acknowledged();
}

/* --- what may happen now ------------------------------------------------------------------------------------------ */

struct choices {
    struct event at[512];
    int count;
};

static void may(struct choices *c, bool is_possible, enum event_kind kind, int p, int s)
{
    if (is_possible)
        c->at[c->count++] = (struct event){ kind, p, s };
}

static bool is_push_possible(int s)
{
    return s < w.spec.senders && !w.is_gate_gone[s] && w.pushed[s] < w.spec.frames &&
           channel_gate_is_open(&w.gates[s], &w.spec.window);
}

static bool is_finish_useful(struct channel_owner *o)
{
    struct channel_down *d = list_is_empty(&o->downs) ? NULL : CONTAINER_OF(o->downs.next, struct channel_down, at);

    if (!d || !o->is_synced)
        return o->is_synced && o->down_final != o->down_last;
    return d->is_written && d->pins == 0 && (!d->origin || d->origin->is_final) && (!d->is_known || is_settled(o, &d->id));
}

static void choices_of_link(struct choices *c, int p, int s)
{
    struct proc *proc = &w.procs[p];
    bool is_on = proc->is_alive && !proc->is_ended[s];
    int busy = w.up[0][p][s].count + w.down[0][p][s].count, old = w.up[1][p][s].count + w.down[1][p][s].count;

    may(c, w.up[0][p][s].count > 0 && !w.is_broken[p][s], EV_UP, p, s);
    may(c, w.down[0][p][s].count > 0 && !w.is_broken[p][s], EV_DOWN, p, s);
    may(c, w.up[1][p][s].count > 0, EV_OLD_UP, p, s);
    may(c, w.down[1][p][s].count > 0, EV_OLD_DOWN, p, s);
    may(c, w.is_broken[p][s], EV_REPAIR, p, s);
    may(c, is_on && is_finish_useful(&proc->o[s]), EV_FINISH, p, s);
    may(c, is_on && w.is_gate_gone[s] && channel_owner_is_idle(&proc->o[s]), EV_LEARN, p, s);
    may(c, is_on && proc->o[s].is_synced && w.spec.notes > 0, EV_NOTE, p, s);
    may(c, is_on && w.spec.stores > 0, EV_STORE, p, s);
    may(c, is_on && w.spec.saves > 0 && proc->o[s].up_taken > w.counter[s], EV_SAVE, p, s);
    may(c, w.spec.losses > 0 && busy > 0 && !w.is_broken[p][s], EV_LOSE, p, s);
    may(c, w.spec.delays > 0 && busy > 0 && old == 0 && !w.is_broken[p][s], EV_DELAY, p, s);
}

static void choices_find(struct choices *c)
{
    c->count = 0;
    for (int p = 0; p < w.started; p++) {
        for (int s = 0; s < w.spec.sessions; s++)
            choices_of_link(c, p, s);
        may(c, w.procs[p].is_alive && w.procs[p].deletion_count > 0, EV_DELETE, p, 0);
    }
    for (int s = 0; s < w.spec.sessions; s++) {
        may(c, is_push_possible(s), EV_PUSH, 0, s);
        may(c, !w.is_gate_gone[s] && w.gates[s].down_written < w.gates[s].down_last, EV_WRITE, 0, s);
        may(c, !w.spec.is_mixed && s < w.spec.senders && w.spec.gate_deaths > 0 && !w.is_gate_gone[s], EV_GATE_DIES, 0, s);
    }
    may(c, w.spec.starts > 0 && w.started < PROCS, EV_REPLACE, 0, 0);
    may(c, w.spec.starts > 0 && w.started < PROCS, EV_OVERTAKE, 0, 0);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void world_open(const struct world_spec *spec)
{
    memset(&w, 0, sizeof w);
    w.spec = *spec;
    for (int s = 0; s < spec->sessions; s++) {
        channel_gate_init(&w.gates[s], 1);
        w.exists[s] = true;
    }
    proc_start();
}

/* No more misfortune: what is under way arrives, old owners end. */
static void world_settle(void)
{
    struct choices c;
    int steps = 0;

    w.spec.starts = w.spec.losses = w.spec.delays = w.spec.stores = w.spec.saves = w.spec.notes = w.spec.gate_deaths = 0;
    for (int p = 0; p < w.started - 1; p++)
        proc_kill(p);
    for (choices_find(&c); c.count > 0 && !w.wrong; choices_find(&c)) {
        step(&c.at[0]);
        MUST(++steps < 100000, "it comes to rest");
    }
}

static void check_owner_at_rest(const struct channel_owner *o, const struct channel_gate *g)
{
    MUST(o->is_synced, "a new owner is synced in the end");
    MUST(list_is_empty(&o->ups), "every up frame becomes final");
    MUST(list_is_empty(&o->downs), "every down frame becomes final");
    MUST(o->known_count == 0 && o->flight_frames == 0 && o->flight_bytes == 0, "an owner's counts go back to nothing");
    MUST(o->up_taken == g->up_last && g->up_taken == g->up_last, "everything sent is taken over");
    MUST(g->copy_count == 0, "a gate remembers nothing in the end");
    MUST(list_is_empty(&g->kept) && g->kept_bytes == 0, "a gate keeps nothing in the end");
}

static void check_at_rest(void)
{
    for (int s = 0; s < w.spec.sessions; s++) {
        MUST(w.rows[s].count == 0, "the store keeps nothing in the end");
        if (!w.is_gate_gone[s])
            check_owner_at_rest(&w.procs[w.started - 1].o[s], &w.gates[s]);
        for (int n = 1; n <= w.pushed[s] && !w.is_gate_gone[s]; n++)
            for (int r = 0; r < w.spec.sessions; r++)
                if (recipients_of(s, (uint64_t)n) >> r & 1)
                    MUST(w.got[r][s][n] == 1, "everything arrives");
    }
}

static void world_close(void)
{
    for (int p = 0; p < w.started; p++) {
        proc_kill(p);
        for (int s = 0; s < w.spec.sessions; s++)
            for (int path = 0; path < PATHS; path++) {
                queue_clear(&w.up[path][p][s]);
                queue_clear(&w.down[path][p][s]);
            }
    }
    for (int s = 0; s < w.spec.sessions; s++) {
        channel_gate_fini(&w.gates[s]);
        while (w.rows[s].count > 0)
            rows_remove(&w.rows[s], 0);
    }
}

#endif
