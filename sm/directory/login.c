/* One login: find the entry, bind as it, say what came of it. Refusals are told at fixed times, so
 * that a name that nobody has takes as long as a wrong password, whatever the directory does. */
#include "sm/directory/parts.h"

#include "common/mem.h"
#include "sm/directory/filter.h"

static void set_text(struct buf *b, struct str text)
{
    buf_clear(b);
    buf_add(b, text);
    buf_add_char(b, '\0');
    b->n--;
}

static void forget_password(struct dir_job *j)
{
    if (j->password.p)
        mem_wipe(j->password.p, j->password.cap);
    buf_fini(&j->password);
}

static void free_job(struct dir_job *j)
{
    forget_password(j);
    timer_stop(&j->deadline);
    list_remove(&j->at);
    list_remove(&j->waits_at);
    buf_fini(&j->filter);
    buf_fini(&j->dn);
    buf_fini(&j->key);
    buf_fini(&j->answer);
    j->directory->job_count--;
    mem_free(j);
}

static void tell(struct dir_job *j)
{
    directory_done_fn *done = j->done;

    j->found.filter = j->filter.n > 0 ? j->filter.p : NULL;
    j->found.dn = j->dn.n > 0 ? j->dn.p : NULL;
    j->found.key = buf_str(&j->key);
    j->found.answer = j->answer.n > 0 ? j->answer.p : NULL;
    done(j->owner, &j->found);
    free_job(j);
}

/* The connection that worked for it goes on alone, if it must. */
static void let_go(struct dir_job *j)
{
    list_remove(&j->waits_at);
    if (j->conn)
        j->conn->job = NULL;
    j->conn = NULL;
}

static void end(struct dir_job *j, enum directory_verdict v)
{
    struct directory *d = j->directory;
    uint64_t step = (uint64_t)d->options.refuse_ms, spent = uv_now(d->set->loop) - j->began_ms;

    let_go(j);
    forget_password(j);
    j->is_over = true;
    j->found.verdict = v;
    j->found.uri = j->server ? j->server->uri : NULL;
    if (directory_is_temporary(v))
        d->set->counters.failed++;
    else if (v != DIRECTORY_OK && !j->is_lookup)
        d->set->counters.refused++;
    if (v == DIRECTORY_OK || directory_is_temporary(v) || j->is_lookup || step == 0)
        tell(j);
    else
        timer_set(d->set->timers, &j->deadline, step - spent % step);
}

static void on_deadline(struct timer *t)
{
    struct dir_job *j = CONTAINER_OF(t, struct dir_job, deadline);

    if (j->is_over)
        tell(j);
    else
        end(j, DIRECTORY_UNAVAILABLE);
}

static void wait_for(struct dir_job *j, enum dir_pool pool)
{
    list_push_back(&j->directory->waiting[pool], &j->waits_at);
    dir_pool_run(j->directory);
}

/* A search may be asked again, elsewhere. A bind that was not answered in time may have been counted
 * by the directory as a guess: it is not repeated. One whose connection was gone before, once. */
void dir_job_lost(struct dir_job *j, bool is_timeout)
{
    bool was_binding = j->dn.n > 0;
    uint32_t most = was_binding ? 2 : (uint32_t)j->directory->options.uri_count + 1;

    let_go(j);
    if ((was_binding && is_timeout) || ++j->attempts >= most)
        end(j, DIRECTORY_UNAVAILABLE);
    else
        list_push_front(&j->directory->waiting[was_binding ? DIR_BIND : DIR_SEARCH], &j->waits_at);
}

void dir_jobs_fail_waiting(struct directory *d, enum directory_verdict v)
{
    for (int pool = 0; pool < DIR_POOLS; pool++)
        while (!list_is_empty(&d->waiting[pool]))
            end(CONTAINER_OF(list_first(&d->waiting[pool]), struct dir_job, waits_at), v);
}

void dir_jobs_fail_all(struct directory *d)
{
    while (!list_is_empty(&d->jobs)) {
        struct dir_job *j = CONTAINER_OF(list_first(&d->jobs), struct dir_job, at);

        let_go(j);
        j->found.verdict = DIRECTORY_UNAVAILABLE;
        tell(j);
    }
}

/* --- steps ------------------------------------------------------------------------------------- */

/* true: there is an answer. The job may have gone meanwhile: then only the connection matters. */
static bool is_answered(struct dir_conn *c, const struct dir_answer *answer)
{
    struct dir_server *s = c->owner;

    if (answer->end == DIR_TIMEOUT)
        dir_pool_down(s, "it did not answer in time");
    else if (answer->end == DIR_LOST)
        dir_pool_drop(c);
    return answer->end == DIR_DONE;
}

