/* Files of the planning machine: read whole, written whole or not at all. */
#ifndef DEPLOY_CTL_PLAN_FILE_H
#define DEPLOY_CTL_PLAN_FILE_H

#include "common/buf.h"

enum { PLAN_FILE_MAX_BYTES = 16 << 20 };

/* ERR_OK, ERR_NOT_FOUND, ERR_LIMIT, ERR_IO; why: one sentence, none for ERR_NOT_FOUND. */
NODISCARD enum err plan_file_read(const char *path, struct buf *out, struct buf *why);

/* Makes the folders above it (mode 0700) and replaces it in one step; on the disk when this
 * returns. */
NODISCARD enum err plan_file_write(const char *path, unsigned mode, struct str bytes,
                                   struct buf *why);

bool plan_file_exists(const char *path);

/* Frees the content of a file, which may be a secret: it is wiped. */
void plan_file_forget(struct buf *content);

/* The SHA-256 of a manifest: 64 hexadecimal digits. */
void plan_file_add_digest(struct buf *out, struct str content);

#endif
