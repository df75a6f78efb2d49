/* The session's side of a client (gate.h): frames up and down. What may come down when is a table;
 * a new owner is gate_sync.c's. */
#include "c2s/gate.h"

#include "c2s/client_stream.h"
#include "c2s/metrics.h"
#include "common/audit.h"
#include "common/log.h"
#include "proto/ns.h"

enum { OWES_H = 1, OWES_F = 2 };
enum { MAX_ACKS_BYTES = 64 * 1024 };

/* What a session manager may send is bounded by the link's largest payload; this only keeps the
 * parser from the absurd. */
static const struct xml_limits down_limits = { 256, 1024, 1 << 20 };

/* --- up --------------------------------------------------------------------------------------- */

/* n 0: not numbered, there is no session. */
static void send_frame(struct client *c, uint64_t n, struct str payload)
{
    char from[512];
    struct frame f = { .to = str_from(c->upstream->name), .payload = payload };

    f.from = str_of(from, client_write_address(c, from, sizeof(from)));
    if (n) {
        f.s = str_of(c->session, FRAME_SESSION_TEXT);
        f.e = c->gate.epoch;
        f.n = n;
        f.h = c->gate.down_written;
        f.f = c->gate.up_taken;
        c->owes = 0; /* it rides on this one */
        list_remove(&c->owing_at);
    }
    link_send(c->path->link, &f);
}

static void check_windows(struct client *c)
{
    const struct c2s_conf *conf = c->c2s->conf;
    const struct channel_window window = { (uint32_t)conf->session_window,
                                           (uint32_t)conf->session_window_bytes };

    if (!c->conn)
        return;
    if (!channel_gate_is_open(&c->gate, &window))
        client_hold(c, HOLD_WINDOW);
    if (upstream_is_full(c->upstream)) {
        client_hold(c, HOLD_UPSTREAM);
        list_remove(&c->waiting_at);
        list_push_back(&c->upstream->waiting, &c->waiting_at);
    }
}

void gate_up(struct client *c, struct str payload)
{
    uint32_t before = c->gate.kept_bytes;
    struct bytes *b;
    uint64_t n;

    if (!client_has_session(c)) {
        if (c->path)
            send_frame(c, 0, payload);
        return;
    }
    b = bytes_new(payload);
    n = channel_gate_push(&c->gate, b);
    upstream_account(c->upstream, (int64_t)c->gate.kept_bytes - before);
    if (c->path)
        send_frame(c, n, payload);
    bytes_unref(b);
    check_windows(c);
}

void gate_repeat(struct client *c)
{
    LIST_FOR_EACH(item, &c->gate.kept) {
        const struct channel_kept *kept = CONTAINER_OF(item, struct channel_kept, at);

        metric_inc(&c2s_metric_repeated);
        send_frame(c, kept->n, bytes_str(kept->payload));
    }
}

void gate_end(struct client *c, const struct control_end *end)
{
    struct buf payload = { 0 };

    control_write_end(&payload, end);
    gate_up(c, buf_str(&payload));
    buf_fini(&payload);
}

/* --- acknowledgements ------------------------------------------------------------------------- */

static void owe(struct client *c, unsigned what)
{
    c->owes |= (uint8_t)what;
    if (!c->path)
        return;
    if (c->owes & OWES_H) {
        list_remove(&c->owing_at);
        list_push_back(&c->path->owing, &c->owing_at);
        c2s_at_turn_end(c->c2s);
    } else if (list_is_empty(&c->owing_at)) {
        list_push_back(&c->path->lazy, &c->owing_at);
    }
}

void gate_attached(struct client *c)
{
    /* What was acknowledged last may have been lost with the path. */
    if (client_has_session(c))
        owe(c, OWES_H | OWES_F);
}

static void flush_list(struct path *path, struct list *list)
{
    struct c2s *c2s = path->upstream->c2s;
    struct buf *out = &c2s->link_scratch;

    while (!list_is_empty(list)) {
        buf_clear(out);
        frame_acks_begin(out);
        while (!list_is_empty(list) && out->n < MAX_ACKS_BYTES) {
            struct client *c = CONTAINER_OF(list_first(list), struct client, owing_at);
            struct frame_ack ack = { str_of(c->session, FRAME_SESSION_TEXT), c->gate.epoch,
                                     c->gate.down_written, c->gate.up_taken };

            list_remove(&c->owing_at);
            c->owes = 0;
            frame_acks_add(out, &ack);
        }
        frame_acks_end(out);
        c2s_send_control(c2s, path->link, path->upstream->name, buf_str(out));
    }
}

void gate_flush(struct path *path, bool is_lazy)
{
    flush_list(path, &path->owing);
    if (is_lazy)
        flush_list(path, &path->lazy);
}

