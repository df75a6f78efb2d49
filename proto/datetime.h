/* Dates and times as text: the DateTime profile of XEP-0082. Pure: what time it is, the caller
 * knows. */
#ifndef PROTO_DATETIME_H
#define PROTO_DATETIME_H

#include "common/arena.h"
#include "common/buf.h"

/* "1969-07-21T02:56:15Z", always UTC; with ".123456" when there are parts of a second.
 * time_us  microseconds since 1970, in the years 0000 to 9999 (ASSERT). */
void datetime_write(struct buf *out, int64_t time_us);
struct str datetime_text(int64_t time_us, struct arena *arena);

/* The same back; any offset, any number of digits behind the second (those beyond microseconds are
 * cut off). A leap second is taken as the second behind it. Returns ERR_OK or ERR_MALFORMED. */
NODISCARD enum err datetime_read(struct str text, int64_t *out_time_us);

#endif
