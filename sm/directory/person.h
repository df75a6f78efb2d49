/* Which address the entry of a person is: the value of its user attribute, as a local part of the
 * host. The other way round is the login filter's %u (filter.h). Pure. */
#ifndef SM_DIRECTORY_PERSON_H
#define SM_DIRECTORY_PERSON_H

#include "sm/directory/entry.h"

/* The first value that can be one: a name, with what no local part has escaped (XEP-0106), or a
 * name and this host behind an @. Prepared, in the arena; absent: none. host: normalised. */
struct str directory_person_local(const struct directory_entry *e, const char *user_attribute,
                                  struct str host, struct arena *arena);

#endif
