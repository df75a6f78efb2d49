/* The two control sockets: one request a connection, read, run, answered, closed. Who may connect
 * is the files' modes; what a request means is ctl.c's. */
#include "common/ctl_server.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"

#include <pwd.h>
#include <stdio.h>

enum {
    MAX_ASKERS = 128,        /* on both sockets; more wait in the kernel's queue */
    REQUEST_TIMEOUT_MS = 10000,
    ANSWER_LINGER_MS = 5000,
    MAX_ANSWER_BYTES = 64 << 20,
    LOGIN_NAME_MAX_BYTES = 256,
    PASSWD_MAX_BYTES = 64 << 10
};

struct door {
    struct ctl_server *server;
    struct listener *listener;
    enum ctl_right right;
};

struct ctl_server {
    struct ctl_server_options options;
    struct door doors[2];
    struct list askers;
    size_t asker_count;
    uint64_t requests;
};

struct asker {
    struct ctl_server *server;
    struct conn *conn;
    enum ctl_right right;
    struct buf line;
    struct ctl_request *request; /* while a command runs, or waits for the caller's name */
    struct lookup *lookup;       /* while it waits */
    struct ctl_caller caller;
    struct timer timer;
    struct list at;
};

/* The name of a uid comes from a file or from a directory service that may be slow: the thread pool
 * asks. It outlives an asker that hangs up. */
struct lookup {
    uv_work_t work;
    struct asker *asker; /* NULL: gone */
    uid_t uid;
    char user[LOGIN_NAME_MAX_BYTES]; /* "": there is none */
};

static void pause_doors(struct ctl_server *s, bool is_paused)
{
    for (size_t i = 0; i < ARRAY_LEN(s->doors); i++)
        if (s->doors[i].listener)
            listener_pause(s->doors[i].listener, is_paused);
}

static void end_asker(struct asker *a, uint64_t linger_ms)
{
    struct ctl_server *s = a->server;

    if (a->request)
        ctl_request_abandon(a->request);
    if (a->lookup) { /* it was never run */
        a->lookup->asker = NULL;
        ctl_finish(a->request, CTL_FAILED);
    }
    timer_stop(&a->timer);
    conn_close(a->conn, linger_ms);
    list_remove(&a->at);
    if (s->asker_count-- == MAX_ASKERS)
        pause_doors(s, false);
    mem_wipe(a->line.p, a->line.n);
    buf_fini(&a->line);
    mem_free(a);
}

static void on_answer(void *owner, struct str answer)
{
    struct asker *a = owner;

    a->request = NULL;
    conn_write(a->conn, answer);
    end_asker(a, ANSWER_LINGER_MS);
}

static void run(struct asker *a)
{
    ctl_request_run(a->request, a->server->options.tables, &a->caller);
}

static void find_user(uv_work_t *work)
{
    struct lookup *l = work->data;
    char *space = mem_alloc(PASSWD_MAX_BYTES);
    struct passwd entry, *found = NULL;

    if (getpwuid_r(l->uid, &entry, space, PASSWD_MAX_BYTES, &found) == 0 && found)
        snprintf(l->user, sizeof l->user, "%s", found->pw_name);
    mem_free(space);
}

static void on_user(uv_work_t *work, int status)
{
    struct lookup *l = work->data;
    struct asker *a = l->asker;

    (void)status;
    if (a) {
        a->lookup = NULL;
        a->caller.user = l->user[0] ? l->user : NULL;
        run(a);
    }
    mem_free(l);
}

static void identify(struct asker *a)
{
    uid_t uid;
    pid_t pid;

    a->caller = (struct ctl_caller){ .right = a->right,
                                     .uid = UINT32_MAX,
                                     .number = ++a->server->requests };
    if (conn_peer_process(a->conn, &uid, &pid) != ERR_OK)
        return;
    a->caller.uid = (uint32_t)uid;
    a->caller.pid = (int32_t)pid;
}

