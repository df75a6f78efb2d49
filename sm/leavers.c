/* See leavers.h. A round goes through the accounts of one directory that have sessions: first many
 * entries a question, by their keys and by what a login would ask; then, where a host has rules,
 * the groups of each. Whose session is ended is judged behind the last answer. */
#include "sm/leavers.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/account.h"
#include "sm/auth/auth.h"
#include "sm/conf.h"
#include "sm/directory/access.h"
#include "sm/directory/query.h"
#include "sm/directory/state.h"
#include "sm/metrics.h"
#include "sm/session.h"

#include <time.h>

enum {
    CHUNK = 40,           /* accounts in one question */
    SOON_MS = 1000,       /* from a hint to its round: what changes together is looked at once */
    MAX_HINTS = 1000,     /* more: everybody */
    FEW = 10,             /* of more than these at least half must be left … */
};

struct item {
    char *account, *key;
    bool is_found, is_leaving;
    enum directory_verdict state;
    const char *why; /* a constant */
    bool leaves_dmz; /* only sessions through the DMZ */
};

/* The people of one directory. */
struct crowd {
    struct list at;
    struct leavers *leavers;
    char *directory;
    int64_t interval_ms;
    struct timer timer;
    struct table hints; /* struct hint: keys of entries that changed */
    bool wants_all;     /* at the next round */
    bool is_running, is_failing, is_doubtful;
    struct item *items;
    size_t count, next, chunk_end;
    uint64_t round;
    bool is_gone; /* not configured any more: freed when its round is over */
};

struct hint {
    char *key;
};

struct leavers {
    struct sm *sm;
    struct list crowds;
    uint64_t rounds;
};

/* --- hints ------------------------------------------------------------------------------------- */

static struct str hint_key(const void *item)
{
    return str_from(((const struct hint *)item)->key);
}

static void clear_hints(struct crowd *c)
{
    struct hint *h;

    for (size_t at = 0; (h = table_next(&c->hints, &at)); at = 0) {
        table_remove(&c->hints, hint_key(h));
        mem_free(h->key);
        mem_free(h);
    }
}

static void add_hint(struct crowd *c, struct str key)
{
    struct hint *h;

    if (!str_is_set(key) || c->hints.count >= MAX_HINTS) {
        c->wants_all = true;
    } else if (!table_get(&c->hints, key)) {
        h = mem_new(struct hint);
        h->key = str_dup(key);
        table_put(&c->hints, h);
    }
}

static void set_timer(struct crowd *c, uint64_t in_ms)
{
    timer_set(c->leavers->sm->service->timers, &c->timer, in_ms);
}

void leavers_hint(struct leavers *l, const char *directory, struct str key)
{
    LIST_FOR_EACH (at, &l->crowds) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, at);

        if (strcmp(c->directory, directory) != 0 || c->is_gone || c->interval_ms == 0)
            continue;
        add_hint(c, key);
        if (!c->is_running && (c->timer.due_ms == 0 || c->timer.due_ms > sm_now_ms(l->sm) + SOON_MS))
            set_timer(c, SOON_MS);
    }
}

/* --- who is looked for ------------------------------------------------------------------------- */

static bool is_of(const struct crowd *c, const struct account *a)
{
    return a && a->host && a->host->directory && a->directory_key && a->directory_key[0] &&
           strcmp(a->host->directory, c->directory) == 0;
}

static bool has_rules(const struct sm_host_conf *h)
{
    return h->allow_groups.count > 0 || h->allow_groups_dmz.count > 0 || h->outside_groups.count > 0;
}

/* A hint that is nobody's key may be a group's, or a group of groups'. */
static bool is_wanted(const struct crowd *c, const struct account *a)
{
    return c->wants_all || table_get(&c->hints, str_from(a->directory_key)) != NULL;
}

