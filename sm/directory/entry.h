/* An entry of a directory, as an answer brought it: a name and attributes with their values, all
 * bytes of somebody else's. RFC 4511 §4.5.2. */
#ifndef SM_DIRECTORY_ENTRY_H
#define SM_DIRECTORY_ENTRY_H

#include "common/arena.h"
#include "common/buf.h"

struct directory_attribute {
    struct str name; /* as the server writes it, options included: "member;range=0-1499" */
    size_t count;
    const struct str *values; /* each with a NUL behind it */
};

struct directory_entry {
    struct str dn;
    size_t count;
    const struct directory_attribute *attributes;
};

/* All of it in the arena. */
const struct directory_entry *directory_entry_copy(const struct directory_entry *e,
                                                   struct arena *arena);
/* name: without regard to case (RFC 4512 §2.5). NULL: the entry does not show it. */
const struct directory_attribute *directory_entry_find(const struct directory_entry *e,
                                                       const char *name);
/* The first value; absent when there is none. */
struct str directory_entry_text(const struct directory_entry *e, const char *name);

/* A NULL-terminated list and its texts, in the arena; NULL stays NULL. */
const char *const *directory_names_copy(const char *const *names, struct arena *arena);

/* What an account belongs to (directory_options.key_attribute): text as it is, anything else in
 * hexadecimal. Nothing is added when the entry shows none, or several. */
void directory_entry_add_key(const struct directory_entry *e, const char *key_attribute,
                             struct buf *out);
/* The filter that finds the entry of such a key, in whatever form its server keeps it. */
void directory_filter_add_key(struct buf *out, const char *key_attribute, struct str key);

/* A name of an entry in a form in which the same name looks the same: types in lower case, values
 * without regard to case (RFC 4517 §4.2.11, as nearly as without the schema), RFC 4514's escapes
 * undone. For comparison and as a key of tables, not to be sent. ERR_MALFORMED: no DN. */
NODISCARD enum err directory_dn_fold(struct str dn, struct buf *out);

/* "member;range=0-1499" (Active Directory's way with many values): the attribute's own name, where
 * the values begin and where they end; last: UINT32_MAX for "*", all of them. false: no range. */
bool directory_range_read(struct str name, struct str *out_base, uint32_t *out_first,
                          uint32_t *out_last);

#endif
