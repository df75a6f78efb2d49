/* One login: find the entry, bind as it, say what came of it. Refusals are told at fixed times, so
 * that a name that nobody has takes as long as a wrong password, whatever the directory does. */
#include "sm/directory/parts.h"

#include "common/mem.h"
#include "sm/directory/filter.h"
#include "sm/directory/state.h"

/* One login, or one lookup. */
struct login {
    struct dir_job job;
    uint32_t attempts;
    bool is_lookup, is_decoy, is_over;
    struct arena arena;                       /* all that was found */
    struct buf password, filter, key, answer; /* the texts end in NUL */
    const struct directory_entry *entry;      /* the first one */
    const char *const *attributes;            /* wanted besides; in the arena */
    struct directory_found found;
    struct timer deadline; /* and then, of a refusal, when it may be told */
    directory_may_bind_fn *may_bind; /* not of a lookup */
    directory_done_fn *done;
    void *owner;
};

static void set_text(struct buf *b, struct str text)
{
    buf_clear(b);
    buf_add(b, text);
    buf_add_char(b, '\0');
    b->n--;
}

static void forget_password(struct login *l)
{
    if (l->password.p)
        mem_wipe(l->password.p, l->password.cap);
    buf_fini(&l->password);
}

static void free_login(struct login *l)
{
    forget_password(l);
    timer_stop(&l->deadline);
    dir_job_fini(&l->job);
    buf_fini(&l->filter);
    buf_fini(&l->key);
    buf_fini(&l->answer);
    arena_wipe(&l->arena); /* it may hold a secret that was asked for */
    arena_fini(&l->arena);
    mem_free(l);
}

static void tell(struct login *l)
{
    l->found.filter = l->filter.n > 0 ? l->filter.p : NULL;
    l->found.key = buf_str(&l->key);
    l->found.answer = l->answer.n > 0 ? l->answer.p : NULL;
    l->done(l->owner, &l->found);
    free_login(l);
}

static void end(struct login *l, enum directory_verdict v)
{
    struct directory *d = l->job.directory;
    uint64_t step = (uint64_t)d->options.refuse_ms, spent = uv_now(d->set->loop) - l->job.began_ms;

    dir_job_let_go(&l->job);
    forget_password(l);
    l->is_over = true;
    l->found.verdict = v;
    l->found.uri = l->job.server ? l->job.server->uri : NULL;
    if (directory_is_temporary(v))
        d->set->counters.failed++;
    else if (v != DIRECTORY_OK && !l->is_lookup && !l->is_decoy)
        d->set->counters.refused++;
    if (v == DIRECTORY_OK || directory_is_temporary(v) || l->is_lookup || step == 0)
        tell(l);
    else
        timer_set(d->set->timers, &l->deadline, step - spent % step);
}

static void on_deadline(struct timer *t)
{
    struct login *l = CONTAINER_OF(t, struct login, deadline);

    if (l->is_over)
        tell(l);
    else
        end(l, DIRECTORY_UNAVAILABLE);
}

/* --- steps -------------------------------------------------------------------------------------
 */

static struct login *login_of(struct dir_conn *c)
{
    return c->job ? CONTAINER_OF(c->job, struct login, job) : NULL;
}

static bool is_binding(const struct login *l)
{
    return l->found.dn != NULL;
}

/* A bind that says yes, for an entry that says that it is disabled: by a convention of its schema
 * that the server itself does not know. */
static enum directory_verdict verdict_of_bind(const struct login *l,
                                              const struct dir_answer *answer)
{
    enum directory_verdict v =
        directory_bind_verdict(answer->code, answer->diagnostic, &answer->policy);

    return v == DIRECTORY_OK && l->found.state == DIRECTORY_DISABLED ? DIRECTORY_DISABLED : v;
}

static void on_bound(struct dir_conn *c, const struct dir_answer *answer)
{
    struct dir_server *s = c->owner;
    struct directory *d = s->directory;
    struct login *l;

    if (dir_is_answered(c, answer)) {
        l = login_of(c);
        s->logins++;
        if (l) {
            set_text(&l->answer, str_from(answer->diagnostic ? answer->diagnostic : ""));
            end(l, verdict_of_bind(l, answer));
        }
    }
    dir_pool_run(d);
}

static void on_entry(struct dir_conn *c, const struct directory_entry *e)
{
    struct login *l = login_of(c);

    if (l && !l->entry)
        l->entry = directory_entry_copy(e, &l->arena);
}

static void judge_entry(struct login *l)
{
    const struct directory_options *o = &l->job.directory->options;

    directory_entry_add_key(l->entry, o->key_attribute, &l->key);
    l->found.entry = l->entry;
    l->found.state = directory_state(l->entry, time(NULL), o->lockout_ms / 1000);
    directory_password_mark(l->entry, &l->arena, &l->found.mark);
}

