/* One control request: its arguments, the command that it names, its answer. Sockets are
 * ctl_server.c's, the form of the answer is ctl_body.c's. */
#include "common/ctl.h"

#include "common/ctl_body.h"
#include "common/ctl_server.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>

struct ctl_request {
    struct ctl_body body;
    struct str args[CTL_MAX_ARGS + 2]; /* the form, the command, what is behind it */
    char *line;
    size_t line_bytes;
    size_t count;
    bool is_json;
    bool is_malformed;
    const struct ctl_command *audited; /* that runs; NULL: nothing of it is to be audited */
    struct ctl_caller caller;
    char *user; /* the caller's */
    ctl_answer_fn *answer; /* NULL: abandoned */
    void *owner;
};

struct ctl_request *ctl_request_new(struct str line, ctl_answer_fn *answer, void *owner)
{
    struct ctl_request *r = mem_new(struct ctl_request);
    struct str rest;

    r->answer = answer;
    r->owner = owner;
    r->line = str_dup(line);
    r->line_bytes = line.n;
    rest = str_of(r->line, line.n);
    while (str_is_set(rest) && r->count < ARRAY_LEN(r->args))
        r->args[r->count++] = str_cut(&rest, CTL_SEPARATOR);
    r->is_json = r->count > 0 && str_is(r->args[0], "json");
    r->is_malformed =
        r->count < 2 || str_is_set(rest) || (!r->is_json && !str_is(r->args[0], "text"));
    return r;
}

void ctl_request_abandon(struct ctl_request *r)
{
    r->answer = NULL;
}

static const struct ctl_command *find_command(const struct ctl_table *tables, struct str name,
                                              void **out_app)
{
    for (; tables->commands; tables++) {
        for (const struct ctl_command *c = tables->commands; c->name; c++) {
            if (!str_is(name, c->name))
                continue;
            *out_app = tables->app;
            return c;
        }
    }
    return NULL;
}

static void audit_command(struct ctl_request *r, const struct ctl_command *c)
{
    r->audited = c;
    audit("control-command", kv_text("command", c->name), kv_str("subject", ctl_arg(r, 0)),
          kv_u64("request", r->caller.number), kv_u64("uid", r->caller.uid),
          kv_text("user", r->user), kv_i64("caller_pid", r->caller.pid));
}

static void audit_result(const struct ctl_request *r, enum ctl_exit code)
{
    audit("control-result", kv_text("command", r->audited->name), kv_str("subject", ctl_arg(r, 0)),
          kv_u64("request", r->caller.number), kv_u64("uid", r->caller.uid),
          kv_text("user", r->user), kv_i64("caller_pid", r->caller.pid),
          kv_i64("exit", (int64_t)code));
}

static void audit_refusal(const struct ctl_request *r, const char *reason)
{
    audit_warning("control-refused", kv_str("command", r->count > 1 ? r->args[1] : STR_NONE),
                  kv_str("subject", ctl_arg(r, 0)), kv_u64("request", r->caller.number),
                  kv_u64("uid", r->caller.uid), kv_text("user", r->user),
                  kv_i64("caller_pid", r->caller.pid), kv_text("reason", reason));
}

static void refuse(struct ctl_request *r, enum ctl_exit code, const char *sentence,
                   const char *detail)
{
    ctl_say(r, "%s%s", sentence, detail);
    ctl_finish(r, code);
}

bool ctl_request_is_audited(const struct ctl_request *r, const struct ctl_table *tables)
{
    void *app;
    const struct ctl_command *c = r->is_malformed ? NULL : find_command(tables, r->args[1], &app);

    return !c || c->right == CTL_ADMIN;
}

static void run(struct ctl_request *r, const struct ctl_command *c, void *app)
{
    size_t count = ctl_arg_count(r);

    if (c->right == CTL_ADMIN && r->caller.right != CTL_ADMIN) {
        audit_refusal(r, "not on the administrators' socket");
        refuse(r, CTL_DENIED, "this command needs the administrators' socket: ", c->name);
        return;
    }
    if (c->right == CTL_ADMIN)
        audit_command(r, c);
    if (count < (size_t)c->min_args || count > (size_t)c->max_args)
        refuse(r, CTL_USAGE, "usage: ", c->usage);
    else
        c->run(app, r);
}

void ctl_request_run(struct ctl_request *r, const struct ctl_table *tables,
                     const struct ctl_caller *caller)
{
    void *app = NULL;
    const struct ctl_command *c = r->is_malformed ? NULL : find_command(tables, r->args[1], &app);

    r->caller = *caller;
    r->user = caller->user ? mem_strdup(caller->user) : NULL;
    if (r->is_malformed) {
        audit_refusal(r, "the request is malformed");
        refuse(r, CTL_USAGE, "the request is malformed", "");
    } else if (!c) {
        audit_refusal(r, "there is no such command");
        ctl_say(r, "there is no command %.*s; ask commands for a list", STR_ARG(r->args[1]));
        ctl_finish(r, CTL_USAGE);
    } else {
        run(r, c, app);
    }
}

size_t ctl_arg_count(const struct ctl_request *r)
{
    return r->count > 2 ? r->count - 2 : 0;
}

struct str ctl_arg(const struct ctl_request *r, size_t i)
{
    return i < ctl_arg_count(r) ? r->args[i + 2] : STR_NONE;
}

void ctl_columns(struct ctl_request *r, const char *const *names)
{
    ctl_body_columns(&r->body, names);
}

void ctl_row(struct ctl_request *r, const struct str *cells)
{
    ctl_body_row(&r->body, cells);
}

void ctl_field(struct ctl_request *r, const char *name, struct str value)
{
    ctl_body_field(&r->body, name, value, false);
}

void ctl_field_u64(struct ctl_request *r, const char *name, uint64_t value)
{
    struct buf text = { 0 };

    buf_add_u64(&text, value);
    ctl_body_field(&r->body, name, buf_str(&text), true);
    buf_fini(&text);
}

void ctl_say(struct ctl_request *r, const char *format, ...)
{
    struct buf sentence = { 0 };
    va_list args;

    va_start(args, format);
    buf_vprintf(&sentence, format, args);
    va_end(args);
    ctl_body_say(&r->body, buf_str(&sentence));
    buf_fini(&sentence);
}

void ctl_list_commands(struct ctl_request *r, const struct ctl_table *tables)
{
    ctl_columns(r, (const char *const[]){ "command", "right", "usage", "doc", NULL });
    for (; tables->commands; tables++)
        for (const struct ctl_command *c = tables->commands; c->name; c++)
            ctl_row(r, (const struct str[]){ str_from(c->name),
                                             c->right == CTL_ADMIN ? STR("admin") : STR("read"),
                                             str_from(c->usage), str_from(c->doc) });
}

void ctl_finish(struct ctl_request *r, enum ctl_exit code)
{
    struct buf out = { 0 };

    if (r->audited)
        audit_result(r, code);
    if (r->answer) {
        buf_printf(&out, "%d\n", (int)code);
        if (r->is_json)
            ctl_body_write_json(&r->body, &out);
        else
            ctl_body_write_text(&r->body, &out);
        r->answer(r->owner, buf_str(&out));
    }
    buf_fini(&out);
    ctl_body_fini(&r->body);
    mem_wipe(r->line, r->line_bytes); /* it may have held a password */
    mem_free(r->line);
    mem_free(r->user);
    mem_free(r);
}
