/* The command line of `sallyportctl boundary`. See boundary_run.h. */
#include "deploy/ctl/boundary_run.h"

#include "common/ctl.h"
#include "common/mem.h"
#include "common/service.h"
#include "deploy/ctl/boundary_look.h"
#include "deploy/ctl/boundary_merge.h"
#include "deploy/ctl/plan_file.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_FINDINGS = 2, MAX_REPORTS = 4096, DEFAULT_WITHIN_S = 60 };

struct request {
    const char *flows;
    bool is_json, is_each;
    int64_t within_s;
};

/* Some sentences begin with the file already. */
static int fail(const char *file, struct buf *why)
{
    bool has_file = file[0] == '\0' || str_starts_with(buf_str(why), str_from(file));

    fprintf(stderr, "sallyportctl: boundary: %s%s%.*s\n", has_file ? "" : file,
            has_file ? "" : ": ", STR_ARG(buf_str(why)));
    buf_fini(why);
    return CTL_FAILED;
}

static int finish(struct buf *out, json_t *document)
{
    int code = json_array_size(json_object_get(document, "findings")) ? EXIT_FINDINGS : CTL_OK;
    bool is_written;

    is_written = fwrite(out->p ? out->p : "", 1, out->n, stdout) == out->n && fflush(stdout) == 0;
    buf_fini(out);
    json_decref(document);
    return is_written ? code : CTL_FAILED;
}

static void add_json(json_t *document, struct buf *out)
{
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_ENSURE_ASCII);

    ASSERT(text);
    buf_add(out, str_from(text));
    buf_add_char(out, '\n');
    free(text);
}

static void add_end(json_t *document, struct buf *out)
{
    size_t count = json_array_size(json_object_get(document, "findings"));

    buf_add_char(out, '\n');
    boundary_report_print_sentences(json_object_get(document, "notes"), "note", out);
    boundary_report_print_sentences(json_object_get(document, "findings"), "FINDING", out);
    if (count)
        buf_printf(out, "%zu finding%s\n", count, count == 1 ? "" : "s");
    else
        buf_add(out, STR("nothing that is not declared\n"));
}

/* --- one host --------------------------------------------------------------------------------- */

static enum err read_plan(const char *path, struct boundary_plan *plan, struct buf *why)
{
    struct buf text = { 0 };
    enum err e = plan_file_read(path, &text, why);

    if (e == ERR_OK)
        e = boundary_plan_read(buf_str(&text), plan, why);
    else if (e == ERR_NOT_FOUND)
        buf_add(why, STR("not there; sallyportctl plan writes it into the bundle of each host"));
    if (e == ERR_OK)
        boundary_plan_resolve(plan);
    buf_fini(&text);
    return e;
}

static json_t *report(const struct request *r, const struct boundary_plan *plan,
                      const struct boundary_look *look, const struct boundary_judgement *j)
{
    char hostname[256] = "";
    const struct boundary_facts facts = { .hostname = hostname,
                                          .version = service_version,
                                          .flows_file = r->flows,
                                          .time = time(NULL),
                                          .is_each = r->is_each };

    (void)gethostname(hostname, sizeof hostname - 1);
    return boundary_report_make(plan, look, j, &facts);
}

static int look_here(const struct request *r)
{
    struct boundary_plan plan = { 0 };
    struct boundary_look look = { 0 }, again = { 0 };
    struct boundary_judgement j = { 0 };
    struct buf out = { 0 }, why = { 0 };
    json_t *document = NULL;
    enum err e = read_plan(r->flows, &plan, &why);

    if (e != ERR_OK)
        return fail(r->flows, &why);
    e = boundary_look(&plan, &look, &why);
    if (e == ERR_OK)
        boundary_judge(&plan, &look, NULL, &j);
    if (e == ERR_OK && j.needs_second_look) {
        e = boundary_look(&plan, &again, &why);
        boundary_judgement_fini(&j);
        if (e == ERR_OK)
            boundary_judge(&plan, &look, &again, &j);
    }
    if (e == ERR_OK) {
        document = report(r, &plan, &look, &j);
        if (r->is_json) {
            add_json(document, &out);
        } else {
            boundary_report_print_processes(&document, 1, &out);
            buf_add_char(&out, '\n');
            boundary_report_print_sockets(&document, 1, &out);
            add_end(document, &out);
        }
    }
    boundary_judgement_fini(&j);
    boundary_look_fini(&look);
    boundary_look_fini(&again);
    boundary_plan_fini(&plan);
    return document ? finish(&out, document) : fail("", &why);
}

