/* The queue and the socket of audit_forward.h. A daemon that restarts leaves its socket behind:
 * sending fails, we connect again, at most once a second. */
#include "common/audit_forward.h"

#include "common/list.h"
#include "common/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct datagram {
    struct list at;
    size_t n;
    char bytes[];
};

struct audit_forward {
    char *path;
    int fd;          /* connected; or -1 */
    uv_loop_t *loop; /* NULL: not attached */
    uv_poll_t *poll; /* while we wait until the daemon takes more; freed by its close callback */
    struct list queue;
    size_t queued_bytes;
};

/* --- socket ----------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void stop_waiting(struct audit_forward *f)
{
    if (f->poll)
        uv_close((uv_handle_t *)f->poll, on_poll_closed);
    f->poll = NULL;
}

static void disconnect(struct audit_forward *f)
{
    stop_waiting(f);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static bool reconnect(struct audit_forward *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t n = strlen(f->path);

    if (f->fd >= 0)
        return true;
    if (n >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, f->path, n);
    f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f->fd < 0)
        return false;
    if (connect(f->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    disconnect(f);
    return false;
}

enum sent {
    SENT,
    SENT_LATER, /* when the daemon has read */
    SENT_TICK,  /* the kernel has no memory: nothing tells when it has */
    SENT_NEVER,
    SENT_GONE,
};

static enum sent try_send(const struct audit_forward *f, struct str bytes)
{
    ssize_t n;

    do {
        n = send(f->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return SENT;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return SENT_LATER;
    if (errno == ENOBUFS || errno == ENOMEM)
        return SENT_TICK;
    return errno == EMSGSIZE ? SENT_NEVER : SENT_GONE;
}

/* --- queue ------------------------------------------------------------------------------------ */

static bool enqueue(struct audit_forward *f, struct str bytes)
{
    struct datagram *d;

    if (f->queued_bytes + bytes.n > AUDIT_FORWARD_MAX_BYTES)
        return false;
    d = mem_alloc(sizeof *d + bytes.n);
    d->n = bytes.n;
    memcpy(d->bytes, bytes.p, bytes.n);
    f->queued_bytes += d->n;
    list_push_back(&f->queue, &d->at);
    return true;
}

static void drop_first(struct audit_forward *f)
{
    struct datagram *d = CONTAINER_OF(list_first(&f->queue), struct datagram, at);

    f->queued_bytes -= d->n;
    list_remove(&d->at);
    mem_free(d);
}

static void flush(struct audit_forward *f);

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct audit_forward *f = poll->data;

    (void)status;
    (void)events;
    flush(f);
}

static void wait_for_room(struct audit_forward *f)
{
    if (!f->loop || f->poll)
        return;
    f->poll = mem_new(uv_poll_t);
    if (uv_poll_init(f->loop, f->poll, f->fd) != 0) {
        mem_free(f->poll);
        f->poll = NULL;
        return;
    }
    f->poll->data = f;
    uv_unref((uv_handle_t *)f->poll);
    uv_poll_start(f->poll, UV_WRITABLE, on_writable);
}

/* Until all is sent, or the daemon takes no more, or it is gone for the second time. */
static void flush(struct audit_forward *f)
{
    bool is_new = f->fd < 0;

    while (!list_is_empty(&f->queue)) {
        const struct datagram *d = CONTAINER_OF(list_first(&f->queue), struct datagram, at);
        enum sent sent;

        if (!reconnect(f))
            return;
        sent = try_send(f, str_of(d->bytes, d->n));
        if (sent == SENT_LATER)
            wait_for_room(f);
        if (sent == SENT_LATER || sent == SENT_TICK)
            return;
        if (sent == SENT_GONE) {
            disconnect(f);
            if (is_new)
                return;
            is_new = true;
        } else {
            drop_first(f);
        }
    }
    stop_waiting(f);
}

/* --- for audit.c ------------------------------------------------------------------------------ */

struct audit_forward *audit_forward_new(const char *path)
{
    struct audit_forward *f = mem_new(struct audit_forward);

    f->path = mem_strdup(path);
    f->fd = -1;
    list_init(&f->queue);
    (void)reconnect(f);
    return f;
}

void audit_forward_free(struct audit_forward *f)
{
    if (!f)
        return;
    ASSERT(!f->loop);
    flush(f);
    while (!list_is_empty(&f->queue))
        drop_first(f);
    disconnect(f);
    mem_free(f->path);
    mem_free(f);
}

void audit_forward_attach(struct audit_forward *f, uv_loop_t *loop)
{
    f->loop = loop;
}

void audit_forward_detach(struct audit_forward *f)
{
    stop_waiting(f);
    f->loop = NULL;
}

bool audit_forward_send(struct audit_forward *f, struct str datagram)
{
    bool was_empty = list_is_empty(&f->queue);

    if (was_empty && f->fd >= 0) {
        enum sent sent = try_send(f, datagram);

        if (sent == SENT || sent == SENT_NEVER)
            return sent == SENT;
    }
    if (!enqueue(f, datagram))
        return false;
    /* Behind others it waits with them; a daemon that is away is asked by the tick. */
    if (f->fd >= 0 && was_empty)
        flush(f);
    return true;
}

void audit_forward_tick(struct audit_forward *f)
{
    flush(f);
}

bool audit_forward_is_clear(const struct audit_forward *f)
{
    return list_is_empty(&f->queue);
}
