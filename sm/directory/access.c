/* See access.h. */
#include "sm/directory/access.h"

#include "common/mem.h"

struct question {
    struct arena arena;
    struct directory *directory;
    struct str user;
    struct access_rules rules;
    bool always;
    struct directory_found found; /* texts in the arena */
    access_done_fn *done;
    void *owner;
};

static bool is_empty(const char *const *names)
{
    return !names || !names[0];
}

bool access_has_rules(const struct access_rules *r)
{
    return !is_empty(r->log_in) || !is_empty(r->log_in_dmz) || !is_empty(r->outside);
}

bool access_is_named(const struct directory_groups *g, const char *const *names)
{
    if (is_empty(names))
        return true;
    for (; *names; names++)
        if (directory_groups_have(g, *names))
            return true;
    return false;
}

static void finish(struct question *q, struct access *a)
{
    a->found = &q->found;
    q->done(q->owner, a);
    arena_fini(&q->arena);
    mem_free(q);
}

static void on_groups(void *owner, const struct directory_groups *g)
{
    struct question *q = owner;
    struct access a = { .verdict = g->verdict, .groups = g };

    a.may_log_in = access_is_named(g, q->rules.log_in);
    a.may_log_in_dmz = a.may_log_in && access_is_named(g, q->rules.log_in_dmz);
    a.may_outside = access_is_named(g, q->rules.outside);
    finish(q, &a);
}

static const char *copy(struct question *q, const char *text)
{
    return text ? arena_str(&q->arena, str_from(text)).p : NULL;
}

static void keep(struct question *q, const struct directory_found *found)
{
    q->found = *found;
    q->found.uri = copy(q, found->uri);
    q->found.filter = copy(q, found->filter);
    q->found.dn = copy(q, found->dn);
    q->found.answer = copy(q, found->answer);
    q->found.key = arena_str(&q->arena, found->key);
    q->found.mark = arena_str(&q->arena, found->mark);
    q->found.entry = NULL;
}

static void on_found(void *owner, const struct directory_found *found)
{
    struct question *q = owner;
    struct access a = { .verdict = found->verdict, .may_log_in = true, .may_log_in_dmz = true,
                        .may_outside = true };

    keep(q, found);
    if (found->verdict == DIRECTORY_OK && (q->always || access_has_rules(&q->rules)))
        directory_groups_find(q->directory, str_from(q->found.dn), q->user, on_groups, q);
    else
        finish(q, &a);
}

void access_ask(struct directory *d, const struct directory_name *name,
                const struct access_rules *rules, bool always, access_done_fn *done, void *owner)
{
    struct question *q = mem_new(struct question);

    q->directory = d;
    q->user = arena_str(&q->arena, name->user);
    q->rules.log_in = directory_names_copy(rules->log_in, &q->arena);
    q->rules.log_in_dmz = directory_names_copy(rules->log_in_dmz, &q->arena);
    q->rules.outside = directory_names_copy(rules->outside, &q->arena);
    q->always = always;
    q->done = done;
    q->owner = owner;
    directory_lookup(d, name, NULL, on_found, q);
}