static void collect(struct crowd *c)
{
    struct sm *sm = c->leavers->sm;
    struct session *s;
    size_t most = sm->sessions.count;

    c->round = ++c->leavers->rounds;
    c->items = mem_alloc((most + 1) * sizeof *c->items);
    c->count = c->next = c->chunk_end = 0;
    for (size_t at = 0; (s = table_next(&sm->sessions, &at)) && c->count < most;) {
        struct account *a = s->home;

        if (!is_of(c, a) || a->leavers_round == c->round || !is_wanted(c, a))
            continue;
        a->leavers_round = c->round;
        c->items[c->count++] =
            (struct item){ .account = str_dup(a->jid.bare), .key = mem_strdup(a->directory_key) };
    }
}

/* --- what became of them ----------------------------------------------------------------------- */

static bool is_ended(const struct item *i, const struct session *s, const struct sm *sm)
{
    return s->state != SESSION_ENDING && s->home && str_is(s->home->jid.bare, i->account) &&
           (!i->leaves_dmz || !sm_is_inside(sm, str_from(s->c2s)));
}

/* Not while the table is walked: ending one may change it. */
static void end_sessions(struct crowd *c, const struct item *i)
{
    struct sm *sm = c->leavers->sm;
    struct session *s;
    uint64_t count = 0;

    for (size_t at = 0; (s = table_next(&sm->sessions, &at));) {
        if (!is_ended(i, s, sm))
            continue;
        session_end(s, STREAM_NOT_AUTHORIZED, STR("the directory does not know this account any more"));
        count++;
        at = 0;
    }
    if (!i->is_found || i->state == DIRECTORY_DISABLED)
        auth_drop_derived(sm->auth, str_from(i->account), "the directory does not let the account in");
    if (count == 0)
        return;
    metric_add(&sm_metric_leavers, count);
    audit_warning("account-left", kv_text("account", i->account), kv_text("directory", c->directory),
                  kv_text("reason", i->why), kv_u64("sessions", count));
}

static size_t count_leaving(const struct crowd *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        n += c->items[i].is_leaving && !c->items[i].is_found;
    return n;
}

/* A directory that has lost most of its people has lost its mind: a base that was emptied, rights
 * that were taken away. Nobody is ended for that. */
static bool is_doubtful(const struct crowd *c)
{
    return c->count >= FEW && count_leaving(c) * 2 > c->count;
}

static void judge(struct crowd *c)
{
    bool was_doubtful = c->is_doubtful;

    c->is_doubtful = is_doubtful(c);
    if (c->is_doubtful && !was_doubtful)
        log_error("most people with sessions are not in the directory any more: taken for its fault, nobody is ended",
                  kv_text("directory", c->directory), kv_u64("looked_for", c->count), kv_u64("missing", count_leaving(c)));
    for (size_t i = 0; i < c->count && !c->is_doubtful; i++)
        if (c->items[i].is_leaving || c->items[i].leaves_dmz)
            end_sessions(c, &c->items[i]);
}

/* --- the end of a round ------------------------------------------------------------------------ */

static void forget_items(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        mem_free(c->items[i].account);
        mem_free(c->items[i].key);
    }
    mem_free(c->items);
    c->items = NULL;
    c->count = 0;
}

static void free_crowd(struct crowd *c)
{
    timer_stop(&c->timer);
    list_remove(&c->at);
    clear_hints(c);
    table_fini(&c->hints);
    forget_items(c);
    mem_free(c->directory);
    mem_free(c);
}

static void set_next(struct crowd *c)
{
    if (c->interval_ms > 0)
        set_timer(c, c->hints.count > 0 || c->wants_all ? SOON_MS : (uint64_t)c->interval_ms);
}

static void finish(struct crowd *c, enum directory_verdict v)
{
    bool was_failing = c->is_failing;

    c->is_failing = v != DIRECTORY_OK;
    if (c->is_failing && !was_failing)
        log_warn("people with sessions cannot be looked for in the directory: they keep them",
                 kv_text("directory", c->directory), kv_text("reason", directory_verdict_name(v)));
    else if (was_failing && !c->is_failing)
        log_info("people with sessions are looked for in the directory again", kv_text("directory", c->directory));
    if (v == DIRECTORY_OK && !c->is_gone)
        judge(c);
    forget_items(c);
    c->is_running = false;
    if (c->is_gone)
        free_crowd(c);
    else
        set_next(c);
}

