/* The client's side of GSSAPI (RFC 4752 §3.1), without security layer, with tickets out of a file.
 */
#ifndef TESTS_BENCH_KERBEROS_H
#define TESTS_BENCH_KERBEROS_H

#include "common/buf.h"

struct kerberos;

/* tickets: a credential cache; host: of the service xmpp/host. NULL: there are none. */
struct kerberos *kerberos_new(const char *tickets, const char *host);
/* Answers a challenge, the first time an empty one. ERR_DENIED: it is none, or none any more. */
NODISCARD enum err kerberos_step(struct kerberos *k, struct str challenge, struct buf *answer);
void kerberos_free(struct kerberos *k); /* NULL is fine */

#endif
