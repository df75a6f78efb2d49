/* From a client's socket to its elements (client_input.h). RFC 6120 §4, §11. */
#include "c2s/client_input.h"

#include "c2s/alone.h"
#include "c2s/client_stream.h"
#include "c2s/door.h"
#include "c2s/gate.h"
#include "c2s/metrics.h"
#include "c2s/proxy.h"
#include "common/log.h"
#include "proto/ns.h"

/* One thing that the scanner found. */
struct item {
    struct str bytes;
    struct str behind; /* what came with it and was not looked at yet */
};

/* --- rules ------------------------------------------------------------------------------------ */

static void on_stream_error(struct client *c, struct xml *x, const struct item *item)
{
    struct xml *condition = xml_child(x, NS_STREAM_ERRORS, NULL);

    (void)item;
    log_info("a client reports a stream error", kv_u64("conn", c->number),
             kv_str("condition", condition ? condition->name : STR_NONE));
    client_end(c, &(struct control_end){ .why = CONTROL_END_CLOSED });
}

static void on_starttls(struct client *c, struct xml *x, const struct item *item)
{
    (void)x;
    client_stream_starttls(c, str_trim(item->behind).n == 0);
}

/* false: the client is gone for it. */
static bool send_up(struct client *c, struct xml *x, struct str bytes)
{
    struct str payload = alone_element(bytes, x, &c->c2s->client_scratch);

    if (payload.n >
        (size_t)c->c2s->conf->link.max_payload) { /* what is written anew may be longer */
        client_fail(c, STREAM_POLICY_VIOLATION, "too large for a frame");
        return false;
    }
    metric_inc(&c2s_metric_elements_up);
    gate_up(c, payload);
    buf_clear(&c->c2s->client_scratch);
    return true;
}

/* One step at a time: the next is not read before the session manager has answered. That bounds
 * what an unauthenticated client can have under way. */
static void on_step(struct client *c, struct xml *x, const struct item *item)
{
    client_set_phase(c, PHASE_ASKED);
    client_hold(c, HOLD_ANSWER);
    send_up(c, x, item->bytes);
}

/* XEP-0077 before login is all that an unauthenticated client may ask for, and only where the host
 * says so. */
static void on_iq_before(struct client *c, struct xml *x, const struct item *item)
{
    if (c->host->now.is_registration_open && xml_child(x, NS_REGISTER, "query"))
        on_step(c, x, item);
    else
        client_fail(c, STREAM_NOT_AUTHORIZED, NULL);
}

static void on_stanza(struct client *c, struct xml *x, const struct item *item)
{
    uint64_t wait_ms =
        rate_take(&c->stanzas, client_limits(c)->stanzas_per_second, 1, c2s_now_ms(c->c2s));

    if (send_up(c, x, item->bytes) && wait_ms)
        client_input_slow(c, wait_ms);
}

struct rule {
    uint8_t phase;    /* PHASE_COUNT: any */
    const char *ns;   /* NULL: any */
    const char *name; /* NULL: any */
    void (*handle)(struct client *c, struct xml *x, const struct item *item); /* NULL: the error */
    enum stream_error error;
};

/* The first that fits. Phases that are not here read no elements. RFC 6120 */
static const struct rule rules[] = {
    { PHASE_COUNT,      NS_STREAM, "error",    on_stream_error, STREAM_OK },               /* §4.9 */
    { PHASE_OFFER_TLS,  NS_TLS,    "starttls", on_starttls,     STREAM_OK },               /* §5.4.2 */
    { PHASE_OFFER_TLS,  NS_CLIENT, NULL,       NULL,            STREAM_NOT_AUTHORIZED },   /* §4.9.3.12 */
    { PHASE_OFFER_TLS,  NULL,      NULL,       NULL,            STREAM_POLICY_VIOLATION }, /* §5.3.1: mandatory to negotiate */
    { PHASE_OFFER_SASL, NS_TLS,    "starttls", on_starttls,     STREAM_OK },               /* §5.4.2; where TLS is optional */
    { PHASE_OFFER_SASL, NS_SASL,   NULL,       on_step,         STREAM_OK },               /* §6.4 */
    { PHASE_OFFER_SASL, NS_CLIENT, "iq",       on_iq_before,    STREAM_OK },               /* XEP-0077 */
    { PHASE_OFFER_SASL, NS_CLIENT, NULL,       NULL,            STREAM_NOT_AUTHORIZED },   /* §4.9.3.12 */
    { PHASE_ACTIVE,     NS_CLIENT, "message",  on_stanza,       STREAM_OK },               /* §8 */
    { PHASE_ACTIVE,     NS_CLIENT, "presence", on_stanza,       STREAM_OK },
    { PHASE_ACTIVE,     NS_CLIENT, "iq",       on_stanza,       STREAM_OK },
    { PHASE_ACTIVE,     NS_CSI,    NULL,       on_stanza,       STREAM_OK },               /* XEP-0352 §4.2 */
    { PHASE_COUNT,      NULL,      NULL,       NULL,            STREAM_UNSUPPORTED_STANZA_TYPE }, /* §4.9.3.24 */
};

