/* <peers/> and <slots/> to the links (announce.h, LINK.md §4 and control.h). */
#include "router/announce.h"

#include "router/component.h"

/* The DMZ learns no names of the inside but those that it needs. */
static bool may_know(const struct link *who, const char *role)
{
    return link_role(who) == LINK_ROLE_SM || str_is(str_from(role), link_role_names[LINK_ROLE_SM]);
}

static struct control_peer peer_of(const struct link *l, bool is_up)
{
    return (struct control_peer){ link_name(l), link_instance(l),
                                  str_from(link_role_names[link_role(l)]), is_up };
}

static void tell(struct router *r, struct link *to, struct control_peer *peers, size_t count,
                 bool is_all)
{
    struct control_peers told = { .is_all = is_all, .peers = peers, .count = count };

    buf_clear(&r->scratch);
    control_write_peers(&r->scratch, &told);
    router_say(r, to);
}

static void tell_others(struct router *r, const struct link *except, struct control_peer peer)
{
    struct link *l;

    for (size_t at = 0; (l = links_next(r->links, &at));)
        if (l != except && may_know(l, peer.role.p))
            tell(r, l, &peer, 1, false);
}

static void tell_all(struct router *r, struct link *l)
{
    size_t max = r->conf->link.peers.count + components_count(r->components), count = 0;
    struct control_peer *peers;
    struct link *other;
    struct str domain;

    arena_reset(&r->arena);
    peers = arena_alloc(&r->arena, (max + 1) * sizeof *peers);
    for (size_t at = 0; (other = links_next(r->links, &at));)
        if (other != l && count < max && may_know(l, link_role_names[link_role(other)]))
            peers[count++] = peer_of(other, true);
    for (size_t at = 0; may_know(l, "component") && components_next(r->components, &at, &domain);)
        if (count < max)
            peers[count++] = (struct control_peer){ domain, STR_NONE, STR("component"), true };
    tell(r, l, peers, count, true);
}

static void say_slots(struct router *r, struct link *to, struct str sm, struct str payload)
{
    struct frame f = { .to = link_name(to), .from = sm, .payload = payload };

    (void)r;
    if (link_role(to) != LINK_ROLE_C2S && !str_eq(link_name(to), sm))
        link_send(to, &f);
}

void announce_slots(struct router *r, struct str sm, struct str payload)
{
    struct link *l;

    for (size_t at = 0; (l = links_next(r->links, &at));)
        say_slots(r, l, sm, payload);
}

void announce_link_up(struct router *r, struct link *l)
{
    tell_all(r, l);
    tell_others(r, l, peer_of(l, true));
    for (size_t i = 0; i < r->slots.sm_count; i++)
        say_slots(r, l, str_from(r->slots.sms[i]->name), bytes_str(r->slots.sms[i]->announced));
}

void announce_link_down(struct router *r, struct link *l)
{
    tell_others(r, l, peer_of(l, false));
}

void announce_component(struct router *r, struct str domain, bool is_up)
{
    tell_others(r, NULL, (struct control_peer){ domain, STR_NONE, STR("component"), is_up });
}
