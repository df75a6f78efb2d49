/* See people.h. On the loop entries are only copied; names of entries are compared, groups walked
 * and indexes compared in a thread. */
#include "sm/directory/people.h"

#include "common/mem.h"
#include "sm/directory/parts.h"
#include "sm/directory/person.h"
#include "sm/directory/query.h"
#include "sm/directory/state.h"

#include <string.h>

/* max_values: members of all groups; max_bytes: what is copied before the thread works on it. */
enum { MAX_WANTED = 40, MAX_VALUES = 8 * 1000 * 1000, MAX_RAW_MIB = 512 };

struct directory_load {
    uv_work_t work;
    struct directory *directory; /* until the thread begins */
    struct directory_search *search;
    struct arena arena; /* the spec's texts */
    struct directory_people_spec spec;
    struct directory_raw raw;
    struct directory_people result;
    struct buf why;
    time_t now; /* of the wall */
    uint64_t began_ms;
    bool is_working, is_cancelled, is_over_limit;
    directory_people_fn *done;
    void *owner;
};

/* --- the end ----------------------------------------------------------------------------------- */

static void free_load(struct directory_load *l)
{
    directory_index_unref(l->spec.was);
    arena_fini(&l->raw.arena);
    arena_fini(&l->arena);
    buf_fini(&l->why);
    mem_free(l);
}

static void fail(struct directory_load *l, const char *why)
{
    l->result.why = why;
    l->done(l->owner, &l->result);
    free_load(l);
}

void directory_people_cancel(struct directory_load *l)
{
    if (l && l->is_working) {
        l->is_cancelled = true;
    } else if (l) {
        directory_query_cancel(l->search);
        free_load(l);
    }
}

/* --- the thread -------------------------------------------------------------------------------- */

static void on_work(uv_work_t *work)
{
    struct directory_load *l = CONTAINER_OF(work, struct directory_load, work);
    uint64_t began = uv_hrtime();

    l->result.index = directory_index_build(&l->raw, &l->spec.index);
    l->result.change_count =
        directory_index_diff(l->spec.was, l->result.index, &l->result.changes);
    arena_fini(&l->raw.arena);
    l->result.thread_ms = (uv_hrtime() - began) / 1000000;
}

static void on_worked(uv_work_t *work, int status)
{
    struct directory_load *l = CONTAINER_OF(work, struct directory_load, work);

    l->result.took_ms = uv_now(work->loop) - l->began_ms;
    if (l->is_cancelled || status != 0) {
        directory_index_unref(l->result.index);
        mem_free(l->result.changes);
    }
    if (!l->is_cancelled) {
        if (status != 0)
            l->result = (struct directory_people){ .why = "the thread did not run" };
        l->done(l->owner, &l->result);
    }
    free_load(l);
}

static void begin_work(struct directory_load *l)
{
    uv_loop_t *loop = l->directory->set->loop;

    l->is_working = true;
    l->directory = NULL;
    if (uv_queue_work(loop, &l->work, on_work, on_worked) != 0) {
        l->is_working = false;
        fail(l, "no thread");
    }
}

/* --- what is found ----------------------------------------------------------------------------- */

/* Whether there is room for one more; otherwise nothing more is kept. */
static bool has_room(struct directory_load *l, size_t count, size_t max)
{
    if (count < max && l->raw.value_count < MAX_VALUES &&
        l->raw.arena.total < (size_t)MAX_RAW_MIB * 1024 * 1024)
        return true;
    l->is_over_limit = true;
    return false;
}

static struct str primary_of(struct directory_load *l, const struct directory_entry *e)
{
    struct buf sid = { 0 };
    struct str copy = STR_NONE;

    directory_person_add_primary_group(e, &sid);
    if (sid.n > 0)
        copy = arena_str(&l->raw.arena, buf_str(&sid));
    buf_fini(&sid);
    return copy;
}

static void on_person(void *owner, const struct directory_entry *e)
{
    struct directory_load *l = owner;
    struct directory_raw_person *p;
    struct str local, name;

    if (!has_room(l, l->raw.person_count, l->spec.max_people))
        return;
    l->result.people++;
    if (directory_state(e, l->now, 0) == DIRECTORY_DISABLED) {
        l->result.disabled++;
        return;
    }
    local = directory_person_local(e, l->spec.user_attribute, str_from(l->spec.host),
                                               &l->raw.arena);
    if (!str_is_set(local)) {
        l->result.unfit++;
        return;
    }
    name = directory_entry_text(e, l->spec.name_attribute);
    if (name.n == 0)
        name = directory_entry_text(e, "cn");
    p = arena_new(&l->raw.arena, struct directory_raw_person);
    *p = (struct directory_raw_person){ .next = l->raw.people,
                                        .dn = arena_str(&l->raw.arena, e->dn),
                                        .local = local,
                                        .name = arena_str(&l->raw.arena, name),
                                        .sid = primary_of(l, e) };
    l->raw.people = p;
    l->raw.person_count++;
}