static const struct rule *find_rule(const struct client *c, const struct xml *x)
{
    const struct rule *r = rules;

    while ((r->phase != PHASE_COUNT && r->phase != c->phase) || (r->ns && !str_is(x->ns, r->ns)) ||
           (r->name && !str_is(x->name, r->name)))
        r++; /* the last row fits everything */
    return r;
}

/* --- what the scanner finds ------------------------------------------------------------------- */

/* XEP-0077 sets passwords in band. */
static bool is_registration(struct xml *x)
{
    return str_is(x->name, "iq") && xml_child(x, NS_REGISTER, "query");
}

/* What was said before login, or sets a password, is not kept for whoever comes later. */
static void forget(struct c2s *c2s, bool is_secret)
{
    arena_reset(&c2s->client_arena);
    if (is_secret)
        xml_parser_forget(c2s->parser);
}

static void on_element(struct client *c, const struct item *item)
{
    const struct control_host *limits = client_limits(c);
    const struct xml_limits xml_limits = { (uint32_t)limits->max_depth,
                                           (uint32_t)limits->max_attributes,
                                           xml_default_limits.max_nodes };
    struct arena *arena = &c->c2s->client_arena;
    struct c2s *c2s = c->c2s;
    bool is_before = c->phase < PHASE_AUTHENTICATED;
    const struct rule *rule;
    enum xml_error e;
    struct xml *x;

    e = xml_parse(c->c2s->parser, XML_IN_CLIENT_STREAM, &xml_limits, item->bytes, arena, &x);
    if (e != XML_OK) {
        client_fail(c, stream_error_from_xml(e), NULL);
        forget(c2s, is_before);
        return;
    }
    is_before = is_before || is_registration(x);
    rule = find_rule(c, x);
    if (rule->handle)
        rule->handle(c, x, item);
    else
        client_fail(c, rule->error, NULL);
    forget(c2s, is_before);
}

static bool is_before_header(const struct client *c)
{
    return c->phase == PHASE_HEADER || c->phase == PHASE_AUTHENTICATED;
}

static void on_close_tag(struct client *c, struct str tag)
{
    struct str name = tag.n >= 3 ? str_trim(str_of(tag.p + 2, tag.n - 3)) : STR_NONE;

    if (str_is(name, "stream:stream"))
        client_end(c, &(struct control_end){ .why = CONTROL_END_CLOSED }); /* §4.4 */
    else
        client_fail(c, STREAM_NOT_WELL_FORMED, NULL);
}

static void on_bad(struct client *c, struct str bytes)
{
    /* §4.9.3.22: the marks with which UTF-16 begins. */
    bool is_utf16 = bytes.n && (bytes.p[0] == '\xfe' || bytes.p[0] == '\xff');

    if (is_before_header(c) && is_utf16)
        client_fail(c, STREAM_UNSUPPORTED_ENCODING, NULL);
    else
        client_fail(c, STREAM_NOT_WELL_FORMED, NULL);
}

