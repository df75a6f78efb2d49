/* sallyportctl: asks the processes of this host, and administers them, through their control
 * sockets. What a command does is the process's own business (common/service.h, sm); here is whom
 * it goes to, and how its answer is shown. */
#include "common/ctl.h"
#include "common/mem.h"
#include "common/service.h"
#include "deploy/ctl/ask.h"
#include "deploy/ctl/boundary_run.h"
#include "deploy/ctl/bulk.h"
#include "deploy/ctl/install.h"
#include "deploy/ctl/password.h"
#include "deploy/ctl/plan_run.h"
#include "deploy/ctl/targets.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* Where a command goes when no process is named. */
enum scope { SCOPE_ALL, SCOPE_SM };

struct verb {
    const char *name;
    enum scope scope;
    bool is_admin;     /* goes to the administrators' socket */
    bool has_password; /* read here and sent as the last argument */
    const char *usage;
    const char *doc;
};

static const struct verb verbs[] = {
    { "status", SCOPE_ALL, false, false, "status", "what each process is doing" },
    { "health", SCOPE_ALL, false, false, "health", "exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: the worst of all" },
    { "links", SCOPE_ALL, false, false, "links", "the links to other processes" },
    { "metrics", SCOPE_ALL, false, false, "metrics", "the counters, as Prometheus reads them" },
    { "commands", SCOPE_ALL, false, false, "commands", "all commands of each process" },
    { "reload", SCOPE_ALL, true, false, "reload", "read the configuration again" },
    { "drain", SCOPE_ALL, true, false, "drain", "take no new work, end what there is, exit" },
    { "log-level", SCOPE_ALL, true, false, "log-level error|warn|info|debug", "until the next reload" },
    { "adduser", SCOPE_SM, true, true, "adduser JID | adduser --file FILE [--domain D]", "add an account, or one of each line NAME PASSWORD" },
    { "passwd", SCOPE_SM, true, true, "passwd JID", "change a password" },
    { "deluser", SCOPE_SM, true, false, "deluser JID", "delete an account and all that it has" },
    { "users", SCOPE_SM, false, false, "users [DOMAIN]", "list accounts" },
    { "sessions", SCOPE_SM, false, false, "sessions [JID]", "list sessions" },
    { "kick", SCOPE_SM, true, false, "kick JID", "end sessions" },
    { "store", SCOPE_SM, true, false, "store backup [NAME] | store restored", "copy the database while it is used; say that it was put back" },
    { "ldap", SCOPE_SM, true, false, "ldap status | check [NAME] | explain ACCOUNT | test NAME ACCOUNT | accept ACCOUNT | rename OLD NEW", "directories and their servers" },
    { "archive", SCOPE_SM, true, false, "archive purge JID [--before TIME]", "delete archived messages of an account" },
    { "incident", SCOPE_SM, true, false, "incident c2s NAME --since TIME [--dry-run] [--expire-passwords]", "a connection manager was taken over: end sessions, name passwords" },
};

enum { MAX_ARGS = 32 };

struct tool {
    const char *folder;
    bool is_json;
    int64_t timeout_ms;
    const char *file, *domain;
    const char *process; /* NULL: by the verb's scope */
    const struct verb *verb; /* NULL: one that only the process knows */
    struct str args[MAX_ARGS + 1]; /* the command first */
    size_t arg_count;
    struct str passed[6]; /* options of incident or archive, for the process */
    size_t passed_count;
    struct targets targets;
    struct buf request; /* may hold a password */
    bool is_first;  /* of the JSON object's members */
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void print_help(FILE *to)
{
    fprintf(
        to,
        "usage: sallyportctl [--dir DIR] [--json] [--timeout SECONDS] [PROCESS] COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "  %-50s %s\n", verbs[i].usage, verbs[i].doc);
    fprintf(to,
            "  %-50s %s\n"
            "  %-50s %s\n"
            "  %-50s %s\n"
            "\nPROCESS is the name of a control socket, as sm-1; without it account commands go to a session manager, the\n"
            "others to every process found. DIR is the folder of the sockets ($SALLYPORT_CONTROL_DIR or /run/sallyport).\n"
            "Passwords are asked for on the terminal, or are the first line of standard input.\n",
            "plan FILE", "configuration for every host from one description; plan --help",
            "install BUNDLE", "put what plan made for this host in its place; install --help",
            "boundary", "the kernel's word on sockets against the plan; boundary --help");
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool is_health(const struct tool *t)
{
    return str_is(t->args[0], "health");
}

static int exit_of(enum err e)
{
    return e == ERR_NOT_FOUND ? CTL_NO_SUCH : e == ERR_DENIED ? CTL_DENIED : CTL_FAILED;
}

static const char *sentence_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return "there is no such process";
    case ERR_CLOSED:
        return "the process is not running";
    case ERR_DENIED:
        return "you may not use this control socket; its group may";
    case ERR_TIMEOUT:
        return "the process did not answer in time";
    case ERR_MALFORMED:
        return "the process ended the connection without an answer";
    default:
        return "the control socket failed";
    }
}

static enum err ask_socket(struct tool *t, const char *name, bool is_admin, struct ask *a)
{
    struct buf path = { 0 };
    enum err e;

