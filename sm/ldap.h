/* The commands of the control socket that concern directories. */
#ifndef SM_LDAP_H
#define SM_LDAP_H

#include "common/ctl.h"

/* sallyportctl ldap status|check|explain|test|accept */
void ldap_run(void *app, struct ctl_request *r);

#endif