static void on_found(struct client *c, enum scan_found found, const struct item *item)
{
    switch (found) {
    case SCAN_MORE:
    case SCAN_SPACE: /* §4.6.1 */
        return;
    case SCAN_STREAM_OPEN:
        client_stream_header(c, item->bytes);
        return;
    case SCAN_ELEMENT:
        if (is_before_header(c)) /* <a/> where <stream:stream> should be */
            client_stream_header(c, item->bytes);
        else
            on_element(c, item);
        return;
    case SCAN_STREAM_CLOSE:
        on_close_tag(c, item->bytes);
        return;
    case SCAN_TOO_LARGE:
        client_fail(c, STREAM_POLICY_VIOLATION,
                    "too large, too deep or too many attributes"); /* §4.9.3.14 */
        return;
    case SCAN_RESTRICTED:
        client_fail(c, STREAM_RESTRICTED_XML, NULL); /* §11.1 */
        return;
    case SCAN_DECLARATION: /* §11.5: only in front of a header */
    case SCAN_BAD:
        on_bad(c, item->bytes);
        return;
    }
}

/* Of a host that takes large tickets, a header is no larger than others'. */
static struct scan_limits scan_limits(const struct client *c)
{
    enum { MAX_HEADER_BYTES = 10 * 1024 };
    const struct control_host *limits = client_limits(c);
    uint64_t max =
        c->phase < PHASE_AUTHENTICATED ? limits->max_stanza_bytes_before : limits->max_stanza_bytes;

    if (c->phase == PHASE_HEADER && max > MAX_HEADER_BYTES)
        max = MAX_HEADER_BYTES;
    return (struct scan_limits){ (uint32_t)max, (uint16_t)limits->max_depth,
                                 (uint32_t)limits->max_attributes };
}

/* Takes things out of all, from `at` on (before that the scanner has been), until it is used up or
 * the client is held or gone. Returns how much at the front is done with. */
static size_t take_things(struct client *c, struct str all, size_t *at)
{
    size_t start = 0;

    while (*at < all.n && !c->holds && c->conn && c->phase != PHASE_HANDSHAKE) {
        struct scan_limits limits = scan_limits(c);
        bool is_first = *at - c->scan.size == start; /* else a declaration is kept in front of it */
        size_t used = 0;
        enum scan_found found = scan_next(&c->scan, str_of(all.p + *at, all.n - *at),
                                          !is_before_header(c), &limits, &used);
        struct item item;

        *at += used;
        if (found == SCAN_MORE)
            break;
        /* The declaration stays in front of the header: only together they can be parsed. */
        if (is_before_header(c) &&
            ((found == SCAN_DECLARATION && is_first) || (found == SCAN_SPACE && !is_first)))
            continue;
        if (found == SCAN_BAD)
            *at = all.n; /* there is no end of it */
        item =
            (struct item){ str_of(all.p + start, *at - start), str_of(all.p + *at, all.n - *at) };
        start = *at;
        on_found(c, found, &item);
        if (c->phase == PHASE_HANDSHAKE)
            start = *at = all.n; /* white space at most, and not of the secure stream */
    }
    return start;
}

static void consume(struct client *c, struct str bytes)
{
    bool was_kept = c->in.n > 0;
    size_t at = was_kept ? c->scanned : 0, done;

    if (was_kept)
        buf_add(&c->in, bytes);
    done = take_things(c, was_kept ? buf_str(&c->in) : bytes, &at);
    if (!c->conn)
        return;
    if (was_kept)
        buf_drop(&c->in, done);
    else
        buf_add(&c->in, str_of(bytes.p + done, bytes.n - done));
    c->scanned = (uint32_t)(at - done);
    if (!c->in.n)
        buf_fini(&c->in);
}

void client_input_resume(struct client *c)
{
    if (c->in.n)
        consume(c, STR_NONE);
}

/* --- the socket ------------------------------------------------------------------------------- */

/* Its address is known: may it come in? */
static bool admit(struct client *c)
{
    struct c2s *c2s = c->c2s;

    c->address = address_enter(&c2s->addresses, c->ip, c->ip_bytes,
                               (uint32_t)c2s->conf->connections_per_address);
    if (c->address)
        return true;
    metric_inc(&c2s_metric_refused);
    client_fail(c, STREAM_RESOURCE_CONSTRAINT, "too many connections from this address");
    return false;
}

