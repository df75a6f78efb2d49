/* What the roster's own files share: memory (roster.c), reading a set (roster_set.c), writing items
 * (roster_push.c), committing (roster_commit.c). */
#ifndef SM_ROSTER_PARTS_H
#define SM_ROSTER_PARTS_H

#include "sm/roster.h"

/* --- roster.c --------------------------------------------------------------------------------- */

/* A new item of no name and state none, not listed; in the roster. */
struct roster_item *roster_add(struct roster *r, const struct jid *jid);
void roster_drop(struct roster *r, struct roster_item *item);
void roster_item_set_request(struct roster_item *item, struct str request); /* absent: none */
void roster_item_set_name(struct roster_item *item, struct str name,
                          const struct conf_list *groups);
bool roster_item_is_named(const struct roster_item *item, struct str name,
                          const struct conf_list *groups);

/* A roster modification (§2.6.3): one more. item NULL: it was removed. */
void roster_touch(struct roster *r, struct roster_item *item);

size_t roster_count(const struct roster *r, bool is_listed);

/* About as many bytes as all listed items take in a result. */
size_t roster_bytes(const struct roster *r);

/* Groups as the store keeps them: joined by a character that XML cannot hold. out_groups: texts in
 * the arena. */
void roster_write_groups(struct buf *out, const struct conf_list *groups);
void roster_read_groups(struct str text, struct arena *arena, struct conf_list *out_groups);

/* --- roster_set.c: pure ----------------------------------------------------------------------- */

enum { ROSTER_MAX_NAME = 1023, ROSTER_MAX_GROUP = 1023, ROSTER_MAX_GROUPS = 32 };

struct roster_set {
    struct jid jid;
    bool is_remove;
    struct str name;         /* absent when there is none or an empty one */
    struct conf_list groups; /* in the arena */
};

/* Checks the <query/> of a roster set (§2.1.5, §2.3.3). own: the account's bare JID. STANZA_OK, or
 * the error to answer. */
enum stanza_error roster_set_read(const struct xml *query, struct str own, struct arena *arena,
                                  struct roster_set *out_set);

/* --- roster_push.c ---------------------------------------------------------------------------- */

/* What stands for the roster as it is: nobody gets the same twice for different ones (§2.6). */
void roster_write_version(struct buf *out, const struct account *a);

/* The <query/> of a result: all items that are shown, and the version. Contacts that groups give
 * are left out when it would become longer than max; false then. */
bool roster_write_query(struct buf *out, const struct account *a, size_t max);

/* The <query/> of a push (§2.1.6): this item, or its removal when it is not in the roster (or not
 * shown). */
void roster_write_push(struct buf *out, const struct account *a, const struct jid *contact);

/* query, pushed to every interested resource of the account; id makes the stanza's id. */
void roster_push(struct account *a, struct str query, uint64_t id, struct origin *origin);

/* --- roster_commit.c -------------------------------------------------------------------------- */

/* A change of one item that is in memory already: stanzas to the contact, then the store, then all
 * that may leave only after the commit. Zeroed fields mean nothing. What it points to it owns. */
struct roster_change {
    struct account *account; /* pinned while it lasts */
    struct origin *origin;
    struct stanza *cause;    /* answered with an error when it cannot be stored */
    char *contact;           /* the item's JID */
    struct stanza *route[2]; /* to the contact, before the commit: run again after a crash it must
                                still come, and comes twice unharmed */
    struct stanza *shown;    /* to our resources, after the commit and before the push … */
    bool is_request;         /* … to the available ones; otherwise to the interested ones */
    bool is_inbound;         /* what comes to the account behind it waits (deliver_hold) */
    bool is_pushed;
    struct stanza *reply;   /* the IQ's result */
    struct stanza *answer;  /* subscribed or unsubscribed on the user's behalf */
    bool tells_current;     /* the contact may now see us … */
    bool tells_unavailable; /* … or no longer */
    /* roster_commit.c's: */
    struct buf push;
    uint64_t push_id;
};

struct roster_change *roster_change_new(struct account *a, struct stanza *cause, struct str contact,
                                        struct origin *origin);

/* Takes it and lets it run. */
void roster_commit(struct roster_change *take_change);

/* Whether a change may be begun now; STANZA_RESOURCE_CONSTRAINT otherwise. */
enum stanza_error roster_may_change(const struct account *a);

#endif
