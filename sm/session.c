/* Sessions: life, and the frames that arrive for them. What a client says is session_stream.c's, the end session_end.c's, c2s coming and
 * going session_peer.c's, the row in the store session_row.c's, what goes down queue.c's. */
#include "sm/session_parts.h"

#include "common/bytes.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/acks.h"
#include "sm/deliver.h"
#include "sm/incident.h"
#include "sm/login.h"
#include "sm/metrics.h"
#include "sm/peers.h"
#include "sm/presence.h"
#include "sm/settle.h"
#include "sm/wire.h"

enum { UNUSED_US = 60000000 }; /* a client binds a resource within this time after <success/>; its c2s says something, or has not got it */

static struct str key_of_id(const void *item)
{
    const struct session *s = item;

    return str_of(s->id, sizeof s->id);
}

static struct str key_of_address(const void *item)
{
    return str_from(((const struct session *)item)->address);
}

static struct str key_of_jid(const void *item)
{
    return ((const struct session *)item)->jid.full;
}

void session_tables_init(struct sm *sm)
{
    table_init(&sm->sessions, key_of_id);
    table_init(&sm->addresses, key_of_address);
    table_init(&sm->bound, key_of_jid);
}

void session_tables_fini(struct sm *sm)
{
    struct session *s;
    size_t at = 0;

    while ((s = table_next(&sm->sessions, &at))) {
        session_free(s);
        at = 0; /* the table has changed */
    }
    table_fini(&sm->sessions);
    table_fini(&sm->addresses);
    table_fini(&sm->bound);
}

void session_set_state(struct session *s, enum session_state state)
{
    static const char *const names[] = { "opening", "binding", "active", "loaded", "ending" };

    if (s->state == state)
        return;
    log_debug("session state", kv_text("session", s->id_text), kv_text("old", names[s->state]), kv_text("new", names[state]));
    s->state = state;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void on_taken(struct channel_owner *o)
{
    acks_owe(CONTAINER_OF(o, struct session, channel));
}

static void on_timer(struct timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, timer);
    bool is_binding = s->state == SESSION_BINDING && s->channel.is_synced;
    bool is_late = is_binding && sm_time_us() - s->opened_us > UNUSED_US;

    if (s->is_over)
        session_over_retry(s);
    else if (s->state == SESSION_ENDING || (is_late && s->channel.up_last == 0))
        session_over(s, NULL);
    else if (is_late)
        session_end(s, STREAM_CONNECTION_TIMEOUT, STR("no resource was bound"));
    else
        queue_on_timer(s);
    if (is_binding && !is_late && s->timer.due_ms == 0)
        timer_set(s->sm->service->timers, t, UNUSED_US / 1000);
}

/* proto/channel.h: nobody will ever hand this id to this channel again. Rows do not: the queue's are refused by the store when one holds
 * the id, both kinds are not even put when the id is known here (queue_add, offline_store), what came out of a row pins it, and a row of
 * what an earlier owner sent is deleted by its id (queue_adopt). An id that the queue gave (give_id in queue_rows.c) is no frame's: it is in
 * its row and nowhere else. */
static bool is_settled(struct channel_owner *o, const struct frame_id *id)
{
    struct session *s = CONTAINER_OF(o, struct session, channel);
    struct session *sender = table_get(&s->sm->sessions, str_of(id->session, sizeof id->session));

    if (sender == s && id->part == UINT32_MAX && id->count > o->up_last)
        return true;
    return !sender || channel_owner_has_final(&sender->channel, id->count);
}

static void set_address(struct session *s, struct str c2s, struct str conn)
{
    struct buf text = { 0 };

    buf_printf(&text, "%.*s/%.*s", STR_ARG(c2s), STR_ARG(conn));
    s->address = str_dup(buf_str(&text));
    s->conn = s->address + c2s.n + 1;
    s->c2s = s->peer->name;
    buf_fini(&text);
}

struct session *session_new(struct sm *sm, const struct session_seed *seed)
{
    struct session *s = mem_new(struct session);
    struct buf hex = { 0 };

    s->sm = sm;
    memcpy(s->id, seed->id, sizeof s->id);
    buf_add_hex(&hex, str_of(s->id, sizeof s->id));
    memcpy(s->id_text, hex.p, FRAME_SESSION_TEXT);
    buf_fini(&hex);
    channel_owner_init(&s->channel, sm->epoch, seed->is_new, on_taken);
    s->channel.is_settled = is_settled;
    list_init(&s->acks_at);
    list_init(&s->account_at);
    list_init(&s->directed);
    list_init(&s->unsettled_at);
    list_init(&s->held);
    queue_init(&s->queue);
    csi_init(&s->csi);
    timer_init(&s->timer, on_timer);
    s->peer = peers_c2s(sm, seed->c2s);
    list_push_back(&s->peer->sessions, &s->peer_at);
    set_address(s, seed->c2s, seed->conn);
    s->addr = str_is_set(seed->addr) ? str_dup(seed->addr) : NULL;
    s->home = seed->account;
    account_pin(s->home);
    s->host = s->home->host;
    jid_split(str_from(str_dup(s->home->jid.bare)), &s->jid);
    s->opened_us = seed->opened_us;
    table_put(&sm->sessions, s);
    if (!table_get(&sm->addresses, str_from(s->address)))
        table_put(&sm->addresses, s);
    metric_inc(&sm_metric_sessions);
    return s;
}

