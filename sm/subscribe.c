/* RFC 6121 Appendix A, row by row: nine states, four types, two directions. Leaves sending and storing to roster.c.
 * The tables hold what the RFC's hold; pre-approval (§3.4), which it puts into footnotes, is added behind them. */
#include "sm/subscribe.h"

#include "sm/roster.h"

enum { STATES = 9, TYPES = 4 };

enum {
    NONE = 0,
    TO = ROSTER_TO,
    FROM = ROSTER_FROM,
    BOTH = ROSTER_TO | ROSTER_FROM,
    OUT = ROSTER_PENDING_OUT,
    IN = ROSTER_PENDING_IN,
    SAME = 0x80, /* no state change */
};

struct rule {
    bool is_passed;
    uint8_t state;
};

/* The order of the rows of every table (A.1). */
static const uint8_t states[STATES] = { NONE, OUT, IN, OUT | IN, TO, TO | IN, FROM, FROM | OUT, BOTH };

/* The order of the tables. */
static const enum stanza_type types[TYPES] = { TYPE_SUBSCRIBE, TYPE_UNSUBSCRIBE, TYPE_SUBSCRIBED,
                                               TYPE_UNSUBSCRIBED };

static const struct rule outbound[TYPES][STATES] = {
    { /* A.2.1 subscribe */
      { true, OUT },       /* None */
      { true, SAME },      /* None + Pending Out */
      { true, OUT | IN },  /* None + Pending In */
      { true, SAME },      /* None + Pending Out+In */
      { true, SAME },      /* To */
      { true, SAME },      /* To + Pending In */
      { true, FROM | OUT },/* From */
      { true, SAME },      /* From + Pending Out */
      { true, SAME } },    /* Both */
    { /* A.2.2 unsubscribe */
      { true, SAME },      /* None */
      { true, NONE },      /* None + Pending Out */
      { true, SAME },      /* None + Pending In */
      { true, IN },        /* None + Pending Out+In */
      { true, NONE },      /* To */
      { true, IN },        /* To + Pending In */
      { true, SAME },      /* From */
      { true, FROM },      /* From + Pending Out */
      { true, FROM } },    /* Both */
    { /* A.2.3 subscribed; what is not passed and has no FROM is a pre-approval */
      { false, SAME },     /* None */
      { false, SAME },     /* None + Pending Out */
      { true, FROM },      /* None + Pending In */
      { true, FROM | OUT },/* None + Pending Out+In */
      { false, SAME },     /* To */
      { true, BOTH },      /* To + Pending In */
      { false, SAME },     /* From */
      { false, SAME },     /* From + Pending Out */
      { false, SAME } },   /* Both */
    { /* A.2.4 unsubscribed */
      { false, SAME },     /* None */
      { false, SAME },     /* None + Pending Out */
      { true, NONE },      /* None + Pending In */
      { true, OUT },       /* None + Pending Out+In */
      { false, SAME },     /* To */
      { true, TO },        /* To + Pending In */
      { true, NONE },      /* From */
      { true, OUT },       /* From + Pending Out */
      { true, TO } },      /* Both */
};

static const struct rule inbound[TYPES][STATES] = {
    { /* A.3.1 subscribe; where FROM is there already the server answers "subscribed" */
      { true, IN },        /* None */
      { true, OUT | IN },  /* None + Pending Out */
      { false, SAME },     /* None + Pending In */
      { false, SAME },     /* None + Pending Out+In */
      { true, TO | IN },   /* To */
      { false, SAME },     /* To + Pending In */
      { false, SAME },     /* From */
      { false, SAME },     /* From + Pending Out */
      { false, SAME } },   /* Both */
    { /* A.3.2 unsubscribe; where it is passed the server answers "unsubscribed" */
      { false, SAME },     /* None */
      { false, SAME },     /* None + Pending Out */
      { true, NONE },      /* None + Pending In */
      { true, OUT },       /* None + Pending Out+In */
      { false, SAME },     /* To */
      { true, TO },        /* To + Pending In */
      { true, NONE },      /* From */
      { true, OUT },       /* From + Pending Out */
      { true, TO } },      /* Both */
    { /* A.3.3 subscribed */
      { false, SAME },     /* None */
      { true, TO },        /* None + Pending Out */
      { false, SAME },     /* None + Pending In */
      { true, TO | IN },   /* None + Pending Out+In */
      { false, SAME },     /* To */
      { false, SAME },     /* To + Pending In */
      { false, SAME },     /* From */
      { true, BOTH },      /* From + Pending Out */
      { false, SAME } },   /* Both */
    { /* A.3.4 unsubscribed */
      { false, SAME },     /* None */
      { true, NONE },      /* None + Pending Out */
      { false, SAME },     /* None + Pending In */
      { true, IN },        /* None + Pending Out+In */
      { true, NONE },      /* To */
      { true, IN },        /* To + Pending In */
      { false, SAME },     /* From */
      { true, FROM },      /* From + Pending Out */
      { true, FROM } },    /* Both */
};

