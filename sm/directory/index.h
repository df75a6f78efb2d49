/* People and the groups that show them to each other, in one compact piece of memory that never
 * changes: made of what a directory said (people.h), compared with the one before it, kept in the
 * store. Pure; built in a thread. Knows no accounts: people are local parts of addresses.
 *
 * Who sees whom: a person sees the members of the groups that it views: the shared groups that it
 * is a member of, and the groups that are shown to all. Groups of more than max_shared members are
 * shown to nobody; of a person in so many groups that their members are more than that together,
 * the smallest are viewed. */
#ifndef SM_DIRECTORY_INDEX_H
#define SM_DIRECTORY_INDEX_H

#include "common/arena.h"
#include "common/buf.h"

struct directory_index;

enum { DIRECTORY_NOBODY = UINT32_MAX };

/* --- making one -------------------------------------------------------------------------------- */

struct directory_raw_person {
    struct directory_raw_person *next;
    struct str dn;
    struct str local; /* prepared (RFC 7622 §3.3) */
    struct str name;  /* absent: none */
    struct str sid;   /* of the primary group; absent: none */
};
struct directory_raw_group {
    struct directory_raw_group *next;
    struct str dn, name;
    struct str sid; /* absent: none */
    const struct str *members;
    size_t member_count;
};
/* What a directory said: bytes of somebody else's, all in the arena. */
struct directory_raw {
    struct arena arena;
    struct directory_raw_person *people;
    struct directory_raw_group *groups;
    size_t person_count, group_count, value_count;
};

struct directory_index_options {
    /* Names or whole DNs, without regard to case; "*" means every group. NULL-terminated. */
    const char *const *shared, *const *to_all;
    const char *const *allowed; /* only members of these are in any group; NULL, empty: all are */
    uint32_t max_shared;
    bool lists_users; /* members are local parts (posixGroup's memberUid), not names of entries */
    bool is_nested;   /* members of a group that is a member are members */
    uint8_t key[16];  /* of versions: the same for ever */
};

/* One reference, the caller's. Texts that clients must not get (control characters, broken UTF-8)
 * are cleaned. Two people of one local part are left out both: neither can log in. */
struct directory_index *directory_index_build(const struct directory_raw *raw,
                                              const struct directory_index_options *o);
struct directory_index *directory_index_ref(struct directory_index *x); /* NULL is passed through */
void directory_index_unref(struct directory_index *x);                  /* NULL is fine */

/* As bytes, for the store. read: NULL when it is none that was written with this key. */
void directory_index_write(const struct directory_index *x, const uint8_t key[16], struct buf *out);
struct directory_index *directory_index_read(struct str bytes, const uint8_t key[16]);

/* --- looking. x NULL: nobody is in it ----------------------------------------------------------- */

uint32_t directory_index_people(const struct directory_index *x);
size_t directory_index_bytes(const struct directory_index *x);
uint32_t directory_index_ambiguous(const struct directory_index *x); /* left out for their names */

/* The number of a person: below directory_index_people, in the order of local parts. */
uint32_t directory_index_find(const struct directory_index *x, struct str local);
struct str directory_index_local(const struct directory_index *x, uint32_t person);
struct str directory_index_name(const struct directory_index *x, uint32_t person); /* or absent */

bool directory_index_sees(const struct directory_index *x, uint32_t viewer, uint32_t person);

/* Names of the groups in which viewer sees person, each once: at most max are written. */
size_t directory_index_groups_of(const struct directory_index *x, uint32_t viewer, uint32_t person,
                                 struct str *out, size_t max);

/* Whom viewer sees, in order, each once, never itself. *out is the caller's to free. */
size_t directory_index_contacts(const struct directory_index *x, uint32_t viewer, uint32_t **out);

/* Who sees person, by groups that it is in, in the same form. is_all: besides, everybody does. */
size_t directory_index_viewers(const struct directory_index *x, uint32_t person, uint32_t **out,
                               bool *is_all);

/* Another one whenever what the viewer sees, or who sees it, is another; 0: it sees nobody and is
 * seen by nobody. The same in another process with the same key. */
uint64_t directory_index_version(const struct directory_index *x, uint32_t viewer);

struct directory_index_group {
    struct str name, dn; /* dn: folded (entry.h) */
    uint32_t members;
    bool is_to_all;
    bool is_too_large; /* more members than max_shared: nobody views it */
    uint32_t not_viewed_by; /* members to whom it would be too much */
};
/* In the order of their DNs; groups that are not shown to anybody by configuration are not here. */
uint32_t directory_index_group_count(const struct directory_index *x);
struct directory_index_group directory_index_group(const struct directory_index *x, uint32_t group);
/* The member at this place of the group. */
uint32_t directory_index_member(const struct directory_index *x, uint32_t group, uint32_t at);

/* --- comparing ---------------------------------------------------------------------------------- */

/* A person that came, went, or of which anything differs: name, groups, the groups' names. */
struct directory_index_change {
    uint32_t was, is; /* numbers in the old one and in the new one; DIRECTORY_NOBODY: not there */
};
/* In the order of local parts; *out is the caller's to free. Who is not among them is the same, and
 * sees differences only in those who are. */
size_t directory_index_diff(const struct directory_index *was, const struct directory_index *is,
                            struct directory_index_change **out);

#endif
