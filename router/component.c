/* The connection of one component: bytes in, elements out to component_stream.c and
 * component_stanza.c; its end. */
#include "router/component_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "router/announce.h"
#include "router/metrics.h"

static void component_free(struct component *c)
{
    timer_stop(&c->timer);
    list_remove(&c->at);
    buf_fini(&c->partial);
    mem_free(c->domain);
    mem_free(c);
}

static void set_phase(struct component *c, enum component_phase phase)
{
    log_debug("component", kv_text("domain", c->domain ? c->domain : ""), kv_u64("from", c->phase),
              kv_u64("to", phase));
    c->phase = phase;
}

void component_over(struct component *c, const char *reason)
{
    struct components *cs = c->all;
    bool was_active = c->phase == COMPONENT_ACTIVE;
    char address[64];

    if (c->phase == COMPONENT_OVER)
        return;
    set_phase(c, COMPONENT_OVER);
    timer_stop(&c->timer);
    conn_peer_text(c->conn, address);
    conn_close(c->conn, COMPONENT_LINGER_MS);
    c->conn = NULL;
    if (was_active) {
        table_remove(&cs->by_domain, str_from(c->domain));
        metric_dec(&router_metric_components);
        log_info("component detached", kv_text("domain", c->domain), kv_text("reason", reason));
        audit("link-down", kv_text("peer", c->domain), kv_text("peer_role", "component"),
              kv_text("address", address), kv_text("reason", reason));
        announce_component(cs->router, str_from(c->domain), false);
    } else {
        cs->guests--;
    }
    if (!c->is_busy)
        component_free(c);
}

/* RFC 6120 §4.9.1.1: an error needs a stream around it. */
void component_fail(struct component *c, enum stream_error e, const char *reason)
{
    struct buf b = { 0 };
    char address[64];

    if (c->phase == COMPONENT_OVER)
        return;
    conn_peer_text(c->conn, address);
    log_warn("component refused", kv_text("domain", c->domain ? c->domain : ""),
             kv_text("address", address), kv_text("error", stream_error_name(e)),
             kv_text("reason", reason));
    audit_warning("link-refused", kv_text("peer", c->domain), kv_text("address", address),
                  kv_text("cause", "protocol"), kv_text("reason", reason));
    if (c->phase == COMPONENT_OPENING)
        component_answer_header(c, STR_NONE);
    stream_write_error(&b, e, STR_NONE);
    buf_add(&b, stream_close_tag);
    if (c->phase != COMPONENT_SECURING)
        conn_write(c->conn, buf_str(&b));
    buf_fini(&b);
    component_over(c, reason);
}

/* What a session manager wrote is of jabber:client; a component lives in jabber:component:accept.
 */
void component_write(struct component *c, struct xml *x)
{
    struct buf b = { 0 };

    if (c->phase != COMPONENT_ACTIVE)
        return;
    xml_rename_ns(x, NS_CLIENT, NS_COMPONENT_ACCEPT);
    xml_write(&b, x, STR(NS_COMPONENT_ACCEPT));
    conn_write(c->conn, buf_str(&b));
    c->stanzas_out++;
    metric_inc(&router_metric_component_stanzas);
    buf_fini(&b);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_element(struct component *c, struct str bytes)
{
    if (c->phase == COMPONENT_SHAKING)
        component_take_handshake(c, bytes);
    else
        component_take_stanza(c, bytes);
}

static void take_found(struct component *c, enum scan_found found, struct str bytes)
{
    bool in_stream = c->phase > COMPONENT_OPENING;

    if (found == SCAN_STREAM_OPEN && !in_stream)
        component_take_header(c, bytes);
    else if (found == SCAN_ELEMENT && in_stream)
        take_element(c, bytes);
    else if (found == SCAN_STREAM_CLOSE && in_stream) {
        conn_write(c->conn, stream_close_tag);
        component_over(c, "it closed its stream");
    } else if (found == SCAN_TOO_LARGE)
        component_fail(c, STREAM_POLICY_VIOLATION, "it sent an element that is too large");
    else if (found == SCAN_RESTRICTED)
        component_fail(c, STREAM_RESTRICTED_XML, "it sent restricted XML");
    else
        component_fail(c, STREAM_NOT_WELL_FORMED, "it sent XML that is not well-formed");
}

static struct scan_limits limits_of(const struct component *c)
{
    bool is_active = c->phase == COMPONENT_ACTIVE;

    return (struct scan_limits){
        .max_bytes = is_active ? (uint32_t)c->all->router->conf->component_max_stanza
                               : COMPONENT_HEADER_BYTES,
        .max_depth = (uint16_t)xml_default_limits.max_depth,
        .max_attributes = xml_default_limits.max_attributes,
    };
}

/* Takes one finding from the front of bytes; what is whole there is used where it lies. */
static void take_one(struct component *c, struct str *bytes)
{
    struct scan_limits limits = limits_of(c);
    size_t used;
    enum scan_found found =
        scan_next(&c->scan, *bytes, c->phase > COMPONENT_OPENING, &limits, &used);
    struct str piece = str_of(bytes->p, used);

    *bytes = str_of(bytes->p + used, bytes->n - used);
    if (found == SCAN_SPACE && c->partial.n == 0)
        return;
    if (c->partial.n > 0 || found == SCAN_MORE || found == SCAN_DECLARATION) {
        buf_add(&c->partial, piece);
        piece = buf_str(&c->partial);
    }
    if (c->phase <= COMPONENT_OPENING && piece.n > 2 * COMPONENT_HEADER_BYTES)
        found = SCAN_TOO_LARGE;
    /* The declaration, and white space behind it, is parsed with the header. */
    if (found == SCAN_MORE ||
        (c->phase == COMPONENT_OPENING && (found == SCAN_DECLARATION || found == SCAN_SPACE)))
        return;
    take_found(c, found, piece);
    buf_fini(&c->partial);
}

static void on_data(void *owner, struct conn *conn, struct str bytes)
{
    struct component *c = owner;

    (void)conn;
    c->is_busy = true;
    while (bytes.n > 0 && c->phase != COMPONENT_OVER)
        take_one(c, &bytes);
    c->is_busy = false;
    if (c->phase == COMPONENT_OVER)
        component_free(c);
}

static void on_secure(void *owner, struct conn *conn)
{
    (void)conn;
    set_phase(owner, COMPONENT_OPENING);
}

static void on_end(void *owner, struct conn *conn, enum err why)
{
    (void)conn;
    component_over(owner, why == ERR_LIMIT ? "too much waits to be written (component_queue)"
                                           : err_text(why));
}

const struct conn_events component_events = { .on_data = on_data,
                                              .on_secure = on_secure,
                                              .on_end = on_end };

static void on_timer(struct timer *t)
{
    struct component *c = CONTAINER_OF(t, struct component, timer);

    if (c->phase != COMPONENT_ACTIVE) {
        component_fail(c, STREAM_CONNECTION_TIMEOUT, "no handshake in time");
        return;
    }
    c->is_paused = false;
    conn_pause(c->conn, false);
}

struct component *component_new(struct components *cs, struct conn *conn)
{
    struct component *c = mem_new(struct component);

    c->all = cs;
    c->conn = conn;
    c->phase = cs->creds ? COMPONENT_SECURING : COMPONENT_OPENING;
    cs->guests++;
    list_push_back(&cs->all, &c->at);
    timer_init(&c->timer, on_timer);
    timer_set(cs->router->service->timers, &c->timer,
              (uint64_t)cs->router->conf->component_auth_ms);
    conn_set_queue_limit(conn, (size_t)cs->router->conf->component_queue);
    return c;
}
