/* What a directory's entry becomes in a vCard (XEP-0054), by a mapping that the administrator wrote:
 * fields that are not named are never shown. Pure. */
#ifndef SM_VCARD_H
#define SM_VCARD_H

#include "common/conf.h"
#include "proto/xml.h"
#include "sm/directory/entry.h"

enum { VCARD_MAX_ROWS = 64 };

/* One "N/GIVEN=givenName"; the word "standard" stands for rows that suit inetOrgPerson and Active
 * Directory. Of several rows of one field the first counts that has a value; mail and telephone
 * numbers show all they have. */
struct vcard_row {
    const struct vcard_field *field;
    const char *attribute; /* borrowed: of the list, or a constant */
};
struct vcard_map {
    size_t count;
    struct vcard_row rows[VCARD_MAX_ROWS];
};
/* why: what is wrong with which item, without a full stop. The list outlives the map. */
NODISCARD enum err vcard_map_read(const struct conf_list *list, struct vcard_map *out,
                                  struct buf *why);
/* To be asked for; NULL-terminated: the list in the arena, the names as in the map. */
const char *const *vcard_map_attributes(const struct vcard_map *map, struct arena *arena);

/* "image/jpeg" or "image/png", by the first bytes; NULL: neither. */
const char *vcard_photo_type(struct str bytes);

/* NULL: the entry has nothing that is mapped. What is no text, or too long for a field, is left
 * out; so is a photo of more than max_photo bytes. */
struct xml *vcard_of_entry(const struct vcard_map *map, const struct directory_entry *e,
                           size_t max_photo, struct arena *arena);

/* Two vCards as one: all of first, and of second what first has no element for, as long as the
 * whole stays below max_bytes as it is written. Each may be NULL, and so may what comes back. */
struct xml *vcard_merge(const struct xml *first, const struct xml *second, size_t max_bytes,
                        struct arena *arena);
/* Takes out of own what first has elements for. Returns whether one of them was a photo that is
 * not the same. */
bool vcard_strip(struct xml *own, const struct xml *first, struct arena *arena);

#endif
