/* One link from its socket to its end: reading frames out of what arrives, sending, keepalive. How
 * it comes up is link_setup.c's, with whom link_peer.c's. LINK.md. */
#include "proto/link_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"

const char *const link_role_names[] = { "router", "c2s", "s2s", "sm", NULL };

static const char *const phase_names[] = { "connecting", "securing", "header", "handshake",
                                           "hello",      "up",       "doomed" };

void link_set_phase(struct link *l, enum link_phase phase)
{
    log_debug("link", kv_text("peer", l->name), kv_text("from", phase_names[l->phase]),
              kv_text("to", phase_names[phase]));
    l->phase = phase;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Sends what shows that we are there, and notices when the peer is not. */
static void on_keepalive(struct timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, timer);

    l->silent = l->has_received ? 0 : l->silent + 1;
    l->has_received = false;
    if (l->silent >= LINK_MAX_SILENT) {
        log_warn("link is dead", kv_text("peer", l->name));
        link_doom(l, "the peer is silent");
        return;
    }
    if (conn_queued(l->conn) == l->queued_before)
        conn_write(l->conn, STR(" "));
    l->queued_before = conn_queued(l->conn);
    timer_set(l->ls->timers, t, LINK_KEEPALIVE_MS);
}

static void on_timer(struct timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, timer);

    if (l->phase == PHASE_UP)
        on_keepalive(t);
    else
        link_fail(l, STREAM_CONNECTION_TIMEOUT, "it did not come up in time");
}

struct link *link_new(struct links *ls, struct link_peer *peer, struct conn *c, bool is_dialled)
{
    struct link *l = mem_new(struct link);

    l->ls = ls;
    l->peer = peer;
    l->conn = c;
    l->is_dialled = is_dialled;
    l->is_unix = conn_is_unix(c);
    l->name = str_dup(peer ? peer->name : STR(""));
    l->role = peer ? (enum link_role)peer->conf->role : ls->role;
    timer_init(&l->timer, on_timer);
    list_push_back(&ls->all, &l->at);
    ls->guests += !is_dialled;
    timer_set(ls->timers, &l->timer, LINK_CONNECT_MS + LINK_AUTH_MS);
    return l;
}

static void link_free(struct link *l)
{
    if (l->cert) {
        arena_fini(l->cert);
        mem_free(l->cert);
    }
    buf_fini(&l->partial);
    mem_free(l->chain);
    mem_free(l->name);
    mem_free(l);
}

static void tell_down(const struct link *l, const char *reason)
{
    char address[64];

    conn_peer_text(l->conn, address);
    log_info("link down", kv_text("peer", l->name), kv_text("reason", reason));
    audit("link-down", kv_text("peer", l->name), kv_text("peer_role", link_role_names[l->role]),
          kv_text("address", address), kv_text("reason", reason));
}

void link_take_down(struct link *l)
{
    struct links *ls = l->ls;
    struct link_peer *p = l->peer;

    timer_stop(&l->timer);
    list_remove(&l->at);
    if (l->was_up)
        tell_down(l, p && p->last_error ? p->last_error : "it is no longer configured");
    else
        ls->guests -= !l->is_dialled;
    link_set_phase(l, PHASE_DOOMED);
    if (p && p->current == l)
        p->current = NULL; /* nobody must find it any more */
    if (l->was_up)
        ls->events->on_down(ls->owner, l);
    conn_close(l->conn, LINK_LINGER_MS);
    if (l->peer)
        link_peer_lost(l->peer, l);
    link_free(l);
}

/* The owner may be deep inside a call for this link: it hears of the end from the loop. */
static void on_doom(uv_idle_t *handle)
{
    struct links *ls = handle->data;

    uv_idle_stop(handle);
    for (struct list *at = ls->all.next; at != &ls->all;) {
        struct link *l = CONTAINER_OF(at, struct link, at);

        at = at->next;
        if (l->phase != PHASE_DOOMED)
            continue;
        link_take_down(l);
        at = ls->all.next; /* on_down may have ended others */
    }
}

void link_doom(struct link *l, const char *why)
{
    struct link_peer *p = l->peer;

    if (l->phase == PHASE_DOOMED)
        return;
    if (p)
        p->last_error = why;
    if (p && p->current == l)
        p->current = NULL;
    link_set_phase(l, PHASE_DOOMED);
    uv_idle_start(&l->ls->doom, on_doom);
}

/* The peer's name is what we know of it, its address what it may not deny. cause: "certificate" or
 * "protocol". */
void link_audit_refused(const struct link *l, const char *cause, const char *reason)
{
    char address[64];

    conn_peer_text(l->conn, address);
    audit_warning("link-refused", kv_text("peer", l->name), kv_text("address", address),
                  kv_text("cause", cause), kv_text("reason", reason));
}

