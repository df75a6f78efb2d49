/* The table of RFC 6121 §8.5 as data: what becomes of a stanza for a local account. Pure. Who acts on it is deliver.c. */
#ifndef SM_DELIVER_TABLE_H
#define SM_DELIVER_TABLE_H

#include "proto/stanza.h"

enum deliver_target {
    DELIVER_TO_BARE = 1,
    DELIVER_TO_MATCH = 2,    /* a full JID that is connected */
    DELIVER_TO_NO_MATCH = 4, /* a full JID that is not */
};

/* What the account has, by priority of its available resources (§8.5.4). */
enum deliver_resources {
    DELIVER_NO_ACCOUNT = 1,
    DELIVER_NO_RESOURCES = 2,
    DELIVER_NEGATIVE = 4,     /* one or more, all negative */
    DELIVER_NON_NEGATIVE = 8, /* at least one */
};

enum deliver_action {
    DELIVER_IGNORE,       /* S: silently */
    DELIVER_ERROR,        /* E: <service-unavailable/> */
    DELIVER_OFFLINE,      /* O */
    DELIVER_RESOURCE,     /* D: the one that it names */
    DELIVER_BEST,         /* M: those of the highest priority */
    DELIVER_ALL,          /* A: all that are not negative */
    DELIVER_IF_SHARED,    /* the named one, if it shares presence with the sender, else the error (§8.5.3.1) */
    DELIVER_ANSWER,       /* the server answers for the account (§8.5.2.1.3) */
    DELIVER_PRESENCE,     /* presence_inbound */
    DELIVER_SUBSCRIPTION, /* roster_inbound */
    DELIVER_UNSUBSCRIBED, /* a probe for nobody (§8.5.1) */
};

struct deliver_case {
    enum stanza_kind kind;
    enum stanza_type type;
    enum deliver_target target;
    enum deliver_resources resources;
};
enum deliver_action deliver_decide(const struct deliver_case *c);

#endif
