/* The link CA on the planning machine, in a folder: certificates, keys encrypted with a passphrase,
 * what was issued and revoked. One CA signs; while it is being replaced two are trusted. */
#ifndef DEPLOY_CTL_PLAN_CA_H
#define DEPLOY_CTL_PLAN_CA_H

#include "deploy/ctl/plan_passphrase.h"

enum { PLAN_CA_MAX = 2 };

struct plan_ca_one {
    int number;
    struct buf cert;
    struct buf key; /* open; empty until it is needed */
};

struct plan_x509_wish;

/* Whoever opens it sets the first four. */
struct plan_ca {
    const char *folder;
    const char *name; /* of new ones */
    struct plan_passphrase *passphrase;
    struct buf *report;                  /* lines for people */
    struct plan_ca_one all[PLAN_CA_MAX]; /* oldest first */
    size_t count;
    int signer;         /* the number of the one that issues */
    struct buf issued;  /* lines "NUMBER SERIAL NAME NOT-AFTER" */
    struct buf revoked; /* the same lines */
};

/* Opens what is in the folder, or makes a first CA there. */
NODISCARD enum err plan_ca_open(struct plan_ca *ca, struct buf *why);
void plan_ca_fini(struct plan_ca *ca); /* wipes */

/* The certificate of the one that signs; the trusted ones together. */
struct str plan_ca_signer(const struct plan_ca *ca);
void plan_ca_trusted(const struct plan_ca *ca, struct buf *out);

/* Opens the signer's key, so that a wrong passphrase shows before anything is changed. */
NODISCARD enum err plan_ca_unlock(struct plan_ca *ca, struct buf *why);
NODISCARD enum err plan_ca_issue(struct plan_ca *ca, const struct plan_x509_wish *wish,
                                 struct buf *out, struct buf *why);

/* Revokes everything that was issued for the name. ERR_NOT_FOUND: nothing was, or it is revoked
 * already. */
NODISCARD enum err plan_ca_revoke(struct plan_ca *ca, const char *dns_name, struct buf *why);
bool plan_ca_is_revoked(const struct plan_ca *ca, const char *serial);
/* The revocation lists of all trusted CAs, one after another; made when there are none. */
NODISCARD enum err plan_ca_crl(struct plan_ca *ca, struct buf *out, struct buf *why);

/* Replacing it: a second one is trusted; it signs from now on; the first is trusted no more. Each
 * ERR_DENIED out of turn. */
NODISCARD enum err plan_ca_add(struct plan_ca *ca, struct buf *why);
NODISCARD enum err plan_ca_switch(struct plan_ca *ca, struct buf *why);
NODISCARD enum err plan_ca_drop(struct plan_ca *ca, struct buf *why);

#endif
