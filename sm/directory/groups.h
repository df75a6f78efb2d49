/* The groups that an entry is in: directly, through groups in groups, and by Active Directory's
 * primary group. Upwards, one person at a time: what a login asks. */
#ifndef SM_DIRECTORY_GROUPS_H
#define SM_DIRECTORY_GROUPS_H

#include "sm/directory/directory.h"
#include "sm/directory/entry.h"

enum { DIRECTORY_MAX_GROUPS = 1000, DIRECTORY_MAX_NESTING = 16 };

struct directory_group {
    struct str dn, name; /* name: the first value of directory_options.group_name; absent: none */
    uint32_t depth;      /* 0: the entry itself is a member; with the matching rule always 0 */
};

struct directory_groups {
    enum directory_verdict verdict; /* _OK, or why it is not known (temporary, or _FAILED) */
    size_t count;
    const struct directory_group *groups; /* each once, in the order in which they were found */
    bool is_cut; /* there are more than DIRECTORY_MAX_GROUPS, or deeper ones */
    uint32_t searches;
};

/* Borrowed for the call. */
typedef void directory_groups_fn(void *owner, const struct directory_groups *g);

struct directory_walk;

/* dn: of the entry; user: the local part of its address, for groups that list names (posixGroup's memberUid).
 * done comes once, not from inside the call except by directories_close and directories_set. */
struct directory_walk *directory_groups_find(struct directory *d, struct str dn, struct str user,
                                             directory_groups_fn *done, void *owner);
/* Before done. NULL is fine. */
void directory_groups_cancel(struct directory_walk *w);

/* Whether one of them is meant by name: its name, or its whole DN, without regard to case. */
bool directory_groups_have(const struct directory_groups *g, const char *name);

#endif
