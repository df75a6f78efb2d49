/* sd_notify(3) and sd_listen_fds(3). See notify.h and service.h. */
#include "common/notify.h"

#include "common/service.h"
#include "common/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, MAX_FDS = 64 };

static int manager = -1;

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t n = path ? strlen(path) : 0;

    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (manager < 0)
        return;
    if (connect(manager, (const struct sockaddr *)&to,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0)
        notify_close();
}

void notify_close(void)
{
    if (manager >= 0)
        close(manager);
    manager = -1;
}

void notify_send(const char *state)
{
    /* A manager that does not read is its own loss: the state is also in the log. */
    if (manager >= 0)
        (void)!send(manager, state, strlen(state), MSG_NOSIGNAL);
}

static uint64_t number_of(const char *variable)
{
    uint64_t value;

    return str_to_u64(str_from(getenv(variable)), &value) == ERR_OK ? value : 0;
}

uint64_t notify_watchdog_ms(void)
{
    uint64_t pid = number_of("WATCHDOG_PID");

    return pid != 0 && pid != (uint64_t)getpid() ? 0 : number_of("WATCHDOG_USEC") / 1000;
}

int service_inherited_fd(const char *name)
{
    static bool is_taken[MAX_FDS];
    uint64_t count = number_of("LISTEN_FDS");
    struct str names = str_from(getenv("LISTEN_FDNAMES"));

    if (number_of("LISTEN_PID") != (uint64_t)getpid())
        return -1;
    for (uint64_t i = 0; i < count && i < MAX_FDS; i++) {
        struct str own = str_cut(&names, ':');

        if (is_taken[i] || !str_is(own, name))
            continue;
        is_taken[i] = true;
        if (fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC) != 0)
            return -1;
        return FIRST_FD + (int)i;
    }
    return -1;
}
