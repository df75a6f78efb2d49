/* Connections before they are logged in. SASL itself is login_sasl.c's, what follows from success adopt.c's. */
#include "sm/login_parts.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/features.h"
#include "sm/iq.h"
#include "sm/metrics.h"
#include "sm/peers.h"
#include "sm/session.h"
#include "sm/wire.h"

enum {
    MAX_LOGINS = 200000,
    MAX_LOGINS_OF_C2S = 20000, /* one that is hostile must leave room for the others */
    MAX_OPEN_BYTES = 65536,    /* with the chain of a certificate */
    SPLICED_BYTES = 64,        /* c2s declares the namespace */
    GRACE_MS = 5000
};

static struct str key_of(const void *item)
{
    return str_from(((const struct login *)item)->address);
}

void login_init(struct sm *sm)
{
    table_init(&sm->logins, key_of);
}

static struct login *find(const struct sm *sm, struct str address)
{
    return table_get(&sm->logins, address);
}

void login_free(struct login *l)
{
    table_remove(&l->sm->logins, str_from(l->address));
    l->c2s->logins--;
    timer_stop(&l->timer);
    auth_exchange_free(l->exchange);
    auth_certificate_forget(l->check);
    arena_fini(&l->arena);
    mem_free(l->address);
    mem_free(l);
    metric_dec(&sm_metric_logins_open);
}

static bool always(const struct login *l, const void *what)
{
    (void)l;
    (void)what;
    return true;
}

static bool is_via(const struct login *l, const void *what)
{
    return l->via == what;
}

static bool is_of_c2s(const struct login *l, const void *what)
{
    return str_eq(frame_address_name(str_from(l->address)), *(const struct str *)what);
}

/* The table must not change while it is walked: begun anew after each. */
static void free_where(struct sm *sm, bool (*is_meant)(const struct login *l, const void *what), const void *what)
{
    struct login *l;
    size_t at = 0;

    while ((l = table_next(&sm->logins, &at))) {
        if (!is_meant(l, what))
            continue;
        login_free(l);
        at = 0;
    }
}

void login_fini(struct sm *sm)
{
    free_where(sm, always, NULL);
    table_fini(&sm->logins);
}

void login_link_lost(struct sm *sm, const struct link *l)
{
    free_where(sm, is_via, l);
}

void login_peer_lost(struct sm *sm, struct str c2s)
{
    free_where(sm, is_of_c2s, &c2s);
}

void login_send(struct login *l, struct str payload)
{
    wire_control(l->sm, l->via, str_from(l->address), payload);
}

static void send_end(struct sm *sm, struct link *via, struct str address, const struct control_end *end)
{
    struct buf out = { 0 };

    control_write_end(&out, end);
    wire_control(sm, via, address, buf_str(&out));
    buf_fini(&out);
}

void login_end(struct login *l, enum stream_error error, struct str text)
{
    struct control_end end = { .why = CONTROL_END_ERROR, .error = error, .text = text };

    send_end(l->sm, l->via, str_from(l->address), &end);
    login_free(l);
}

/* c2s has a timer of its own; this one is for what it forgets to tell. */
static void on_timer(struct timer *t)
{
    login_end(CONTAINER_OF(t, struct login, timer), STREAM_CONNECTION_TIMEOUT, STR_NONE);
}

/* --- <open/> ----------------------------------------------------------------------------------------------------- */

static struct login *make(struct sm *sm, struct str address, struct peer *c2s)
{
    struct login *l = mem_new(struct login);

    l->sm = sm;
    l->c2s = c2s;
    c2s->logins++;
    l->address = str_dup(address);
    timer_init(&l->timer, on_timer);
    table_put(&sm->logins, l);
    metric_inc(&sm_metric_logins_open);
    return l;
}

void login_send_features(struct login *l)
{
    struct arena arena = { 0 };
    struct xml *features = xml_new(&arena, NS_STREAM, "features");
    struct buf out = { 0 };

    login_sasl_features(l, features, &arena);
    features_extend(l->sm, str_from(l->host->name), false, features, &arena);
    features_write(&out, features);
    login_send(l, buf_str(&out));
    buf_fini(&out);
    arena_fini(&arena);
}

/* A connection has one address and, once it is secure, one TLS session: what is said of them later must be the same. */
static bool is_same_connection(const struct control_open *before, const struct control_open *now)
{
    const struct str pairs[][2] = { { before->tls, now->tls },
                                    { before->cipher, now->cipher },
                                    { before->sni, now->sni },
                                    { before->alpn, now->alpn },
                                    { before->cb_exporter, now->cb_exporter },
                                    { before->cb_end_point, now->cb_end_point },
                                    { before->cb_unique, now->cb_unique },
                                    { before->chain, now->chain } };

    if (!str_eq(before->addr, now->addr))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(pairs) && str_is_set(before->tls); i++) {
        if (!str_eq(pairs[i][0], pairs[i][1]))
            return false;
    }
    return true;
}

/* A session is opened once on a connection. One whose <success/> was lost with a link has said nothing yet: c2s opens again. */
static bool has_session(const struct sm *sm, struct str address, bool is_lost)
{
    const struct session *s = table_get(&sm->addresses, address);

    return s && (!is_lost || s->channel.up_last > 0);
}

/* NULL: it may not be opened, and has been told or dropped. */
static struct login *admit(struct sm *sm, struct link *via, const struct frame *f)
{
    struct peer *c2s = peers_find(sm, frame_address_name(f->from));
    struct control_end refusal = { .why = CONTROL_END_ERROR, .error = STREAM_RESOURCE_CONSTRAINT };

