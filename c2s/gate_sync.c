/* A new owner: a session manager that was started anew says which sessions are its own now. It is
 * answered with the numbers and copies of each gate, and gets what is not confirmed again
 * (ARCHITECTURE: sessions; LINK.md §6). */
#include "c2s/gate.h"

#include "c2s/metrics.h"
#include "common/log.h"

struct answer {
    struct path *path;
    uint64_t epoch;
    struct buf out;
    struct list clients; /* waiting_at: what they keep is repeated behind the answer */
};

static void answer_begin(struct answer *a)
{
    buf_clear(&a->out);
    control_write_synced_begin(&a->out, a->epoch);
}

static void answer_send(struct answer *a)
{
    struct upstream *u = a->path->upstream;

    control_write_synced_end(&a->out);
    c2s_send_control(u->c2s, a->path->link, u->name, buf_str(&a->out));
    while (!list_is_empty(&a->clients)) {
        struct client *c = CONTAINER_OF(list_first(&a->clients), struct client, waiting_at);

        list_remove(&c->waiting_at);
        gate_repeat(c);
        if (c->holds & HOLD_UPSTREAM)
            list_push_back(&u->waiting, &c->waiting_at);
    }
}

/* The session must be here, and on the connection that the owner knows. */
static struct client *find(struct c2s *c2s, const struct control_sync_entry *entry)
{
    struct client *c =
        entry->session.n == FRAME_SESSION_TEXT ? table_get(&c2s->sessions, entry->session) : NULL;
    struct str name = c2s_name(c2s);
    char address[512];
    size_t n;

    if (!c || c->phase == PHASE_DEAD)
        return NULL;
    n = client_write_address(c, address, sizeof(address));
    return str_eq(entry->conn, str_of(address + name.n + 1, n - name.n - 1)) ? c : NULL;
}

static void answer_entry(struct answer *a, const struct control_sync_entry *entry)
{
    struct client *c = find(a->path->upstream->c2s, entry);

    if (!c) {
        control_write_synced_gone(&a->out, entry->session);
        return;
    }
    if (!channel_gate_sync(&c->gate, a->epoch))
        return; /* an owner that woke up late */
    upstream_attach(c, a->path->upstream, a->path);
    control_write_synced_gate(&a->out, entry->session, &c->gate);
    list_remove(&c->waiting_at);
    list_push_back(&a->clients, &c->waiting_at);
}

/* What the new owner does not know any more has no owner at all. */
static void reset_unnamed(struct upstream *u, uint64_t epoch)
{
    struct client *c;

    for (size_t at = 0; (c = table_next(&u->c2s->sessions, &at));) {
        if (c->upstream != u || c->gate.epoch >= epoch || c->phase == PHASE_DEAD)
            continue;
        client_fail(c, STREAM_RESET, "the session is not known any more");
        client_die(c);
    }
}

void gate_sync(struct c2s *c2s, struct path *path, const struct control_sync *sync)
{
    struct upstream *u = path->upstream;
    struct answer a = { .path = path, .epoch = sync->epoch };

    if (sync->epoch < u->epoch) {
        log_error("a session manager of an older epoch is not followed: was its store put back?",
                  kv_text("sm", u->name), kv_u64("epoch", sync->epoch),
                  kv_u64("followed", u->epoch));
        metric_inc(&c2s_metric_dropped);
        return;
    }
    log_info(sync->epoch > u->epoch ? "a new owner" : "the owner asks again",
             kv_text("sm", u->name), kv_u64("epoch", sync->epoch), kv_u64("sessions", sync->count),
             kv_u64("known", c2s->sessions.count));
    u->epoch = sync->epoch;
    list_init(&a.clients);
    answer_begin(&a);
    for (size_t i = 0; i < sync->count; i++) {
        answer_entry(&a, &sync->entries[i]);
        if (a.out.n >= CONTROL_SPLIT_BYTES) {
            answer_send(&a);
            answer_begin(&a);
        }
    }
    answer_send(&a);
    buf_fini(&a.out);
    if (!sync->has_more)
        reset_unnamed(u, sync->epoch);
}
