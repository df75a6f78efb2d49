/* What the server says of changes while a search goes on: the values of RFC 4533. Pure. */
#ifndef SM_DIRECTORY_SYNC_H
#define SM_DIRECTORY_SYNC_H

#include "common/buf.h"

enum { SYNC_UUID_BYTES = 16, SYNC_MAX_COOKIE_BYTES = 4096 };

enum sync_state { SYNC_PRESENT, SYNC_ADD, SYNC_MODIFY, SYNC_DELETE }; /* §2.2 */

/* The control on each entry. cookie: replaced when there is one. ERR_MALFORMED. */
NODISCARD enum err sync_state_read(struct str value, enum sync_state *out_state,
                                   uint8_t out_uuid[SYNC_UUID_BYTES], struct buf *cookie);

struct sync_info {
    bool is_refreshed; /* from here on come changes as they happen */
    bool has_ids;      /* a set of entries that changed or went: not looked at one by one */
};
/* The message between entries (§2.5). */
NODISCARD enum err sync_info_read(struct str value, struct sync_info *out, struct buf *cookie);

/* The control of the question, refreshAndPersist (§2.1); cookie: of an earlier answer, or empty. */
void sync_request_write(struct buf *out, struct str cookie);

#endif
