/* Kerberos as the process has it: prepared when it starts, tried, and offered to connections
 * (RFC 4752, XEP-0233). Exchanges are sm/auth's. */
#ifndef SM_SINGLE_SIGN_ON_H
#define SM_SINGLE_SIGN_ON_H

#include "common/arena.h"
#include "common/buf.h"

struct auth_gssapi;
struct sm;
struct sm_host_conf;

/* First of all at start: it sets the environment of threads to come. Nothing without gssapi_keytab
 * and without a directory that Kerberos is used to. */
NODISCARD enum err single_sign_on_prepare(struct sm *sm, struct buf *why);
/* When there is sm->auth: says for which hosts the keytab is of no use. */
void single_sign_on_try(const struct sm *sm);
void single_sign_on_stop(struct sm *sm);

/* What a host's connections are told and may use; NULL: nothing. In the arena. */
const struct auth_gssapi *single_sign_on_facts(const struct sm *sm, const struct sm_host_conf *h,
                                               struct arena *arena);

#endif
