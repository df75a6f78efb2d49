/* Certificates of links: ECDSA P-256, made and checked with GnuTLS. PEM in, PEM out; no file, no
 * clock of its own. RFC 5280. */
#ifndef DEPLOY_CTL_PLAN_X509_H
#define DEPLOY_CTL_PLAN_X509_H

#include "common/buf.h"

/* All: ERR_OK, ERR_IO (GnuTLS failed), ERR_MALFORMED (what was given is no such thing); why: one
 * sentence. Out grows by the PEM. */

NODISCARD enum err plan_x509_new_key(struct buf *out, struct buf *why);

/* PKCS #8 with PBES2 and AES-256. Decrypting with a wrong passphrase is ERR_DENIED. */
NODISCARD enum err plan_x509_encrypt_key(struct str key, const char *passphrase, struct buf *out,
                                         struct buf *why);
NODISCARD enum err plan_x509_decrypt_key(struct str key, const char *passphrase, struct buf *out,
                                         struct buf *why);

struct plan_x509_issuer {
    struct str cert, key;
};

/* A CA for links alone: it can make no other CA. */
NODISCARD enum err plan_x509_make_ca(struct str key, const char *name, int64_t now, struct buf *out,
                                     struct buf *why);

struct plan_x509_wish {
    struct str key;
    const char *dns_name;
    int64_t now, lifetime_s;
};

/* For both ends of TLS, for one DNS name; it ends with its issuer at the latest. */
NODISCARD enum err plan_x509_issue(const struct plan_x509_issuer *issuer,
                                   const struct plan_x509_wish *wish, struct buf *out,
                                   struct buf *why);

/* A request for somebody else's CA. */
NODISCARD enum err plan_x509_request(struct str key, const char *dns_name, struct buf *out,
                                     struct buf *why);

/* Serials in hexadecimal, one a line. The list is valid as long as its issuer: one that ended would
 * be taken for none. */
NODISCARD enum err plan_x509_crl(const struct plan_x509_issuer *issuer, struct str serials,
                                 int64_t now, struct buf *out, struct buf *why);

struct plan_x509_facts {
    char serial[65]; /* hexadecimal */
    int64_t not_after;
};

NODISCARD enum err plan_x509_read(struct str cert, struct plan_x509_facts *out_facts,
                                  struct buf *why);

/* Whether cert is for this key and name, and issued by ca (unless that is empty). ERR_DENIED
 * otherwise. Dates are not looked at. */
NODISCARD enum err plan_x509_check(struct str cert, struct str key, const char *dns_name,
                                   struct str ca, struct buf *why);

#endif
