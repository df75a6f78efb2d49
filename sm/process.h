/* The process's course, for main.c. */
#ifndef SM_PROCESS_H
#define SM_PROCESS_H

#include "common/service.h"

enum err sm_start(struct service *service, void **out_app, struct buf *why);
enum err sm_reload(struct service *service, const void *old_conf, struct buf *why);
void sm_drain(struct service *service);
void sm_stop(struct service *service);
enum ctl_exit sm_status(struct service *service, struct ctl_request *r);

#endif
