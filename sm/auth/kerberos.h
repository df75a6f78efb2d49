/* What Kerberos puts before us: the outside of a client's token, and the name of a principal. Pure;
 * what is inside a token, its library judges. RFC 4120 §6, RFC 4121 §4.1, RFC 2743 §3.1. */
#ifndef SM_AUTH_KERBEROS_H
#define SM_AUTH_KERBEROS_H

#include "common/str.h"

enum {
    KERBEROS_TOKEN_MAX_BYTES = 65536 /* Active Directory's tickets grow with a person's groups, up to 64 KiB */
};

/* Whether this is a client's first token of Kerberos 5 (KRB_AP_REQ), whole. A token of any other
 * mechanism must not come to the library, which knows more of them: SPNEGO would negotiate one, and
 * IAKERB would have this process dial the KDC of a realm that a stranger names. */
bool kerberos_is_request(struct str token);

/* Whether this is the server's answer to it (KRB_AP_REP): made only where the client demands mutual
 * authentication. */
bool kerberos_is_answer(struct str token);

/* The person behind a principal, as the library displays it: "juliet@REALM", without the realm for
 * the default one. realms: NULL-terminated, compared byte by byte (RFC 4120 §6.1).
 * NULL, and out_name, borrowed from text and not prepared, is the local part of an account; or a
 * constant sentence that says why nobody's: a realm that is not listed, a service or another
 * instance ("juliet/admin"), a machine ("PC1$"), characters that had to be escaped. */
const char *kerberos_read_person(struct str text, const char *default_realm,
                                 const char *const *realms, struct str *out_name);

#endif
