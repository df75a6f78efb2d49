/* What the files of plan_x509 share; nobody else includes it. */
#ifndef DEPLOY_CTL_PLAN_X509_PARTS_H
#define DEPLOY_CTL_PLAN_X509_PARTS_H

#include "deploy/ctl/plan_x509.h"

#include <gnutls/x509.h>

/* Borrowed. */
gnutls_datum_t plan_x509_datum(struct str s);

/* "what: why GnuTLS failed"; ERR_IO. */
enum err plan_x509_fail(struct buf *why, const char *what, int r);

/* Appends and frees what GnuTLS allocated; it is wiped. */
void plan_x509_take(struct buf *out, gnutls_datum_t *d);

/* ERR_MALFORMED when it is no key; then there is nothing to free. */
NODISCARD enum err plan_x509_import_key(struct str pem, gnutls_x509_privkey_t *out_key,
                                        struct buf *why);

#endif