static void take_answer(struct login *l, const struct dir_answer *answer)
{
    enum directory_verdict v = directory_search_verdict(answer->code, answer->entries);

    l->found.entries = answer->entries;
    set_text(&l->answer, str_from(answer->diagnostic      ? answer->diagnostic
                                  : v == DIRECTORY_FAILED ? ldap_err2string(answer->code)
                                                          : ""));
    if (v == DIRECTORY_OK) {
        judge_entry(l);
        if (l->entry->dn.n == 0)
            v = DIRECTORY_FAILED;
        else if (l->key.n == 0)
            v = DIRECTORY_NO_KEY;
    }
    if (v != DIRECTORY_OK) {
        if (l->entry)
            set_text(&l->answer, l->entry->dn);
        end(l, v);
        return;
    }
    l->found.dn = l->entry->dn.p;
    dir_job_let_go(&l->job);
    l->attempts = 0;
    if (l->is_lookup)
        end(l, DIRECTORY_OK);
    else if (!l->may_bind(l->owner, buf_str(&l->key)))
        end(l, DIRECTORY_HELD);
    else
        dir_job_wait(&l->job, DIR_BIND);
}

static void on_found(struct dir_conn *c, const struct dir_answer *answer)
{
    struct directory *d = ((struct dir_server *)c->owner)->directory;
    struct login *l;

    if (dir_is_answered(c, answer) && (l = login_of(c)))
        take_answer(l, answer);
    dir_pool_run(d);
}

/* --- as a job ----------------------------------------------------------------------------------
 */

static bool run(struct dir_job *j, struct dir_conn *c)
{
    enum { TWO_ENTRIES = 2 };
    struct login *l = CONTAINER_OF(j, struct login, job);
    struct directory *d = j->directory;
    struct dir_request r = { .base = d->options.base,
                             .scope = d->options.scope,
                             .filter = l->filter.p,
                             .max_entries = TWO_ENTRIES,
                             .timeout_ms = d->options.search_ms,
                             .entry = on_entry };

    if (is_binding(l)) {
        d->set->counters.binds++;
        return dir_conn_bind(c, d->options.bind_ms, l->found.dn, buf_str(&l->password), on_bound);
    }
    l->entry = NULL;
    r.attributes = directory_state_wanted(d->options.key_attribute, l->attributes, &l->arena);
    d->set->counters.searches++;
    return dir_conn_search(c, &r, on_found);
}

/* A search may be asked again, elsewhere. A bind that was not answered in time may have been
 * counted by the directory as a guess: it is not repeated. One whose connection was gone before,
 * once. */
static void lost(struct dir_job *j, bool is_timeout)
{
    struct login *l = CONTAINER_OF(j, struct login, job);
    uint32_t most = is_binding(l) ? 2 : (uint32_t)j->directory->server_count + 1;

    if ((is_binding(l) && is_timeout) || ++l->attempts >= most)
        end(l, DIRECTORY_UNAVAILABLE);
    else
        dir_job_wait_first(j, is_binding(l) ? DIR_BIND : DIR_SEARCH);
}

static void fail(struct dir_job *j, enum directory_verdict v)
{
    end(CONTAINER_OF(j, struct login, job), v);
}

static void close_login(struct dir_job *j)
{
    struct login *l = CONTAINER_OF(j, struct login, job);

    l->found.verdict = DIRECTORY_UNAVAILABLE;
    tell(l);
}

static const struct dir_job_kind kind = { run, lost, fail, close_login };

/* --- directory.h -------------------------------------------------------------------------------
 */

static struct login *new_login(struct directory *d, const struct directory_name *name,
                               directory_done_fn *done, void *owner)
{
    struct login *l = mem_new(struct login);

    dir_job_init(&l->job, d, &kind);
    l->done = done;
    l->owner = owner;
    l->found.key = l->found.mark = STR_NONE;
    timer_init(&l->deadline, on_deadline);
    if (str_is_set(name->user)) {
        directory_filter_write(&l->filter, d->options.filter, name->user, name->host, name->jid);
        buf_add_char(&l->filter, '\0');
        l->filter.n--;
    }
    return l;
}

static void start(struct login *l)
{
    struct directory *d = l->job.directory;

    if (l->filter.n == 0) {
        end(l, DIRECTORY_UNKNOWN);
    } else if (dir_servers_are_hopeless(d)) {
        end(l, DIRECTORY_UNAVAILABLE);
    } else if (d->job_count - d->watch_count > (uint64_t)d->options.max_waiting) {
        end(l, DIRECTORY_BUSY);
    } else {
        timer_set(d->set->timers, &l->deadline, (uint64_t)d->options.answer_ms);
        dir_job_wait(&l->job, DIR_SEARCH);
    }
}

void directory_login(struct directory *d, const struct directory_name *name, struct str password,
                     directory_may_bind_fn *may_bind, directory_done_fn *done, void *owner)
{
    struct login *l = new_login(d, name, done, owner);

    l->may_bind = may_bind;
    if (password.n == 0) {
        end(l, DIRECTORY_EMPTY);
        return;
    }
    buf_reserve(&l->password, password.n);
    buf_add(&l->password, password);
    start(l);
}

void directory_refuse(struct directory *d, directory_done_fn *done, void *owner)
{
    struct login *l = new_login(d, &(struct directory_name){ .user = STR_NONE }, done, owner);

    l->is_decoy = true;
    end(l, DIRECTORY_UNKNOWN);
}

void directory_lookup(struct directory *d, const struct directory_name *name,
                      const char *const *attributes, directory_done_fn *done, void *owner)
{
    struct login *l = new_login(d, name, done, owner);

    l->attributes = directory_names_copy(attributes, &l->arena);
    l->is_lookup = true;
    start(l);
}
