/* What peers say about themselves: their metrics, shown with the router's own and marked as the
 * peer's claim (ARCHITECTURE §8). Nothing here believes them. */
#ifndef ROUTER_CLAIMS_H
#define ROUTER_CLAIMS_H

#include "common/buf.h"
#include "common/table.h"

/* Of one peer; what is beyond is not taken. */
enum { CLAIMS_MAX_SAMPLES = 500, CLAIMS_MAX_NAME = 100, CLAIMS_MAX_VALUE = 30 };

struct claims {
    struct table by_peer;
};

void claims_init(struct claims *cs);
void claims_fini(struct claims *cs);

/* In place of what it said before. Lines that are not "NAME VALUE" with a name of ours and a number
 * are left out: labels and comments could make other lines of them. */
void claims_take(struct claims *cs, struct str peer, struct str text);

/* It is gone: what it said is old. */
void claims_drop(struct claims *cs, struct str peer);

/* Every peer's sample of that name, as NAME{peer="…",claim="1"} VALUE. For metric_on_more: name
 * NULL writes those names that were not asked for since, each with its type. */
void claims_write(void *claims, const char *name, struct buf *out);

#endif
