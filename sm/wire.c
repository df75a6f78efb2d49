/* Frames in, by kind: of a session, of a connection without one, control, or a stanza of a component. */
#include "sm/wire.h"

#include "common/audit.h"
#include "common/log.h"
#include "proto/ns.h"
#include "sm/acks.h"
#include "sm/adopt.h"
#include "sm/deliver.h"
#include "sm/hosts.h"
#include "sm/login.h"
#include "sm/metrics.h"
#include "sm/peers.h"
#include "sm/session_parts.h"

void wire_control(struct sm *sm, struct link *l, struct str to, struct str payload)
{
    struct frame f = { .to = to, .from = sm_own_name(sm), .payload = payload };

    link_send(l, &f);
}

void wire_stanza(struct sm *sm, struct link *l, const struct stanza *stanza)
{
    struct frame f = { .to = stanza->to.full, .from = stanza->from.full };
    struct buf out = { 0 };

    (void)sm;
    xml_write(&out, stanza->el, STR_NONE);
    f.payload = buf_str(&out);
    link_send(l, &f);
    buf_fini(&out);
}

enum { MAX_GROWTH = 6, MARGIN_BYTES = 16384 }; /* of a character that is escaped; for what is added */

bool wire_fits(const struct sm *sm, struct xml *el, size_t bytes)
{
    size_t max = (size_t)sm->conf->link.max_payload - MARGIN_BYTES;
    struct str inner = el->inner;
    struct buf out = { 0 };
    bool fits;

    if (bytes < max / MAX_GROWTH)
        return true;
    el->inner = STR_NONE;
    xml_write(&out, el, STR_NONE);
    el->inner = inner;
    fits = out.n <= max;
    buf_fini(&out);
    return fits;
}

void wire_refuse(const struct frame *f, const char *what)
{
    metric_inc(&sm_metric_violations);
    audit_warning("frame-refused", kv_str("from", f->from), kv_str("to", f->to), kv_str("session", f->s), kv_text("what", what));
}

/* --- control ----------------------------------------------------------------------------------------------------- */

struct said {
    struct sm *sm;
    struct link *link;
    const struct frame *frame;
    const struct xml *el;
    struct arena *arena;
};

static void on_peers(const struct said *c)
{
    struct control_peers told;

    if (control_read_peers(c->el, c->arena, &told) == ERR_OK)
        peers_on_control(c->sm, c->link, &told);
    else
        wire_refuse(c->frame, "malformed peers");
}

static void on_synced(const struct said *c)
{
    struct control_synced answer;

    if (control_read_synced(c->el, c->arena, &answer) != ERR_OK) {
        wire_refuse(c->frame, "malformed synced");
        return;
    }
    session_on_synced(c->sm, c->link, c->frame, &answer);
    control_synced_fini(&answer);
}

static void on_adopt(const struct said *c)
{
    adopt_on_control(c->sm, c->link, c->el);
}

/* A hint (LINK.md §4): who is gone, <peers/> tells. A stanza to a component has been forgotten; its sender may ask again. */
static void on_bounce(const struct said *c)
{
    metric_inc(&sm_metric_bounced);
    log_debug("bounced", kv_str("reason", xml_attr(c->el, "reason")), kv_str("router", link_name(c->link)));
}

enum speaker { OF_ROUTER, OF_C2S, OF_SM };

static const struct control_rule {
    const char *name;
    enum speaker speaker;
    void (*run)(const struct said *c);
} rules[] = {
    { "peers", OF_ROUTER, on_peers },
    { "bounce", OF_ROUTER, on_bounce },
    { "synced", OF_C2S, on_synced },
    { "adopt", OF_SM, on_adopt },
};

static bool may_say(const struct said *c, enum speaker speaker)
{
    if (speaker == OF_ROUTER)
        return str_eq(c->frame->from, link_name(c->link));
    return peers_is_role(peers_find(c->sm, c->frame->from), speaker == OF_C2S ? "c2s" : "sm");
}

