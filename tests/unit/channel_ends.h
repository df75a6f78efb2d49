/* How the gates and the owners of channel_world.h behave: the least that c2s and sm have to do around proto/channel.h. */
#ifndef TESTS_CHANNEL_ENDS_H
#define TESTS_CHANNEL_ENDS_H

#include "tests/unit/channel_world.h"

/* --- the owner ---------------------------------------------------------------------------------------------------- */

static struct proc *proc_of(struct channel_owner *o, int *out_session)
{
    for (int p = 0; p < w.started; p++)
        for (int s = 0; s < w.spec.sessions; s++)
            if (&w.procs[p].o[s] == o) {
                *out_session = s;
                return &w.procs[p];
            }
    abort();
}

static void on_taken(struct channel_owner *o)
{
    int s;

    proc_of(o, &s)->is_ack_due[s] = true;
}

static void on_written(struct channel_owner *o, struct channel_down *d)
{
    int s;
    struct proc *p = proc_of(o, &s);

    if (d->pins > 0)
        p->deletions[p->deletion_count++] = (struct deletion){ s, d };
}

static bool is_settled(struct channel_owner *o, const struct frame_id *id)
{
    int s, sender = id->session[0] - 1;
    struct proc *p = proc_of(o, &s);

    if (rows_find(&w.rows[s], id) >= 0)
        return false;
    return p->is_ended[sender] || channel_owner_has_final(&p->o[sender], id->count);
}

static void owner_send(int p, int s, uint64_t n, const struct frame_id *id, struct bytes *payload)
{
    struct channel_owner *o = &w.procs[p].o[s];
    struct msg m = { .kind = MSG_FRAME, .e = o->epoch, .n = n, .h = o->up_taken, .f = o->down_final };

    if (id)
        m.id = *id;
    if (payload)
        m.payload = bytes_ref(payload);
    queue_put(&w.down[0][p][s], p, s, m);
}

static void owner_ask(int p, int s)
{
    queue_put(&w.down[0][p][s], p, s, (struct msg){ .kind = MSG_SYNC, .e = w.procs[p].o[s].epoch });
}

static void owner_repeat(int p, int s)
{
    struct channel_owner *o = &w.procs[p].o[s];

    if (!o->is_synced) {
        owner_ask(p, s);
        return;
    }
    owner_send(p, s, 0, NULL, NULL);
    LIST_FOR_EACH (item, &o->downs) {
        struct channel_down *d = CONTAINER_OF(item, struct channel_down, at);

        if (!d->is_written && d->payload)
            owner_send(p, s, d->n, &d->id, d->payload);
    }
}

static void delete_row_later(struct proc *p, int s, struct channel_down *d)
{
    channel_down_pin(d);
    if (d->is_written)
        p->deletions[p->deletion_count++] = (struct deletion){ s, d };
}

static void owner_flush(int at, int s)
{
    struct proc *p = &w.procs[at];
    struct channel_owner *o = &p->o[s];

    while (p->pending_count[s] > 0 && channel_owner_is_open(o, &w.spec.window)) {
        struct pending x = p->pending[s][0];
        struct channel_down *d;

        memmove(p->pending[s], p->pending[s] + 1, (size_t)--p->pending_count[s] * sizeof x);
        d = channel_owner_push(o, &x.id, x.payload, x.up);
        if (d)
            owner_send(at, s, d->n, &d->id, x.payload);
        if (x.is_row)
            delete_row_later(p, s, d ? d : channel_owner_known(o, &x.id));
        channel_up_release(x.up);
        bytes_unref(x.payload);
    }
}

/* The store refuses an id twice: what is a row already is stored, and goes out as that row. */
static void session_send(int at, int s, const struct frame_id *id, struct bytes *payload, struct channel_up *up)
{
    struct proc *p = &w.procs[at];

    if (p->is_ended[s])
        return;
    for (int i = 0; i < p->pending_count[s]; i++)
        if (p->pending[s][i].is_row && id && frame_id_eq(&p->pending[s][i].id, id))
            return;
    if (p->pending_count[s] == PENDING)
        abort();
    p->pending[s][p->pending_count[s]++] = (struct pending){
        .id = id ? *id : (struct frame_id){ .count = 0 }, .payload = bytes_ref(payload), .up = channel_up_hold(up)
    };
    owner_flush(at, s);
}