/* --- all hosts -------------------------------------------------------------------------------- */

static enum err read_report(const char *path, json_t **out, struct buf *why)
{
    struct buf text = { 0 };
    json_error_t error;
    enum err e = plan_file_read(path, &text, why);

    if (e == ERR_NOT_FOUND)
        buf_add(why, STR("not there"));
    if (e == ERR_OK) {
        *out = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
        if (!*out) {
            buf_printf(why, "line %d: %s", error.line, error.text);
            e = ERR_MALFORMED;
        }
    }
    if (e == ERR_OK)
        e = boundary_report_check(*out, why);
    buf_fini(&text);
    return e;
}

static void print_merged(json_t *const *reports, size_t count, json_t *merged, struct buf *out)
{
    boundary_report_print_processes(reports, count, out);
    buf_add_char(out, '\n');
    boundary_report_print_sockets(reports, count, out);
    add_end(merged, out);
}

static int merge(const struct request *r, int count, char **paths)
{
    json_t **reports = mem_alloc((size_t)count * sizeof(json_t *)), *merged = NULL;
    struct buf why = { 0 }, out = { 0 };
    int code = CTL_OK;

    for (int i = 0; i < count && code == CTL_OK; i++)
        if (read_report(paths[i], &reports[i], &why) != ERR_OK)
            code = fail(paths[i], &why);
    if (code == CTL_OK &&
        boundary_merge(reports, (size_t)count, r->within_s, &merged, &why) != ERR_OK)
        code = fail("merge", &why);
    if (merged && r->is_json)
        add_json(merged, &out);
    else if (merged)
        print_merged(reports, (size_t)count, merged, &out);
    for (int i = 0; i < count; i++)
        json_decref(reports[i]);
    mem_free(reports);
    return merged ? finish(&out, merged) : code;
}

/* --- words ------------------------------------------------------------------------------------ */

static void print_help(FILE *to)
{
    fputs("usage: sallyportctl boundary [--flows FILE] [--each] [--json]\n"
          "       sallyportctl boundary merge [--within SECONDS] [--json] FILE...\n\n"
          "What the processes of this host listen on and are connected to, as the kernel says,\n"
          "against the flows that are declared for it (/etc/sallyport/flows.json). As root.\n"
          "merge: the reports of all hosts (--json) against each other.\n\n"
          "  --flows FILE      another file of flows\n"
          "  --each            a line for each client's connection; else they are counted\n"
          "  --within SECONDS  reports that far apart must agree on connections (60)\n\n"
          "exit code: 0 all is declared, 2 findings, 64 usage, 70 it could not look\n",
          to);
}

static bool read_option(struct request *r, int option)
{
    switch (option) {
    case 'f':
        r->flows = optarg;
        return true;
    case 'j':
        r->is_json = true;
        return true;
    case 'e':
        r->is_each = true;
        return true;
    case 'w':
        return str_to_i64(str_from(optarg), &r->within_s) == ERR_OK && r->within_s >= 0;
    default:
        return false;
    }
}

int boundary_run(int count, char **words)
{
    static const struct option options[] = {
        { "flows", required_argument, NULL, 'f' },  { "json", no_argument, NULL, 'j' },
        { "each", no_argument, NULL, 'e' },         { "help", no_argument, NULL, 'h' },
        { "within", required_argument, NULL, 'w' }, { 0 },
    };
    struct request r = { .flows = "/etc/sallyport/flows.json", .within_s = DEFAULT_WITHIN_S };
    int option;

    optind = 0; /* words[0] is "boundary", as a program's name */
    while ((option = getopt_long(count, words, "hj", options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return CTL_OK;
        }
        if (!read_option(&r, option)) {
            print_help(stderr);
            return CTL_USAGE;
        }
    }
    count -= optind;
    words += optind;
    if (count == 0)
        return look_here(&r);
    if (strcmp(words[0], "merge") == 0 && count > 1 && count <= MAX_REPORTS)
        return merge(&r, count - 1, words + 1);
    print_help(stderr);
    return CTL_USAGE;
}
