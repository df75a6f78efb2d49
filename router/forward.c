/* Forwarding (forward.h). LINK.md §4; the policy's table is policy.c's. */
#include "router/forward.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "router/announce.h"
#include "router/component.h"
#include "router/metrics.h"
#include "router/policy.h"
#include "router/share.h"

enum { MAX_VIOLATIONS = 100 }; /* of one link: each is audited, so they must end */

struct target {
    enum policy_to to;
    struct link *link;
    struct component *component;
    const char *why_not; /* for nobody: the reason of <bounce/> */
};

/* --- the world, for the policy ---------------------------------------------------------------- */

static bool is_process(const void *owner, struct str name)
{
    const struct router *r = owner;

    return str_eq(name, router_name(r)) || links_is_peer(r->links, name);
}

static bool is_component(const void *owner, struct str domain)
{
    return components_is_known(((const struct router *)owner)->components, domain);
}

static bool is_hosted(const void *owner, struct str domain)
{
    return slots_is_hosted(&((const struct router *)owner)->slots, domain);
}

static struct policy_world world_of(const struct router *r)
{
    return (struct policy_world){ r, is_process, is_component, is_hosted };
}

static enum policy_role role_of(const struct link *l)
{
    static const enum policy_role roles[] = {
        [LINK_ROLE_C2S] = POLICY_C2S, [LINK_ROLE_S2S] = POLICY_S2S, [LINK_ROLE_SM] = POLICY_SM
    };

    ASSERT(link_role(l) != LINK_ROLE_ROUTER); /* link_conf.c admits none */
    return roles[link_role(l)];
}

/* --- the way ---------------------------------------------------------------------------------- */

static struct target to_link(struct link *l)
{
    static const enum policy_to classes[] = { [LINK_ROLE_C2S] = POLICY_TO_C2S,
                                              [LINK_ROLE_S2S] = POLICY_TO_S2S,
                                              [LINK_ROLE_SM] = POLICY_TO_SM };

    return (struct target){ .to = classes[link_role(l)], .link = l };
}

static struct target to_owner(const struct router *r, struct str address)
{
    struct str sm = slots_owner(&r->slots, address);
    struct link *l = str_is_set(sm) ? links_find(r->links, sm) : NULL;

    if (!l)
        return (struct target){ .to = POLICY_TO_NOBODY, .why_not = "no-owner" };
    return (struct target){ .to = POLICY_TO_OWNER, .link = l };
}

static struct target find_target(const struct router *r, struct str address)
{
    struct str name = frame_address_name(address), domain;
    struct link *l = links_find(r->links, name);
    struct component *c;

    if (l)
        return to_link(l);
    if (str_eq(name, router_name(r)))
        return (struct target){ .to = POLICY_TO_ROUTER };
    domain = policy_domain(address);
    if (!links_is_peer(r->links, name) && slots_is_hosted(&r->slots, domain))
        return to_owner(r, address);
    if ((c = components_find(r->components, domain)) != NULL)
        return (struct target){ .to = POLICY_TO_COMPONENT, .component = c };
    return (struct target){ .to = POLICY_TO_NOBODY, .why_not = "no-peer" };
}

/* --- control ---------------------------------------------------------------------------------- */

static enum err take_slots(struct router *r, struct link *from, const struct xml *x,
                           struct str payload)
{
    struct control_slots told;
    enum err e;

    if (control_read_slots(x, &r->arena, &told) != ERR_OK)
        return ERR_MALFORMED;
    e = slots_take(&r->slots, link_name(from), &told, payload);
    if (e == ERR_DENIED)
        log_error("a session manager has the slot key of another cluster",
                  kv_str("sm", link_name(from)));
    if (e != ERR_OK)
        return e;
    log_info("slots", kv_str("sm", link_name(from)), kv_u64("epoch", told.epoch),
             kv_u64("hosts", told.host_count));
    announce_slots(r, link_name(from), payload);
    return ERR_OK;
}

