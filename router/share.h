/* What one link has done since it came up: violations, and its part of what waits for the session
 * managers. Internal links are always read (LINK.md §8), so that one which floods would end the
 * link of the session manager for everybody: it is ended first. */
#ifndef ROUTER_SHARE_H
#define ROUTER_SHARE_H

#include "router/router.h"

void share_begin(struct link *l); /* it is up */
void share_end(struct link *l);   /* it goes down */

/* One more violation; returns how many there were. */
unsigned share_violated(struct link *l);

/* from has put so many bytes into to's queue. When that is half full, the link that has put most of
 * it there ends, if that is more than a quarter of the limit: the windows of an honest one are
 * smaller. */
void share_sent(struct router *r, struct link *from, struct link *to, size_t bytes);

#endif
