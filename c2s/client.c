/* One client, from accept to the end: phases, reading or not, timeouts, ending. What comes in is
 * client_input.c's. */
#include "c2s/client.h"

#include "c2s/client_input.h"
#include "c2s/client_stream.h"
#include "c2s/door.h"
#include "c2s/gate.h"
#include "c2s/metrics.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"

enum { LINGER_MS = 2000 };

const char *const client_phase_names[PHASE_COUNT] = {
    [PHASE_PROXY] = "proxy",     [PHASE_HANDSHAKE] = "handshake",
    [PHASE_HEADER] = "header",   [PHASE_OFFER_TLS] = "offer-tls",
    [PHASE_OPENING] = "opening", [PHASE_OFFER_SASL] = "offer-sasl",
    [PHASE_ASKED] = "asked",     [PHASE_AUTHENTICATED] = "authenticated",
    [PHASE_ACTIVE] = "active",   [PHASE_GONE] = "gone",
    [PHASE_DEAD] = "dead",
};

static bool is_unauthenticated(enum phase phase)
{
    return phase < PHASE_AUTHENTICATED;
}

void client_set_phase(struct client *c, enum phase phase)
{
    struct c2s *c2s = c->c2s;

    log_debug("client phase", kv_u64("conn", c->number),
              kv_text("old", client_phase_names[c->phase]),
              kv_text("new", client_phase_names[phase]));
    if (is_unauthenticated(c->phase) && !is_unauthenticated(phase)) {
        c2s->unauthenticated--;
        c2s_update(c2s);
    }
    c->phase = (uint8_t)phase;
}

/* While its session manager is away a client may wait for longer than authentication may take
 * otherwise. */
static void on_unauthenticated_timeout(struct client *c, uint64_t passed_ms)
{
    uint64_t park_ms = (uint64_t)c->c2s->conf->park_timeout_ms;

    if (c->phase < PHASE_OPENING || c->path) {
        client_end(c, &(struct control_end){ CONTROL_END_TIMEOUT, STREAM_CONNECTION_TIMEOUT,
                                             STR("not authenticated in time") });
        return;
    }
    if (passed_ms >= park_ms)
        client_fail(c, STREAM_SYSTEM_SHUTDOWN, "no session manager");
    else
        timer_set(c->c2s->service->timers, &c->timer, park_ms - passed_ms);
}

static void on_idle(struct client *c, uint64_t passed_ms)
{
    uint64_t idle_ms = client_limits(c)->idle_timeout_ms;

    if (!idle_ms)
        return;
    if (c->holds || passed_ms < idle_ms) /* what is not read cannot be heard */
        timer_set(c->c2s->service->timers, &c->timer, c->holds ? idle_ms : idle_ms - passed_ms);
    else
        client_end(c, &(struct control_end){ CONTROL_END_TIMEOUT, STREAM_CONNECTION_TIMEOUT,
                                             STR("nothing was heard") });
}

static void on_timer(struct timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, timer);
    uint64_t passed_ms = c2s_now_ms(c->c2s) - c->since_ms;

    if (c->phase == PHASE_GONE) {
        log_warn("a session's end was never confirmed",
                 kv_str("s", str_of(c->session, FRAME_SESSION_TEXT)));
        client_die(c);
    } else if (c->phase == PHASE_ACTIVE) {
        on_idle(c, passed_ms);
    } else {
        on_unauthenticated_timeout(c, passed_ms);
    }
}

static void on_rate_timer(struct timer *t)
{
    client_release(CONTAINER_OF(t, struct client, rate_timer), HOLD_RATE);
}

static struct client *make(struct c2s *c2s, uint64_t number)
{
    struct client *c = mem_new(struct client);

    c->c2s = c2s;
    c->number = number;
    c->since_ms = c2s_now_ms(c2s);
    list_init(&c->path_at);
    list_init(&c->waiting_at);
    list_init(&c->owing_at);
    timer_init(&c->timer, on_timer);
    timer_init(&c->rate_timer, on_rate_timer);
    table_put(&c2s->clients, c);
    return c;
}

void client_new(struct c2s *c2s, struct door *door, struct conn *conn)
{
    struct client *c = make(c2s, ++c2s->last_number);

    c->door = door;
    c->conn = conn;
    c->phase = door->proxy_count ? PHASE_PROXY : PHASE_HEADER;
    c2s->unauthenticated++;
    metric_inc(&c2s_metric_accepted);
    metric_inc(&c2s_metric_clients);
    timer_set(c2s->service->timers, &c->timer, client_limits(c)->auth_timeout_ms);
    client_input_start(c);
    c2s_update(c2s);
}

struct client *client_new_gone(struct c2s *c2s, uint64_t number)
{
    struct client *c = make(c2s, number);

    c->phase = PHASE_GONE;
    timer_set(c2s->service->timers, &c->timer, (uint64_t)c2s->conf->park_timeout_ms);
    return c;
}

struct client *client_find(struct c2s *c2s, uint64_t number)
{
    struct client *c = table_get(&c2s->clients, str_of(&number, sizeof(number)));

    return c && c->phase != PHASE_DEAD ? c : NULL;
}

const struct control_host *client_limits(const struct client *c)
{
    return c->host ? &c->host->now : &c->c2s->floors;
}

void client_hold(struct client *c, enum hold why)
{
    if (!c->holds && c->conn)
        conn_pause(c->conn, true);
    c->holds |= (uint8_t)why;
}

void client_release(struct client *c, enum hold why)
{
    if (!(c->holds & why))
        return;
    c->holds &= (uint8_t)~why;
    if (c->holds || !c->conn)
        return;
    conn_pause(c->conn, false);
    client_input_resume(c);
}

