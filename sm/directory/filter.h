/* Search filters with placeholders: %u the local part of the address, without XEP-0106's escapes,
 * %d its domain, %a the whole bare address, %% a percent sign. What stands for them is escaped (RFC 4515 §3), so that no name
 * can change what the filter means. Pure. */
#ifndef SM_DIRECTORY_FILTER_H
#define SM_DIRECTORY_FILTER_H

#include "common/buf.h"

/* A template is in parentheses that match, names no other placeholder, and has %u or %a.
 * why: what is wrong, without a full stop. */
NODISCARD enum err directory_filter_check(const char *text, struct buf *why);

/* The same for a filter without placeholders. */
NODISCARD enum err directory_filter_check_plain(const char *text, struct buf *why);

/* text has passed the check. */
void directory_filter_write(struct buf *out, const char *text, struct str user, struct str host,
                            struct str jid);

/* The same filter for everybody of a host: %u becomes "*", %a "*@host". check_everybody: whether
 * that can be said, which it can where they stand behind a "=". */
NODISCARD enum err directory_filter_check_everybody(const char *text, struct buf *why);
void directory_filter_write_everybody(struct buf *out, const char *text, struct str host);

/* RFC 4515 §3: everything but letters, digits and the tamest signs is written in hexadecimal. */
void directory_filter_add_value(struct buf *out, struct str value);

#endif
