/* Searches for people of a host's directory, by its clients (XEP-0055 is sm/ext's): which fields
 * there are, who may, how often, and who is found. */
#ifndef SM_SEARCH_H
#define SM_SEARCH_H

#include "sm/sm.h"

enum { SEARCH_MAX_FIELDS = 12, SEARCH_MAX_RESULTS = 200 };

/* "last=sn": var and attribute, both borrowed from the list, or a constant. */
struct search_field {
    struct str var;
    const char *attribute;
};
struct search_map {
    size_t count;
    struct search_field fields[SEARCH_MAX_FIELDS];
};
/* "standard" stands for first, last, nick and email. why: without a full stop. */
NODISCARD enum err search_map_read(const struct conf_list *list, struct search_map *out,
                                   struct buf *why);

/* What one term adds to a filter: entries whose attribute begins with it, or, when it has fewer
 * than min letters, is the same. Stars at its end are as good as none; every other sign stands for
 * itself. false: nothing is left of it. */
bool search_add_term(struct buf *filter, const char *attribute, struct str term, int64_t min);

/* The host that answers searches at this domain, search.HOST; NULL: none does. */
const struct sm_host_conf *search_host(const struct sm *sm, struct str domain);

void search_start(struct sm *sm);
void search_stop(struct sm *sm);

#endif
