/* Offline messages: XEP-0160, stamped by XEP-0203. They wait in rows, are delivered in order with the first presence that is not negative,
 * and marked once the client's connection has them; marked rows refuse the same id for a day. */
#ifndef SM_OFFLINE_H
#define SM_OFFLINE_H

#include "sm/account.h"

struct store_tx;

/* Whether it is kept: normal or chat, more than a chat state (XEP-0160 §3), and not with the hint no-store (XEP-0334). */
bool offline_may_store(const struct stanza *stanza);

/* Its next message would be refused: max_offline, or the store is busy. */
bool offline_is_full(const struct account *a);

/* Of a message that is in the account's archive (its stanza-id says so) only the mark is stored, and the archive's row must have been
 * submitted. When it is full, or when the store fails: an error to the sender. origin waits for the commit. false: it was refused at once. */
bool offline_store(struct account *a, const struct stanza *stanza, struct origin *origin);

/* The session takes messages now. */
void offline_deliver(struct session *s);
/* The one that messages out of the store are being given to, and what comes behind them; or NULL. */
const struct session *offline_recipient(const struct account *a);
/* Its queue has room again. */
void offline_continue(struct session *s);
/* A session of the account ended before it had taken all that was given to it. */
void offline_returned(struct account *a);
/* A session of the account ended or takes no messages any more: another may go on. */
void offline_session_left(struct account *a);
/* Written to the client: the row of that id, if there is one, is marked; the last statement of the transaction, which is submitted. */
void offline_mark(struct session *s, struct store_tx *take_tx, const struct frame_id *id, void (*done)(void *owner, enum err e, int64_t changes),
                  void *owner);
/* The account is freed. */
void offline_forget(struct account *a);

/* Deletes what was delivered long ago. */
void offline_purge(struct sm *sm);

#endif
