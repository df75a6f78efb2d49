/* The passphrase of the link CA's key: asked for when a key is first needed, and once. */
#ifndef DEPLOY_CTL_PLAN_PASSPHRASE_H
#define DEPLOY_CTL_PLAN_PASSPHRASE_H

#include "common/buf.h"

struct plan_passphrase {
    const char *file; /* one that others cannot read; NULL: the terminal, or standard input */
    struct buf text;  /* ends in NUL once known */
};

/* is_new: asked twice, and refused when it is too short. ERR_OK, or those of password_read and
 * conf_read_secret; why: one sentence. */
NODISCARD enum err plan_passphrase_get(struct plan_passphrase *p, bool is_new, struct buf *why);

void plan_passphrase_fini(struct plan_passphrase *p); /* wipes */

#endif
