/* Stanzas of components, both ways: checked, put into the other namespace, addressed. XEP-0114 §3,
 * RFC 6120 §8. */
#include "router/component_private.h"

#include "proto/ns.h"
#include "router/forward.h"
#include "router/metrics.h"

/* --- from the component ----------------------------------------------------------------------- */

static bool is_stanza(const struct xml *x)
{
    return str_is(x->ns, NS_CLIENT) &&
           (str_is(x->name, "message") || str_is(x->name, "presence") || str_is(x->name, "iq"));
}

/* STREAM_OK, or what ends the stream: "All stanzas sent to the server MUST possess a 'from'
 * attribute and a 'to' attribute"; the domain of from MUST be the component's (XEP-0114 §3). */
static enum stream_error check_stanza(const struct component *c, struct stanza *s)
{
    struct str from = xml_attr(s->el, "from");
    struct jid jid;

    if (!is_stanza(s->el))
        return STREAM_UNSUPPORTED_STANZA_TYPE;
    if (!str_is_set(from) || !str_is_set(xml_attr(s->el, "to")))
        return STREAM_IMPROPER_ADDRESSING;
    if (jid_parse(from, &s->arena, &jid) != ERR_OK || !str_is(jid.domain, c->domain))
        return STREAM_INVALID_FROM;
    return STREAM_OK;
}

static void answer_error(struct component *c, const struct stanza *s, enum stanza_error e,
                         const char *text)
{
    struct stanza *reply = stanza_error_reply(s, e, str_from(text));

    if (reply)
        component_write(c, reply->el);
    stanza_unref(reply);
}

/* A session manager that cannot keep up slows the components, never the links. Long before its
 * queue is so full that a link ends for it, whatever link_queue is. */
static void pause_if_full(struct component *c, struct link *via)
{
    size_t share = (size_t)c->all->router->conf->link.queue_limit / 8;
    size_t enough = share < COMPONENT_PAUSE_BYTES ? share : COMPONENT_PAUSE_BYTES;

    if (c->is_paused || link_queued_bytes(via) < enough)
        return;
    c->is_paused = true;
    conn_pause(c->conn, true);
    timer_set(c->all->router->service->timers, &c->timer, COMPONENT_RESUME_MS);
}

static void send_on(struct component *c, struct stanza *s)
{
    struct buf payload = { 0 };
    struct frame f = { 0 };
    struct link *via;
    enum err e;

    stanza_set_from(s, &s->from); /* normalised, as the frame has it */
    stanza_set_to(s, &s->to);
    xml_write(&payload, s->el, STR_NONE);
    f.from = frame_address_of(s->from.full);
    f.to = frame_address_of(s->to.full);
    f.payload = buf_str(&payload);
    if (payload.n > (size_t)c->all->router->conf->link.max_payload - COMPONENT_MARGIN_BYTES) {
        answer_error(c, s, STANZA_POLICY_VIOLATION, "The stanza is too large.");
        buf_fini(&payload);
        return;
    }
    e = forward_from_component(c->all->router, str_from(c->domain), &f, &via);
    if (e == ERR_OK)
        pause_if_full(c, via);
    else
        answer_error(c, s, e == ERR_DENIED ? STANZA_FORBIDDEN : STANZA_REMOTE_SERVER_TIMEOUT,
                     "The session manager cannot be reached.");
    buf_fini(&payload);
}

static void take_read(struct component *c, struct stanza *s)
{
    enum stream_error fatal;
    enum stanza_error e;

    xml_rename_ns(s->el, NS_COMPONENT_ACCEPT, NS_CLIENT);
    fatal = check_stanza(c, s);
    if (fatal != STREAM_OK) {
        component_fail(c, fatal, "it sent a stanza that it may not send");
        return;
    }
    c->stanzas_in++;
    metric_inc(&router_metric_component_stanzas);
    e = stanza_read(s);
    if (e == STANZA_OK)
        send_on(c, s);
    else
        answer_error(c, s, e, NULL);
}

void component_take_stanza(struct component *c, struct str bytes)
{
    struct stanza *s = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    enum xml_error xe = xml_parse(c->all->router->parser, XML_IN_COMPONENT_STREAM,
                                  &xml_default_limits, bytes, &s->arena, &s->el);

    if (xe != XML_OK)
        component_fail(c, stream_error_from_xml(xe), "it sent broken XML");
    else if (xml_is(s->el, NS_STREAM, "error"))
        component_over(c, "it ended its stream with an error");
    else
        take_read(c, s);
    stanza_unref(s);
}

/* --- to the component ------------------------------------------------------------------------- */

/* LINK.md §4: the frame's addresses are the stanza's own. */
static bool is_addressed(const struct stanza *s, const struct frame *f)
{
    return jid_is_set(&s->from) && jid_is_set(&s->to) &&
           str_eq(frame_address_of(s->from.full), f->from) &&
           str_eq(frame_address_of(s->to.full), f->to);
}

enum err component_send(struct component *c, const struct frame *f)
{
    struct stanza *s = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    enum err e = ERR_MALFORMED;

    if (xml_parse(c->all->router->parser, XML_ALONE, &xml_default_limits, f->payload, &s->arena,
                  &s->el) == XML_OK &&
        is_stanza(s->el) && stanza_read(s) == STANZA_OK)
        e = is_addressed(s, f) ? ERR_OK : ERR_DENIED;
    if (e == ERR_OK)
        component_write(c, s->el);
    stanza_unref(s);
    return e;
}