static void fail(struct link *l, enum stream_error e, const char *cause, const char *why)
{
    struct buf out = { 0 };
    char address[64];

    if (l->phase == PHASE_DOOMED)
        return;
    conn_peer_text(l->conn, address);
    log_warn("link refused", kv_text("peer", l->name), kv_text("address", address),
             kv_text("reason", why));
    if (l->phase != PHASE_CONNECTING)
        link_audit_refused(l, cause, why);
    if (l->phase >= PHASE_HEADER) {
        if (l->phase == PHASE_HEADER && !l->is_dialled)
            link_setup_answer(l); /* RFC 6120 §4.9.1.1: an error needs a stream around it */
        stream_write_error(&out, e, STR_NONE);
        buf_add(&out, stream_close_tag);
        conn_write(l->conn, buf_str(&out));
        buf_fini(&out);
    }
    link_doom(l, why);
}

void link_fail(struct link *l, enum stream_error e, const char *why)
{
    fail(l, e, "protocol", why);
}

void link_fail_certificate(struct link *l, enum stream_error e, const char *why)
{
    fail(l, e, "certificate", why);
}

void link_refuse(struct link *l, const char *sentence)
{
    link_fail(l, STREAM_POLICY_VIOLATION, sentence);
}

/* --- what arrives ----------------------------------------------------------------------------- */

/* The name of the first element in <stream:error>; it may still be cut off. */
static struct str condition_of(struct str error)
{
    struct str rest = error;
    size_t n = 0;

    (void)str_cut(&rest, '<');
    (void)str_cut(&rest, '<');
    while (n < rest.n && ((rest.p[n] >= 'a' && rest.p[n] <= 'z') || rest.p[n] == '-'))
        n++;
    return n > 0 ? str_of(rest.p, n) : STR("undefined-condition");
}

/* Not a frame: the end of the stream, or an error in front of it, or nonsense. */
static void take_no_frame(struct link *l, struct str bytes)
{
    bytes = str_trim(bytes);
    if (str_starts_with(bytes, STR("</stream:stream"))) {
        link_doom(l, "the peer closed it");
    } else if (str_starts_with(bytes, STR("<stream:error"))) {
        log_warn("the peer ends the link", kv_text("peer", l->name),
                 kv_str("said", str_of(bytes.p, bytes.n < 200 ? bytes.n : 200)));
        audit_warning("link-refused-by-peer", kv_text("peer", l->name),
                      kv_str("condition", condition_of(bytes)));
        link_doom(l, "the peer ended it with an error");
    } else {
        link_fail(l, STREAM_BAD_FORMAT, "it sent something that is not a frame");
    }
}

static void hand_out(struct link *l, const struct frame *f, struct str raw)
{
    l->frames_in++;
    l->ls->events->on_frame(l->ls->owner, l, f, raw);
}

/* The part of a frame's raw form behind the keepalives in front of it. */
static struct str raw_of(const char *start, const struct frame *f)
{
    const char *p = f->to.p - sizeof "<route xmlns='urn:sallyport:link:1' to='" + 1;

    ASSERT(p >= start);
    return str_of(p, (size_t)(f->payload.p - p) + f->payload.n + sizeof "</route>" - 1);
}

/* Whole frames are used where they lie. Returns false when the link is over. */
static bool take_frames(struct link *l, struct str *bytes, size_t *out_needed)
{
    struct frame f;
    enum err e;

    while (l->phase == PHASE_UP) {
        e = frame_read(*bytes, (size_t)l->ls->conf->max_payload, &f, out_needed);
        if (e == ERR_AGAIN)
            return true;
        if (e == ERR_LIMIT)
            link_fail(l, STREAM_POLICY_VIOLATION, "a frame is larger than link_max_payload");
        else if (e != ERR_OK)
            take_no_frame(l, *bytes);
        else
            hand_out(l, &f, raw_of(bytes->p, &f));
        if (e != ERR_OK)
            return false;
        *bytes = str_of(bytes->p + *out_needed, bytes->n - *out_needed);
    }
    return false;
}

/* Completes the frame whose beginning was kept, with no more of bytes than belongs to it. */
static bool take_rest(struct link *l, struct str *bytes)
{
    struct str whole;
    size_t n;

    while (l->partial.n > 0 && bytes->n > 0) {
        n = l->needed ? l->needed - l->partial.n : str_find(*bytes, '>') + 1;
        if (n > bytes->n)
            n = bytes->n;
        buf_add(&l->partial, str_of(bytes->p, n));
        *bytes = str_of(bytes->p + n, bytes->n - n);
        if (l->needed && l->partial.n < l->needed)
            return true;
        whole = buf_str(&l->partial);
        if (!take_frames(l, &whole, &l->needed))
            return false;
        if (whole.n == 0)
            buf_fini(&l->partial); /* an idle link holds none */
    }
    return true;
}

