/* One connection to one LDAP server, open (opening.h): one operation at a time, on the loop. */
#ifndef SM_DIRECTORY_CONN_H
#define SM_DIRECTORY_CONN_H

#include "common/list.h"
#include "common/timer.h"
#include "sm/directory/directory.h"
#include "sm/directory/entry.h"

#include <ldap.h>

struct dir_conn;
struct dir_job;

enum dir_end {
    DIR_DONE,    /* it was answered */
    DIR_TIMEOUT, /* not in time: the connection must be closed */
    DIR_LOST,    /* the connection is gone: it must be closed */
};
/* What became of an operation. */
struct dir_answer {
    enum dir_end end;
    int code;               /* RFC 4511 §4.1.9 */
    const char *diagnostic; /* borrowed; may be NULL */
    struct directory_policy policy;
    uint32_t entries;
    struct str
        cookie; /* of a search in pages: where the next one begins; empty: nowhere. Borrowed */
};

/* One search. Texts are borrowed for the call. */
struct dir_request {
    const char *base;
    int scope; /* enum directory_scope */
    const char *filter;
    const char *const *attributes; /* NULL-terminated */
    uint32_t max_entries;          /* 0: as the server likes */
    uint32_t page;                 /* entries; 0: not in pages */
    struct str cookie;
    int64_t timeout_ms; /* from one message of the answer to the next */
    /* Each entry, which is gone afterwards. c may have been closed by it. */
    void (*entry)(struct dir_conn *c, const struct directory_entry *e);
};

/* How a server tells of changes. */
enum dir_watch {
    DIR_WATCH_SYNC,   /* RFC 4533 */
    DIR_WATCH_NOTIFY, /* Active Directory: MS-ADTS §3.1.1.3.4.1.9 */
    DIR_WATCH_KINDS
};
struct dir_change {
    struct str uuid;                 /* SYNC_UUID_BYTES; absent: the server does not tell */
    const struct directory_entry *e; /* NULL: it went; or nothing changed, but what is known did */
    bool is_old;      /* it was so before the watch began */
    bool is_anything; /* more than this one entry may have changed */
};

struct dir_conn {
    struct list at; /* of its server */
    void *owner;
    struct dir_job *job; /* that it works for; the owner's affair */
    int pool;            /* the owner's affair, too */
    bool is_busy, is_probing;
    uint64_t used_ms; /* when it last was */
    /* conn.c's */
    LDAP *ld;
    uv_poll_t poll;
    struct timer timer;
    struct timers *timers;
    int msgid;
    void (*done)(struct dir_conn *c, const struct dir_answer *answer);
    void (*lost)(struct dir_conn *c); /* while idle */
    void (*entry)(struct dir_conn *c, const struct directory_entry *e);
    void (*changed)(struct dir_conn *c, const struct dir_change *change); /* while it watches */
    bool is_refreshed;
    int64_t timeout_ms;
    struct arena arena; /* the entry that is told */
    struct buf cookie;
    uint32_t entries;
    bool is_closing;
    void (*freed)(void *owner);
};

/* ld is the connection's from now on. lost: while it was idle; it must be closed. freed: told at
 * the very end. */
struct dir_conn *dir_conn_new(uv_loop_t *loop, struct timers *timers, LDAP *take_ld,
                              void (*lost)(struct dir_conn *c), void (*freed)(void *owner),
                              void *owner);
/* Nothing is called any more but freed. */
void dir_conn_close(struct dir_conn *c);

typedef void dir_done_fn(struct dir_conn *c, const struct dir_answer *answer);
/* Each on an idle connection; done comes once, not from inside the call. false: the connection is
 * lost, done does not come. */
NODISCARD bool dir_conn_search(struct dir_conn *c, const struct dir_request *r, dir_done_fn *done);
NODISCARD bool dir_conn_bind(struct dir_conn *c, int64_t timeout_ms, const char *dn,
                             struct str password, dir_done_fn *done);
/* A search that goes on until the connection ends, or the server will not do it: then done comes.
 * r->cookie: what the last watch left (answer->cookie), or empty. Busy all the while. */
NODISCARD bool dir_conn_watch(struct dir_conn *c, const struct dir_request *r, enum dir_watch how,
                              void (*changed)(struct dir_conn *c, const struct dir_change *change),
                              dir_done_fn *done);
/* Reads the root entry: whether there is anybody. */
NODISCARD bool dir_conn_probe(struct dir_conn *c, int64_t timeout_ms, dir_done_fn *done);

#endif
