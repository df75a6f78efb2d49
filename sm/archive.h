/* Archives of accounts (XEP-0313): which messages are kept, under which id, and how they come into
 * the store.
 *
 * One row a message. A message between two accounts of this store is one row with two owners
 * (a_owns, b_owns), so that it costs one insertion and is on the disk once; an owner who wants it
 * no more is struck out, and the last one's going deletes the row. stamp_us, never the same twice,
 * is the order of every archive; filters by time, id and RSM all become a range of it.
 *
 * Ids are 128 bits of SipHash, under keys that nobody outside knows, over session, count and the
 * stanza: the same when a frame is handled again, never foretold, telling nothing; the table takes
 * each once. Both owners have the same id. Elements <stanza-id/> by an account of ours are taken out
 * wherever a message reaches that account or leaves it (XEP-0359 §3), so that those that are there
 * are ours.
 *
 * Durable first: the row is submitted when the message is delivered; its frame's origin waits for
 * the commit, so that nothing is acknowledged that is not kept. Delivery does not wait. An offline
 * message that the archive holds is a mark of its row (offline.c). */
#ifndef SM_ARCHIVE_H
#define SM_ARCHIVE_H

#include "sm/account.h"

struct bytes;
struct store_rows;

enum { ARCHIVE_ID_BYTES = 16, ARCHIVE_ID_TEXT = 32, ARCHIVE_MAX_WISHES = 1000 };

/* --- which ------------------------------------------------------------------------------------ */

/* By what it is (XEP-0313 §6.1.1, XEP-0334): normal or chat, with a body or the hint store; never
 * with no-store or no-permanent-store. Pure. */
bool archive_is_worth(const struct stanza *message);

/* Hint no-store (XEP-0334 §4.2), not of an error: not even for a client that is away. */
bool archive_forbids_store(const struct stanza *message);

/* What the account wants of messages from or to who (XEP-0441 §2.1, §2.3), and whether its host
 * has archives at all. */
bool archive_wants(const struct account *a, const struct jid *who);
bool archive_is_on(const struct account *a);

/* --- a message on its way --------------------------------------------------------------------- */

/* One that an archive holds, or two. Counted. */
struct archive_item {
    uint32_t refs;
    uint8_t id[ARCHIVE_ID_BYTES];
    char id_text[ARCHIVE_ID_TEXT + 1];
    struct stanza *stanza;
    struct bytes *written; /* as it is stored */
    bool is_sender_owner, is_recipient_owner;
};
struct archive_item *archive_item_ref(struct archive_item *item); /* NULL is passed through */
void archive_item_unref(struct archive_item *item);               /* NULL is fine */

/* What the client of s said, from and to stamped: forged ids are taken out. NULL: not for its own
 * archive. */
struct archive_item *archive_sent(const struct session *s, struct stanza *message,
                                  struct origin *origin);
/* It is about to reach an account, for good: forged ids are taken out; if the account's archive is
 * to hold it, the item (made if item is NULL) says so and message has its <stanza-id/>. Returns a
 * reference, or NULL. */
struct archive_item *archive_received(struct account *a, struct stanza *message,
                                      struct archive_item *item, struct origin *origin);
/* Takes the account's <stanza-id/> out again, before something goes back to the sender. */
void archive_strip(struct stanza *message, struct str bare);

/* Submits the row of an item (NULL is fine); origin waits for the commit. If that fails the sender
 * is told <resource-constraint/>. */
void archive_put(struct sm *sm, struct archive_item *item, struct origin *origin);

/* The id that the account's <stanza-id/> in a stanza of ours shows; false: it has none. */
bool archive_id_of(const struct stanza *message, struct str bare,
                   uint8_t out_id[ARCHIVE_ID_BYTES]);

/* --- ids in written messages ------------------------------------------------------------------ */

void archive_id_text(const uint8_t id[ARCHIVE_ID_BYTES], char out_text[ARCHIVE_ID_TEXT + 1]);
/* false: no id of ours. */
bool archive_id_read(struct str text, uint8_t out_id[ARCHIVE_ID_BYTES]);
/* A message as it is stored, with the <stanza-id/> of one owner; stamp_us 0: without a <delay/>
 * (from host, XEP-0203). */
void archive_write(struct buf *out, struct str written, struct str id_text, struct str bare,
                   struct str host, int64_t stamp_us);
/* The message with which a row is sent to the client full that asked for it (XEP-0313 §4.2). */
struct archive_row {
    int64_t stamp_us;
    char id_text[ARCHIVE_ID_TEXT + 1];
    struct bytes *written;
};
void archive_write_result(struct buf *out, const struct archive_row *row, struct str queryid,
                          const struct jid *full);
/* Rows up to this stamp are not the account's to see: too old, or from before it was made. */
int64_t archive_floor(const struct account *a);
/* Whether a stanza out of a session's queue is the answer to a query: for that client alone. */
bool archive_is_result(const struct stanza *stanza);

/* --- wishes (archive_wish.c) ------------------------------------------------------------------ */

void archive_wishes_init(struct archive_wishes *w);
void archive_wishes_clear(struct archive_wishes *w);
/* Rows of STORE_WISH_LOAD. */
void archive_wishes_load(struct archive_wishes *w, struct store_rows *rows);

/* What the lists and the default say of who; is_contact: the roster shows it. Pure. */
bool archive_wishes_keep(const struct archive_wishes *w, const struct jid *who, bool is_contact);

/* One entry; the last of a JID holds. */
void archive_wishes_add(struct archive_wishes *w, const struct jid *jid, bool is_never);

struct archive_wish {
    struct jid jid; /* text owned */
    bool is_never;
};
/* In no order: for (size_t at = 0; (w = archive_wishes_next(wishes, &at));) */
const struct archive_wish *archive_wishes_next(const struct archive_wishes *w, size_t *at);

#endif