/* rest: what came behind the PROXY protocol's header. */
static void begin(struct client *c, struct str rest)
{
    enum phase first = c->door->kind == C2S_DOOR_TLS ? PHASE_HANDSHAKE : PHASE_HEADER;

    /* Before it is refused as well: the phase says whether anything can be said in clear. */
    if (c->phase != first)
        client_set_phase(c, first);
    if (!admit(c))
        return;
    if (first == PHASE_HANDSHAKE)
        conn_start_tls(c->conn, c->c2s->direct_creds, true, NULL, rest);
    else if (rest.n)
        consume(c, rest);
}

static void on_proxy(struct client *c, struct str bytes)
{
    struct proxy_source source;
    char address[64];
    struct buf header;
    size_t used;
    enum err e;

    buf_add(&c->in, bytes);
    e = proxy_read(buf_str(&c->in), &source, &used);
    if (e == ERR_AGAIN)
        return;
    if (e != ERR_OK) {
        conn_peer_text(c->conn, address);
        log_warn("no PROXY protocol header", kv_text("listen", c->door->name),
                 kv_text("address", address), kv_err(e));
        client_end(c, &(struct control_end){ .why = CONTROL_END_LOST });
        return;
    }
    if (source.is_known) {
        memcpy(c->ip, source.ip, sizeof(c->ip));
        c->ip_bytes = (uint8_t)source.ip_bytes;
        c->port = source.port;
    }
    header = c->in;
    c->in = (struct buf){ 0 };
    begin(c, str_of(header.p + used, header.n - used));
    buf_fini(&header);
}

void client_input_slow(struct client *c, uint64_t wait_ms)
{
    if (!c->conn)
        return;
    metric_inc(&c2s_metric_slowed);
    client_hold(c, HOLD_RATE);
    timer_set(c->c2s->service->timers, &c->rate_timer, wait_ms);
}

static void on_data(void *owner, struct conn *conn, struct str bytes)
{
    struct client *c = owner;
    uint64_t now_ms = c2s_now_ms(c->c2s), wait_ms;

    (void)conn;
    if (c->phase == PHASE_PROXY) {
        on_proxy(c, bytes);
        return;
    }
    if (c->phase == PHASE_ACTIVE)
        c->since_ms = now_ms;
    metric_add(&c2s_metric_bytes_up, bytes.n);
    wait_ms = rate_take(&c->bytes, client_limits(c)->bytes_per_second, bytes.n, now_ms);
    consume(c, bytes);
    if (wait_ms)
        client_input_slow(c, wait_ms);
}

static void on_secure(void *owner, struct conn *conn)
{
    struct client *c = owner;

    (void)conn;
    metric_inc(&c2s_metric_handshakes);
    c->scan = (struct scan){ 0 };
    client_set_phase(c, PHASE_HEADER);
}

static void on_sent(void *owner, struct conn *conn)
{
    (void)conn;
    gate_sent(owner);
}

static void on_end(void *owner, struct conn *conn, enum err why)
{
    struct client *c = owner;

    if (c->phase == PHASE_HANDSHAKE) {
        metric_inc(&c2s_metric_handshakes_failed);
        log_debug("TLS handshake failed", kv_u64("conn", c->number),
                  kv_text("reason", conn_tls_reason(conn)));
    }
    client_end(c,
               &(struct control_end){ .why = CONTROL_END_LOST, .text = str_from(err_text(why)) });
}

static const struct conn_events events = {
    .on_data = on_data,
    .on_secure = on_secure,
    .on_sent = on_sent,
    .on_end = on_end,
};

static uint16_t peer_port(const struct conn *conn)
{
    char text[64];
    uint64_t port = 0;
    const char *colon;

    conn_peer_text(conn, text);
    colon = strrchr(text, ':');
    if (!colon || str_to_u64(str_from(colon + 1), &port) != ERR_OK)
        return 0;
    return (uint16_t)port;
}

void client_input_start(struct client *c)
{
    c->ip_bytes = (uint8_t)conn_peer_ip(c->conn, c->ip);
    c->port = peer_port(c->conn);
    conn_set_owner(c->conn, &events, c);
    if (c->phase == PHASE_HEADER)
        begin(c, STR_NONE);
}