static void on_bound(struct dir_conn *c, const struct dir_answer *answer)
{
    struct dir_server *s = c->owner;
    struct directory *d = s->directory;
    struct dir_job *j;

    if (is_answered(c, answer)) {
        j = c->job;
        s->logins++;
        if (j) {
            set_text(&j->answer, str_from(answer->diagnostic ? answer->diagnostic : ""));
            end(j, directory_bind_verdict(answer->code, answer->diagnostic, &answer->policy));
        }
    }
    dir_pool_run(d);
}

static void take_entry(struct dir_job *j, const struct dir_answer *answer)
{
    enum directory_verdict v = directory_search_verdict(answer->code, answer->entries);

    j->found.entries = answer->entries;
    set_text(&j->answer, str_from(answer->diagnostic ? answer->diagnostic
                                  : v == DIRECTORY_FAILED ? ldap_err2string(answer->code)
                                                          : ""));
    if (v == DIRECTORY_OK && (answer->dn.n == 0 || answer->key.n == 0)) {
        set_text(&j->answer, answer->dn);
        v = answer->dn.n == 0 ? DIRECTORY_FAILED : DIRECTORY_NO_KEY;
    }
    if (v != DIRECTORY_OK) {
        end(j, v);
        return;
    }
    set_text(&j->dn, answer->dn);
    set_text(&j->key, answer->key);
    let_go(j);
    j->attempts = 0;
    if (j->is_lookup)
        end(j, DIRECTORY_OK);
    else
        wait_for(j, DIR_BIND);
}

static void on_found(struct dir_conn *c, const struct dir_answer *answer)
{
    struct directory *d = ((struct dir_server *)c->owner)->directory;
    struct dir_job *j;

    if (is_answered(c, answer) && (j = c->job))
        take_entry(j, answer);
    dir_pool_run(d);
}

void dir_job_run(struct dir_job *j, enum dir_pool pool, struct dir_conn *c)
{
    struct directory *d = j->directory;
    bool is_sent;

    j->conn = c;
    c->job = j;
    j->server = c->owner;
    if (pool == DIR_SEARCH) {
        d->set->counters.searches++;
        is_sent = dir_conn_search(c, &d->options, j->filter.p, on_found);
    } else {
        d->set->counters.binds++;
        is_sent = dir_conn_bind(c, d->options.bind_ms, j->dn.p, buf_str(&j->password), on_bound);
    }
    if (!is_sent)
        dir_pool_drop(c);
}

/* --- directory.h ------------------------------------------------------------------------------- */

static struct dir_job *new_job(struct directory *d, const struct directory_name *name,
                               directory_done_fn *done, void *owner)
{
    struct dir_job *j = mem_new(struct dir_job);

    j->directory = d;
    j->began_ms = uv_now(d->set->loop);
    j->done = done;
    j->owner = owner;
    j->found.key = STR_NONE;
    list_init(&j->waits_at);
    list_push_back(&d->jobs, &j->at);
    d->job_count++;
    timer_init(&j->deadline, on_deadline);
    if (str_is_set(name->user)) {
        directory_filter_write(&j->filter, d->options.filter, name->user, name->host, name->jid);
        buf_add_char(&j->filter, '\0');
        j->filter.n--;
    }
    return j;
}

static void start(struct dir_job *j)
{
    struct directory *d = j->directory;

    if (j->filter.n == 0) {
        end(j, DIRECTORY_UNKNOWN);
    } else if (!dir_pool_chosen(d)) {
        end(j, DIRECTORY_UNAVAILABLE);
    } else if (d->job_count > (uint64_t)d->options.max_waiting) {
        end(j, DIRECTORY_BUSY);
    } else {
        timer_set(d->set->timers, &j->deadline, (uint64_t)d->options.answer_ms);
        wait_for(j, DIR_SEARCH);
    }
}

void directory_login(struct directory *d, const struct directory_name *name, struct str password,
                     directory_done_fn *done, void *owner)
{
    struct dir_job *j = new_job(d, name, done, owner);

    if (password.n == 0) {
        end(j, DIRECTORY_EMPTY);
        return;
    }
    buf_reserve(&j->password, password.n);
    buf_add(&j->password, password);
    start(j);
}

void directory_lookup(struct directory *d, const struct directory_name *name,
                      directory_done_fn *done, void *owner)
{
    struct dir_job *j = new_job(d, name, done, owner);

    j->is_lookup = true;
    start(j);
}