static void on_group(void *owner, const struct directory_entry *e)
{
    struct directory_load *l = owner;
    const struct directory_options *o = &l->directory->options;
    const struct directory_attribute *a = directory_entry_find(e, o->group_member);
    struct directory_raw_group *g;
    struct str *members;

    if (!has_room(l, l->raw.group_count, l->spec.max_groups))
        return;
    members = a ? arena_alloc(&l->raw.arena, (a->count + 1) * sizeof *members) : NULL;
    for (size_t i = 0; a && i < a->count; i++)
        members[i] = arena_str(&l->raw.arena, a->values[i]);
    g = arena_new(&l->raw.arena, struct directory_raw_group);
    *g = (struct directory_raw_group){
        .next = l->raw.groups,
        .dn = arena_str(&l->raw.arena, e->dn),
        .name = arena_str(&l->raw.arena, directory_entry_text(e, o->group_name)),
        .members = members,
        .member_count = a ? a->count : 0,
    };
    if (o->has_primary_group)
        g->sid = arena_str(&l->raw.arena, directory_entry_text(e, "objectSid"));
    l->raw.groups = g;
    l->raw.group_count++;
    l->raw.value_count += g->member_count;
    l->result.groups++;
}

/* --- the searches ------------------------------------------------------------------------------ */

/* Whether all has come; otherwise it has failed, and is gone. */
static bool is_whole(struct directory_load *l, const struct directory_end *end, const char *what)
{
    l->search = NULL;
    if (end->verdict == DIRECTORY_OK && !end->is_cut && !l->is_over_limit)
        return true;
    if (l->is_over_limit)
        buf_printf(&l->why, "there are more %s than the limit", what);
    else if (end->is_cut)
        buf_printf(&l->why, "%s: the server cuts its answer: its size limit for the service account "
                            "is too low", what);
    else
        buf_printf(&l->why, "%s: %s%s%.100s", what, directory_verdict_name(end->verdict),
                   end->answer ? ": " : "", end->answer ? end->answer : "");
    buf_add_char(&l->why, '\0');
    fail(l, l->why.p);
    return false;
}

static void on_groups_end(void *owner, const struct directory_end *end)
{
    struct directory_load *l = owner;

    if (is_whole(l, end, "groups"))
        begin_work(l);
}

static void ask_groups(struct directory_load *l)
{
    const struct directory_options *o = &l->directory->options;
    const char *const attributes[] = { o->group_name, o->group_member,
                                       o->has_primary_group ? "objectSid" : NULL, NULL };
    struct directory_query q = { .base = o->group_base ? o->group_base : o->base,
                                 .scope = DIRECTORY_SUBTREE,
                                 .filter = o->group_filter,
                                 .attributes = attributes,
                                 .is_bulk = true };

    l->search = directory_query_start(l->directory, &q, on_group, on_groups_end, l);
}

static void on_people_end(void *owner, const struct directory_end *end)
{
    struct directory_load *l = owner;

    if (is_whole(l, end, "people"))
        ask_groups(l);
}

static void ask_people(struct directory_load *l)
{
    const struct directory_options *o = &l->directory->options;
    const char *attributes[MAX_WANTED] = { l->spec.user_attribute, l->spec.name_attribute, "cn" };
    struct buf filter = { 0 };
    struct directory_query q = { .scope = o->scope, .attributes = attributes, .is_bulk = true };
    size_t n = 3;

    for (const char *const *a = directory_state_attributes; *a && n < MAX_WANTED - 3; a++)
        attributes[n++] = *a;
    if (o->has_primary_group) {
        attributes[n++] = "objectSid";
        attributes[n] = "primaryGroupID";
    }
    directory_filter_write_everybody(&filter, o->filter, str_from(l->spec.host));
    buf_add_char(&filter, '\0');
    q.filter = filter.p;
    l->search = directory_query_start(l->directory, &q, on_person, on_people_end, l);
    buf_fini(&filter);
}

struct directory_load *directory_people_load(struct directory *d,
                                             const struct directory_people_spec *spec,
                                             directory_people_fn *done, void *owner)
{
    struct directory_load *l = mem_new(struct directory_load);

    l->directory = d;
    l->spec = *spec;
    l->spec.host = arena_str(&l->arena, str_from(spec->host)).p;
    l->spec.user_attribute = arena_str(&l->arena, str_from(spec->user_attribute)).p;
    l->spec.name_attribute = arena_str(&l->arena, str_from(spec->name_attribute)).p;
    l->spec.index.shared = directory_names_copy(spec->index.shared, &l->arena);
    l->spec.index.to_all = directory_names_copy(spec->index.to_all, &l->arena);
    l->spec.index.allowed = directory_names_copy(spec->index.allowed, &l->arena);
    l->spec.index.lists_users =
        str_eq_nocase(str_from(d->options.group_member), STR("memberUid"));
    l->spec.index.is_nested = d->options.group_nesting != DIRECTORY_NEST_NONE;
    l->now = time(NULL);
    l->spec.was = directory_index_ref(spec->was); /* its owner may go while the thread reads it */
    l->began_ms = uv_now(d->set->loop);
    l->done = done;
    l->owner = owner;
    ask_people(l);
    return l;
}
