/* What must stay the same from plan to plan: keys, certificates, link secrets, in a folder of the
 * planning machine. Made when they are missing, kept otherwise. */
#ifndef DEPLOY_CTL_PLAN_KEYS_H
#define DEPLOY_CTL_PLAN_KEYS_H

#include "deploy/ctl/plan.h"
#include "deploy/ctl/plan_ca.h"

struct plan_keys {
    const struct plan *plan;
    const char *folder;
    struct plan_ca *ca; /* NULL: the company's */
    struct buf *report; /* lines for people */
};

/* All three append; why: one sentence. */
NODISCARD enum err plan_keys_key(struct plan_keys *k, const struct plan_node *n, struct buf *out,
                                 struct buf *why);
/* ERR_AGAIN: the company's CA has not answered the request yet. */
NODISCARD enum err plan_keys_cert(struct plan_keys *k, const struct plan_node *n, struct buf *out,
                                  struct buf *why);
/* 256 random bits in hexadecimal and LF. */
NODISCARD enum err plan_keys_secret(struct plan_keys *k, struct str name, struct buf *out,
                                    struct buf *why);
struct str plan_keys_link_secret_name(struct plan *p, const struct plan_link *l);

/* Makes the certificate be issued again; with its key too when it is revoked or has_new_key. */
NODISCARD enum err plan_keys_renew(struct plan_keys *k, const struct plan_node *n, bool has_new_key,
                                   struct buf *why);

/* The trusted CAs and the revocation lists for peers to load; out_crl is empty when there is none.
 */
NODISCARD enum err plan_keys_trust(struct plan_keys *k, struct buf *out_ca, struct buf *out_crl,
                                   struct buf *why);

#endif
