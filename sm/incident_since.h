/* The moment that an administrator names: RFC 3339, or so long ago. Pure. */
#ifndef SM_INCIDENT_SINCE_H
#define SM_INCIDENT_SINCE_H

#include "common/str.h"

/* "2026-03-01T08:30:00Z" (any offset), or "45m", "2h", "3d", "2w" before now_us. ERR_MALFORMED:
 * neither, or longer ago than 1970. ERR_LIMIT: in the future. Microseconds since 1970. */
NODISCARD enum err incident_since(struct str text, int64_t now_us, int64_t *out_us);

#endif