/* h and f of the owner. The client may be dead afterwards, or go on reading. */
static void confirm(struct client *c, uint64_t e, uint64_t h, uint64_t f)
{
    const struct c2s_conf *conf = c->c2s->conf;
    const struct channel_window window = { (uint32_t)conf->session_window,
                                           (uint32_t)conf->session_window_bytes };
    uint32_t before = c->gate.kept_bytes;

    if (!channel_gate_confirm(&c->gate, e, h, f))
        return;
    owe(c, OWES_F);
    upstream_account(c->upstream, (int64_t)c->gate.kept_bytes - before);
    if (c->phase == PHASE_GONE && list_is_empty(&c->gate.kept))
        client_die(c); /* its end was the last */
    else if ((c->holds & HOLD_WINDOW) && channel_gate_is_open(&c->gate, &window))
        client_release(c, HOLD_WINDOW);
}

void gate_acks(struct c2s *c2s, struct upstream *from, struct str payload)
{
    struct str rest = payload;
    struct frame_ack ack;
    enum err e;

    while ((e = frame_acks_next(&rest, &ack)) == ERR_OK) {
        struct client *c = table_get(&c2s->sessions, ack.s);

        if (c && c->phase != PHASE_DEAD && c->upstream == from)
            confirm(c, ack.e, ack.h, ack.f);
    }
    if (e != ERR_CLOSED)
        metric_inc(&c2s_metric_violations);
}

void gate_sent(struct client *c)
{
    uint64_t sent, written = 0;

    if (!client_has_session(c) || !c->marks[0].n)
        return;
    sent = conn_sent(c->conn);
    while (c->marks[0].n && sent >= c->marks[0].queued) {
        written = c->marks[0].n;
        c->marks[0] = c->marks[1];
        c->marks[1] = (struct client_mark){ 0 };
    }
    if (!written)
        return;
    channel_gate_written(&c->gate, written);
    owe(c, OWES_H);
}

/* Two marks do: the one that is waited for, and the newest, which covers all behind the first. */
static void mark(struct client *c, uint64_t n)
{
    struct client_mark *m = c->marks[0].n ? &c->marks[1] : &c->marks[0];

    *m = (struct client_mark){ n, conn_queued(c->conn) };
}

/* --- down ------------------------------------------------------------------------------------- */

static void down_write(struct client *c, const struct frame *f, const struct xml *x)
{
    (void)x;
    metric_inc(&c2s_metric_elements_down);
    metric_add(&c2s_metric_bytes_down, f->payload.n);
    conn_write(c->conn, f->payload);
}

/* The answer to what the client asked while it authenticates. */
static void down_answer(struct client *c, const struct frame *f, const struct xml *x)
{
    down_write(c, f, x);
    client_set_phase(c, PHASE_OFFER_SASL);
    client_release(c, HOLD_ANSWER);
}

static void down_features(struct client *c, const struct frame *f, const struct xml *x)
{
    (void)x;
    client_stream_write_features(c, f->payload);
    client_set_phase(c, PHASE_OFFER_SASL);
    client_release(c, HOLD_ANSWER);
}

/* It was opened again elsewhere, and has features already. */
static void down_nothing(struct client *c, const struct frame *f, const struct xml *x)
{
    (void)c;
    (void)f;
    (void)x;
}

static void down_success(struct client *c, const struct frame *f, const struct xml *x)
{
    down_write(c, f, x);
    client_stream_forget(c);
    c->scan = (struct scan){ 0 }; /* RFC 6120 §6.4.6: a new stream follows */
    client_set_phase(c, PHASE_AUTHENTICATED);
    client_release(c, HOLD_ANSWER);
}

static void down_end(struct client *c, const struct frame *f, const struct xml *x)
{
    struct control_end end;

    (void)f;
    if (control_read_end(x, &end) != ERR_OK)
        end = (struct control_end){ CONTROL_END_ERROR, STREAM_INTERNAL_SERVER_ERROR, STR_NONE };
    if (end.why == CONTROL_END_LOST)
        end.why = CONTROL_END_CLOSED; /* the client is to be told */
    client_end(c, &end);
}

#define IN(phase) (1u << (phase))
#define BEFORE (IN(PHASE_OPENING) | IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED))
#define AFTER (IN(PHASE_AUTHENTICATED) | IN(PHASE_ACTIVE))

/* What may come down when. What is not here is dropped, counted and audited. */
static const struct down_rule {
    unsigned phases;
    bool is_numbered;
    const char *ns;
    const char *name; /* NULL: any */
    void (*handle)(struct client *c, const struct frame *f, const struct xml *x);
} down_rules[] = {
    { IN(PHASE_ACTIVE),                       true,  NS_CLIENT, "message",   down_write },
    { IN(PHASE_ACTIVE),                       true,  NS_CLIENT, "presence",  down_write },
    { IN(PHASE_ACTIVE),                       true,  NS_CLIENT, "iq",        down_write },
    { IN(PHASE_ACTIVE),                       true,  NS_STREAM, "features",  down_write },
    { IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED), true,  NS_SASL,   "success",   down_success },
    { AFTER,                                  true,  NS_LINK,   "end",       down_end },
    { IN(PHASE_OPENING),                      false, NS_STREAM, "features",  down_features },
    { IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED), false, NS_STREAM, "features",  down_nothing },
    { IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED), false, NS_SASL,   "challenge", down_answer },
    { IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED), false, NS_SASL,   "failure",   down_answer },
    { IN(PHASE_OFFER_SASL) | IN(PHASE_ASKED), false, NS_CLIENT, "iq",        down_answer }, /* XEP-0077 */
    { BEFORE,                                 false, NS_LINK,   "end",       down_end },
};

