/* See query.h. One page after the other; behind each page the entries of it whose values came in
 * ranges are completed one by one, and then told. */
#include "sm/directory/query.h"

#include "common/mem.h"
#include "sm/directory/parts.h"

#include <string.h>

enum {
    PAGE = 500,
    MAX_RANGES = 4096,                 /* of one attribute: some six million members */
    MAX_HELD_BYTES = 64 * 1024 * 1024, /* values of one entry, and all that wait for theirs */
};

/* An entry with a value list that has not ended. */
struct partial {
    struct list at;
    struct arena arena;
    const struct directory_entry *entry; /* as it came */
    size_t
        attribute; /* index of the one that is completed; a second such list is left as it came */
    struct list values; /* struct value */
    size_t count;
    uint32_t next; /* the first value that is missing; 0: none */
    uint32_t asked, rounds;
};

struct value {
    struct list at;
    struct str text;
};

struct directory_search {
    struct dir_job job;
    struct arena arena; /* of the query's copy */
    struct directory_query query;
    const char *const *attributes;
    struct buf cookie, answer;
    struct list partials;
    size_t held_bytes;
    uint32_t entries, told, attempts;
    bool is_more; /* a page follows */
    bool is_starting, is_telling, is_cancelled;
    struct directory_end end;
    struct timer timer; /* to tell an end that came inside directory_query_start */
    directory_entry_fn *entry;
    directory_end_fn *done;
    void *owner;
};

/* --- the end -----------------------------------------------------------------------------------
 */

static void free_partial(struct partial *p)
{
    list_remove(&p->at);
    arena_fini(&p->arena);
    mem_free(p);
}

static void free_search(struct directory_search *s)
{
    while (!list_is_empty(&s->partials))
        free_partial(CONTAINER_OF(list_first(&s->partials), struct partial, at));
    timer_stop(&s->timer);
    dir_job_fini(&s->job);
    buf_fini(&s->cookie);
    buf_fini(&s->answer);
    arena_fini(&s->arena);
    mem_free(s);
}

static void tell(struct directory_search *s)
{
    s->end.entries = s->told;
    s->end.uri = s->job.server ? s->job.server->uri : NULL;
    s->end.answer = s->answer.n > 0 ? s->answer.p : NULL;
    s->done(s->owner, &s->end);
    free_search(s);
}

static void on_timer(struct timer *t)
{
    tell(CONTAINER_OF(t, struct directory_search, timer));
}

static void end(struct directory_search *s, enum directory_verdict v)
{
    dir_job_let_go(&s->job);
    s->end.verdict = v;
    if (s->is_starting)
        timer_set(s->job.directory->set->timers, &s->timer, 0);
    else
        tell(s);
}

/* --- entries -----------------------------------------------------------------------------------
 */

/* false: the search was cancelled, and is gone. */
static bool tell_entry(struct directory_search *s, const struct directory_entry *e)
{
    s->told++;
    s->is_telling = true;
    s->entry(s->owner, e);
    s->is_telling = false;
    if (s->is_cancelled)
        free_search(s);
    else
        return true;
    return false;
}

static void keep_values(struct partial *p, const struct directory_attribute *a, size_t *held)
{
    for (size_t i = 0; i < a->count; i++) {
        struct value *v = arena_new(&p->arena, struct value);

        v->text = arena_str(&p->arena, a->values[i]);
        list_push_back(&p->values, &v->at);
        p->count++;
        *held += a->values[i].n + sizeof *v;
    }
}

/* The attribute of the entry that is not whole; at entry's count: none. */
static size_t find_range(const struct directory_entry *e, uint32_t *out_next)
{
    struct str base;
    uint32_t first, last;

    for (size_t i = 0; i < e->count; i++)
        if (directory_range_read(e->attributes[i].name, &base, &first, &last) && first == 0 &&
            last != UINT32_MAX) {
            *out_next = last + 1;
            return i;
        }
    return e->count;
}

static void keep_partial(struct directory_search *s, const struct directory_entry *e, size_t at,
                         uint32_t next)
{
    struct partial *p = mem_new(struct partial);

    list_init(&p->values);
    p->entry = directory_entry_copy(e, &p->arena);
    p->attribute = at;
    p->next = next;
    keep_values(p, &p->entry->attributes[at], &s->held_bytes);
    list_push_back(&s->partials, &p->at);
}

static struct directory_search *search_of(struct dir_conn *c)
{
    return c->job ? CONTAINER_OF(c->job, struct directory_search, job) : NULL;
}

