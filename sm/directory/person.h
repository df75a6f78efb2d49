/* Which address the entry of a person is: the value of its user attribute, as a local part of the
 * host. The other way round is the login filter's %u (filter.h). Pure. */
#ifndef SM_DIRECTORY_PERSON_H
#define SM_DIRECTORY_PERSON_H

#include "sm/directory/entry.h"

/* The first value that can be one: a name, with what no local part has escaped (XEP-0106), or a
 * name and this host behind an @. Prepared, in the arena; absent: none. host: normalised. */
struct str directory_person_local(const struct directory_entry *e, const char *user_attribute,
                                  struct str host, struct arena *arena);

/* Adds the SID of the group that Active Directory's primaryGroupID names: the person's own with that
 * number in its last place (MS-DTYP §2.4.2.2). Nothing when the entry does not show both. */
void directory_person_add_primary_group(const struct directory_entry *e, struct buf *out);

#endif
