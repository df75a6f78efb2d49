/* Whose client certificates the hosts believe: from configuration to sm/auth. */
#ifndef SM_AUTHORITIES_H
#define SM_AUTHORITIES_H

#include "sm/sm.h"

/* At start and at a reload: reads the files. One that cannot be used: why, and the old ones stay. */
NODISCARD enum err authorities_apply(struct sm *sm, struct buf *why);

#endif
