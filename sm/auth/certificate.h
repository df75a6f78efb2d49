/* Who a client's certificate is for: its names, and the accounts of a host that they mean. What is
 * in it, strangers wrote. Verifies nothing (trust.h). RFC 6120 §13.7.1, XEP-0178 §2. */
#ifndef SM_AUTH_CERTIFICATE_H
#define SM_AUTH_CERTIFICATE_H

#include "common/arena.h"

struct gnutls_x509_crt_int; /* what gnutls_x509_crt_t points to */

/* Where an address is taken from; the order of a host is its configuration's. */
enum certificate_rule {
    CERTIFICATE_XMPP_ADDR,   /* id-on-xmppAddr in subjectAltName: a bare JID (RFC 6120 §13.7.1.4) */
    CERTIFICATE_MAIL,        /* rfc822Name in subjectAltName, as a bare JID */
    CERTIFICATE_COMMON_NAME, /* CN of the subject, as a local part */
    CERTIFICATE_UID,         /* UID of the subject, as a local part (RFC 4519 §2.39) */
    CERTIFICATE_RULE_COUNT
};
/* "xmppaddr", "mail", "cn", "uid". False: no such word. */
bool certificate_rule_find(struct str word, enum certificate_rule *out_rule);

/* More accounts of one host in one certificate: it is taken for none of them. */
enum { CERTIFICATE_MAX_ADDRESSES = 16 };

struct certificate_names {
    struct str *values[CERTIFICATE_RULE_COUNT]; /* as written, in the arena */
    size_t counts[CERTIFICATE_RULE_COUNT];
};

/* Names that are not encoded as their type demands (an XmppAddr that is no UTF8String, a text with
 * a NUL) are left out. Of CN and UID there must be one alone: of several none counts. */
void certificate_read(struct gnutls_x509_crt_int *crt, struct arena *arena,
                      struct certificate_names *out_names);

/* The accounts of this host (normalised) by the first rule that gives any, each once; none: 0, or
 * more than CERTIFICATE_MAX_ADDRESSES. Whether they exist is not asked. out_addresses: bare JIDs,
 * in the arena. */
size_t certificate_addresses(const struct certificate_names *names,
                             const enum certificate_rule *rules, size_t rule_count,
                             struct str host, struct arena *arena,
                             struct str out_addresses[CERTIFICATE_MAX_ADDRESSES]);

/* The value of an XmppAddr: DER of one UTF8String and nothing behind it, not empty, without NUL.
 * Absent otherwise; borrowed. */
struct str certificate_utf8(struct str der);

#endif
