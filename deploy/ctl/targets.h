/* The processes of this host, found by their control sockets. */
#ifndef DEPLOY_CTL_TARGETS_H
#define DEPLOY_CTL_TARGETS_H

#include "common/buf.h"

struct targets {
    char **names; /* "c2s-1", sorted */
    size_t count;
};

/* ERR_NOT_FOUND when the folder is not there, ERR_DENIED, ERR_IO. A folder without sockets is
 * ERR_OK and empty. */
NODISCARD enum err targets_find(const char *folder, struct targets *out);
void targets_fini(struct targets *t);
bool targets_has(const struct targets *t, struct str name);

/* FOLDER/NAME.sock or FOLDER/NAME-admin.sock, ending in NUL. */
void targets_path(const char *folder, const char *name, bool is_admin, struct buf *out);

#endif