static void handle_up(int at, int s, struct bytes *payload, struct channel_up *up)
{
    unsigned to = recipients_of(s, up->n);

    for (int r = 0; r < w.spec.sessions; r++) {
        struct frame_id id = id_of(s, up->n, (uint32_t)r);

        if (to >> r & 1)
            session_send(at, r, &id, payload, up);
    }
    channel_up_release(up);
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static void proc_kill(int at)
{
    struct proc *p = &w.procs[at];

    if (!p->is_alive)
        return;
    for (int s = 0; s < w.spec.sessions; s++) {
        for (int i = 0; i < p->pending_count[s]; i++) {
            channel_up_release(p->pending[s][i].up);
            bytes_unref(p->pending[s][i].payload);
        }
        p->pending_count[s] = 0;
        for (int path = 0; path < PATHS; path++)
            queue_clear(&w.up[path][at][s]);
    }
    for (int s = 0; s < w.spec.sessions; s++)
        channel_owner_fini(&p->o[s]);
    p->is_alive = false;
}

/* What every transaction begins with. A process that finds another in its place ends. */
static bool commit_begin(int at)
{
    if (at == w.started - 1)
        return true;
    proc_kill(at);
    return false;
}

static void proc_start(void)
{
    int at = w.started++;
    struct proc *p = &w.procs[at];

    p->is_alive = true;
    for (int s = 0; s < w.spec.sessions; s++) {
        channel_owner_init(&p->o[s], (uint64_t)at + 1, at == 0, on_taken);
        p->o[s].on_written = on_written;
        p->o[s].is_settled = is_settled;
        p->is_ended[s] = !w.exists[s];
        for (int i = 0; i < w.rows[s].count; i++)
            p->pending[s][p->pending_count[s]++] = (struct pending){
                .id = w.rows[s].at[i].id, .payload = bytes_ref(w.rows[s].at[i].payload), .is_row = true
            };
        if (at > 0 && w.exists[s])
            owner_ask(at, s);
    }
}

static void end_session(int at, int s)
{
    struct proc *p = &w.procs[at];

    if (p->is_ended[s] || !channel_owner_is_idle(&p->o[s]) || !commit_begin(at))
        return;
    w.exists[s] = false;
    p->is_ended[s] = true;
    channel_owner_fini(&p->o[s]);
}

/* "What the client has not taken within a second": of one session, in one transaction. */
static void store_session(int at, int s)
{
    struct proc *p = &w.procs[at];
    struct rows *rows = &w.rows[s];

    if (!commit_begin(at))
        return;
    LIST_FOR_EACH (item, &p->o[s].downs) {
        struct channel_down *d = CONTAINER_OF(item, struct channel_down, at);

        if (d->is_written || !d->payload || d->id.count == 0 || d->pins > 0)
            continue;
        rows->at[rows->count++] = (struct row){ d->id, bytes_ref(d->payload) };
        channel_down_pin(d);
        channel_down_stored(d);
    }
    for (int i = 0; i < p->pending_count[s]; i++) {
        struct pending *x = &p->pending[s][i];
        struct channel_up *up = x->up;

        if (x->is_row || x->id.count == 0)
            continue;
        x->is_row = true;
        x->up = NULL;
        if (rows_find(rows, &x->id) < 0)
            rows->at[rows->count++] = (struct row){ x->id, bytes_ref(x->payload) };
        else
            x->is_row = false;
        channel_up_release(up);
    }
}

static void delete_rows(int at)
{
    struct proc *p = &w.procs[at];

    if (!commit_begin(at))
        return;
    for (int i = 0; i < p->deletion_count; i++) {
        struct deletion *x = &p->deletions[i];
        int row = rows_find(&w.rows[x->session], &x->down->id);

        if (row >= 0)
            rows_remove(&w.rows[x->session], row);
        channel_down_unpin(&p->o[x->session], x->down);
    }
    p->deletion_count = 0;
}

static void save_counter(int at, int s)
{
    struct channel_owner *o = &w.procs[at].o[s];

    if (!commit_begin(at))
        return;
    w.counter[s] = o->up_taken;
    channel_owner_stored(o, w.counter[s]);
}

static void owner_hear(int at, int s, struct msg *m)
{
    struct proc *p = &w.procs[at];
    struct channel_owner *o = &p->o[s];
    struct channel_up *up;

    if (!p->is_alive || p->is_ended[s])
        return;
    if (m->kind == MSG_GONE) {
        end_session(at, s);
        return;
    }
    if (m->kind == MSG_SYNCED) {
        if (m->e == o->epoch)
            MUST(channel_owner_synced(o, w.counter[s], &m->synced) != ERR_MALFORMED, "an honest gate's answer is sound");
    } else {
        channel_owner_confirm(o, m->e, m->h, m->f);
        if (m->n > 0 && channel_owner_up(o, m->e, m->n, &up) == CHANNEL_TAKE)
            handle_up(at, s, m->payload, up);
    }
    owner_flush(at, s);
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

static void gate_send(int s, uint64_t n, struct bytes *payload)
{
    struct channel_gate *g = &w.gates[s];
    int p = (int)g->epoch - 1;
    struct msg m = { .kind = MSG_FRAME, .e = g->epoch, .n = n, .h = g->down_written, .f = g->up_taken };

    if (payload)
        m.payload = bytes_ref(payload);
    queue_put(&w.up[0][p][s], p, s, m);
}

static void gate_repeat(int s)
{
    gate_send(s, 0, NULL);
    LIST_FOR_EACH (item, &w.gates[s].kept) {
        struct channel_kept *k = CONTAINER_OF(item, struct channel_kept, at);

        gate_send(s, k->n, k->payload);
    }
}

static void gate_answer(int p, int s, uint64_t e)
{
    struct channel_gate *g = &w.gates[s];
    struct msg m = { .kind = MSG_SYNCED, .e = e };

    if (w.is_gate_gone[s]) {
        queue_put(&w.up[0][p][s], p, s, (struct msg){ .kind = MSG_GONE, .e = e });
        return;
    }
    if (!channel_gate_sync(g, e))
        return;
    m.synced = (struct channel_synced){ .up_taken = g->up_taken, .down_last = g->down_last, .down_written = g->down_written };
    m.synced.copy_count = g->copy_count;
    m.synced.copies = mem_alloc(g->copy_count * sizeof *g->copies);
    if (g->copy_count > 0)
        memcpy(m.synced.copies, channel_gate_copies(g), g->copy_count * sizeof *g->copies);
    queue_put(&w.up[0][p][s], p, s, m);
    gate_repeat(s);
}

static void client_gets(int s, struct bytes *payload)
{
    int sender = (unsigned char)payload->p[0], count = payload->p[1];

    if (sender == NOTE_SENDER)
        return;
    MUST(++w.got[s][sender][count] == 1, "nothing is doubled");
    MUST((uint64_t)count > w.last_got[s][sender], "a sender's order is kept");
    w.last_got[s][sender] = (uint64_t)count;
}

static void gate_hear(int p, int s, struct msg *m)
{
    struct channel_gate *g = &w.gates[s];

    if (m->kind == MSG_SYNC) {
        gate_answer(p, s, m->e);
        return;
    }
    if (w.is_gate_gone[s])
        return;
    if (channel_gate_confirm(g, m->e, m->h, m->f))
        gate_send(s, 0, NULL);
    if (m->n > 0 && channel_gate_down(g, m->e, m->n, &m->id) == CHANNEL_TAKE)
        client_gets(s, m->payload);
}

#endif
