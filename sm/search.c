/* See search.h; and what ext.h offers of it. Searches go to the directory one after the other, apart
 * from logins, and a client cannot ask for anything but the beginning of a mapped attribute. */
#include "sm/search.h"

#include "common/mem.h"
#include "sm/account.h"
#include "sm/directory/access.h"
#include "sm/directory/person.h"
#include "sm/directory/query.h"
#include "sm/directory/state.h"
#include "sm/iq.h"
#include "sm/people.h"
#include "sm/session.h"

#include <string.h>
#include <time.h>

enum {
    MAX_TERM = 128,
    MAX_VALUE = 256,
    MAX_UNDER_WAY = 16,
    MAX_OF_ACCOUNT = 2,
    MINUTE_MS = 60 * 1000,
    DEADLINE_MS = 20 * 1000,
    AROUND_VALUE = 64, /* bytes of XML around a value */
};

static const char PREFIX[] = "search.";

struct search {
    struct list at; /* in searches.under_way */
    struct sm *sm;
    struct iq *iq;
    ext_found_fn *found;
    struct str account;
    struct buf filter;
    struct search_map map; /* its texts in the IQ's arena */
    const char *user_attribute, *name_attribute;
    struct directory_search *query;
    struct timer deadline;
    time_t now;
    struct ext_person *people;
    size_t count, max, bytes, max_bytes;
    bool is_cut;
};

struct searches {
    struct list under_way;
    size_t count;
};

const struct sm_host_conf *search_host(const struct sm *sm, struct str domain)
{
    const struct sm_directory_conf *d;
    const struct sm_host_conf *host;
    struct str rest = domain;

    if (!str_starts_with(domain, str_from(PREFIX)))
        return NULL;
    rest = str_of(domain.p + strlen(PREFIX), domain.n - strlen(PREFIX));
    host = sm_host(sm, rest);
    d = people_directory(sm, host);
    return d && d->search.count > 0 ? host : NULL;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void finish(struct search *s, enum stanza_error e)
{
    struct ext_people people = { s->people, s->count, s->map.count, s->is_cut };

    list_remove(&s->at);
    s->sm->searches->count--;
    timer_stop(&s->deadline);
    buf_fini(&s->filter);
    s->found(s->iq, e, &people);
    mem_free(s);
}

static void on_deadline(struct timer *t)
{
    struct search *s = CONTAINER_OF(t, struct search, deadline);

    directory_query_cancel(s->query);
    finish(s, STANZA_REMOTE_SERVER_TIMEOUT);
}

static enum stanza_error error_of(enum directory_verdict v)
{
    if (v == DIRECTORY_OK)
        return STANZA_OK;
    return directory_is_temporary(v) && v != DIRECTORY_FAILED ? STANZA_REMOTE_SERVER_TIMEOUT
                                                              : STANZA_INTERNAL_SERVER_ERROR;
}

static void on_end(void *owner, const struct directory_end *end)
{
    struct search *s = owner;

    s->is_cut |= end->is_cut;
    finish(s, error_of(end->verdict));
}

/* --- who is found ------------------------------------------------------------------------------ */

static struct str text_of(struct search *s, const struct directory_entry *e, const char *attribute)
{
    struct str value = directory_entry_text(e, attribute);

    if (value.n == 0 || value.n > MAX_VALUE || !str_is_utf8(value))
        return STR_NONE;
    s->bytes += AROUND_VALUE;
    for (size_t i = 0; i < value.n; i++)
        s->bytes += strchr("&<>'\"", value.p[i]) ? 6 : 1;
    return arena_str(iq_arena(s->iq), value);
}

static struct str jid_of(struct search *s, const struct directory_entry *e)
{
    struct str local = directory_person_local(e, s->user_attribute, s->iq->host, iq_arena(s->iq));
    struct jid jid = { .bare = STR_NONE };

    if (str_is_set(local))
        jid_make(local, s->iq->host, STR_NONE, iq_arena(s->iq), &jid);
    return jid.bare;
}

static void on_entry(void *owner, const struct directory_entry *e)
{
    struct search *s = owner;
    struct ext_person *p;
    struct str jid;

    if (directory_state(e, s->now, 0) == DIRECTORY_DISABLED)
        return;
    jid = jid_of(s, e);
    if (!str_is_set(jid))
        return;
    if (s->count == s->max || s->bytes >= s->max_bytes) {
        s->is_cut = true;
        return;
    }
    s->bytes += jid.n + AROUND_VALUE;
    p = &s->people[s->count++];
    p->jid = jid;
    p->name = text_of(s, e, s->name_attribute);
    if (!str_is_set(p->name))
        p->name = text_of(s, e, "cn");
    p->values = arena_alloc(iq_arena(s->iq), s->map.count * sizeof *p->values);
    for (size_t i = 0; i < s->map.count; i++)
        p->values[i] = text_of(s, e, s->map.fields[i].attribute);
}

/* --- questions --------------------------------------------------------------------------------- */

static bool add_name(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcasecmp(names[i], name) == 0)
            return false;
    names[(*n)++] = name;
    return true;
}

