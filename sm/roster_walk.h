/* An account's roster as its clients have it: its own items, and the contacts that groups of the
 * directory give it (sm/shared.h), joined where they are of the same JID: the own name wins, the
 * groups of both count, the subscription is what either grants. */
#ifndef SM_ROSTER_WALK_H
#define SM_ROSTER_WALK_H

#include "proto/jid.h"
#include "sm/roster.h"

struct directory_index;

/* What own items and groups make of one contact. */
struct roster_look {
    const struct roster_item *item; /* NULL: no own one */
    uint8_t own, shared;            /* states; shared: ROSTER_TO | ROSTER_FROM (shared_state) */
    bool is_shown;                  /* it is in the roster */
    uint32_t self, other;           /* numbers in the index */
};
/* By this index (NULL: none), whatever holds now. */
struct roster_look roster_look(const struct account *a, const struct directory_index *x,
                               const struct jid *contact);
static inline uint8_t roster_look_state(const struct roster_look *l)
{
    return l->own | l->shared;
}

/* <item …>…</item> (RFC 6121 §2.1.2); l->is_shown. */
void roster_write_item(struct buf *out, const struct directory_index *x, const struct jid *contact,
                       const struct roster_look *l);

/* Everybody that the account has anything to do with: all own items, pending requests included;
 * then, as want says, those whom groups show it (ROSTER_TO) and those who see it by groups
 * (ROSTER_FROM; where everybody does, those who have sessions), each once. */
struct roster_walk {
    const struct account *account;
    struct directory_index *x; /* kept while it lasts */
    size_t own_at, shared_at, count;
    bool is_own_done;
    uint32_t *people;
    struct buf text;
    /* the present one: */
    struct jid jid;
    struct roster_look look;
};
void roster_walk_begin(struct roster_walk *w, const struct account *a, uint8_t want);
bool roster_walk_next(struct roster_walk *w);
void roster_walk_end(struct roster_walk *w);

#endif
