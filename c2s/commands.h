/* What sallyportctl may ask a connection manager, besides what every process answers. */
#ifndef C2S_COMMANDS_H
#define C2S_COMMANDS_H

#include "common/ctl.h"

struct service;

extern const struct ctl_command c2s_commands[];
enum ctl_exit c2s_status(struct service *s, struct ctl_request *r);

#endif
