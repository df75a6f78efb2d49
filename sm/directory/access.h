/* Who may what, by the groups of the directory: log in, log in through a connection manager of the
 * DMZ, exchange stanzas with other domains. */
#ifndef SM_DIRECTORY_ACCESS_H
#define SM_DIRECTORY_ACCESS_H

#include "sm/directory/groups.h"

/* Groups by name or DN, NULL-terminated; NULL or empty: everybody. */
struct access_rules {
    const char *const *log_in;
    const char *const *log_in_dmz; /* besides log_in */
    const char *const *outside;
};

/* Whether there is anything to ask. */
bool access_has_rules(const struct access_rules *r);
/* Whether one of the groups is named; true when nothing is. */
bool access_is_named(const struct directory_groups *g, const char *const *names);

struct access {
    enum directory_verdict verdict; /* _OK; or why there is no answer, or no entry */
    bool may_log_in, may_log_in_dmz, may_outside; /* with _OK */
    const struct directory_found *found;          /* the entry, its key and its state */
    const struct directory_groups *groups;        /* NULL: not asked for */
};

/* Borrowed for the call. */
typedef void access_done_fn(void *owner, const struct access *a);

/* Finds the entry of the name, then its groups, and judges by the rules. always: groups are asked
 * for without rules as well. name and rules are copied. done comes once, maybe from inside. */
void access_ask(struct directory *d, const struct directory_name *name,
                const struct access_rules *rules, bool always, access_done_fn *done, void *owner);

#endif
