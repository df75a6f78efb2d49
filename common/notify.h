/* The service manager's side door: readiness and watchdog by sd_notify(3), sockets by
 * sd_listen_fds(3), both by hand (40 lines) instead of a library. For service.c. */
#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

#include <stdint.h>

/* Connects to the manager's socket (NOTIFY_SOCKET), if there is one. Before the process confines
 * itself: afterwards it may be unable to make and to address sockets. */
void notify_open(void);
void notify_close(void);

/* Sends one assignment a line ("READY=1"); does nothing when no manager listens. Never blocks. */
void notify_send(const char *state);

/* Milliseconds in which a WATCHDOG=1 is expected, or 0. */
uint64_t notify_watchdog_ms(void);

#endif