/* What only a client with a socket needs. */
static void let_go(struct client *c)
{
    metric_dec(&c2s_metric_clients);
    address_leave(&c->c2s->addresses, c->address);
    c->address = NULL;
    door_leave(c->door);
    c->door = NULL;
    client_stream_forget(c);
    buf_fini(&c->in);
    timer_stop(&c->timer);
    timer_stop(&c->rate_timer);
    list_remove(&c->waiting_at);
    c->holds = 0;
}

static void log_end(const struct client *c, const struct control_end *end)
{
    static const char *const why[] = { "closed", "lost", "error", "timeout" };

    if (end->error != STREAM_OK)
        metric_inc(&c2s_metric_stream_errors);
    log_write(client_has_session(c) ? LOG_INFO : LOG_DEBUG, "client ended",
              LOG_PAIRS(kv_u64("conn", c->number),
                        client_has_session(c) ? kv_str("s", str_of(c->session, FRAME_SESSION_TEXT))
                                              : (struct kv){ 0 },
                        kv_text("phase", client_phase_names[c->phase]),
                        kv_text("why", why[end->why]),
                        kv_text("condition",
                                end->error != STREAM_OK ? stream_error_name(end->error) : ""),
                        kv_str("text", end->text)));
}

void client_end(struct client *c, const struct control_end *end)
{
    struct conn *conn = c->conn;

    if (!conn)
        return;
    log_end(c, end);
    if (end->why != CONTROL_END_LOST)
        client_stream_write_end(c, end->error, end->text);
    c->conn = NULL;
    conn_close(conn, end->why == CONTROL_END_LOST ? 0 : LINGER_MS);
    let_go(c);
    if (!client_has_session(c)) {
        if (c->is_open)
            gate_end(c, end);
        client_die(c);
        return;
    }
    gate_end(c, end);
    client_set_phase(c, PHASE_GONE);
    timer_set(c->c2s->service->timers, &c->timer, (uint64_t)c->c2s->conf->park_timeout_ms);
}

/* What the policy of this process forbids; other errors are clients' mistakes. */
static void audit_violation(const struct client *c, enum stream_error error, const char *text)
{
    char address[64];

    if (!c->conn || (error != STREAM_POLICY_VIOLATION && error != STREAM_RESOURCE_CONSTRAINT))
        return;
    address_text(c->ip, c->ip_bytes, c->port, address);
    audit_warning("policy-violation", kv_text("address", address),
                  kv_str("session", client_has_session(c) ? str_of(c->session, FRAME_SESSION_TEXT)
                                                          : STR_NONE),
                  kv_text("what", text ? text : stream_error_name(error)));
}

void client_fail(struct client *c, enum stream_error error, const char *text)
{
    audit_violation(c, error, text);
    client_end(c, &(struct control_end){ CONTROL_END_ERROR, error, str_from(text) });
}

void client_die(struct client *c)
{
    if (c->phase == PHASE_DEAD)
        return;
    if (c->conn) {
        conn_close(c->conn, 0);
        c->conn = NULL;
        let_go(c);
    }
    client_set_phase(c, PHASE_DEAD);
    timer_stop(&c->timer);
    upstream_detach(c);
    list_push_back(&c->c2s->dead, &c->path_at);
    c2s_at_turn_end(c->c2s);
}

void client_free_dead(struct c2s *c2s)
{
    LIST_FOR_EACH_SAFE(item, following, &c2s->dead) {
        struct client *c = CONTAINER_OF(item, struct client, path_at);

        list_remove(item);
        table_remove(&c2s->clients, str_of(&c->number, sizeof(c->number)));
        if (client_has_session(c)) {
            table_remove(&c2s->sessions, str_of(c->session, FRAME_SESSION_TEXT));
            channel_gate_fini(&c->gate);
        }
        mem_free(c);
        c2s->freed++;
    }
}

void client_open_upstream(struct client *c)
{
    struct path *path = c->path ? c->path : upstream_any(c->c2s);
    struct buf open = { 0 };

    if (!path) {
        upstream_detach(c);
        c->is_open = false;
        list_push_back(&c->c2s->unopened, &c->path_at);
        client_hold(c, HOLD_ANSWER);
        return;
    }
    upstream_attach(c, path->upstream, path);
    client_stream_write_open(c, c->phase != PHASE_OPENING, &open);
    c->is_open = true;
    gate_up(c, buf_str(&open));
    buf_fini(&open);
    /* The element that was asked about is lost with the one who was asked. The next answers
     * whatever step it hears first with temporary-auth-failure, so it is given one: a copy of a
     * password is not kept for that. */
    if (c->phase == PHASE_ASKED)
        gate_up(c, STR("<abort xmlns='" NS_SASL "'/>"));
    else if (c->phase == PHASE_OFFER_SASL)
        client_release(c, HOLD_ANSWER);
}

size_t client_write_address(const struct client *c, char *out, size_t max)
{
    size_t prefix = c->c2s->own_prefix_bytes, digits = 0;
    uint64_t rest = c->number;
    char number[20];

    do /* by hand: it is written for every stanza */
        number[digits++] = (char)('0' + rest % 10);
    while (rest /= 10);
    ASSERT(prefix + digits < max);
    memcpy(out, c->c2s->own_prefix, prefix);
    for (size_t i = 0; i < digits; i++)
        out[prefix + i] = number[digits - 1 - i];
    out[prefix + digits] = '\0';
    return prefix + digits;
}