static void ask(struct search *s)
{
    const struct sm_directory_conf *conf = people_directory(s->sm, sm_host(s->sm, s->iq->host));
    struct directory *d = conf ? directories_find(s->sm->directories, conf->name) : NULL;
    const char *names[SEARCH_MAX_FIELDS + 40];
    struct directory_query q = { .attributes = names, .is_bulk = true };
    size_t n = 0;

    if (!d || s->sm->is_stopping) {
        finish(s, STANZA_REMOTE_SERVER_TIMEOUT);
        return;
    }
    add_name(names, &n, s->user_attribute);
    add_name(names, &n, s->name_attribute);
    add_name(names, &n, "cn");
    for (size_t i = 0; i < s->map.count; i++)
        add_name(names, &n, s->map.fields[i].attribute);
    for (const char *const *a = directory_state_attributes; *a; a++) {
        ASSERT(n + 1 < ARRAY_LEN(names));
        add_name(names, &n, *a);
    }
    names[n] = NULL;
    buf_add_char(&s->filter, '\0');
    q.filter = s->filter.p;
    q.scope = conf->scope;
    q.max_entries = 2 * (uint32_t)s->max; /* some may be left out */
    s->now = time(NULL);
    timer_set(s->sm->service->timers, &s->deadline, DEADLINE_MS);
    s->query = directory_query_start(d, &q, on_entry, on_end, s);
}

static void on_access(void *owner, const struct access *a)
{
    struct search *s = owner;

    if (a->verdict != DIRECTORY_OK)
        finish(s, directory_is_temporary(a->verdict) ? STANZA_REMOTE_SERVER_TIMEOUT : STANZA_FORBIDDEN);
    else if (!a->may_outside) /* what was asked for in its place */
        finish(s, STANZA_FORBIDDEN);
    else
        ask(s);
}

/* --- ext.h ------------------------------------------------------------------------------------- */

const char *ext_search_domain(struct iq *iq)
{
    struct str domain = arena_printf(iq_arena(iq), "%s%.*s", PREFIX, STR_ARG(iq->host));

    return search_host(iq->sm, domain) ? domain.p : NULL;
}

size_t ext_search_fields(struct iq *iq, struct str **out_vars)
{
    const struct sm_directory_conf *d = people_directory(iq->sm, sm_host(iq->sm, iq->host));
    struct search_map map = { 0 };
    struct buf why = { 0 };

    if (!d || search_map_read(&d->search, &map, &why) != ERR_OK)
        map.count = 0;
    buf_fini(&why);
    *out_vars = arena_alloc(iq_arena(iq), (map.count + 1) * sizeof **out_vars);
    for (size_t i = 0; i < map.count; i++)
        (*out_vars)[i] = arena_str(iq_arena(iq), map.fields[i].var);
    return map.count;
}

/* A full bucket holds a minute's searches. */
static bool take_turn(struct account *a, int64_t per_minute, uint64_t now)
{
    if (a->search_due_ms < now)
        a->search_due_ms = now;
    if (a->search_due_ms - now > MINUTE_MS - MINUTE_MS / (uint64_t)per_minute)
        return false;
    a->search_due_ms += MINUTE_MS / (uint64_t)per_minute;
    return true;
}