static void free_held(struct session *s)
{
    while (!list_is_empty(&s->held)) {
        struct queue_item *item = CONTAINER_OF(list_first(&s->held), struct queue_item, at);

        list_remove(&item->at);
        queue_item_free(item);
    }
}

void session_free(struct session *s)
{
    struct origin *end = s->end_origin;

    s->end_origin = NULL;
    timer_stop(&s->timer);
    session_detach(s);
    table_remove(&s->sm->sessions, str_of(s->id, sizeof s->id));
    if (table_get(&s->sm->addresses, str_from(s->address)) == s)
        table_remove(&s->sm->addresses, str_from(s->address));
    list_remove(&s->peer_at);
    free_held(s);
    channel_owner_fini(&s->channel);
    queue_fini(&s->queue);
    csi_fini(&s->csi);
    acks_forget(s);
    presence_forget_all(s);
    bytes_unref(s->presence);
    account_unpin(s->home);
    mem_free((char *)s->jid.full.p);
    mem_free(s->address);
    mem_free(s->addr);
    mem_free(s->end_text);
    metric_dec(&sm_metric_sessions);
    mem_free(s);
    origin_unref(end);
}

struct session *session_find(const struct sm *sm, struct str id_text)
{
    struct session *s = NULL;
    struct buf id = { 0 };

