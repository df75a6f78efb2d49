/* The file of log_target.h. */
#include "common/log_target.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum err log_target_open(struct log_target *t)
{
    int fd;

    if (!t->path)
        return ERR_OK;
    fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        return ERR_IO;
    if (t->fd > STDERR_FILENO)
        close(t->fd);
    t->fd = fd;
    t->is_broken = false;
    return ERR_OK;
}

void log_target_close(struct log_target *t)
{
    if (t->fd > STDERR_FILENO)
        close(t->fd);
    mem_free(t->path);
    *t = (struct log_target){ .fd = -1 };
}

/* Returns how much was written. */
static size_t write_all(int fd, struct str s)
{
    size_t done = 0;

    while (done < s.n) {
        ssize_t n = write(fd, s.p + done, s.n - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

bool log_target_put(struct log_target *t, struct str line)
{
    size_t n;

    if (t->is_broken && write_all(t->fd, STR("\n")) == 1)
        t->is_broken = false; /* the next line is not glued to the rest of one */
    n = t->is_broken ? 0 : write_all(t->fd, line);
    if (n == line.n)
        return true;
    t->is_broken = t->is_broken || n > 0;
    t->lost++;
    return false;
}
