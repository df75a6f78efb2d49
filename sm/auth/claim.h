/* What a first message claims, held against the connection it came by: whose account, for whom,
 * bound to what. Decides without asking who exists. RFC 6120 §6.3.8, RFC 5802 §6. */
#ifndef SM_AUTH_CLAIM_H
#define SM_AUTH_CLAIM_H

#include "sm/auth/auth_private.h"
#include "sm/auth/first_message.h"

struct claim {
    struct first_message first;
    struct str account;       /* "juliet@example.com": whose keys are to be asked for; absent
                                 where EXTERNAL does not say whom it means */
    bool is_stores;           /* known when it was asked: the account is the store's, not a directory's */
    bool is_account;          /* false: the name cannot be one, and what is found does not count */
    const char *binding_name; /* of -PLUS; NULL otherwise */
    struct str binding;
    const char *misbound; /* why the binding is refused, for the log; NULL: it fits so far */
};

/* message and facts are borrowed as long as out. AUTH_OK, or the condition to fail with; the
 * claimed user (out->first.user) is there as far as it could be read. */
enum auth_failure claim_read(const struct auth_mechanism *m, const struct auth_facts *facts,
                             struct str message, struct arena *arena, struct claim *out);

/* The same for a name that the mechanism itself has authenticated: whose account it is, and whether
 * authzid (absent: none) is that account's. */
enum auth_failure claim_make(const struct auth_facts *facts, struct str name, struct str authzid,
                             struct arena *arena, struct claim *out);

/* Whether c= of the client's last message, in base64, is its GS2 header and our binding: the client
 * sees the channel that we see. RFC 5802 §6, §7. If not, c->misbound says so. */
bool claim_is_bound(struct claim *c, struct str binding);

#endif
