/* What the start and the end of the process ask of accounts. */
#ifndef SM_ACCOUNT_PARTS_H
#define SM_ACCOUNT_PARTS_H

#include "sm/account.h"

void account_table_init(struct sm *sm);
/* Who waits hears ERR_CLOSED. Sessions must be gone. */
void account_table_fini(struct sm *sm);

#endif
