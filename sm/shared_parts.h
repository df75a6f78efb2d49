/* What the files of shared rosters share: shared.c (reading, and when), shared_apply.c (telling),
 * shared_show.c (administrators). */
#ifndef SM_SHARED_PARTS_H
#define SM_SHARED_PARTS_H

#include "sm/directory/people.h"
#include "sm/shared.h"

struct shared {
    struct list hosts; /* struct shared_host */
};

struct shared_host {
    struct list at;
    struct sm *sm;
    char *name, *directory;
    const struct sm_host_conf *conf; /* NULL: nothing is shared any more */
    struct directory_index *index;
    struct directory_load *load; /* under way */
    struct timer timer;          /* the next one */
    uint64_t began_ms;           /* the last one; 0: never */
    uint64_t done_ms;            /* the last that succeeded; 0: never */
    char *last_error;            /* of the last, when it failed */
    struct directory_people last; /* numbers of the last that succeeded */
    bool is_again;               /* asked for while one was under way */
    bool is_trusting; /* the administrator reloaded: emptiness is believed */
    /* shared_apply.c: accounts that are told of changes one after the other */
    struct directory_index *was;
    struct directory_index_change *changes;
    size_t change_count;
    struct list untold; /* struct untold */
    struct timer apply;
    bool is_applying;
};

void shared_apply_init(struct shared_host *h);

/* From was to h->index: begins to tell all that are there. Takes both. */
void shared_apply(struct shared_host *h, struct directory_index *take_was,
                  struct directory_index_change *take_changes, size_t count);
/* Stops; who was not told stays untold (account.shared_left), until the next shared_apply. */
void shared_apply_stop(struct shared_host *h);
/* All are told: the index is written down, and the next refresh may come. */
void shared_applied(struct shared_host *h);

#endif
