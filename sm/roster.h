/* Rosters and subscriptions: RFC 6121 §2, §3, Appendix A. */
#ifndef SM_ROSTER_H
#define SM_ROSTER_H

#include "sm/account.h"

/* Subscription states: none, to, from, both, with the pending flags of Appendix A.1. */
enum {
    ROSTER_TO = 1,
    ROSTER_FROM = 2,
    ROSTER_PENDING_OUT = 4,
    ROSTER_PENDING_IN = 8,
    ROSTER_APPROVED = 16
};

struct roster_item {
    struct jid jid; /* bare (or full, if a client wanted that); texts owned */
    char *name;     /* NULL: none */
    struct conf_list groups;
    uint8_t state;  /* ROSTER_… */
    bool is_listed; /* false: only a pending-in request; not shown in the roster (§3.1.3, A.2.1) */
    struct bytes *request; /* the pending subscribe presence, to be shown at each login (§3.1.3) */
    uint64_t version;
};

struct roster {
    struct table items; /* struct roster_item, by JID text */
    uint64_t version;
};

struct roster *roster_new(void);
void roster_free(struct roster *r);
struct roster_item *roster_find(const struct roster *r, struct str jid);

/* Whether this address (bare JID looked up) may see the account's presence: its own, or
 * subscription from or both, or groups of the directory let it. */
bool roster_may_see(const struct account *a, const struct jid *who);

/* Rows of the account's roster, as account.c reads them (statement STORE_ROSTER_LOAD). */
struct store_rows;
void roster_load(struct roster *r, struct store_rows *rows);

/* jabber:iq:roster get and set of a session (§2.1). */
void roster_iq(struct session *s, struct stanza *iq, struct origin *origin);

/* The account is to be deleted: contacts are told (unsubscribe, unsubscribed, XEP-0077 §3.2);
 * memory and store stay as they are. */
void roster_tell_gone(struct account *a);

/* Presence of the types subscribe, subscribed, unsubscribe, unsubscribed: from our client
 * (outbound, §3, A.2) … */
void roster_outbound(struct session *s, struct stanza *presence, struct origin *origin);
/* … and arriving for our account (inbound, A.3), when the account is loaded. */
void roster_inbound(struct account *a, struct stanza *presence, struct origin *origin);

#endif