static bool has_place(const struct searches *all, struct str account)
{
    size_t own = 0;

    LIST_FOR_EACH (at, &all->under_way)
        own += str_eq(CONTAINER_OF(at, struct search, at)->account, account);
    return own < MAX_OF_ACCOUNT && all->count < MAX_UNDER_WAY;
}

static bool write_filter(struct search *s, const struct sm_directory_conf *d,
                         const struct str *terms)
{
    bool has_term = false;

    buf_add(&s->filter, STR("(&"));
    directory_filter_write_everybody(&s->filter, d->filter, s->iq->host);
    for (size_t i = 0; i < s->map.count; i++) {
        if (terms[i].n > MAX_TERM)
            return false;
        if (str_is_set(terms[i]))
            has_term |= search_add_term(&s->filter, s->map.fields[i].attribute, terms[i], d->search_min);
    }
    buf_add_char(&s->filter, ')');
    return has_term;
}

/* The configuration may be another when the answer comes. */
static void keep_texts(struct search *s, const struct sm_directory_conf *d)
{
    struct arena *arena = iq_arena(s->iq);

    for (size_t i = 0; i < s->map.count; i++)
        s->map.fields[i].attribute = arena_str(arena, str_from(s->map.fields[i].attribute)).p;
    s->user_attribute = arena_str(arena, str_from(d->user_attribute)).p;
    s->name_attribute = arena_str(arena, str_from(d->name_attribute)).p;
    s->account = arena_str(arena, s->iq->stanza->from.bare);
}

enum stanza_error ext_search(struct iq *iq, const struct str *terms, ext_found_fn *found)
{
    struct sm *sm = iq->sm;
    const struct sm_host_conf *host = sm_host(sm, iq->host);
    const struct sm_directory_conf *d = people_directory(sm, host);
    struct directory *directory = d ? directories_find(sm->directories, d->name) : NULL;
    struct account *a = iq->session ? iq->session->account : NULL;
    struct buf why = { 0 };
    struct search *s;
    bool is_good;

    if (!a || !directory || !str_eq(iq->stanza->from.domain, iq->host))
        return STANZA_FORBIDDEN;
    s = mem_new(struct search);
    s->sm = sm;
    s->iq = iq;
    s->found = found;
    is_good = search_map_read(&d->search, &s->map, &why) == ERR_OK && write_filter(s, d, terms);
    buf_fini(&why);
    if (!is_good || !has_place(sm->searches, a->jid.bare) ||
        !take_turn(a, d->search_rate, sm_now_ms(sm))) {
        buf_fini(&s->filter);
        mem_free(s);
        return is_good ? STANZA_RESOURCE_CONSTRAINT : STANZA_NOT_ACCEPTABLE;
    }
    keep_texts(s, d);
    s->max = (size_t)d->search_max;
    s->max_bytes = (size_t)host->max_stanza / 2;
    s->people = arena_alloc(iq_arena(iq), s->max * sizeof *s->people);
    timer_init(&s->deadline, on_deadline);
    list_push_back(&sm->searches->under_way, &s->at);
    sm->searches->count++;
    iq_let_go(iq);
    if (host->search_groups.count == 0)
        ask(s);
    else
        access_ask(directory,
                   &(struct directory_name){ .user = iq->stanza->from.local,
                                             .host = iq->stanza->from.domain,
                                             .jid = iq->stanza->from.bare },
                   &(struct access_rules){ .outside = sm_conf_names(&host->search_groups, iq_arena(iq)) }, false,
                   on_access, s);
    return STANZA_OK;
}

void search_start(struct sm *sm)
{
    sm->searches = mem_new(struct searches);
    list_init(&sm->searches->under_way);
}

void search_stop(struct sm *sm)
{
    if (!sm->searches)
        return;
    ASSERT(sm->searches->count == 0); /* the directories are closed */
    mem_free(sm->searches);
    sm->searches = NULL;
}
