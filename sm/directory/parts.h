/* What the files of this folder share: directory.c (the set), options.c, pool.c (servers and their
 * connections), job.c (who waits for them), login.c and query.c (two kinds of jobs). For nobody
 * else. */
#ifndef SM_DIRECTORY_PARTS_H
#define SM_DIRECTORY_PARTS_H

#include "sm/directory/conn.h"
#include "sm/directory/opening.h"

enum dir_state { DIR_NEW, DIR_UP, DIR_DOWN };
/* Bulk: searches of many entries, which must not stand in the way of logins. News: searches that go
 * on, and tell what changes. */
enum dir_pool { DIR_SEARCH, DIR_BIND, DIR_BULK, DIR_NEWS, DIR_POOLS };

enum { DIR_OPENINGS_AT_ONCE = 2 }; /* of libuv's four threads: passwords and files need some */

struct dir_server {
    struct directory *directory;
    uint32_t refs;  /* the list's, connections', openings', jobs' */
    char *uri;
    char *tls_name; /* opening.h */
    bool is_found;  /* by DNS; and in the list that is being read */
    bool is_still_there;
    uint32_t rank;   /* place in the configuration, or priority */
    uint16_t weight;
    double luck;
    bool is_gone;    /* from DNS: drained */
    struct list drained_at;
    enum dir_state state;
    uint64_t since_ms;
    struct list conns[DIR_POOLS];
    uint32_t counts[DIR_POOLS]; /* connections, with those being opened */
    uint32_t opening;
    uint64_t hold_until_ms; /* no new connection before */
    uint32_t failures;  /* in a row */
    struct timer retry; /* set while down */
    char *last_error, *tls;
    uint64_t logins, lost;
};

struct directory {
    struct list at;
    struct directories *set;
    struct directory_options options; /* texts are its own */
    struct dir_server **servers; /* the best first */
    size_t server_count;
    struct dir_server *chosen;   /* one of them; NULL: none yet */
    struct list drained;         /* struct dir_server, that DNS has no more */
    bool is_looking, was_looked_up; /* servers.c: is asking DNS; has had an answer, or none */
    uint64_t lookup_at_ms;
    char *lookup_error;          /* NULL: none */
    struct list waiting[DIR_POOLS];  /* struct dir_job */
    struct list jobs;                /* all */
    uint32_t job_count, watch_count; /* of these so many are there for good, and wait for nobody */
    struct timer tick;
    uint32_t refs;                   /* servers, lookups, and the set's */
    bool is_closed;
};

struct directories {
    uv_loop_t *loop;
    struct timers *timers;
    directory_changed_fn *changed;
    directory_hint_fn *hint;
    void *owner;
    struct list all; /* struct directory */
    struct directory_counters counters;
    uint32_t openings;
    uint32_t refs;
    bool is_checking;
    bool is_closed;
};

/* Something that needs a connection now and then; embedded in what it is. */
struct dir_job {
    struct list at;       /* of directory.jobs */
    struct list waits_at; /* of directory.waiting, while it waits for a connection */
    struct directory *directory;
    struct dir_server *server; /* whose connection works for it, or did last */
    struct dir_conn *conn;     /* that works for it; NULL: none */
    uint64_t began_ms;
    const struct dir_job_kind *kind;
};

struct dir_job_kind {
    /* Its next operation begins on c, which is idle. false: c is lost. */
    bool (*run)(struct dir_job *j, struct dir_conn *c);
    /* The connection that worked for it is gone. */
    void (*lost)(struct dir_job *j, bool is_timeout);
    /* It waits in vain. */
    void (*fail)(struct dir_job *j, enum directory_verdict v);
    /* The directory goes: it tells its owner, now. */
    void (*close)(struct dir_job *j);
};

/* --- options.c --------------------------------------------------------------------------------- */

void dir_options_copy(struct directory_options *out, const struct directory_options *o);
void dir_options_fini(struct directory_options *o);
bool dir_options_are_same(const struct directory_options *a, const struct directory_options *b);

/* --- servers.c --------------------------------------------------------------------------------- */

void dir_servers_open(struct directory *d);
void dir_servers_close(struct directory *d);
/* Now and then: asks DNS when it is time. */
void dir_servers_tick(struct directory *d);
struct dir_server *dir_server_ref(struct dir_server *s);
void dir_server_unref(struct dir_server *s); /* NULL is fine */
/* All are down, or there is none, and no first answer of DNS is awaited. */
bool dir_servers_are_hopeless(struct directory *d);

/* --- watch.c ----------------------------------------------------------------------------------- */

/* Until the directory's jobs are closed. */
void dir_watch_open(struct directory *d);
/* How this server tells of changes now: "syncrepl", "notification" or "no". */
const char *dir_watch_name(const struct directory *d, const struct dir_server *s);

/* --- pool.c ------------------------------------------------------------------------------------ */

void dir_pool_open(struct directory *d);
void dir_pool_close(struct directory *d);
/* Gives idle connections to those who wait, and opens what is missing. */
void dir_pool_run(struct directory *d);
/* It did not answer in time. Its connections end; others wait for another server. */
void dir_pool_down(struct dir_server *s, const char *why);
void dir_pool_drop(struct dir_conn *c); /* the connection is no good any more */
struct dir_server *dir_pool_chosen(struct directory *d); /* NULL: all are down */
/* A server of servers.c: its fields that are pool.c's; its end, with all its connections; no new
 * work, and its end when the last is done. */
void dir_pool_add(struct dir_server *s);
void dir_pool_remove(struct dir_server *s);
void dir_pool_drain(struct dir_server *s);

/* --- job.c ------------------------------------------------------------------------------------- */

void dir_job_init(struct dir_job *j, struct directory *d, const struct dir_job_kind *kind);
/* It is no job any more; the connection that worked for it goes on alone. */
void dir_job_fini(struct dir_job *j);
void dir_job_wait(struct dir_job *j, enum dir_pool pool);
void dir_job_wait_first(struct dir_job *j, enum dir_pool pool); /* before those who wait; runs nothing */
/* Waits no more, and hears no more of the connection that worked for it. */
void dir_job_let_go(struct dir_job *j);

void dir_job_run(struct dir_job *j, struct dir_conn *c);
/* Its connection is about to be closed under it. */
void dir_job_lost(struct dir_job *j, bool is_timeout);
void dir_jobs_fail_waiting(struct directory *d, enum directory_verdict v);
/* The directory goes: all of them. */
void dir_jobs_fail_all(struct directory *d);
/* An operation is over. true: it was answered; the job may have gone meanwhile (c->job is NULL):
 * then only the connection matters. Otherwise the connection is gone, and the job was told. */
bool dir_is_answered(struct dir_conn *c, const struct dir_answer *answer);

void dir_unref(struct directory *d); /* directory.c */
void dir_set_unref(struct directories *ds);

#endif