    if (!peers_is_role(c2s, "c2s")) {
        metric_inc(&sm_metric_frames_dropped);
        return NULL;
    }
    if (sm->logins.count < MAX_LOGINS && c2s->logins < MAX_LOGINS_OF_C2S)
        return make(sm, f->from, c2s);
    if (c2s->logins >= MAX_LOGINS_OF_C2S)
        wire_refuse(f, "too many connections that are not logged in");
    send_end(sm, via, f->from, &refusal);
    return NULL;
}

static void begin(struct login *l)
{
    l->host = sm_host(l->sm, l->open.host);
    if (!l->host) {
        login_end(l, STREAM_HOST_UNKNOWN, STR_NONE);
        return;
    }
    l->state = LOGIN_OPEN;
    l->is_lost = l->open.is_lost;
    timer_set(l->sm->service->timers, &l->timer, (uint64_t)l->host->auth_timeout_ms + GRACE_MS);
    if (!login_sasl_certify(l) && !l->is_lost)
        login_send_features(l);
}

/* A later <open/> begins a new stream; the guesses of this connection still count. */
static void on_open(struct sm *sm, struct link *via, const struct frame *f, const struct xml *el)
{
    struct login *l = find(sm, f->from);
    struct arena arena = { 0 };
    struct control_open open;
    const char *refusal = NULL;

    if (f->payload.n > MAX_OPEN_BYTES || control_read_open(xml_copy(el, &arena), &arena, &open) != ERR_OK)
        refusal = "a connection whose facts are malformed or too large";
    else if (l && !is_same_connection(&l->open, &open))
        refusal = "a connection opened again with other facts";
    else if (has_session(sm, f->from, open.is_lost))
        refusal = "a connection opened a second time";
    if (refusal) {
        wire_refuse(f, refusal);
        arena_fini(&arena);
    } else if ((l && l->state == LOGIN_ADOPTING) || (!l && (l = admit(sm, via, f)) == NULL)) {
        arena_fini(&arena);
    } else {
        auth_exchange_free(l->exchange);
        l->exchange = NULL;
        auth_certificate_forget(l->check);
        l->check = NULL;
        arena_fini(&l->arena);
        l->arena = arena; /* open's texts live there */
        l->open = open;
        l->via = via;
        begin(l);
    }
}

/* --- registration (XEP-0077), before login ----------------------------------------------------------------------- */

static void on_answer(struct sm *sm, struct str key, const struct stanza *answer)
{
    struct login *l = find(sm, key);
    struct buf out = { 0 };

    if (l) {
        xml_write(&out, answer->el, STR_NONE);
        login_send(l, buf_str(&out));
    }
    buf_fini(&out);
}

static void on_iq(struct login *l, struct str payload)
{
    struct stanza *st = stanza_new(STANZA_IQ, TYPE_NONE);

    if (xml_parse(l->sm->parser, XML_ALONE, &xml_default_limits, payload, &st->arena, &st->el) == XML_OK &&
        stanza_read(st) == STANZA_OK && (st->type == TYPE_GET || st->type == TYPE_SET) &&
        xml_child(st->el, NS_REGISTER, "query"))
        iq_before_login(l->sm, str_from(l->host->name), st, on_answer, str_from(l->address));
    else
        login_end(l, STREAM_NOT_AUTHORIZED, STR_NONE);
    stanza_unref(st);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* RFC 6120 §4.9.3.12: nothing else before authentication. */
static void on_element(struct login *l, const struct xml *el, struct str payload)
{
    if (xml_is(el, NS_LINK, "end"))
        login_free(l);
    else if (str_is(el->ns, NS_SASL))
        login_sasl(l, el);
    else if (xml_is(el, NS_CLIENT, "iq") && l->state == LOGIN_OPEN && l->host->may_register)
        on_iq(l, payload);
    else
        login_end(l, STREAM_NOT_AUTHORIZED, STR_NONE);
}

void login_on_frame(struct sm *sm, struct link *via, const struct frame *f)
{
    struct arena arena = { 0 };
    struct login *l = find(sm, f->from);
    struct xml *el;

    if (xml_parse(sm->parser, XML_ALONE, &control_xml_limits, f->payload, &arena, &el) != XML_OK) {
        wire_refuse(f, "a payload that is no element");
    } else if (xml_is(el, NS_LINK, "open")) {
        on_open(sm, via, f, el);
    } else if (!l || l->via != via) {
        metric_inc(&sm_metric_frames_dropped);
    } else if (f->payload.n > (size_t)l->host->max_stanza_before + SPLICED_BYTES) {
        wire_refuse(f, "an element that is too large before login");
        login_end(l, STREAM_POLICY_VIOLATION, STR_NONE);
    } else {
        on_element(l, el, f->payload);
    }
    arena_fini(&arena);
}

/* --- what becomes of it ------------------------------------------------------------------------------------------ */

bool login_is_waiting(const struct sm *sm, struct str address)
{
    const struct login *l = find(sm, address);

    return l && l->state == LOGIN_ADOPTING;
}

void login_succeeded(struct sm *sm, struct str address)
{
    struct login *l = find(sm, address);

    if (l)
        login_free(l);
}

void login_failed(struct sm *sm, struct str address, enum auth_failure failure)
{
    struct login *l = find(sm, address);

    if (!l || l->state != LOGIN_ADOPTING)
        return;
    l->state = LOGIN_OPEN;
    login_sasl_fail(l, failure);
}

void login_hosts_changed(struct sm *sm)
{
    struct login *l;
    size_t at = 0;

    while ((l = table_next(&sm->logins, &at))) {
        l->host = sm_host(sm, l->open.host);
        if (l->host)
            continue;
        login_end(l, STREAM_HOST_GONE, STR_NONE);
        at = 0;
    }
}