static void violation(struct c2s *c2s, const struct frame *f, const char *what)
{
    (void)c2s;
    metric_inc(&c2s_metric_violations);
    audit_warning("frame-refused", kv_str("from", f->from), kv_str("to", f->to),
                  kv_text("what", what));
}

static const struct xml *read_payload(struct c2s *c2s, const struct frame *f)
{
    struct xml *x;

    arena_reset(&c2s->link_arena);
    if (xml_parse(c2s->parser, XML_ALONE, &down_limits, f->payload, &c2s->link_arena, &x) == XML_OK)
        return x;
    violation(c2s, f, "payload is not one element that stands alone");
    return NULL;
}

/* Of a client with a socket. */
static void handle(struct client *c, const struct frame *f)
{
    const struct xml *x = read_payload(c->c2s, f);

    if (!x)
        return;
    for (size_t i = 0; i < ARRAY_LEN(down_rules); i++) {
        const struct down_rule *r = &down_rules[i];

        if ((r->phases & IN(c->phase)) && r->is_numbered == (f->n != 0) && str_is(x->ns, r->ns) &&
            str_is(x->name, r->name)) {
            r->handle(c, f, x);
            return;
        }
    }
    violation(c->c2s, f, "not expected here");
}

static void take_numbered(struct client *c, const struct frame *f)
{
    if (channel_gate_down(&c->gate, f->e, f->n, f->has_id ? &f->id : NULL) == CHANNEL_DROP) {
        /* Repeated, because our h was lost with a link: say it again. */
        if (f->e == c->gate.epoch && f->n <= c->gate.down_last)
            owe(c, OWES_H);
        return;
    }
    handle(c, f);
    if (c->conn)
        mark(c, f->n);
}

static void session_frame(struct client *c, const struct frame *f)
{
    if (!str_is(f->from, c->upstream->name)) {
        violation(c->c2s, f, "not from the owner");
        return;
    }
    confirm(c, f->e, f->h, f->f);
    if (f->n && c->conn)
        take_numbered(c, f);
}

static void begin_session(struct client *c, const struct frame *f, struct path *path)
{
    memcpy(c->session, f->s.p, FRAME_SESSION_TEXT);
    table_put(&c->c2s->sessions, c);
    channel_gate_init(&c->gate, f->e);
    c->is_open = false;
    upstream_attach(c, path->upstream, path);
}

/* The connection went while its session was being opened: the owner is told, and told until it
 * knows. */
static void begin_gone(struct c2s *c2s, const struct frame *f, uint64_t number, struct path *path)
{
    struct client *c = client_new_gone(c2s, number);

    begin_session(c, f, path);
    if (channel_gate_down(&c->gate, f->e, f->n, NULL) == CHANNEL_TAKE)
        gate_end(c, &(struct control_end){ .why = CONTROL_END_LOST });
}

/* The first frame of a session that is not known here. */
static void open_frame(struct c2s *c2s, struct link *l, const struct frame *f, struct client *c,
                       uint64_t number)
{
    struct path *path = upstream_path(c2s, l, f->from);
    const struct xml *x;

    if (!path || f->n != 1 || f->e < path->upstream->epoch || f->s.n != FRAME_SESSION_TEXT ||
        table_get(&c2s->sessions, f->s) ||
        (c && c->phase != PHASE_ASKED && c->phase != PHASE_OFFER_SASL)) {
        metric_inc(&c2s_metric_dropped);
        return;
    }
    x = read_payload(c2s, f);
    if (!x || !xml_is(x, NS_SASL, "success")) {
        metric_inc(&c2s_metric_dropped);
        return;
    }
    if (!c) {
        begin_gone(c2s, f, number, path);
        return;
    }
    begin_session(c, f, path);
    metric_inc(&c2s_metric_logins);
    log_info("session opened", kv_u64("conn", c->number), kv_str("s", f->s),
             kv_str("owner", f->from), kv_u64("epoch", f->e));
    take_numbered(c, f);
}

void gate_frame(struct c2s *c2s, struct link *l, const struct frame *f, struct client *c,
                uint64_t number)
{
    if (!str_is_set(f->s)) {
        if (c && c->conn && c->is_open && !f->n && str_is(f->from, c->upstream->name))
            handle(c, f);
        else
            metric_inc(&c2s_metric_dropped);
    } else if (c && client_has_session(c)) {
        if (str_eq(f->s, str_of(c->session, FRAME_SESSION_TEXT)))
            session_frame(c, f);
        else
            metric_inc(&c2s_metric_dropped);
    } else {
        open_frame(c2s, l, f, c, number);
    }
}
