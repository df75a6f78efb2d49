/* What the session manager tells of the people of its directories: their vCards, kept for a while,
 * and searches for them. sm/ext/ speaks for it to clients. */
#ifndef SM_PEOPLE_H
#define SM_PEOPLE_H

#include "sm/sm.h"

struct people;

void people_start(struct sm *sm);
/* Who still waits hears ERR_CLOSED. When the directories are closed. */
void people_stop(struct sm *sm);
/* The configuration is another: all that is kept is forgotten. */
void people_apply(struct sm *sm);

/* The section of this host's directory; NULL: it has none. */
const struct sm_directory_conf *people_directory(const struct sm *sm,
                                                 const struct sm_host_conf *host);

/* What the directory has for the vCard of an account of a host with a directory, as XML; absent:
 * nothing. Of several who ask for the same at once one question is made. When the directory does
 * not answer: what was kept, however old; ERR_AGAIN: nothing was. done comes once, maybe from
 * inside; vcard is valid until it returns, or asks again. */
typedef void people_vcard_fn(void *owner, enum err e, struct str vcard);
void people_vcard(struct sm *sm, struct str account, people_vcard_fn *done, void *owner);

#endif
