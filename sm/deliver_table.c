/* RFC 6121 §8.5: the rows in the RFC's order; the first that fits decides. Where the RFC leaves a choice the comment says which was taken. */
#include "sm/deliver_table.h"

#define TYPE(type) (1u << (type))

enum {
    BARE = DELIVER_TO_BARE,
    MATCH = DELIVER_TO_MATCH,
    OTHER = DELIVER_TO_NO_MATCH,
    ANY = BARE | MATCH | OTHER,
    NOBODY = DELIVER_NO_ACCOUNT,
    NONE = DELIVER_NO_RESOURCES,
    NEGATIVE = DELIVER_NEGATIVE,
    SOME = DELIVER_NON_NEGATIVE,
    ACCOUNT = NONE | NEGATIVE | SOME,
    ALWAYS = NOBODY | ACCOUNT,
};

enum {
    PLAIN = TYPE(TYPE_NONE) | TYPE(TYPE_NORMAL),
    TALK = PLAIN | TYPE(TYPE_CHAT),
    ASK = TYPE(TYPE_GET) | TYPE(TYPE_SET),
    ANSWERED = TYPE(TYPE_RESULT) | TYPE(TYPE_ERROR),
    SHOWN = TYPE(TYPE_NONE) | TYPE(TYPE_UNAVAILABLE),
    PROBE = TYPE(TYPE_PROBE),
    SUBSCRIBE = TYPE(TYPE_SUBSCRIBE),
    SUBSCRIPTIONS = SUBSCRIBE | TYPE(TYPE_SUBSCRIBED) | TYPE(TYPE_UNSUBSCRIBE) | TYPE(TYPE_UNSUBSCRIBED),
    EVERY = -1,
};

static const struct row {
    enum stanza_kind kind;
    int types;
    int targets;
    int resources;
    enum deliver_action action;
} rows[] = {
    /* §8.5.1: E where S/E may be chosen (its text allows it for headlines too) */
    { STANZA_MESSAGE, TYPE(TYPE_ERROR), ANY, NOBODY, DELIVER_IGNORE },
    { STANZA_MESSAGE, EVERY, ANY, NOBODY, DELIVER_ERROR },
    { STANZA_IQ, ASK, ANY, NOBODY, DELIVER_ERROR },
    { STANZA_PRESENCE, PROBE, ANY, NOBODY, DELIVER_UNSUBSCRIBED },
    { STANZA_PRESENCE, EVERY, ANY, NOBODY, DELIVER_IGNORE },

    /* §8.5.3.1: the resource is connected; its priority does not matter */
    { STANZA_MESSAGE, EVERY, MATCH, ACCOUNT, DELIVER_RESOURCE },
    { STANZA_IQ, ASK, MATCH, ACCOUNT, DELIVER_IF_SHARED },
    { STANZA_IQ, ANSWERED, MATCH, ACCOUNT, DELIVER_RESOURCE },
    { STANZA_PRESENCE, SHOWN | TYPE(TYPE_ERROR), MATCH, ACCOUNT, DELIVER_RESOURCE },

    /* §8.5.2.1.1, §8.5.2.2.1: M where M/A may be chosen, O where O/E */
    { STANZA_MESSAGE, TALK, BARE, SOME, DELIVER_BEST },
    { STANZA_MESSAGE, TALK, BARE, NONE | NEGATIVE, DELIVER_OFFLINE },
    { STANZA_MESSAGE, TYPE(TYPE_GROUPCHAT), BARE, ACCOUNT, DELIVER_ERROR },
    { STANZA_MESSAGE, TYPE(TYPE_HEADLINE), BARE, SOME, DELIVER_ALL },
    { STANZA_MESSAGE, TYPE(TYPE_HEADLINE), BARE, NONE | NEGATIVE, DELIVER_IGNORE },
    { STANZA_MESSAGE, TYPE(TYPE_ERROR), BARE, ACCOUNT, DELIVER_IGNORE },

    /* §8.5.3.2.1: no such resource; E where S/E may be chosen, but for headlines */
    { STANZA_MESSAGE, TYPE(TYPE_CHAT), OTHER, SOME, DELIVER_BEST },
    { STANZA_MESSAGE, TYPE(TYPE_CHAT), OTHER, NONE | NEGATIVE, DELIVER_OFFLINE },
    { STANZA_MESSAGE, PLAIN | TYPE(TYPE_GROUPCHAT), OTHER, ACCOUNT, DELIVER_ERROR },
    { STANZA_MESSAGE, TYPE(TYPE_HEADLINE) | TYPE(TYPE_ERROR), OTHER, ACCOUNT, DELIVER_IGNORE },

    /* §8.5.2.1.3, §8.5.2.2.3, §8.5.3.2.3 */
    { STANZA_IQ, ASK, BARE, ACCOUNT, DELIVER_ANSWER },
    { STANZA_IQ, ASK, OTHER, ACCOUNT, DELIVER_ERROR },

    /* §8.5.2.1.2, §8.5.2.2.2, §8.5.3.2.2, §4.3 */
    { STANZA_PRESENCE, PROBE, ANY, ACCOUNT, DELIVER_PRESENCE },
    { STANZA_PRESENCE, SHOWN | TYPE(TYPE_ERROR), BARE, ACCOUNT, DELIVER_PRESENCE },
    { STANZA_PRESENCE, SUBSCRIPTIONS, BARE | MATCH, ACCOUNT, DELIVER_SUBSCRIPTION },
    { STANZA_PRESENCE, SUBSCRIBE, OTHER, ACCOUNT, DELIVER_SUBSCRIPTION },

    /* what nobody waits for: answers to bare JIDs, presence to a resource that is gone */
    { STANZA_IQ, EVERY, ANY, ALWAYS, DELIVER_IGNORE },
    { STANZA_PRESENCE, EVERY, ANY, ALWAYS, DELIVER_IGNORE },
    { STANZA_MESSAGE, EVERY, ANY, ALWAYS, DELIVER_IGNORE },
};

enum deliver_action deliver_decide(const struct deliver_case *c)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];

        if (r->kind == c->kind && ((unsigned)r->types & TYPE(c->type)) && (r->targets & (int)c->target) &&
            (r->resources & (int)c->resources))
            return r->action;
    }
    return DELIVER_IGNORE;
}
