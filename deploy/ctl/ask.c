/* A request over a Unix socket. See ask.h. */
#include "deploy/ctl/ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ANSWER_BYTES = 64 << 20, READ_BYTES = 64 << 10, SEPARATOR = '\x1f' };

int64_t ask_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum err ask_join(struct buf *out, bool is_json, const struct str *args, size_t count)
{
    buf_add(out, is_json ? STR("json") : STR("text"));
    for (size_t i = 0; i < count; i++) {
        if (str_find(args[i], SEPARATOR) < args[i].n || str_find(args[i], '\n') < args[i].n)
            return ERR_MALFORMED;
        buf_add_char(out, SEPARATOR);
        buf_add(out, args[i]);
    }
    return ERR_OK;
}

static enum err error_of(int number)
{
    switch (number) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case ECONNREFUSED:
        return ERR_CLOSED;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EAGAIN:
    case EINPROGRESS:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

static int open_socket(const char *path, int64_t timeout_ms)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    size_t n = strlen(path);
    int fd, error;

    if (n >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum err send_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0)
            return error_of(errno);
        s = str_of(s.p + n, s.n - (size_t)n);
    }
    return ERR_OK;
}

enum err ask_begin(struct ask *a, const char *path, struct str arguments, int64_t timeout_ms)
{
    enum err e;

    *a = (struct ask){ .deadline_ms = ask_now_ms() + timeout_ms };
    a->fd = open_socket(path, timeout_ms);
    if (a->fd < 0)
        return error_of(errno);
    e = send_all(a->fd, arguments);
    if (e == ERR_OK)
        e = send_all(a->fd, STR("\n"));
    if (e != ERR_OK)
        ask_end(a);
    return e;
}

/* The first line is the exit code. */
static enum err parse_answer(struct ask *a)
{
    struct str rest = buf_str(&a->answer), line = str_cut(&rest, '\n');
    uint64_t code;

    if (!str_is_set(rest) || str_to_u64(line, &code) != ERR_OK || code > 255)
        return ERR_MALFORMED;
    a->exit_code = (int)code;
    a->body = rest;
    return ERR_OK;
}

enum err ask_read(struct ask *a)
{
    ssize_t n;

    buf_reserve(&a->answer, READ_BYTES);
    n = recv(a->fd, a->answer.p + a->answer.n, READ_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_MALFORMED;
    a->answer.n += (size_t)n;
    if (a->answer.n > MAX_ANSWER_BYTES)
        return ERR_MALFORMED;
    return n > 0 ? ERR_AGAIN : parse_answer(a);
}

enum err ask_wait(struct ask *a)
{
    enum err e = ERR_AGAIN;

    while (e == ERR_AGAIN) {
        struct pollfd p = { .fd = a->fd, .events = POLLIN };
        int64_t left = a->deadline_ms - ask_now_ms();

        if (left <= 0)
            return ERR_TIMEOUT;
        if (poll(&p, 1, (int)left) > 0)
            e = ask_read(a);
    }
    return e;
}

void ask_end(struct ask *a)
{
    if (a->fd >= 0)
        close(a->fd);
    buf_fini(&a->answer);
    *a = (struct ask){ .fd = -1 };
}
