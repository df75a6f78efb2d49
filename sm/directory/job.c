/* Who waits for a connection: put in line, given one, told when there is none. */
#include "sm/directory/parts.h"

void dir_job_init(struct dir_job *j, struct directory *d, const struct dir_job_kind *kind)
{
    j->directory = d;
    j->kind = kind;
    j->began_ms = uv_now(d->set->loop);
    list_init(&j->waits_at);
    list_push_back(&d->jobs, &j->at);
    d->job_count++;
}

void dir_job_fini(struct dir_job *j)
{
    dir_job_let_go(j);
    list_remove(&j->at);
    j->directory->job_count--;
    dir_server_unref(j->server);
    j->server = NULL;
}

void dir_job_let_go(struct dir_job *j)
{
    list_remove(&j->waits_at);
    if (j->conn)
        j->conn->job = NULL;
    j->conn = NULL;
}

void dir_job_wait(struct dir_job *j, enum dir_pool pool)
{
    list_push_back(&j->directory->waiting[pool], &j->waits_at);
    dir_pool_run(j->directory);
}

void dir_job_wait_first(struct dir_job *j, enum dir_pool pool)
{
    list_push_front(&j->directory->waiting[pool], &j->waits_at);
}

void dir_job_run(struct dir_job *j, struct dir_conn *c)
{
    j->conn = c;
    c->job = j;
    dir_server_unref(j->server);
    j->server = dir_server_ref(c->owner);
    if (!j->kind->run(j, c))
        dir_pool_drop(c);
}

void dir_job_lost(struct dir_job *j, bool is_timeout)
{
    dir_job_let_go(j);
    j->kind->lost(j, is_timeout);
}

void dir_jobs_fail_waiting(struct directory *d, enum directory_verdict v)
{
    for (int pool = 0; pool < DIR_POOLS; pool++)
        while (!list_is_empty(&d->waiting[pool])) {
            struct dir_job *j =
                CONTAINER_OF(list_first(&d->waiting[pool]), struct dir_job, waits_at);

            dir_job_let_go(j);
            j->kind->fail(j, v);
        }
}

void dir_jobs_fail_all(struct directory *d)
{
    while (!list_is_empty(&d->jobs)) {
        struct dir_job *j = CONTAINER_OF(list_first(&d->jobs), struct dir_job, at);

        dir_job_let_go(j);
        j->kind->close(j);
    }
}

/* A search of many entries may be too much for a server that is well. */
bool dir_is_answered(struct dir_conn *c, const struct dir_answer *answer)
{
    if (answer->end == DIR_TIMEOUT && c->pool != DIR_BULK && c->pool != DIR_NEWS)
        dir_pool_down(c->owner, "it did not answer in time");
    else if (answer->end != DIR_DONE)
        dir_pool_drop(c);
    return answer->end == DIR_DONE;
}