/* --- groups ------------------------------------------------------------------------------------ */

static const struct sm_host_conf *host_of(const struct crowd *c, const struct item *i)
{
    struct str rest = str_from(i->account);

    str_cut(&rest, '@');
    return sm_host(c->leavers->sm, rest);
}

static void ask_groups(struct crowd *c);

static void on_access(void *owner, const struct access *a)
{
    struct crowd *c = owner;
    struct item *i = &c->items[c->next++];
    struct account *account = account_in_memory(c->leavers->sm, str_from(i->account));

    if (directory_is_temporary(a->verdict)) {
        finish(c, a->verdict);
        return;
    }
    if (a->verdict == DIRECTORY_OK) { /* who vanished meanwhile is missed by the next round */
        i->is_leaving = !a->may_log_in;
        i->leaves_dmz = a->may_log_in && !a->may_log_in_dmz;
        i->why = a->may_log_in ? "not in a group that may log in through the dmz" : "not in a group that may log in";
        if (account)
            account_set_outside(account, a->may_outside);
    }
    ask_groups(c);
}

/* One after the other; of those who are there and whose host has rules. */
static void ask_groups(struct crowd *c)
{
    struct directory *d = directories_find(c->leavers->sm->directories, c->directory);
    struct access_rules rules;
    struct arena arena = { 0 };

    for (; c->next < c->count; c->next++) {
        struct item *i = &c->items[c->next];
        const struct sm_host_conf *h = host_of(c, i);
        struct directory_name name = { .jid = str_from(i->account) };
        struct str rest = name.jid;

        if (i->is_leaving || !h || !has_rules(h))
            continue;
        if (!d) {
            finish(c, DIRECTORY_UNAVAILABLE);
            return;
        }
        name.user = str_cut(&rest, '@');
        name.host = rest;
        rules = sm_conf_access(h, &arena);
        access_ask(d, &name, &rules, false, on_access, c);
        arena_fini(&arena);
        return;
    }
    finish(c, DIRECTORY_OK);
}

/* --- entries ----------------------------------------------------------------------------------- */

static void ask_chunk(struct crowd *c);

static void on_entry(void *owner, const struct directory_entry *e)
{
    struct crowd *c = owner;
    const struct sm_directory_conf *conf = sm_conf_directory(c->leavers->sm->conf, c->directory);
    struct buf key = { 0 };

    if (conf)
        directory_entry_add_key(e, conf->key_attribute, &key);
    for (size_t n = c->next; n < c->chunk_end && key.n > 0; n++) {
        struct item *i = &c->items[n];

        if (!str_is(buf_str(&key), i->key))
            continue;
        i->is_found = true;
        i->state = directory_state(e, time(NULL), conf->lockout_ms / 1000);
    }
    buf_fini(&key);
}

static void judge_item(struct item *i)
{
    i->is_leaving = !i->is_found || i->state == DIRECTORY_DISABLED || i->state == DIRECTORY_LOCKED;
    i->why = i->is_found ? directory_verdict_name(i->state) : "no entry of this name and key";
}

static void on_chunk(void *owner, const struct directory_end *end)
{
    struct crowd *c = owner;

    if (end->verdict != DIRECTORY_OK || end->is_cut || c->is_gone) {
        finish(c, end->verdict != DIRECTORY_OK ? end->verdict : DIRECTORY_BUSY);
        return;
    }
    for (; c->next < c->chunk_end; c->next++)
        judge_item(&c->items[c->next]);
    ask_chunk(c);
}

static void add_item(struct buf *filter, const struct sm_directory_conf *conf, const struct item *i)
{
    struct str rest = str_from(i->account), user = str_cut(&rest, '@');

    buf_add(filter, STR("(&"));
    directory_filter_add_key(filter, conf->key_attribute, str_from(i->key));
    directory_filter_write(filter, conf->filter, user, rest, str_from(i->account));
    buf_add_char(filter, ')');
}

