/* What tls.c and tls_creds.c share. */
#ifndef COMMON_TLS_PRIVATE_H
#define COMMON_TLS_PRIVATE_H

#include "common/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

enum { TLS_MAX_ALPN = 8 };

/* The tls-server-end-point of one of our certificates, which GnuTLS would work out again for each
 * connection. */
struct tls_end_point {
    const void *der; /* GnuTLS's own, as long-lived as the credentials; tells certificates apart */
    struct str value;
};

struct tls_creds {
    uint32_t refs;
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priorities; /* of the process */
    gnutls_datum_t ticket_key;    /* empty: no tickets */
    gnutls_datum_t alpn[TLS_MAX_ALPN];
    unsigned alpn_count;
    enum tls_client_auth client_auth;
    bool has_ca;
    int64_t expiry;
    struct str *names; /* DNS names of all certificates */
    size_t name_count;
    struct tls_end_point *end_points; /* of the certificates that were asked for so far */
    size_t end_point_count;
};

/* The next DNS name (RFC 9525 §6.2: of subjectAltName only) of a certificate, or false; *at starts
 * at 0. name holds it, NUL-terminated; those that do not fit or hold a NUL are passed over. */
enum { TLS_NAME_BYTES = 256 };
bool tls_next_dns_name(gnutls_x509_crt_t crt, unsigned *at, char name[TLS_NAME_BYTES]);

#endif
