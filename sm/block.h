/* Whom an account has blocked: XEP-0191. The list in memory, and what it says of a JID. It is
 * loaded with the account and never longer than max_blocked; changing it is block_change.c's. */
#ifndef SM_BLOCK_H
#define SM_BLOCK_H

#include "sm/account.h"

struct store_rows;

/* Account.c's: the table of a new account, all of it forgotten, and rows of STORE_BLOCK_LOAD. */
void block_init(struct table *blocked);
void block_clear(struct table *blocked);
void block_load(struct table *blocked, struct store_rows *rows);

/* One more, or one less; false: it was there, or was not. */
bool block_add(struct table *blocked, const struct jid *jid);
bool block_remove(struct table *blocked, const struct jid *jid);

/* Whether an entry of the list means this JID (§6): a full JID or a domain with a resource that
 * resource, a bare JID all of its resources, a domain itself and all that is in it. */
bool block_covers(const struct jid *entry, const struct jid *who);

/* Whether nothing may pass between the account and who. Never true for the account's own resources
 * (§5, footnote) nor for the server that it is on. */
bool block_is_blocked(const struct account *a, const struct jid *who);

/* A walk over the list, in no order: for (size_t at = 0; (jid = block_next(&a->blocked, &at));) */
const struct jid *block_next(const struct table *blocked, size_t *at);
/* What the list takes in an answer, at least. */
size_t block_bytes(const struct table *blocked);

#endif
