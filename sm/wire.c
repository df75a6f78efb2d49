/* Frames in, by kind: of a session, of a connection without one, control, or a stanza of a component. */
#include "sm/wire.h"

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
        log_warn("peers are malformed", kv_str("router", link_name(c->link)));
}

static void on_synced(const struct said *c)
{
    struct control_synced answer;

    if (control_read_synced(c->el, c->arena, &answer) != ERR_OK) {
        log_warn("synced is malformed", kv_str("c2s", c->frame->from));
        return;
    }
    session_on_synced(c->sm, c->link, c->frame->from, &answer);
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
        if (xml_is(c->el, NS_LINK, rules[i].name) && may_say(c, rules[i].speaker)) {
            rules[i].run(c);
            return;
        }
    }
    metric_inc(&sm_metric_frames_dropped);
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
        metric_inc(&sm_metric_frames_dropped);
    arena_fini(&arena);
}

/* --- stanzas of components --------------------------------------------------------------------------------------- */

static void refuse(const struct frame *f, const char *what)
{
    metric_inc(&sm_metric_frames_dropped);
    audit("policy-violation", kv_str("from", f->from), kv_str("to", f->to), kv_text("what", what));
}

/* The link's rule: whoever uses a payload parses it alone, and its addresses are the frame's (ARCHITECTURE §3.4). */
static void on_stanza(struct sm *sm, const struct frame *f)
{
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    enum stanza_error e;

    if (xml_parse(sm->parser, XML_ALONE, &xml_default_limits, f->payload, &st->arena, &st->el) != XML_OK) {
        refuse(f, "a payload that is no element");
    } else if (!str_eq(xml_attr(st->el, "from"), f->from) || !str_eq(xml_attr(st->el, "to"), f->to)) {
        refuse(f, "a stanza with other addresses than its frame");
    } else {
        xml_rename_ns(st->el, NS_COMPONENT_ACCEPT, NS_CLIENT);
        e = stanza_read(st);
        metric_inc(&sm_metric_component_in);
        if (e == STANZA_OK && jid_is_set(&st->from) && peers_component(sm, st->from.domain))
            deliver(sm, st, NULL);
        else if (e != STANZA_OK && jid_is_set(&st->from))
            deliver_error(sm, st, e, STR_NONE, NULL);
        else
            refuse(f, "a stanza of nobody who is linked");
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
        metric_inc(&sm_metric_frames_dropped);
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
