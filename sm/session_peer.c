/* Sessions and the c2s that hold their clients: found again, lost, another instance, <sync/> and its answer (LINK.md §6). */
#include "sm/session_parts.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/acks.h"
#include "sm/metrics.h"
#include "sm/offline.h"
#include "sm/peers.h"
#include "sm/wire.h"

enum { SYNC_AT_ONCE = 300 };

static struct session *session_at(struct list *at)
{
    return CONTAINER_OF(at, struct session, peer_at);
}

/* --- sync -------------------------------------------------------------------------------------------------------- */

static void send_sync(struct peer *p, struct link *l, struct control_sync *sync)
{
    struct buf out = { 0 };

    control_write_sync(&out, sync);
    wire_control(p->sm, l, str_from(p->name), buf_str(&out));
    buf_fini(&out);
    sync->count = 0;
}

/* Also when there is nothing to name: then c2s ends what an earlier life of ours left there. */
static void sync_all(struct peer *p, struct link *l)
{
    struct control_sync_entry *entries = mem_alloc(SYNC_AT_ONCE * sizeof *entries);
    struct control_sync sync = { .epoch = p->sm->epoch, .has_more = true, .entries = entries };
    size_t total = 0;

    LIST_FOR_EACH (at, &p->sessions) {
        const struct session *s = session_at(at);

        if (s->channel.is_synced || s->is_over)
            continue;
        if (sync.count == SYNC_AT_ONCE)
            send_sync(p, l, &sync);
        entries[sync.count++] =
            (struct control_sync_entry){ .session = str_of(s->id_text, FRAME_SESSION_TEXT), .conn = str_from(s->conn) };
        total++;
    }
    sync.has_more = false;
    send_sync(p, l, &sync);
    mem_free(entries);
    if (total > 0)
        log_info("sessions are asked for", kv_text("c2s", p->name), kv_u64("sessions", total));
}

static void resume(struct session *s, struct link *l)
{
    s->via = l;
    queue_adopt(s);
    queue_settle(s);
    acks_unsettled(s);
    acks_owe(s);
    if (s->state == SESSION_ENDING) { /* ended before its c2s could be told */
        session_send_end(s);
        return;
    }
    session_set_state(s, s->account ? SESSION_ACTIVE : SESSION_BINDING);
    queue_pump(s);
}

static void take_answer(struct session *s, struct link *l, const struct control_synced_entry *entry)
{
    enum err e;

    if (entry->is_gone) {
        if (!s->channel.is_synced)
            session_over(s, NULL);
        return;
    }
    e = channel_owner_synced(&s->channel, s->stored_up, &entry->numbers);
    if (e == ERR_OK) {
        metric_inc(&sm_metric_resynced);
        resume(s, l);
    } else if (e != ERR_EXISTS) {
        audit_warning("frame-refused", kv_text("from", s->c2s), kv_text("session", s->id_text),
                      kv_text("what", "numbers that contradict each other"));
        metric_inc(&sm_metric_violations);
        session_over(s, NULL);
    }
}

void session_on_synced(struct sm *sm, struct link *l, const struct frame *f, struct control_synced *answer)
{
    if (answer->epoch != sm->epoch) {
        metric_inc(&sm_metric_numbers_refused);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        struct session *s = session_find(sm, answer->entries[i].session);

        if (!s)
            metric_inc(&sm_metric_frames_dropped); /* it is over */
        else if (str_is(f->from, s->c2s))
            take_answer(s, l, &answer->entries[i]);
        else
            wire_refuse(f, "an answer for another's session");
    }
}

/* --- ways -------------------------------------------------------------------------------------------------------- */

void session_move(struct session *s, struct link *via)
{
    if (s->via == via)
        return;
    s->via = via;
    queue_repeat(s);
}

static bool is_of_instance(const struct session *s, const struct peer *p)
{
    return p->instance[0] == '\0' ||
           (str_starts_with(str_from(s->conn), str_from(p->instance)) && s->conn[strlen(p->instance)] == '-');
}

void session_peer_path_found(struct peer *p, struct link *l)
{
    LIST_FOR_EACH_SAFE (at, following, &p->sessions) {
        struct session *s = session_at(at);

        if (!is_of_instance(s, p))
            session_over(s, NULL);
        else if (!s->via && s->channel.is_synced)
            session_move(s, l);
    }
    sync_all(p, l);
}

void session_peer_path_lost(struct peer *p, struct link *l)
{
    struct link *other = peers_path(p, NULL);

    LIST_FOR_EACH (at, &p->sessions) {
        struct session *s = session_at(at);

        if (s->via != l)
            continue;
        s->via = NULL;
        if (other)
            session_move(s, other);
    }
}

void session_peer_lost(struct peer *p)
{
    LIST_FOR_EACH_SAFE (at, following, &p->sessions)
        session_over(session_at(at), NULL);
}