static size_t leading_space(struct str s)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\n' || s.p[n] == '\r' || s.p[n] == '\t'))
        n++;
    return n;
}

static void take_up(struct link *l, struct str bytes)
{
    size_t space;

    if (!take_rest(l, &bytes) || l->partial.n > 0 || !take_frames(l, &bytes, &l->needed))
        return;
    space = leading_space(bytes);
    if (space == bytes.n)
        return;
    if (l->needed)
        l->needed -= space;
    if (l->needed > 0)
        buf_reserve(&l->partial, l->needed);
    buf_add(&l->partial, str_of(bytes.p + space, bytes.n - space));
}

static void on_data(void *owner, struct conn *c, struct str bytes)
{
    struct link *l = owner;

    (void)c;
    l->has_received = true;
    l->bytes_in += bytes.n;
    if (l->phase < PHASE_UP)
        bytes = link_setup_take(l, bytes);
    if (l->phase != PHASE_UP || bytes.n == 0)
        return;
    take_up(l, bytes);
    if (l->phase == PHASE_UP && l->ls->events->on_batch)
        l->ls->events->on_batch(l->ls->owner, l);
}

static void on_secure(void *owner, struct conn *c)
{
    struct link *l = owner;

    (void)c;
    if (link_identify(l))
        link_begin(l);
}

static void on_connected(void *owner, struct conn *c)
{
    struct link *l = owner;

    timer_set(l->ls->timers, &l->timer, LINK_AUTH_MS);
    if (l->is_unix) {
        if (link_identify(l))
            link_begin(l);
        return;
    }
    link_set_phase(l, PHASE_SECURING);
    conn_start_tls(c, l->ls->creds, false, l->name, STR_NONE);
}

static const char *end_text(const struct link *l, enum err why)
{
    if (why == ERR_LIMIT)
        return "too much waits to be written (link_queue)";
    if (why == ERR_DENIED && *conn_tls_reason(l->conn))
        return conn_tls_reason(l->conn);
    if (why == ERR_NOT_FOUND && l->phase == PHASE_CONNECTING)
        return "nobody listens there";
    return err_text(why);
}

static void on_end(void *owner, struct conn *c, enum err why)
{
    struct link *l = owner;
    const char *text = end_text(l, why);

    (void)c;
    if (l->phase == PHASE_SECURING) /* a handshake that fails is about certificates or versions */
        link_audit_refused(l, why == ERR_DENIED ? "certificate" : "protocol", text);
    else if (l->was_up && why == ERR_LIMIT)
        link_audit_refused(l, "protocol", text);
    if (l->phase < PHASE_UP && !(l->peer && l->peer->last_error == text)) /* not at each attempt */
        log_info("link did not come up", kv_text("peer", l->name), kv_text("reason", text));
    if (l->peer && l->phase != PHASE_DOOMED)
        l->peer->last_error = text;
    link_take_down(l);
}

const struct conn_events link_conn_events = {
    .on_data = on_data,
    .on_secure = on_secure,
    .on_connected = on_connected,
    .on_end = on_end,
};

void link_begin(struct link *l)
{
    conn_set_queue_limit(l->conn, (size_t)l->ls->conf->queue_limit);
    timer_set(l->ls->timers, &l->timer, LINK_AUTH_MS);
    link_set_phase(l, PHASE_HEADER);
    link_setup_start(l);
}

/* --- for the owner ---------------------------------------------------------------------------- */

void link_send(struct link *l, const struct frame *f)
{
    struct buf *b = &l->ls->scratch;

    if (l->phase != PHASE_UP)
        return;
    if (f->payload.n >
        (size_t)l->ls->conf
            ->max_payload) { /* the peer would end the link for it, each time that it is repeated */
        log_error("a frame that is too large was not sent", kv_text("peer", l->name),
                  kv_str("to", f->to), kv_u64("bytes", f->payload.n));
        return;
    }
    buf_clear(b);
    frame_write(b, f);
    l->frames_out++;
    conn_write(l->conn, buf_str(b));
    buf_clear(b);
}

void link_send_raw(struct link *l, struct str raw)
{
    if (l->phase != PHASE_UP)
        return;
    l->frames_out++;
    conn_write(l->conn, raw);
}

size_t link_queued_bytes(const struct link *l)
{
    return (size_t)(conn_queued(l->conn) - conn_sent(l->conn));
}

struct str link_name(const struct link *l)
{
    return str_from(l->name);
}

enum link_role link_role(const struct link *l)
{
    return l->role;
}

struct str link_instance(const struct link *l)
{
    return str_from(l->instance);
}

void *link_data(const struct link *l)
{
    return l->data;
}

void link_set_data(struct link *l, void *data)
{
    l->data = data;
}
