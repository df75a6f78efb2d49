/* What the files of this folder share: directory.c (the set), pool.c (servers and their
 * connections), login.c (who waits for them). For nobody else. */
#ifndef SM_DIRECTORY_PARTS_H
#define SM_DIRECTORY_PARTS_H

#include "sm/directory/conn.h"

enum dir_state { DIR_NEW, DIR_UP, DIR_DOWN };
enum dir_pool { DIR_SEARCH, DIR_BIND, DIR_POOLS };

struct dir_server {
    struct directory *directory;
    const char *uri; /* in the options */
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
    struct dir_server *servers;
    size_t chosen;                   /* index */
    struct list waiting[DIR_POOLS];  /* struct dir_job */
    struct list jobs;                /* all */
    uint32_t job_count;
    struct timer tick;
    uint32_t refs;                   /* openings, connections, and the set's */
    bool is_closed;
};

struct directories {
    uv_loop_t *loop;
    struct timers *timers;
    directory_changed_fn *changed;
    void *owner;
    struct list all; /* struct directory */
    struct directory_counters counters;
    uint32_t openings;
    uint32_t refs;
    bool is_closed;
};

/* One login, or one lookup. */
struct dir_job {
    struct list at;      /* of directory.jobs */
    struct list waits_at; /* of directory.waiting, while it waits for a connection */
    struct directory *directory;
    struct dir_server *server; /* whose connection works for it, or did last */
    struct dir_conn *conn;     /* that works for it; NULL: none */
    uint64_t began_ms;
    uint32_t attempts;
    bool is_lookup, is_over;
    struct buf password, filter, dn, key, answer; /* the texts end in NUL */
    struct directory_found found;
    struct timer deadline; /* and then, of a refusal, when it may be told */
    directory_done_fn *done;
    void *owner;
};

/* --- pool.c ------------------------------------------------------------------------------------ */

void dir_pool_open(struct directory *d);
void dir_pool_close(struct directory *d);
/* Gives idle connections to those who wait, and opens what is missing. */
void dir_pool_run(struct directory *d);
/* It did not answer in time. Its connections end; others wait for another server. */
void dir_pool_down(struct dir_server *s, const char *why);
void dir_pool_drop(struct dir_conn *c); /* the connection is no good any more */
struct dir_server *dir_pool_chosen(struct directory *d); /* NULL: all are down */

/* --- login.c ----------------------------------------------------------------------------------- */

/* c is idle. */
void dir_job_run(struct dir_job *j, enum dir_pool pool, struct dir_conn *c);
void dir_jobs_fail_waiting(struct directory *d, enum directory_verdict v);
/* The directory goes: all of them. */
void dir_jobs_fail_all(struct directory *d);
/* Its connection is about to be closed under it. */
void dir_job_lost(struct dir_job *j, bool is_timeout);

void dir_unref(struct directory *d); /* directory.c */

#endif
