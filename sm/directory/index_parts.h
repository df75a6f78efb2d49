/* How an index lies in memory, and in the store: one run of bytes, numbers as this machine writes
 * them. For index.c and index_build.c. */
#ifndef SM_DIRECTORY_INDEX_PARTS_H
#define SM_DIRECTORY_INDEX_PARTS_H

#include "sm/directory/index.h"

enum { INDEX_MAGIC = 0x31495053, INDEX_VIEWS = 1 };
enum { INDEX_TO_ALL = 1, INDEX_TOO_LARGE = 2 };

struct index_head {
    uint32_t magic;
    uint32_t groups, people, memberships, members, texts; /* texts: bytes */
    uint32_t ambiguous, unused;
};
struct index_group {
    uint64_t hash; /* of its name, and of all that is said of its members */
    uint32_t name, dn; /* where in the texts; 0: the empty one */
    uint32_t first; /* of its members; they end where the next group's begin */
    uint32_t count; /* of its members, also when they are too many to be listed */
    uint32_t not_viewed_by, flags;
};
struct index_person {
    uint32_t local, name;
    uint32_t first; /* of its memberships */
};
/* A membership is the group's number, doubled, plus INDEX_VIEWS when the person views it; a member
 * the person's, in the same way. Behind the last group and the last person stands one more. */
struct directory_index {
    uint32_t refs;
    struct buf data;
    const struct index_head *head;
    const struct index_group *groups;
    const struct index_person *people;
    const uint32_t *memberships, *members;
    const char *texts;
    uint32_t *to_all; /* the numbers of those groups */
    uint32_t to_all_count;
};

/* Takes the bytes. NULL: they are not whole. */
struct directory_index *index_open(struct buf *take_data);

int index_compare_u32(const void *a, const void *b);

/* --- while it is made -------------------------------------------------------------------------- */

/* Where a name leads to. */
struct index_named {
    uint64_t hash;
    uint32_t id;
};
struct index_names {
    struct index_named *items;
    size_t n;
};
/* A group while the index is made. */
struct index_making {
    const struct directory_raw_group *raw;
    char *dn;                /* folded */
    struct buf direct, sub;  /* uint32_t: people; groups */
    struct buf members;      /* uint32_t, all of them, sorted; nothing when they are too many */
    uint32_t count, flags, walked;
    uint32_t number;         /* in the index; DIRECTORY_NOBODY: not there */
    uint32_t not_viewed_by;
};
struct index_build {
    const struct directory_raw *raw;
    const struct directory_index_options *o;
    uint8_t key[16];
    const struct directory_raw_person **people;
    uint32_t person_count, ambiguous;
    struct index_making *groups;
    uint32_t group_count;
    struct index_making **shown; /* in the order of their DNs */
    uint32_t shown_count;
    struct index_names exact, folded, group_names;
    uint32_t *seen, walk;  /* by person: the last walk that met it */
    bool *may;             /* by person: it may log in; NULL: everybody may */
    struct buf *in;        /* by person: memberships */
    struct buf texts;
};

/* Lists of numbers. */
static inline void ids_add(struct buf *ids, uint32_t id)
{
    buf_add(ids, str_of(&id, sizeof id));
}

static inline size_t ids_count(const struct buf *ids)
{
    return ids->n / sizeof(uint32_t);
}

static inline uint32_t *ids_of(const struct buf *ids)
{
    return (uint32_t *)(void *)ids->p;
}

/* index_show.c: which groups are shown, all of their members, and who views them. */
void index_show(struct index_build *b);
/* index_bytes.c: the whole as it lies in memory. */
struct directory_index *index_bytes(struct index_build *b);
int index_compare_shown(const void *a, const void *b); /* by DN */

#endif
