/* Searches that go on and tell what changes: by RFC 4533 where the server does that, else by Active
 * Directory's notification, else not at all. They are hints: what they lead to is asked again, and
 * what they miss is found by those who look at everybody now and then. */
#include "sm/directory/parts.h"

#include "common/mem.h"
#include "sm/directory/sync.h"

#include <string.h>

enum {
    RETRY_MS = 2000,
    REFUSED_RETRY_MS = 10 * 60 * 1000, /* a server that does neither may be set up to do so */
};

struct watcher {
    struct dir_job job;
    const char *base; /* in the options */
    enum dir_watch how;
    struct buf cookie; /* what is known of the server's content, by RFC 4533 */
    struct timer retry;
    bool is_resumed;  /* there was a watch before this one: something may have been missed */
    bool is_accepted; /* the server has said something */
};

static const struct dir_job_kind kind;

static struct watcher *watcher_of(struct dir_conn *c)
{
    return c->job ? CONTAINER_OF(c->job, struct watcher, job) : NULL;
}

static void hint(struct watcher *w, struct str key)
{
    struct directory *d = w->job.directory;

    if (d->set->hint)
        d->set->hint(d->set->owner, d->options.name, key);
}

/* --- what changes ------------------------------------------------------------------------------ */

static void add_uuid(struct buf *out, struct str bytes)
{
    static const size_t lengths[] = { 4, 2, 2, 2, 6 };
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        if (i > 0)
            buf_add_char(out, '-');
        buf_add_hex(out, str_of(bytes.p + at, lengths[i]));
        at += lengths[i];
    }
}

/* Of an entry that went only its UUID is told. */
static void add_key(struct buf *out, const struct watcher *w, const struct dir_change *change)
{
    const char *attribute = w->job.directory->options.key_attribute;

    if (change->e)
        directory_entry_add_key(change->e, attribute, out);
    else if (str_is_set(change->uuid) && strcasecmp(attribute, "entryUUID") == 0)
        add_uuid(out, change->uuid);
}

static void on_change(struct dir_conn *c, const struct dir_change *change)
{
    struct watcher *w = watcher_of(c);
    struct buf key = { 0 };
    bool is_something = change->e || str_is_set(change->uuid) || change->is_anything;

    if (!w || (w->how == DIR_WATCH_SYNC && change->e && !str_is_set(change->uuid)))
        return; /* it does not know what was asked of it */
    w->is_accepted = true;
    if (is_something && !(change->is_old && w->cookie.n == 0)) {
        add_key(&key, w, change);
        hint(w, key.n > 0 ? buf_str(&key) : STR_NONE);
    }
    if (!change->is_old && c->cookie.n > 0) {
        buf_clear(&w->cookie);
        buf_add(&w->cookie, buf_str(&c->cookie));
    }
    buf_fini(&key);
}

/* --- its course -------------------------------------------------------------------------------- */

static void again(struct watcher *w, uint64_t in_ms)
{
    dir_job_let_go(&w->job);
    timer_set(w->job.directory->set->timers, &w->retry, in_ms);
}

static void on_retry(struct timer *t)
{
    dir_job_wait(&CONTAINER_OF(t, struct watcher, retry)->job, DIR_NEWS);
}

/* The server would not, or not any more. */
static void on_refused(struct watcher *w, int code)
{
    bool is_auto = w->job.directory->options.watch == DIRECTORY_WATCH_AUTO;

    if (code == LDAP_SYNC_REFRESH_REQUIRED && w->cookie.n > 0) {
        buf_clear(&w->cookie);
        again(w, 0);
    } else if (w->is_accepted) {
        again(w, RETRY_MS);
    } else if (is_auto && w->how == DIR_WATCH_SYNC) {
        w->how = DIR_WATCH_NOTIFY;
        again(w, 0);
    } else {
        w->how = is_auto ? DIR_WATCH_SYNC : w->how;
        again(w, REFUSED_RETRY_MS);
    }
}

static void on_done(struct dir_conn *c, const struct dir_answer *answer)
{
    struct directory *d = ((struct dir_server *)c->owner)->directory;
    struct watcher *w;

    if (dir_is_answered(c, answer) && (w = watcher_of(c)))
        on_refused(w, answer->code);
    dir_pool_run(d);
}

static bool run(struct dir_job *j, struct dir_conn *c)
{
    struct watcher *w = CONTAINER_OF(j, struct watcher, job);
    const struct directory_options *o = &j->directory->options;
    const char *const attributes[] = { o->key_attribute, NULL };
    const struct dir_request r = { .base = w->base,
                                   .scope = DIRECTORY_SUBTREE,
                                   .filter = "(objectClass=*)",
                                   .attributes = attributes,
                                   .cookie = buf_str(&w->cookie),
                                   .timeout_ms = o->query_ms };

    w->is_accepted = false;
    if (!dir_conn_watch(c, &r, w->how, on_change, on_done))
        return false;
    if (w->is_resumed)
        hint(w, STR_NONE);
    w->is_resumed = true;
    return true;
}

static void lost(struct dir_job *j, bool is_timeout)
{
    (void)is_timeout;
    again(CONTAINER_OF(j, struct watcher, job), RETRY_MS);
}

static void fail(struct dir_job *j, enum directory_verdict v)
{
    (void)v;
    again(CONTAINER_OF(j, struct watcher, job), RETRY_MS);
}

static void close_watcher(struct dir_job *j)
{
    struct watcher *w = CONTAINER_OF(j, struct watcher, job);

    timer_stop(&w->retry);
    dir_job_fini(&w->job);
    buf_fini(&w->cookie);
    mem_free(w);
}

static const struct dir_job_kind kind = { run, lost, fail, close_watcher };

static void open_watcher(struct directory *d, const char *base)
{
    struct watcher *w = mem_new(struct watcher);

    dir_job_init(&w->job, d, &kind);
    d->watch_count++;
    w->base = base;
    w->how = d->options.watch == DIRECTORY_WATCH_NOTIFY ? DIR_WATCH_NOTIFY : DIR_WATCH_SYNC;
    timer_init(&w->retry, on_retry);
    dir_job_wait(&w->job, DIR_NEWS);
}

void dir_watch_open(struct directory *d)
{
    const struct directory_options *o = &d->options;

    if (o->watch == DIRECTORY_WATCH_NONE)
        return;
    open_watcher(d, o->base);
    if (o->group_base && strcasecmp(o->group_base, o->base) != 0)
        open_watcher(d, o->group_base);
}

const char *dir_watch_name(const struct directory *d, const struct dir_server *s)
{
    static const char *const names[] = { [DIR_WATCH_SYNC] = "syncrepl",
                                         [DIR_WATCH_NOTIFY] = "notification" };

    LIST_FOR_EACH(at, &d->jobs) {
        const struct dir_job *j = CONTAINER_OF(at, struct dir_job, at);
        const struct watcher *w = CONTAINER_OF(j, const struct watcher, job);

        if (j->kind == &kind && j->conn && j->server == s)
            return names[w->how];
    }
    return "no";
}
