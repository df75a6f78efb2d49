/* The set of directories: made, changed by a reload, closed, looked at. */
#include "sm/directory/directory.h"

#include "common/mem.h"
#include "sm/directory/parts.h"

/* --- one directory ----------------------------------------------------------------------------- */

void dir_set_unref(struct directories *ds)
{
    ASSERT(ds->refs > 0);
    if (--ds->refs == 0)
        mem_free(ds);
}

void dir_unref(struct directory *d)
{
    ASSERT(d->refs > 0);
    if (--d->refs > 0)
        return;
    mem_free(d->servers);
    mem_free(d->lookup_error);
    dir_options_fini(&d->options);
    dir_set_unref(d->set);
    mem_free(d);
}

static void open_directory(struct directories *ds, const struct directory_options *options)
{
    struct directory *d = mem_new(struct directory);

    d->set = ds;
    ds->refs++;
    d->refs = 1;
    dir_options_copy(&d->options, options);
    list_init(&d->jobs);
    for (int pool = 0; pool < DIR_POOLS; pool++)
        list_init(&d->waiting[pool]);
    list_push_back(&ds->all, &d->at);
    dir_pool_open(d);
    dir_watch_open(d);
}

static void close_directory(struct directory *d)
{
    d->is_closed = true;
    list_remove(&d->at);
    dir_jobs_fail_all(d);
    dir_pool_close(d);
    dir_unref(d);
}

/* --- the set ----------------------------------------------------------------------------------- */

struct directories *directories_new(uv_loop_t *loop, struct timers *timers,
                                    directory_changed_fn *changed, directory_hint_fn *hint,
                                    void *owner)
{
    struct directories *ds = mem_new(struct directories);

    ds->loop = loop;
    ds->timers = timers;
    ds->changed = changed;
    ds->hint = hint;
    ds->owner = owner;
    ds->refs = 1;
    list_init(&ds->all);
    return ds;
}

static bool is_wanted(const struct directory *d, const struct directory_options *options,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (dir_options_are_same(&d->options, &options[i]))
            return true;
    return false;
}

void directories_set(struct directories *ds, const struct directory_options *options, size_t count)
{
    LIST_FOR_EACH_SAFE(at, following, &ds->all) {
        struct directory *d = CONTAINER_OF(at, struct directory, at);

        if (!is_wanted(d, options, count))
            close_directory(d);
    }
    for (size_t i = 0; i < count; i++)
        if (!directories_find(ds, options[i].name))
            open_directory(ds, &options[i]);
}

void directories_close(struct directories *ds)
{
    if (!ds)
        return;
    ds->is_closed = true;
    ds->changed = NULL;
    ds->hint = NULL;
    while (!list_is_empty(&ds->all))
        close_directory(CONTAINER_OF(list_first(&ds->all), struct directory, at));
    dir_set_unref(ds);
}

struct directory *directories_find(struct directories *ds, const char *name)
{
    LIST_FOR_EACH(at, &ds->all) {
        struct directory *d = CONTAINER_OF(at, struct directory, at);

        if (strcmp(d->options.name, name) == 0)
            return d;
    }
    return NULL;
}

const struct directory_counters *directories_counters(const struct directories *ds)
{
    return &ds->counters;
}

/* --- status ------------------------------------------------------------------------------------ */

static void tell(const struct directory *d, const struct dir_server *s,
                 void (*each)(void *owner, const struct directory_server_status *s), void *owner)
{
    static const char *const states[] = { "new", "up", "down" };
    struct directory_server_status status = {
        .directory = d->options.name,
        .uri = s->uri,
        .state = states[s->state],
        .is_chosen = s == d->chosen && s->state != DIR_DOWN,
        .search_connections = s->counts[DIR_SEARCH],
        .bind_connections = s->counts[DIR_BIND],
        .waiting = d->job_count - d->watch_count,
        .logins = s->logins,
        .lost = s->lost,
        .last_error = s->last_error,
        .watch = dir_watch_name(d, s),
        .tls = s->tls,
        .since_ms = uv_now(d->set->loop) - s->since_ms,
    };

    each(owner, &status);
}

/* DNS has none, or did not say. */
static void tell_none(const struct directory *d,
                      void (*each)(void *owner, const struct directory_server_status *s),
                      void *owner)
{
    struct directory_server_status status = { .directory = d->options.name,
                                              .uri = d->options.srv,
                                              .state = "down",
                                              .waiting = d->job_count - d->watch_count,
                                              .last_error = d->lookup_error };

    each(owner, &status);
}

void directories_each(const struct directories *ds,
                      void (*each)(void *owner, const struct directory_server_status *s),
                      void *owner)
{
    LIST_FOR_EACH(at, &ds->all) {
        const struct directory *d = CONTAINER_OF(at, struct directory, at);

        for (size_t i = 0; i < d->server_count; i++)
            tell(d, d->servers[i], each, owner);
        if (d->server_count == 0)
            tell_none(d, each, owner);
    }
}