static void on_entry(struct dir_conn *c, const struct directory_entry *e)
{
    struct directory_search *s = search_of(c);
    uint32_t next = 0;
    size_t at;

    if (!s || s->end.is_cut)
        return;
    if (s->query.max_entries > 0 && s->entries >= s->query.max_entries) {
        s->end.is_cut = true;
        return;
    }
    s->entries++;
    at = find_range(e, &next);
    if (at == e->count)
        (void)tell_entry(s, e);
    else if (s->held_bytes < MAX_HELD_BYTES)
        keep_partial(s, e, at, next);
    else
        s->end.is_cut = true;
}

/* The whole of it, under the attribute's own name. false: see tell_entry. */
static bool tell_partial(struct directory_search *s, struct partial *p)
{
    struct directory_attribute *attributes =
        arena_alloc(&p->arena, p->entry->count * sizeof *attributes);
    struct str *values = arena_alloc(&p->arena, p->count * sizeof *values);
    struct directory_entry e = *p->entry;
    struct str rest;
    size_t n = 0;
    bool is_there;

    memcpy(attributes, e.attributes, e.count * sizeof *attributes);
    LIST_FOR_EACH(at, &p->values)
    values[n++] = CONTAINER_OF(at, struct value, at)->text;
    rest = attributes[p->attribute].name;
    attributes[p->attribute].name = arena_str(&p->arena, str_cut(&rest, ';'));
    attributes[p->attribute].values = values;
    attributes[p->attribute].count = n;
    e.attributes = attributes;
    list_remove(&p->at);
    is_there = tell_entry(s, &e);
    free_partial(p);
    return is_there;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void go_on(struct directory_search *s);

static void note_answer(struct directory_search *s, const struct dir_answer *answer)
{
    const char *text = answer->diagnostic             ? answer->diagnostic
                       : answer->code != LDAP_SUCCESS ? ldap_err2string(answer->code)
                                                      : "";

    buf_clear(&s->answer);
    buf_add(&s->answer, str_from(text));
    buf_add_char(&s->answer, '\0');
    s->answer.n--;
}

static void on_page(struct dir_conn *c, const struct dir_answer *answer)
{
    struct directory *d = ((struct dir_server *)c->owner)->directory;
    struct directory_search *s;

    if (dir_is_answered(c, answer) && (s = search_of(c))) {
        note_answer(s, answer);
        s->end.verdict = directory_query_verdict(answer->code);
        s->end.is_cut |= answer->code == LDAP_SIZELIMIT_EXCEEDED;
        s->is_more = answer->cookie.n > 0 && answer->code == LDAP_SUCCESS && !s->end.is_cut;
        buf_clear(&s->cookie);
        buf_add(&s->cookie, answer->cookie);
        go_on(s);
    }
    dir_pool_run(d);
}

/* The next values of the first partial entry came. Whatever is not the range that was asked for
 * ends it, as what has come so far. */
static void on_range_entry(struct dir_conn *c, const struct directory_entry *e)
{
    struct directory_search *s = search_of(c);
    struct partial *p;

    if (!s || list_is_empty(&s->partials))
        return;
    p = CONTAINER_OF(list_first(&s->partials), struct partial, at);
    for (size_t i = 0; i < e->count; i++) {
        struct str base;
        uint32_t first, last;

        if (!directory_range_read(e->attributes[i].name, &base, &first, &last) || first != p->next)
            continue;
        keep_values(p, &e->attributes[i], &s->held_bytes);
        p->next = last == UINT32_MAX ? 0 : last + 1;
        p->rounds++;
        return;
    }
}

static void on_range(struct dir_conn *c, const struct dir_answer *answer)
{
    struct directory *d = ((struct dir_server *)c->owner)->directory;
    struct directory_search *s;
    struct partial *p;

    if (dir_is_answered(c, answer) && (s = search_of(c))) {
        p = CONTAINER_OF(list_first(&s->partials), struct partial, at);
        if (answer->code != LDAP_SUCCESS || answer->entries == 0) {
            note_answer(s, answer);
            end(s, answer->code == LDAP_SUCCESS ? DIRECTORY_UNAVAILABLE : directory_query_verdict(answer->code));
        } else {
            if (p->next == p->asked) /* there is nothing behind what has come */
                p->next = 0;
            if (p->rounds >= MAX_RANGES || s->held_bytes >= MAX_HELD_BYTES) {
                s->end.is_cut = true;
                p->next = 0;
            }
            go_on(s);
        }
    }
    dir_pool_run(d);
}

/* --- questions ---------------------------------------------------------------------------------
 */

static bool ask_range(struct directory_search *s, struct partial *p, struct dir_conn *c)
{
    struct arena arena = { 0 };
    struct str rest = p->entry->attributes[p->attribute].name, base = str_cut(&rest, ';');
    const char *attributes[] = {
        arena_printf(&arena, "%.*s;range=%u-*", (int)base.n, base.p, p->next).p, NULL
    };
    struct dir_request r = { .base = p->entry->dn.p,
                             .scope = DIRECTORY_BASE,
                             .filter = "(objectClass=*)",
                             .attributes = attributes,
                             .timeout_ms = s->job.directory->options.query_ms,
                             .entry = on_range_entry };
    bool is_sent = dir_conn_search(c, &r, on_range);

    p->asked = p->next;
    arena_fini(&arena);
    return is_sent;
}

static bool ask_page(struct directory_search *s, struct dir_conn *c)
{
    const struct directory_options *o = &s->job.directory->options;
    struct dir_request r = { .base = s->query.base ? s->query.base : o->base,
                             .scope = s->query.scope,
                             .filter = s->query.filter,
                             .attributes = s->attributes,
                             .max_entries = s->query.is_bulk ? 0 : s->query.max_entries,
                             .page = s->query.is_bulk ? PAGE : 0,
                             .cookie = buf_str(&s->cookie),
                             .timeout_ms = s->query.is_bulk ? o->query_ms : o->search_ms,
                             .entry = on_entry };

    s->job.directory->set->counters.searches++;
    return dir_conn_search(c, &r, on_page);
}

/* The connection is still its own: pages are remembered by it. */
static void go_on(struct directory_search *s)
{
    struct dir_conn *c = s->job.conn;
    bool is_sent = true;

    while (!list_is_empty(&s->partials)) {
        struct partial *p = CONTAINER_OF(list_first(&s->partials), struct partial, at);

        if (p->next > 0) {
            is_sent = ask_range(s, p, c);
            break;
        }
        if (!tell_partial(s, p))
            return;
    }
    if (!list_is_empty(&s->partials)) {
        if (!is_sent)
            dir_pool_drop(c);
    } else if (s->is_more && !s->end.is_cut) {
        s->is_more = false;
        if (!ask_page(s, c))
            dir_pool_drop(c);
    } else {
        end(s, s->end.verdict);
    }
}

/* --- as a job ----------------------------------------------------------------------------------
 */

static bool run(struct dir_job *j, struct dir_conn *c)
{
    return ask_page(CONTAINER_OF(j, struct directory_search, job), c);
}

/* From the beginning and elsewhere, as long as nothing was told. */
static void lost(struct dir_job *j, bool is_timeout)
{
    struct directory_search *s = CONTAINER_OF(j, struct directory_search, job);

    (void)is_timeout;
    buf_clear(&s->cookie);
    if (s->entries > 0 || ++s->attempts > j->directory->server_count)
        end(s, DIRECTORY_UNAVAILABLE);
    else
        dir_job_wait_first(j, s->query.is_bulk ? DIR_BULK : DIR_SEARCH);
}

static void fail(struct dir_job *j, enum directory_verdict v)
{
    end(CONTAINER_OF(j, struct directory_search, job), v);
}

static void close_search(struct dir_job *j)
{
    struct directory_search *s = CONTAINER_OF(j, struct directory_search, job);

    s->end.verdict = DIRECTORY_UNAVAILABLE;
    tell(s);
}

static const struct dir_job_kind kind = { run, lost, fail, close_search };

struct directory_search *directory_query_start(struct directory *d, const struct directory_query *q,
                                               directory_entry_fn *entry, directory_end_fn *done,
                                               void *owner)
{
    static const char *const none[] = { LDAP_NO_ATTRS, NULL };
    struct directory_search *s = mem_new(struct directory_search);

    dir_job_init(&s->job, d, &kind);
    s->query = *q;
    s->query.base = q->base ? arena_str(&s->arena, str_from(q->base)).p : NULL;
    s->query.filter = arena_str(&s->arena, str_from(q->filter)).p;
    s->attributes = directory_names_copy(q->attributes ? q->attributes : none, &s->arena);
    s->entry = entry;
    s->done = done;
    s->owner = owner;
    list_init(&s->partials);
    timer_init(&s->timer, on_timer);
    s->is_starting = true;
    if (!dir_pool_chosen(d))
        end(s, DIRECTORY_UNAVAILABLE);
    else if (d->job_count - d->watch_count > (uint64_t)d->options.max_waiting)
        end(s, DIRECTORY_BUSY);
    else
        dir_job_wait(&s->job, q->is_bulk ? DIR_BULK : DIR_SEARCH);
    s->is_starting = false;
    return s;
}

void directory_query_cancel(struct directory_search *s)
{
    if (s && s->is_telling)
        s->is_cancelled = true;
    else if (s)
        free_search(s);
}