static void ask_user(struct asker *a)
{
    a->lookup = mem_new(struct lookup);
    a->lookup->work.data = a->lookup;
    a->lookup->asker = a;
    a->lookup->uid = (uid_t)a->caller.uid;
    if (uv_queue_work(net_loop(a->server->options.net), &a->lookup->work, find_user, on_user) == 0)
        return;
    mem_free(a->lookup);
    a->lookup = NULL;
}

static void on_data(void *owner, struct conn *c, struct str bytes)
{
    struct asker *a = owner;
    size_t end = str_find(bytes, '\n');

    (void)c;
    if (a->request)
        return; /* one request a connection: what comes behind it is not read */
    if (a->line.n + end > CTL_MAX_REQUEST_BYTES) {
        end_asker(a, 0);
        return;
    }
    buf_add(&a->line, str_of(bytes.p, end));
    if (end == bytes.n)
        return;
    timer_stop(&a->timer);
    a->request = ctl_request_new(buf_str(&a->line), on_answer, a);
    mem_wipe(a->line.p, a->line.n);
    buf_clear(&a->line);
    identify(a);
    if (a->caller.uid != UINT32_MAX &&
        ctl_request_is_audited(a->request, a->server->options.tables))
        ask_user(a);
    if (!a->lookup)
        run(a);
}

static void on_end(void *owner, struct conn *c, enum err why)
{
    (void)c;
    (void)why;
    end_asker(owner, 0);
}

static void on_timeout(struct timer *t)
{
    end_asker(CONTAINER_OF(t, struct asker, timer), 0);
}

static const struct conn_events asker_events = { .on_data = on_data, .on_end = on_end };

static void on_accept(void *owner, struct conn *c)
{
    struct door *d = owner;
    struct ctl_server *s = d->server;
    struct asker *a = mem_new(struct asker);

    *a = (struct asker){ .server = s, .conn = c, .right = d->right };
    timer_init(&a->timer, on_timeout);
    timer_set(s->options.timers, &a->timer, REQUEST_TIMEOUT_MS);
    list_push_back(&s->askers, &a->at);
    if (++s->asker_count == MAX_ASKERS)
        pause_doors(s, true);
    conn_set_queue_limit(c, MAX_ANSWER_BYTES);
    conn_set_owner(c, &asker_events, a);
}

static enum err open_door(struct ctl_server *s, struct door *d, enum ctl_right right,
                          struct buf *why)
{
    struct listener_options options = { .backlog = 128, .inherited_fd = -1, .unix_mode = 0660 };
    int n = snprintf(options.address.host, sizeof options.address.host, "%s/%s%s.sock",
                     s->options.folder, s->options.name, right == CTL_ADMIN ? "-admin" : "");

    options.address.is_unix = true;
    options.inherited_fd = service_inherited_fd(right == CTL_ADMIN ? "control-admin" : "control");
    options.unix_group = right == CTL_ADMIN ? s->options.admin_group : s->options.group;
    *d = (struct door){ .server = s, .right = right };
    if (n < 0 || (size_t)n >= sizeof options.address.host) {
        buf_printf(why, "the path of the control socket is too long in %s", s->options.folder);
        return ERR_LIMIT;
    }
    return listener_open(s->options.net, &options, on_accept, d, &d->listener, why);
}

enum err ctl_server_open(const struct ctl_server_options *options, struct ctl_server **out_server,
                         struct buf *why)
{
    struct ctl_server *s = mem_new(struct ctl_server);
    enum err e;

    s->options = *options;
    list_init(&s->askers);
    e = open_door(s, &s->doors[0], CTL_READ, why);
    if (e == ERR_OK)
        e = open_door(s, &s->doors[1], CTL_ADMIN, why);
    if (e != ERR_OK)
        ctl_server_close(s);
    else
        *out_server = s;
    return e;
}

void ctl_server_close(struct ctl_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < ARRAY_LEN(s->doors); i++) {
        if (s->doors[i].listener)
            listener_close(s->doors[i].listener);
        s->doors[i].listener = NULL;
    }
    while (!list_is_empty(&s->askers))
        end_asker(CONTAINER_OF(s->askers.next, struct asker, at), 0);
    mem_free(s);
}
