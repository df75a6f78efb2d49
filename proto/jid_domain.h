/* Domainparts of addresses that are not plain ASCII names: IDNA2008, IP addresses. RFC 7622 §3.2.
 * Used by jid.c alone. */
#ifndef PROTO_JID_DOMAIN_H
#define PROTO_JID_DOMAIN_H

#include "common/arena.h"

enum {
    JID_DOMAIN_MAX_LABEL = 63,
    JID_DOMAIN_MAX_NAME = 253
}; /* RFC 1034 §3.1, without the dot of the root */

/* Any domainpart, in UTF-8 with U-labels, lower case, without a final dot; IPv6 in brackets and in
 * the form of RFC 5952. ERR_OK or ERR_MALFORMED. */
NODISCARD enum err jid_domain_prepare(struct str text, struct arena *arena, struct str *out_text);

#endif
