/* TLS under libldap, by GnuTLS itself: libldap's own keeps what it read of our key for ever, takes
 * "localhost" for the machine's name, and cannot say why it trusts nobody. RFC 4513 §3.1. */
#ifndef SM_DIRECTORY_TLS_H
#define SM_DIRECTORY_TLS_H

#include "common/buf.h"

#include <ldap.h>

struct dir_tls_want {
    const char *ca_file;
    const char *cert_file, *key_file; /* NULL: none */
    const char *name; /* that the certificate must have: DNS or a number, as in uris */
    bool is_unverified; /* only to look at the certificate */
    int64_t timeout_ms;
};
struct dir_tls_seen {
    struct buf version;     /* "TLS1.3 TLS_AES_256_GCM_SHA384" */
    struct buf certificate; /* the server's, DER; even when it was not believed */
};
/* In a thread: shakes hands on fd, which is ld's and does not block; from then on all of ld is
 * encrypted. TLS 1.2 and 1.3. seen: the caller's, filled as far as it came. why: of a failure. */
NODISCARD bool dir_tls_start(LDAP *ld, int fd, const struct dir_tls_want *want,
                             struct dir_tls_seen *seen, struct buf *why);

#endif