    if (buf_add_hex_decoded(&id, id_text) == ERR_OK && id.n == FRAME_SESSION_BYTES)
        s = table_get(&sm->sessions, buf_str(&id));
    buf_fini(&id);
    return s;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

struct opening {
    struct sm *sm;
    uint8_t id[FRAME_SESSION_BYTES];
    char *mechanism;
    struct buf success;
    uint64_t submitted_ns;
};

/* "=" is data that is empty (RFC 6120 §6.4.6), no text is none. */
static void write_success(struct buf *out, struct str data)
{
    buf_add(out, STR("<success xmlns='" NS_SASL "'"));
    if (!str_is_set(data)) {
        buf_add(out, STR("/>"));
        return;
    }
    buf_add_char(out, '>');
    if (data.n == 0)
        buf_add_char(out, '=');
    buf_add_base64(out, data);
    buf_add(out, STR("</success>"));
}

static void send_success(struct session *s, struct opening *o)
{
    session_set_state(s, SESSION_BINDING);
    login_succeeded(s->sm, str_from(s->address));
    session_send(s, buf_str(&o->success), NULL);
    metric_inc(&sm_metric_logins);
    audit_info("login", kv_str("account", s->jid.bare), kv_text("mechanism", o->mechanism), kv_text("address", s->addr),
          kv_text("c2s", s->c2s), kv_text("session", s->id_text));
}

static void on_committed(void *owner, enum err e, int64_t changes)
{
    struct opening *o = owner;
    struct session *s = table_get(&o->sm->sessions, str_of(o->id, sizeof o->id));

    (void)changes;
    metric_inc(&sm_metric_commits);
    metric_add(&sm_metric_commit_us, (uv_hrtime() - o->submitted_ns) / 1000);
    if (s && s->state == SESSION_ENDING) { /* it was ended before it began */
        login_failed(o->sm, str_from(s->address), AUTH_TEMPORARY_AUTH_FAILURE);
        session_over(s, NULL);
    } else if (s && e == ERR_OK && login_is_waiting(o->sm, str_from(s->address))) {
        send_success(s, o);
    } else if (s && e == ERR_OK) {
        session_over(s, NULL); /* the client left meanwhile */
    } else if (s) {
        login_failed(o->sm, str_from(s->address), AUTH_TEMPORARY_AUTH_FAILURE);
        session_free(s);
    }
    buf_fini(&o->success);
    mem_free(o->mechanism);
    mem_free(o);
}

void session_open(struct sm *sm, struct account *a, const struct control_adopt *adopt, struct link *via)
{
    struct session_seed seed = { .account = a,
                                 .c2s = adopt->c2s,
                                 .conn = adopt->conn,
                                 .addr = adopt->addr,
                                 .opened_us = sm_time_us(),
                                 .is_new = true };
    struct opening *o = mem_new(struct opening);
    struct session *s;

    sm_random(seed.id, sizeof seed.id);
    s = session_new(sm, &seed);
    s->via = peers_path(s->peer, via);
    o->sm = sm;
    memcpy(o->id, s->id, sizeof o->id);
    o->mechanism = str_dup(adopt->mechanism);
    write_success(&o->success, adopt->success_data);
    o->submitted_ns = uv_hrtime();
    incident_note_login(s, o->mechanism);
    session_row_put(s, on_committed, o);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* More than was sent or taken over: ignored by the channel. */
static bool is_false(const struct channel_owner *o, uint64_t e, uint64_t h, uint64_t f)
{
    return o->is_synced && e == o->epoch && (h > o->down_last || f > o->up_taken);
}

void session_confirm(struct session *s, uint64_t e, uint64_t h, uint64_t f)
{
    if (is_false(&s->channel, e, h, f))
        metric_inc(&sm_metric_numbers_refused);
    if (!channel_owner_confirm(&s->channel, e, h, f))
        return;
    if (!list_is_empty(&s->queue.kept))
        queue_settle(s);
    if (channel_owner_finish(&s->channel) && s->channel.down_last - s->channel.down_final > CHANNEL_MAX_UNFINAL / 2)
        acks_owe(s);
    settle_help(s);
    queue_pump(s);
}

/* c2s has a session of ours that is over here: it may forget it. */
static void answer_unknown(struct sm *sm, struct link *l, const struct frame *f)
{
    struct frame_ack ack = { .s = f->s, .e = f->e, .h = f->n };
    struct frame answer = { .to = frame_address_name(f->from), .from = sm_own_name(sm) };
    struct buf text = { 0 };

    metric_inc(&sm_metric_frames_dropped);
    if (!str_starts_with(f->payload, STR("<end")))
        return;
    frame_acks_begin(&text);
    frame_acks_add(&text, &ack);
    frame_acks_end(&text);
    answer.payload = buf_str(&text);
    link_send(l, &answer);
    buf_fini(&text);
}

void session_on_frame(struct sm *sm, struct link *l, const struct frame *f)
{
    struct session *s = session_find(sm, f->s);
    struct channel_up *up = NULL;
    struct origin *origin;

    if (!s) {
        answer_unknown(sm, l, f);
        return;
    }
    if (!str_is(f->from, s->address)) { /* id alone opens nothing (ARCHITECTURE §4) */
        wire_refuse(f, "a frame of a session from elsewhere");
        return;
    }
    if (f->h != 0 || f->f != 0)
        session_confirm(s, f->e, f->h, f->f);
    if (f->n == 0)
        return;
    if (channel_owner_up(&s->channel, f->e, f->n, &up) != CHANNEL_TAKE) {
        metric_inc(&sm_metric_numbers_refused);
        acks_owe(s); /* repeated: it did not hear our h */
        return;
    }
    session_move(s, l);
    origin = origin_new(up, s->id, f->n);
    session_take(s, f->payload, origin);
    origin_unref(origin);
}

/* --- down -------------------------------------------------------------------------------------------------------- */

void session_send_bytes(struct session *s, struct bytes *payload, struct origin *origin)
{
    struct frame_id id = origin_derive(s->sm, origin, bytes_str(payload));

    if (payload->n > (size_t)s->sm->conf->link.max_payload) { /* wire_fits keeps them out where they come in */
        metric_inc(&sm_metric_too_large);
        log_warn("a stanza is too large for a frame", kv_text("session", s->id_text));
        return;
    }
    if (s->state == SESSION_ENDING) {
        deliver_again(s->sm, bytes_str(payload), origin);
        return;
    }
    if (!csi_hold(s, payload))
        queue_add(s, queue_item_new(payload, &id, origin));
}

void session_send(struct session *s, struct str payload, struct origin *origin)
{
    struct bytes *b = bytes_new(payload);

    session_send_bytes(s, b, origin);
    bytes_unref(b);
}

/* The answer to a question must not be silence. */
static void send_too_large(struct session *s, const struct stanza *stanza, struct origin *origin)
{
    struct stanza *question, *error;

    metric_inc(&sm_metric_too_large);
    log_warn("a stanza is too large for a frame", kv_text("session", s->id_text));
    if (stanza->kind != STANZA_IQ || stanza->type != TYPE_RESULT)
        return;
    question = stanza_reply(stanza, TYPE_GET);
    error = stanza_error_reply(question, STANZA_RESOURCE_CONSTRAINT, STR("the answer is too large"));
    if (error)
        session_send_stanza(s, error, origin);
    stanza_unref(error);
    stanza_unref(question);
}

void session_send_stanza(struct session *s, const struct stanza *stanza, struct origin *origin)
{
    struct buf out = { 0 };

    xml_write(&out, stanza->el, STR_NONE);
    if (out.n > (size_t)s->sm->conf->link.max_payload)
        send_too_large(s, stanza, origin);
    else
        session_send(s, buf_str(&out), origin);
    buf_fini(&out);
}
