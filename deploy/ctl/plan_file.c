/* Reading and writing of whole files. See plan_file.h. */
#include "deploy/ctl/plan_file.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err fail(struct buf *why, const char *path)
{
    int error = errno;

    buf_printf(why, "%s: %s", path, strerror(error));
    return error == EACCES || error == EPERM ? ERR_DENIED : ERR_IO;
}

enum err plan_file_read(const char *path, struct buf *out, struct buf *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e = ERR_OK;
    ssize_t n = 1;

    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : fail(why, path);
    while (e == ERR_OK && n > 0) {
        buf_reserve(out, 65536);
        n = read(fd, out->p + out->n, 65536);
        if (n < 0)
            e = fail(why, path);
        else if ((out->n += (size_t)n) > PLAN_FILE_MAX_BYTES)
            e = ERR_LIMIT;
    }
    if (e == ERR_LIMIT)
        buf_printf(why, "%s: too large", path);
    close(fd);
    return e;
}

static enum err make_folders(char *path, struct buf *why)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        int r;

        *slash = '\0';
        r = mkdir(path, 0700);
        if (r != 0 && errno != EEXIST)
            return fail(why, path);
        *slash = '/';
    }
    return ERR_OK;
}

static enum err write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        bytes = str_of(bytes.p + n, bytes.n - (size_t)n);
    }
    return fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

enum err plan_file_write(const char *path, unsigned mode, struct str bytes, struct buf *why)
{
    struct buf copy = { 0 }, temporary = { 0 };
    enum err e;
    int fd;

    buf_printf(&copy, "%s%c", path, '\0');
    buf_printf(&temporary, "%s.new%c", path, '\0');
    e = make_folders(copy.p, why);
    if (e != ERR_OK)
        goto end;
    unlink(temporary.p); /* of a run that was interrupted */
    fd = open(temporary.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        e = fail(why, temporary.p);
        goto end;
    }
    if (fchmod(fd, mode) != 0 || write_all(fd, bytes) != ERR_OK || rename(temporary.p, path) != 0) {
        e = fail(why, temporary.p);
        unlink(temporary.p);
    }
    close(fd);
end:
    buf_fini(&copy);
    buf_fini(&temporary);
    return e;
}

bool plan_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

void plan_file_forget(struct buf *content)
{
    if (content->p)
        mem_wipe(content->p, content->cap);
    buf_fini(content);
}

void plan_file_add_digest(struct buf *out, struct str content)
{
    uint8_t digest[32];

    ASSERT(gnutls_hash_fast(GNUTLS_DIG_SHA256, content.p ? content.p : "", content.n, digest) == 0);
    buf_add_hex(out, str_of(digest, sizeof digest));
}