static int row_of(uint8_t state)
{
    for (int i = 0; i < STATES; i++)
        if (states[i] == (state & ~ROSTER_APPROVED))
            return i;
    ASSERT(!"a subscription state that Appendix A.1 does not know");
}

static int table_of(enum stanza_type type)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i] == type)
            return i;
    ASSERT(!"not a subscription type");
}

static struct subscribe_outcome apply(const struct rule *rule, uint8_t state)
{
    uint8_t approved = state & ROSTER_APPROVED;

    return (struct subscribe_outcome){
        .state = rule->state == SAME ? state : (uint8_t)(rule->state | approved),
        .is_passed = rule->is_passed,
        .reply = TYPE_NONE,
    };
}

struct subscribe_outcome subscribe_outbound(uint8_t state, enum stanza_type type)
{
    struct subscribe_outcome o = apply(&outbound[table_of(type)][row_of(state)], state);

    /* §3.4.2: "subscribed" before there is a request approves it in advance; "unsubscribed" takes that back (§3.2.2) */
    if (type == TYPE_SUBSCRIBED && !o.is_passed && !(state & ROSTER_FROM))
        o.state |= ROSTER_APPROVED;
    if (type == TYPE_UNSUBSCRIBED)
        o.state &= (uint8_t)~ROSTER_APPROVED;
    return o;
}

/* §3.4.2, A.3.1 [1]: a request that was approved in advance is answered and not shown. */
static struct subscribe_outcome approve(uint8_t state)
{
    return (struct subscribe_outcome){
        .state = (uint8_t)((state & ~ROSTER_PENDING_IN) | ROSTER_FROM),
        .is_passed = false,
        .reply = TYPE_SUBSCRIBED,
    };
}

struct subscribe_outcome subscribe_inbound(uint8_t state, enum stanza_type type)
{
    struct subscribe_outcome o;

    /* "to" with FROM is "both", which knows no pending request of either side: approve() stays within A.1 */
    if (type == TYPE_SUBSCRIBE && (state & ROSTER_APPROVED) && !(state & ROSTER_FROM))
        return approve(state);
    o = apply(&inbound[table_of(type)][row_of(state)], state);
    if (type == TYPE_SUBSCRIBE && (state & ROSTER_FROM))
        o.reply = TYPE_SUBSCRIBED;
    if (type == TYPE_UNSUBSCRIBE && o.is_passed)
        o.reply = TYPE_UNSUBSCRIBED;
    return o;
}

bool subscribe_is_visible(uint8_t old_state, uint8_t new_state)
{
    /* a pending request is not shown in the roster (A.1, state 3) */
    return ((old_state ^ new_state) & ~ROSTER_PENDING_IN) != 0;
}

bool subscribe_is_type(enum stanza_type type)
{
    return type == TYPE_SUBSCRIBE || type == TYPE_SUBSCRIBED || type == TYPE_UNSUBSCRIBE || type == TYPE_UNSUBSCRIBED;
}

const char *subscribe_name(uint8_t state)
{
    switch (state & BOTH) {
    case TO:
        return "to";
    case FROM:
        return "from";
    case BOTH:
        return "both";
    default:
        return "none";
    }
}
