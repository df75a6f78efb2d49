/* The server's side of the control sockets, for service.c: requests are read, found in tables of
 * commands, and answered. */
#ifndef COMMON_CTL_SERVER_H
#define COMMON_CTL_SERVER_H

#include "common/ctl.h"
#include "common/net.h"
#include "common/timer.h"

#define CTL_SEPARATOR '\x1f'
enum { CTL_MAX_REQUEST_BYTES = 64 << 10, CTL_MAX_ARGS = 64 };

struct ctl_table {
    const struct ctl_command *commands; /* NULL ends the tables */
    void *app;                          /* handed to their run */
};

/* --- one request, without sockets (ctl.c) ----------------------------------------------------- */

/* The whole answer, borrowed for the call; called exactly once, from ctl_finish. The request is
 * gone afterwards. */
typedef void ctl_answer_fn(void *owner, struct str answer);

/* line: without its LF. It is answered by ctl_request_run, also when it is malformed. */
struct ctl_request *ctl_request_new(struct str line, ctl_answer_fn *answer, void *owner);

/* Who asks: what the kernel says about the other end of the socket. */
struct ctl_caller {
    enum ctl_right right; /* of the socket */
    uint32_t uid;         /* UINT32_MAX: not known */
    int32_t pid;          /* 0: not known, or of another PID namespace */
    const char *user;     /* the uid's name, borrowed for the call; NULL: not known */
    uint64_t number;      /* of the request, in this process's life */
};

/* Whether what it asks for is written to the audit log, so that the caller's name is wanted: a
 * command that administers, or none at all. */
bool ctl_request_is_audited(const struct ctl_request *r, const struct ctl_table *tables);

/* Finds the command and runs it; it may be finished when this returns. A command that administers
 * is audited before it runs (control-command) and when it is finished (control-result), a refused
 * one once (control-refused). Its first argument is the subject (an account, a level), never a
 * secret.
 */
void ctl_request_run(struct ctl_request *r, const struct ctl_table *tables,
                     const struct ctl_caller *caller);

/* The asker is gone: answer is not called any more. The request still lives until ctl_finish, which
 * its owner calls when it was not run. */
void ctl_request_abandon(struct ctl_request *r);

/* Of the command commands: the rows of these tables. */
void ctl_list_commands(struct ctl_request *r, const struct ctl_table *tables);

/* --- the sockets (ctl_server.c) --------------------------------------------------------------- */

struct ctl_server;

struct ctl_server_options {
    struct net *net;
    struct timers *timers;
    const char *folder;
    const char *name;                /* of the sockets: NAME.sock and NAME-admin.sock */
    const char *group, *admin_group; /* or NULL: the process's own */
    const struct ctl_table *tables;  /* borrowed until ctl_server_close */
};

/* why: one sentence on failure. */
NODISCARD enum err ctl_server_open(const struct ctl_server_options *options,
                                   struct ctl_server **out_server, struct buf *why);

/* Closes sockets and connections. Requests that are under way are abandoned and still to be
 * finished. NULL is fine. */
void ctl_server_close(struct ctl_server *s);

#endif
