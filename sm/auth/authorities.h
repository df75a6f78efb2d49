/* For auth.c, which owns it: the authorities of a process. The rest of authorities.c is declared in
 * auth.h. */
#ifndef SM_AUTH_AUTHORITIES_H
#define SM_AUTH_AUTHORITIES_H

#include "sm/auth/auth_private.h"
#include "sm/auth/trust.h"

/* When no check is under way any more. NULL is fine. */
void authorities_free(struct authorities *as);

#endif
