/* GSSAPI: Kerberos 5 as a mechanism of SASL (RFC 4752), by libsasl2's plugin. It reads the keytab, so
 * each step runs in libuv's thread pool. Whoever is proved to be somebody then needs an account. */
#ifndef SM_AUTH_GSSAPI_H
#define SM_AUTH_GSSAPI_H

#include "sm/auth/claim.h"

struct gssapi; /* one exchange */

/* Whether the keytab serves this host name, asked when the process starts; loads what the library
 * needs, so that nothing is loaded later. Waits for files. why: what the library says. */
NODISCARD enum err gssapi_try(const char *hostname, struct buf *why);

/* facts, arena and out_claim: borrowed as long as it lives; facts->gssapi must be there. */
struct gssapi *gssapi_new(struct auth *a, const struct auth_facts *facts, struct arena *arena,
                          struct claim *out_claim);
/* Not while a step is under way. NULL is fine. */
void gssapi_free(struct gssapi *g);

struct gssapi_answer {
    enum auth_step step;
    enum auth_failure failure; /* of AUTH_FAILED */
    struct str data;           /* of AUTH_CHALLENGE */
    const char *detail;        /* of AUTH_FAILED, for the audit log; NULL: nothing */
    struct str principal;      /* whose ticket it is; absent before that is known */
};
/* Called on the loop once for each gssapi_step, maybe from inside the call; the answer is borrowed.
 * With AUTH_SUCCESS the claim is filled in as if a first message had said who the principal is, and
 * its account is there and may be used. The authzid may be absent, the account's bare JID or the
 * principal's own name. */
typedef void gssapi_done_fn(void *owner, const struct gssapi_answer *answer);

/* The client's next message, copied. */
void gssapi_step(struct gssapi *g, struct str message, gssapi_done_fn *done, void *owner);

#endif