static void ask_chunk(struct crowd *c)
{
    const struct sm_directory_conf *conf = sm_conf_directory(c->leavers->sm->conf, c->directory);
    struct directory *d = directories_find(c->leavers->sm->directories, c->directory);
    struct directory_query q = { .scope = conf ? conf->scope : 0 };
    struct buf filter = { 0 };
    struct arena arena = { 0 };

    if (!d || !conf) {
        finish(c, DIRECTORY_UNAVAILABLE);
        return;
    }
    if (c->next == c->count) {
        c->next = 0;
        ask_groups(c);
        return;
    }
    buf_add(&filter, STR("(|"));
    for (c->chunk_end = c->next; c->chunk_end < c->count && c->chunk_end - c->next < CHUNK; c->chunk_end++)
        add_item(&filter, conf, &c->items[c->chunk_end]);
    buf_add(&filter, STR(")"));
    buf_add_char(&filter, '\0');
    q.filter = filter.p;
    q.attributes = directory_state_wanted(conf->key_attribute, NULL, &arena);
    directory_query_start(d, &q, on_entry, on_chunk, c);
    buf_fini(&filter);
    arena_fini(&arena);
}

/* --- rounds ------------------------------------------------------------------------------------ */

/* Groups change without anybody's entry being another: who may log in must be asked again. */
static bool any_rules(const struct crowd *c)
{
    const struct sm_host_conf *hosts = c->leavers->sm->conf->hosts.items;

    for (size_t i = 0; i < c->leavers->sm->conf->hosts.count; i++)
        if (hosts[i].directory && strcmp(hosts[i].directory, c->directory) == 0 && has_rules(&hosts[i]))
            return true;
    return false;
}

static void run(struct crowd *c)
{
    if (c->hints.count == 0 || any_rules(c))
        c->wants_all = true; /* it is time; or a hint may be a group's */
    collect(c);
    clear_hints(c);
    c->wants_all = false;
    c->is_running = true;
    ask_chunk(c);
}

static void on_timer(struct timer *t)
{
    struct crowd *c = CONTAINER_OF(t, struct crowd, timer);

    if (!c->leavers->sm->is_stopping)
        run(c);
}

/* --- leavers.h --------------------------------------------------------------------------------- */

struct leavers *leavers_new(struct sm *sm)
{
    struct leavers *l = mem_new(struct leavers);

    l->sm = sm;
    list_init(&l->crowds);
    return l;
}

static struct crowd *find(const struct leavers *l, const char *directory)
{
    LIST_FOR_EACH (at, &l->crowds) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, at);

        if (!c->is_gone && strcmp(c->directory, directory) == 0)
            return c;
    }
    return NULL;
}

static struct crowd *add(struct leavers *l, const char *directory)
{
    struct crowd *c = mem_new(struct crowd);

    c->leavers = l;
    c->directory = mem_strdup(directory);
    timer_init(&c->timer, on_timer);
    table_init(&c->hints, hint_key);
    list_push_back(&l->crowds, &c->at);
    return c;
}

void leavers_apply(struct leavers *l)
{
    const struct sm_directory_conf *confs = l->sm->conf->directories.items;

    LIST_FOR_EACH_SAFE (at, following, &l->crowds) {
        struct crowd *c = CONTAINER_OF(at, struct crowd, at);

        if (sm_conf_directory(l->sm->conf, c->directory))
            continue;
        c->is_gone = true;
        if (!c->is_running)
            free_crowd(c);
    }
    for (size_t i = 0; i < l->sm->conf->directories.count; i++) {
        struct crowd *c = find(l, confs[i].name);

        if (!c)
            c = add(l, confs[i].name);
        c->interval_ms = confs[i].leavers_ms;
        if (c->interval_ms == 0)
            timer_stop(&c->timer);
        else if (!c->is_running)
            set_next(c);
    }
}

void leavers_free(struct leavers *l)
{
    if (!l)
        return;
    while (!list_is_empty(&l->crowds))
        free_crowd(CONTAINER_OF(list_first(&l->crowds), struct crowd, at));
    mem_free(l);
}
