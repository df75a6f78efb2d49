/* `store backup [NAME]` and `store restored`: deploy/BACKUP.md. */
#ifndef SM_BACKUP_H
#define SM_BACKUP_H

#include "common/ctl.h"
#include "common/str.h"

/* store backup [NAME] | store restored */
void backup_run(void *app, struct ctl_request *r);

/* A name for a copy: of letters, digits, '.', '-' and '_', not beginning with '.', at most 100; no
 * way out of the folder. */
bool backup_is_name(struct str name);

#endif
