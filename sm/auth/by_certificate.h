/* For exchange.c: the mechanism EXTERNAL, whose evidence is the client's certificate. XEP-0178 §2,
 * RFC 4422 App. A. */
#ifndef SM_AUTH_BY_CERTIFICATE_H
#define SM_AUTH_BY_CERTIFICATE_H

#include "sm/auth/by_directory.h"

/* Verifies the chain of the facts (once more, though EXTERNAL was offered because it was good then:
 * what was offered is accepted by the lists of now), and finds the account that the client means
 * (steps 10 and 11): that of its authorization identity, which must be one of the certificate's;
 * without one, the only one of the certificate. It is filled into the claim (in the arena). AUTH_OK:
 * the account is there, and nothing is demanded of it first; with a directory, its entry is there,
 * too, says nothing against it, and the account is the entry's.
 * facts, arena and claim live until done, which comes once, maybe from inside the call. */
void by_certificate_check(struct auth *a, const struct auth_facts *facts, struct arena *arena,
                          struct claim *claim, by_directory_fn *done, void *owner);

#endif
