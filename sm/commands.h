/* What sallyportctl may ask and order, besides the commands of every process. */
#ifndef SM_COMMANDS_H
#define SM_COMMANDS_H

#include "common/ctl.h"

extern const struct ctl_command commands_table[];

#endif
