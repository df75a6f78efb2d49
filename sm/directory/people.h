/* All people of a directory who can log in on a host, and the groups that they are in: two searches
 * in pages, and an index (index.h) made of them in a thread. Downwards and all at once; the groups
 * of one person at its login are groups.h's. */
#ifndef SM_DIRECTORY_PEOPLE_H
#define SM_DIRECTORY_PEOPLE_H

#include "sm/directory/directory.h"
#include "sm/directory/index.h"

/* Copied by directory_people_load; of was a reference is kept. */
struct directory_people_spec {
    const char *host;           /* what %d of the filter is; normalised */
    const char *user_attribute; /* holds the local part, or an address of this very host */
    const char *name_attribute; /* what people are called; "cn" where an entry has none */
    uint32_t max_people, max_groups;
    struct directory_index_options index; /* but lists_users and is_nested: by the directory */
    struct directory_index *was; /* what to compare with; NULL: with nobody */
};

struct directory_people {
    struct directory_index *index; /* one reference, the owner's; NULL: it failed, see why */
    struct directory_index_change *changes; /* from was to index; the owner's to free */
    size_t change_count;
    const char *why; /* one sentence, borrowed; NULL: it did not fail */
    uint32_t groups; /* found, shown or not */
    uint32_t people; /* found; besides: */
    uint32_t disabled; /* left out by what their entries say (state.h) */
    uint32_t unfit;    /* left out: no value that can be the local part of an address here */
    uint64_t took_ms, thread_ms;
};

/* Once, later, except by directories_close and directories_set. Whatever does not come to its end
 * fails as a whole: a limit, a server that is lost or that cuts its answer. */
typedef void directory_people_fn(void *owner, const struct directory_people *p);

struct directory_load;

struct directory_load *directory_people_load(struct directory *d,
                                             const struct directory_people_spec *spec,
                                             directory_people_fn *done, void *owner);
/* Before done: it is not called any more. NULL is fine. */
void directory_people_cancel(struct directory_load *l);

#endif