static enum err take_metrics(struct router *r, struct link *from, const struct xml *x)
{
    struct str text;
    enum err e = control_read_metrics(x, &r->arena, &text);

    if (e == ERR_OK)
        claims_take(&r->claims, link_name(from), text);
    return e;
}

/* What is said to the router itself: everybody's metrics, and slots by who can own them. */
static enum err take_control(struct router *r, struct link *from, const struct frame *f)
{
    struct xml *x;

    arena_reset(&r->arena);
    if (xml_parse(r->parser, XML_ALONE, &control_xml_limits, f->payload, &r->arena, &x) != XML_OK)
        return ERR_MALFORMED;
    if (xml_is(x, NS_LINK, "metrics"))
        return take_metrics(r, from, x);
    return link_role(from) == LINK_ROLE_SM ? take_slots(r, from, x, f->payload) : ERR_DENIED;
}

/* --- refusal ---------------------------------------------------------------------------------- */

static void refuse(struct link *from, const struct frame *f, const char *what)
{
    unsigned count = share_violated(from);

    metric_inc(&router_metric_violations);
    audit_warning("policy-violation", kv_str("peer", link_name(from)), kv_str("from", f->from),
          kv_str("to", f->to), kv_text("what", what));
    if (count >= MAX_VIOLATIONS)
        link_refuse(from, "it violated the policy again and again");
}

static void bounce(struct router *r, struct link *from, const struct frame *f, const char *reason)
{
    struct frame back = {
        .to = link_name(from),
        .from = router_name(r),
        .s = f->s,
        .n = f->n,
        .has_id = f->has_id,
        .id = f->id,
    };

    metric_inc(&router_metric_bounces);
    buf_clear(&r->scratch);
    control_write_bounce(&r->scratch, reason);
    back.payload = buf_str(&r->scratch);
    link_send(from, &back);
}

void forward_frame(struct router *r, struct link *from, const struct frame *f, struct str raw)
{
    struct policy_world world = world_of(r);
    struct policy_sender sender = { role_of(from), link_name(from), link_instance(from) };
    struct target target = find_target(r, f->to);

    metric_inc(&router_metric_frames);
    if (!policy_may_send(sender.role, policy_from(&world, &sender, f->from), target.to)) {
        refuse(from, f, "not allowed to this role");
        return;
    }
    if (target.link) {
        link_send_raw(target.link, raw);
        if (target.to & (POLICY_TO_SM | POLICY_TO_OWNER))
            share_sent(r, from, target.link, raw.n);
    } else if (target.component) {
        if (component_send(target.component, f) != ERR_OK)
            refuse(from, f, "a stanza that is not what its frame says");
    } else if (target.to == POLICY_TO_ROUTER) {
        if (take_control(r, from, f) != ERR_OK)
            refuse(from, f, "not what this role may tell a router");
    } else {
        bounce(r, from, f, target.why_not);
    }
}

enum err forward_from_component(struct router *r, struct str domain, const struct frame *f,
                                struct link **out_via)
{
    struct policy_world world = world_of(r);
    struct policy_sender sender = { POLICY_COMPONENT, domain, STR_NONE };
    struct target target = to_owner(r, f->to);
    bool is_inside = is_process(r, policy_domain(f->to)); /* those speak frames, not stanzas */

    if (is_inside ||
        !policy_may_send(POLICY_COMPONENT, policy_from(&world, &sender, f->from), target.to)) {
        metric_inc(&router_metric_violations);
        audit_warning("policy-violation", kv_str("peer", domain), kv_str("from", f->from),
              kv_str("to", f->to), kv_text("what", "not allowed to components"));
        return ERR_DENIED;
    }
    if (!target.link)
        return ERR_NOT_FOUND;
    metric_inc(&router_metric_frames);
    link_send(target.link, f);
    *out_via = target.link;
    return ERR_OK;
}
