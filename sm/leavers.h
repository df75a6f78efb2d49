/* People who leave the directory lose their sessions: those whose entry is gone, disabled or locked,
 * or who are in no group any more that may log in. All who have sessions are looked for every
 * `leavers_interval` of their directory, and at once when the directory says that something changed
 * (sm/directory/watch.h). While it cannot be asked nobody loses anything. */
#ifndef SM_LEAVERS_H
#define SM_LEAVERS_H

#include "sm/sm.h"

struct leavers;

struct leavers *leavers_new(struct sm *sm);
/* The configuration is new: which directories, and how often. */
void leavers_apply(struct leavers *l);
/* Something changed in it: the entry of this key, or, absent, anything. */
void leavers_hint(struct leavers *l, const char *directory, struct str key);
/* After directories_close, so that nothing is under way any more. NULL is fine. */
void leavers_free(struct leavers *l);

#endif
