/* For exchange.c: the mechanism EXTERNAL, whose evidence is the client's certificate. XEP-0178 §2,
 * RFC 4422 App. A. */
#ifndef SM_AUTH_BY_CERTIFICATE_H
#define SM_AUTH_BY_CERTIFICATE_H

#include "sm/auth/by_directory.h"

/* Which account the client means (steps 10 and 11): that of its authorization identity, which must
 * be one of the certificate's; without one, the only one of the certificate. Fills in the claim's
 * account (in the arena). out_detail: for the audit log. */
enum auth_failure by_certificate_choose(const struct auth_certificate *c, struct arena *arena,
                                        struct claim *claim, const char **out_detail);

/* Whether the account may be used: it is there, and nothing is demanded of it first; with a
 * directory, its entry is there, too, and it is the entry's. directory: NULL: in the store. done
 * comes once, maybe from inside the call. */
void by_certificate_admit(struct auth *a, const char *directory, struct str account,
                          by_directory_fn *done, void *owner);

#endif