    targets_path(t->folder, name, is_admin, &path);
    e = ask_begin(a, path.p, buf_str(&t->request), t->timeout_ms);
    if (e == ERR_OK)
        e = ask_wait(a);
    buf_fini(&path);
    return e;
}

/* Whoever may not use the administrators' socket asks on the other one: the process then refuses,
 * and its audit log says who asked. What only the process knows is tried as an administrator. */
static enum err ask_process(struct tool *t, const char *name, struct ask *a)
{
    bool is_admin = !t->verb || t->verb->is_admin;
    enum err e = ask_socket(t, name, is_admin, a);

    if (e == ERR_DENIED && is_admin)
        e = ask_socket(t, name, false, a);
    return e;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void print_indented(struct str text)
{
    while (text.n > 0) {
        struct str line = str_cut(&text, '\n');

        printf("  %.*s\n", STR_ARG(line));
    }
}

static void print_json_failure(enum err e)
{
    printf("{\"message\":\"%s\"}\n", sentence_of(e));
}

static void print_json(struct tool *t, const char *name, bool is_grouped, enum err e,
                       struct str body)
{
    if (is_grouped)
        printf("%s\"%s\":", t->is_first ? "{" : ",", name);
    t->is_first = false;
    if (e != ERR_OK)
        print_json_failure(e);
    else
        fwrite(body.p, 1, body.n, stdout);
}

/* Failures go to standard error, so that what is piped on is answers only. */
static void print_text(struct tool *t, const char *name, bool is_grouped, struct str body, int code)
{
    if (code >= CTL_USAGE) {
        body = str_trim(body);
        fprintf(stderr, "sallyportctl: %s: %.*s\n", name, STR_ARG(body));
    } else if (is_grouped && str_is(t->args[0], "metrics")) {
        printf("# %s\n%.*s", name, STR_ARG(body));
    } else if (is_grouped) {
        printf("%s:\n", name);
        print_indented(body);
    } else {
        fwrite(body.p, 1, body.n, stdout);
    }
}

/* Asks one process and shows the answer; returns its exit code. */
static int ask_and_print(struct tool *t, const char *name, bool is_grouped)
{
    struct ask a = { .fd = -1 };
    enum err e = ask_process(t, name, &a);
    int code = e == ERR_OK ? a.exit_code : exit_of(e);

    if (t->is_json)
        print_json(t, name, is_grouped, e, a.body);
    else if (e == ERR_OK)
        print_text(t, name, is_grouped, a.body, code);
    else
        fprintf(stderr, "sallyportctl: %s: %s\n", name, sentence_of(e));
    ask_end(&a);
    if (is_health(t) && code > CTL_UNKNOWN)
        code =
            e == ERR_CLOSED || e == ERR_TIMEOUT || e == ERR_MALFORMED ? CTL_CRITICAL : CTL_UNKNOWN;
    return code;
}

/* Of health: CRITICAL is worse than not to know. */
static int worse(int a, int b)
{
    static const int badness[] = {
        [CTL_OK] = 0, [CTL_WARNING] = 1, [CTL_CRITICAL] = 3, [CTL_UNKNOWN] = 2
    };

    if (a > CTL_UNKNOWN || b > CTL_UNKNOWN)
        return a > b ? a : b;
    return badness[a] > badness[b] ? a : b;
}

static int ask_all(struct tool *t)
{
    int code = CTL_OK;

    t->is_first = true;
    for (size_t i = 0; i < t->targets.count; i++)
        code = worse(code, ask_and_print(t, t->targets.names[i], true));
    if (t->is_json)
        printf("}\n");
    return code;
}

/* The first session manager that runs. */
static const char *find_sm(const struct tool *t)
{
    const char *first = NULL;

    for (size_t i = 0; i < t->targets.count; i++) {
        const char *name = t->targets.names[i];
        struct buf path = { 0 };
        struct ask probe;
        enum err e;

        if (strcmp(name, "sm") != 0 && strncmp(name, "sm-", 3) != 0)
            continue;
        first = first ? first : name;
        targets_path(t->folder, name, t->verb->is_admin, &path);
        e = ask_begin(&probe, path.p, STR("text\x1fstatus"), t->timeout_ms);
        buf_fini(&path);
        ask_end(&probe);
        if (e == ERR_OK)
            return name;
    }
    return first;
}

/* --- the command line ------------------------------------------------------------------------- */

static int fail(int code, const char *what, const char *detail)
{
    fprintf(stderr, "sallyportctl: %s%s\n", what, detail);
    return code;
}

/* A word alone was meant to be a command. */
static int no_such_process(const struct tool *t, const char *name, int word_count)
{
    fprintf(stderr, "sallyportctl: %s is neither a command nor a process of %s", name, t->folder);
    for (size_t i = 0; i < t->targets.count; i++)
        fprintf(stderr, "%s%s", i == 0 ? "; there are: " : ", ", t->targets.names[i]);
    fputc('\n', stderr);
    return word_count > 1 ? CTL_NO_SUCH : CTL_USAGE;
}

/* The password, where the command wants one; then the request. */
static int make_request(struct tool *t)
{
    struct buf password = { 0 }, why = { 0 };
    int code = CTL_OK;

    if (t->verb && t->verb->has_password && t->arg_count != 2)
        return fail(CTL_USAGE, "the password is not an argument; usage: sallyportctl ",
                    t->verb->usage);
    if (t->verb && t->verb->has_password) {
        if (password_read(t->args[1], &password, &why) != ERR_OK) {
            buf_add_char(&why, '\0');
            code = fail(CTL_USAGE, why.p, "");
        }
        t->args[t->arg_count++] = buf_str(&password);
        buf_reserve(&t->request, 4096 + PASSWORD_MAX_BYTES);
    }
    if (code == CTL_OK && ask_join(&t->request, t->is_json, t->args, t->arg_count) != ERR_OK)
        code = fail(CTL_USAGE, "an argument holds a control character that cannot be sent", "");
    mem_wipe(password.p, password.n);
    buf_fini(&password);
    buf_fini(&why);
    return code;
}

static int add_many(const struct tool *t, const char *process)
{
    struct buf path = { 0 };
    struct bulk_options options = {
        .file = t->file, .domain = t->domain, .timeout_ms = t->timeout_ms, .is_json = t->is_json
    };
    int code;

    targets_path(t->folder, process, true, &path);
    options.socket = path.p;
    code = bulk_add(&options);
    buf_fini(&path);
    return code;
}

static int run(struct tool *t)
{
    bool is_grouped = !t->process && t->verb && t->verb->scope == SCOPE_ALL;
    const char *process = t->process;
    int code;

    if (t->targets.count == 0)
        return fail(is_health(t) ? CTL_UNKNOWN : CTL_NO_SUCH, "no process has a control socket in ",
                    t->folder);
    if (!process && !is_grouped)
        process = find_sm(t);
    if (!process && !is_grouped)
        return fail(CTL_NO_SUCH, "no session manager (sm-*) has a control socket in ", t->folder);
    if (t->file && (t->arg_count != 1 || !str_is(t->args[0], "adduser")))
        return fail(CTL_USAGE, "--file goes with adduser alone, without an account", "");
    if (t->file)
        return add_many(t, process);
    code = make_request(t);
    if (code != CTL_OK)
        return code;
    return is_grouped ? ask_all(t) : ask_and_print(t, process, false);
}

/* An option that the process reads. */
static bool pass(struct tool *t, const char *option, const char *value)
{
    if (t->passed_count + 2 > ARRAY_LEN(t->passed))
        return false;
    t->passed[t->passed_count++] = str_from(option);
    if (value)
        t->passed[t->passed_count++] = str_from(value);
    return true;
}

static bool read_option(struct tool *t, int option)
{
    uint64_t seconds;

    switch (option) {
    case 'd':
        t->folder = optarg;
        return true;
    case 'j':
        t->is_json = true;
        return true;
    case 'f':
        t->file = optarg;
        return true;
    case 'D':
        t->domain = optarg;
        return true;
    case 's':
        return pass(t, "--since", optarg);
    case 'b':
        return pass(t, "--before", optarg);
    case 'n':
        return pass(t, "--dry-run", NULL);
    case 'e':
        return pass(t, "--expire-passwords", NULL);
    case 't':
        if (str_to_u64(str_from(optarg), &seconds) != ERR_OK || seconds == 0 || seconds > 86400)
            return false;
        t->timeout_ms = (int64_t)seconds * 1000;
        return true;
    default:
        return false;
    }
}

static bool takes_options(const struct tool *t)
{
    size_t before = 0;

    for (size_t i = 0; i < t->passed_count; i++)
        before += str_is(t->passed[i], "--before");
    if (str_is(t->args[0], "incident"))
        return before == 0;
    return str_is(t->args[0], "archive") && t->passed_count == 2 && before == 1;
}

/* [PROCESS] COMMAND [ARGUMENTS] */
static int read_words(struct tool *t, int count, char **words)
{
    enum err e = targets_find(t->folder, &t->targets);

    if (e != ERR_OK)
        return fail(e == ERR_DENIED ? CTL_DENIED : CTL_NO_SUCH,
                    e == ERR_DENIED ? "you may not read " : "cannot read the folder ", t->folder);
    t->verb = find_verb(words[0]);
    if (!t->verb) {
        t->process = words[0];
        if (!targets_has(&t->targets, str_from(t->process)))
            return no_such_process(t, t->process, count);
        words++;
        count--;
        t->verb = count > 0 ? find_verb(words[0]) : NULL;
    }
    if (count == 0 || count > MAX_ARGS)
        return fail(CTL_USAGE, "expected a command behind the process; see sallyportctl --help",
                    "");
    for (int i = 0; i < count; i++)
        t->args[t->arg_count++] = str_from(words[i]);
    if (t->passed_count > 0 && !takes_options(t))
        return fail(CTL_USAGE,
                    "--since, --dry-run and --expire-passwords go with incident, --before alone "
                    "with archive",
                    "");
    for (size_t i = 0; i < t->passed_count && t->arg_count < MAX_ARGS; i++)
        t->args[t->arg_count++] = t->passed[i];
    return CTL_OK;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },     { "json", no_argument, NULL, 'j' },
        { "timeout", required_argument, NULL, 't' }, { "file", required_argument, NULL, 'f' },
        { "domain", required_argument, NULL, 'D' },  { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },       { "since", required_argument, NULL, 's' },
        { "before", required_argument, NULL, 'b' },
        { "dry-run", no_argument, NULL, 'n' },       { "expire-passwords", no_argument, NULL, 'e' },
        { 0 },
    };
    const char *folder = getenv("SALLYPORT_CONTROL_DIR");
    struct tool t = { .folder = folder && folder[0] ? folder : "/run/sallyport",
                      .timeout_ms = 30000 };
    int option, code;

    if (argc > 1 && strcmp(argv[1], "boundary") == 0)
        return boundary_run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "plan") == 0)
        return plan_run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "install") == 0)
        return install_run(argc - 1, argv + 1);
    while ((option = getopt_long(argc, argv, "hj", options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return CTL_OK;
        }
        if (option == 'V')
            return printf("sallyportctl %s\n", service_version) < 0;
        if (!read_option(&t, option))
            return fail(CTL_USAGE, "see sallyportctl --help", "");
    }
    if (optind == argc) {
        print_help(stderr);
        return CTL_USAGE;
    }
    code = read_words(&t, argc - optind, argv + optind);
    if (code == CTL_OK)
        code = run(&t);
    mem_wipe(t.request.p, t.request.n);
    buf_fini(&t.request);
    targets_fini(&t.targets);
    return code;
}
