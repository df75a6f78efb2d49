/* The tables of RFC 6121 Appendix A as data: what a subscription stanza does to a state. Pure; who
 * acts on it is roster.c. */
#ifndef SM_SUBSCRIBE_H
#define SM_SUBSCRIBE_H

#include "proto/stanza.h"

/* What follows from one stanza. state: ROSTER_TO | ROSTER_FROM | … of sm/roster.h. */
struct subscribe_outcome {
    uint8_t state;  /* the new one */
    bool is_passed; /* outbound: routed to the contact (ROUTE?); inbound: delivered to the user
                       (DELIVER?) */
    enum stanza_type
        reply; /* inbound: what the server answers on the user's behalf; TYPE_NONE: nothing */
};

/* From the user to the contact (A.2), with pre-approval (§3.4). type is one of the four
 * subscription types. */
struct subscribe_outcome subscribe_outbound(uint8_t state, enum stanza_type type);

/* From the contact to the user (A.3). */
struct subscribe_outcome subscribe_inbound(uint8_t state, enum stanza_type type);

/* Whether clients see the difference: then it is a new version of the roster and is pushed (§2.6.3:
 * "roster modification"). */
bool subscribe_is_visible(uint8_t old_state, uint8_t new_state);

bool subscribe_is_type(enum stanza_type type);

/* "none", "to", "from", "both" (§2.1.2.5). */
const char *subscribe_name(uint8_t state);

#endif
