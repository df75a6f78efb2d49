/* The service account's bind by Kerberos: the client's side of SASL GSSAPI (RFC 4752) over an open
 * connection to a directory. Asks the KDC and the directory, and waits for both: for threads only,
 * in a process whose environment kerberos_conf.h has prepared. */
#ifndef SM_DIRECTORY_KERBEROS_BIND_H
#define SM_DIRECTORY_KERBEROS_BIND_H

#include "common/base.h"

#include <ldap.h>

struct dir_kerberos {
    const char *keytab, *principal; /* whose ticket is asked for, with which keys */
    const char *host;               /* the directory is ldap/HOST */
};

/* Binds with a ticket of its own, which is kept in memory and forgotten; both sides prove who they
 * are. A result of LDAP: LDAP_SUCCESS; LDAP_INVALID_CREDENTIALS also when the KDC refuses the
 * account, or the keytab has no keys of it; LDAP_LOCAL_ERROR when Kerberos fails otherwise. The
 * library's words are then the connection's LDAP_OPT_DIAGNOSTIC_MESSAGE. */
NODISCARD int dir_kerberos_bind(LDAP *ld, const struct dir_kerberos *want);

#endif