static void dispatch(const struct said *c)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (!xml_is(c->el, NS_LINK, rules[i].name))
            continue;
        if (may_say(c, rules[i].speaker))
            rules[i].run(c);
        else
            wire_refuse(c->frame, "a control element that is not this peer's to say");
        return;
    }
    if (str_is(c->el->ns, NS_LINK))
        metric_inc(&sm_metric_frames_dropped); /* a newer version may say more */
    else
        wire_refuse(c->frame, "a control element of nobody");
}

static void on_control(struct sm *sm, struct link *l, const struct frame *f)
{
    struct arena arena = { 0 };
    struct xml *el;

    if (frame_is_acks(f->payload))
        acks_on_frame(sm, f);
    else if (xml_parse(sm->parser, XML_ALONE, &control_xml_limits, f->payload, &arena, &el) == XML_OK)
        dispatch(&(struct said){ .sm = sm, .link = l, .frame = f, .el = el, .arena = &arena });
    else
        wire_refuse(f, "a payload that is no element");
    arena_fini(&arena);
}

/* --- stanzas of components --------------------------------------------------------------------------------------- */

/* The link's rule: the payload's addresses are the frame's (ARCHITECTURE §3.4). */
static bool is_addressed(const struct xml *el, const struct frame *f)
{
    struct str from = xml_attr(el, "from"), to = xml_attr(el, "to");

    return str_is_set(from) && str_is_set(to) && str_eq(frame_address_of(from), f->from) && str_eq(frame_address_of(to), f->to);
}

/* Whoever calls itself what is hosted here does not come by this way, whatever a router says. */
static bool is_of_component(struct sm *sm, const struct jid *from)
{
    return jid_is_set(from) && peers_component(sm, from->domain) && !sm_is_hosted(sm, from->domain);
}

static void on_stanza(struct sm *sm, const struct frame *f)
{
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    enum stanza_error e;

    if (xml_parse(sm->parser, XML_ALONE, &xml_default_limits, f->payload, &st->arena, &st->el) != XML_OK) {
        wire_refuse(f, "a payload that is no element");
    } else if (!is_addressed(st->el, f)) {
        wire_refuse(f, "a stanza with other addresses than its frame");
    } else if (!wire_fits(sm, st->el, f->payload.n)) {
        metric_inc(&sm_metric_too_large);
        wire_refuse(f, "a stanza that is too large");
    } else {
        xml_rename_ns(st->el, NS_COMPONENT_ACCEPT, NS_CLIENT);
        e = stanza_read(st);
        metric_inc(&sm_metric_component_in);
        if (!is_of_component(sm, &st->from))
            wire_refuse(f, "a stanza of nobody who is linked");
        else if (e == STANZA_OK)
            deliver(sm, st, NULL);
        else
            deliver_error(sm, st, e, STR_NONE, NULL);
    }
    stanza_unref(st);
}

/* --- links ------------------------------------------------------------------------------------------------------- */

static void on_up(void *owner, struct link *l)
{
    hosts_send_slots(owner, l);
}

static void on_frame(void *owner, struct link *l, const struct frame *f, struct str raw)
{
    struct sm *sm = owner;
    bool is_ours = str_eq(f->to, sm_own_name(sm));

    (void)raw;
    metric_inc(&sm_metric_frames_in);
    if (str_is_set(f->s) && is_ours)
        session_on_frame(sm, l, f);
    else if (str_is_set(f->s))
        wire_refuse(f, "a frame of a session that is for nobody");
    else if (is_ours && str_is_set(frame_address_rest(f->from)))
        login_on_frame(sm, l, f);
    else if (is_ours)
        on_control(sm, l, f);
    else
        on_stanza(sm, f);
}

static void on_down(void *owner, struct link *l)
{
    struct sm *sm = owner;

    if (!sm->is_stopping)
        peers_on_link_down(sm, l);
}

const struct link_events wire_events = { .on_up = on_up, .on_frame = on_frame, .on_down = on_down };
