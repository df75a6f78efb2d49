/* The table of ARCHITECTURE §3, and how an address is sorted for it. It knows no links: who asks
 * says which names exist. */
#include "router/policy.h"

#include "proto/frame.h"

static const struct {
    unsigned from, to;
} rows[POLICY_ROLE_COUNT] = {
    /* What a role may say to the router itself is forward.c's. */
    [POLICY_C2S] = { POLICY_FROM_SELF, POLICY_TO_SM | POLICY_TO_ROUTER | POLICY_TO_NOBODY },
    [POLICY_S2S] = { POLICY_FROM_SELF | POLICY_FROM_REMOTE,
                     POLICY_TO_SM | POLICY_TO_OWNER | POLICY_TO_ROUTER | POLICY_TO_NOBODY },
    /* What s2s and components gave a session manager it hands on to other owners. */
    [POLICY_SM] = { POLICY_FROM_SELF | POLICY_FROM_HOSTED | POLICY_FROM_COMPONENT |
                        POLICY_FROM_REMOTE,
                    POLICY_TO_SM | POLICY_TO_OWNER | POLICY_TO_C2S | POLICY_TO_S2S |
                        POLICY_TO_COMPONENT | POLICY_TO_ROUTER | POLICY_TO_NOBODY },
    [POLICY_COMPONENT] = { POLICY_FROM_SELF, POLICY_TO_OWNER | POLICY_TO_NOBODY },
};

bool policy_may_send(enum policy_role role, enum policy_from from, enum policy_to to)
{
    return (rows[role].from & from) && (rows[role].to & to);
}

struct str policy_domain(struct str address)
{
    struct str bare = frame_address_name(address), domain = bare;

    str_cut(&domain, '@');
    return str_is_set(domain) ? domain : bare;
}

/* The client connections of a c2s bear its instance: one that was started again cannot speak for
 * those before. */
static bool is_own(const struct policy_sender *sender, struct str address)
{
    struct str rest = frame_address_rest(address);

    if (!str_eq(frame_address_name(address), sender->name))
        return false;
    if (sender->role != POLICY_C2S || !str_is_set(rest))
        return true;
    return str_starts_with(rest, sender->instance) && rest.n > sender->instance.n &&
           rest.p[sender->instance.n] == '-';
}

enum policy_from policy_from(const struct policy_world *w, const struct policy_sender *sender,
                             struct str address)
{
    struct str domain;

    if (is_own(sender, address))
        return POLICY_FROM_SELF;
    domain = policy_domain(address);
    if (sender->role == POLICY_COMPONENT && str_eq(domain, sender->name))
        return POLICY_FROM_SELF;
    if (w->is_process(w->owner, domain))
        return POLICY_FROM_OTHER;
    if (w->is_hosted(w->owner, domain))
        return POLICY_FROM_HOSTED;
    if (w->is_component(w->owner, domain))
        return POLICY_FROM_COMPONENT;
    return POLICY_FROM_REMOTE;
}
