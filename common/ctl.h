/* The control socket of a process: one request a connection, answered in human or JSON form by the
 * same code. Request: arguments joined with U+001F, the first "json" or "text", then LF. Answer:
 * one line with the exit code, then the body. Two sockets, one that may read and one that may
 * administer; the kernel's file modes decide who. */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

#include "common/buf.h"

struct ctl_request; /* lives until ctl_finish */

enum ctl_right { CTL_READ, CTL_ADMIN };

/* Exit codes of sallyportctl; those of health are the ones that monitoring systems know. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_WARNING = 1,
    CTL_CRITICAL = 2,
    CTL_UNKNOWN = 3,
    CTL_USAGE = 64,
    CTL_NO_SUCH = 66,
    CTL_FAILED = 70,
    CTL_DENIED = 77
};

struct ctl_command {
    const char *name;  /* NULL ends the table */
    enum ctl_right right;
    int min_args, max_args;
    const char *usage; /* "adduser ADDRESS" */
    const char *doc;   /* one sentence */
    /* May answer later; must call ctl_finish exactly once. app is what start returned. */
    void (*run)(void *app, struct ctl_request *request);
};

size_t ctl_arg_count(const struct ctl_request *r);
/* Behind the command's name; absent when there are fewer. */
struct str ctl_arg(const struct ctl_request *r, size_t i);

/* A table: columns first ("a", "b", NULL), then rows of as many texts. Human form: aligned; JSON: a
 * list of objects. */
void ctl_columns(struct ctl_request *r, const char *const *names);
void ctl_row(struct ctl_request *r, const struct str *cells);

/* One fact. Human form "name: value"; JSON: a member. */
void ctl_field(struct ctl_request *r, const char *name, struct str value);
void ctl_field_u64(struct ctl_request *r, const char *name, uint64_t value);

/* A sentence; an error message when the exit code is not CTL_OK. */
void ctl_say(struct ctl_request *r, const char *format, ...) PRINTF_LIKE(2, 3);

/* Answers and frees. */
void ctl_finish(struct ctl_request *r, enum ctl_exit code);

#endif
