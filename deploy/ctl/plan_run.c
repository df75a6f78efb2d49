/* The verbs of `sallyportctl plan`. See plan_run.h and deploy/PLAN.md. */
#include "deploy/ctl/plan_run.h"

#include "common/ctl.h"
#include "common/mem.h"
#include "deploy/ctl/plan_diff.h"
#include "deploy/ctl/plan_explain.h"
#include "deploy/ctl/plan_make.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { EXIT_CONF = 78 };

struct request {
    const char *file, *folder;
    bool is_explaining, is_telling_secrets, is_comparing, is_reference, has_new_keys;
    enum plan_format format;
    struct plan_passphrase passphrase;
    char **words; /* behind the verb */
    int count;
};

/* While a verb runs. */
struct work {
    struct request *r;
    struct plan *plan;
    struct plan_ca ca;
    struct plan_keys keys;
    struct buf report, why;
};

struct verb {
    const char *name;
    enum err (*change)(struct work *w); /* before the bundles are made; NULL: nothing */
    int least, most;                    /* words */
};

static int fail(int code, struct buf *why)
{
    struct str rest = str_trim(buf_str(why));

    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');

        fprintf(stderr, "sallyportctl: plan: %.*s\n", STR_ARG(line));
    }
    return code;
}

static void print(FILE *to, const struct buf *b)
{
    if (b->n > 0)
        fwrite(b->p, 1, b->n, to);
}

static void print_help(FILE *to)
{
    fputs("usage: sallyportctl plan [--out DIR] [--passphrase-file F] FILE   a bundle of "
          "configuration for each host\n"
          "       sallyportctl plan --explain[=text|csv|json] FILE            every flow: who "
          "dials whom, port, identity, what may cross, why\n"
          "       sallyportctl plan --secrets[=text|csv|json] FILE            every secret by "
          "host: owner, mode, rotation, what theft permits\n"
          "       sallyportctl plan --diff [--out DIR] FILE                   what would change "
          "since "
          "the last plan; exit code 1 when anything would\n"
          "       sallyportctl plan renew [--file FILE] [--new-keys] [NAME ...]  new certificates; "
          "all when no process is named\n"
          "       sallyportctl plan revoke [--file FILE] NAME                 its peers refuse the "
          "certificate from their next reload on\n"
          "       sallyportctl plan ca [--file FILE] new|switch|drop          a new CA is trusted; "
          "it signs; the old one is trusted no more\n"
          "FILE is cluster.conf, DIR the folder plan beside it. The passphrase is asked for on the "
          "terminal, or read from F or standard input.\n",
          to);
}

/* --- verbs ------------------------------------------------------------------------------------ */

static const struct plan_node *named(struct work *w, const char *name)
{
    const struct plan_node *n = plan_node(w->plan, str_from(name));

    if (!n)
        buf_printf(&w->why, "there is no process %s in %s", name, w->r->file);
    return n;
}

static enum err renew(struct work *w)
{
    enum err e = ERR_OK;

    for (int i = 0; i < w->r->count && e == ERR_OK; i++)
        e = named(w, w->r->words[i]) ? ERR_OK : ERR_NOT_FOUND;
    for (int i = 0; i < w->r->count && e == ERR_OK; i++)
        e = plan_keys_renew(&w->keys, named(w, w->r->words[i]), w->r->has_new_keys, &w->why);
    for (size_t i = 0; i < w->plan->node_count && w->r->count == 0 && e == ERR_OK; i++)
        e = plan_keys_renew(&w->keys, &w->plan->nodes[i], w->r->has_new_keys, &w->why);
    return e;
}

static enum err need_ca(struct work *w)
{
    if (w->keys.ca)
        return ERR_OK;
    buf_printf(&w->why, "the certificates are of the company's CA: it revokes and replaces them");
    return ERR_DENIED;
}

/* On a Unix socket nobody looks at a certificate: the user is checked. */
static void note_unix(struct work *w, const char *name)
{
    for (size_t i = 0; i < w->plan->link_count; i++) {
        const struct plan_link *l = &w->plan->links[i];

        if (l->is_unix && (str_is(l->router->name, name) || str_is(l->leaf->name, name)))
            buf_printf(&w->report,
                       "WARNING: the link of %.*s and %.*s is a Unix socket on host %s, without "
                       "certificates: it stays. Stop the process, and take it out of %s\n",
                       STR_ARG(l->router->name), STR_ARG(l->leaf->name), l->router->host->name,
                       w->r->file);
    }
}

/* A process that is no longer planned can be revoked as well. */
static enum err revoke(struct work *w)
{
    struct str name =
        arena_printf(&w->plan->arena, "%s.%s", w->r->words[0], w->plan->conf->internal_domain);
    enum err e = need_ca(w);

    if (e == ERR_OK)
        e = plan_ca_revoke(&w->ca, name.p, &w->why);
    if (e == ERR_OK) {
        buf_printf(&w->report, "revoked  %s: carry the bundles to its peers and reload them\n",
                   name.p);
        note_unix(w, w->r->words[0]);
    }
    return e;
}

static enum err change_ca(struct work *w)
{
    const char *step = w->r->words[0];
    enum err e = need_ca(w);

    if (e != ERR_OK)
        return e;
    if (strcmp(step, "new") == 0)
        return plan_ca_add(&w->ca, &w->why);
    if (strcmp(step, "switch") == 0)
        return plan_ca_switch(&w->ca, &w->why);
    if (strcmp(step, "drop") == 0)
        return plan_ca_drop(&w->ca, &w->why);
    buf_printf(&w->why, "expected plan ca new, switch or drop");
    return ERR_MALFORMED;
}

static const struct verb verbs[] = {
    { "renew", renew, 0, 1000 },
    { "revoke", revoke, 1, 1 },
    { "ca", change_ca, 1, 1 },
};

/* --- work ------------------------------------------------------------------------------------- */

static int code_of(enum err e)
{
    return e == ERR_OK            ? CTL_OK
           : e == ERR_NOT_FOUND   ? CTL_NO_SUCH
           : e == ERR_DENIED      ? CTL_DENIED
           : e == ERR_MALFORMED   ? CTL_USAGE
           : e == ERR_UNSUPPORTED ? EXIT_CONF
                                  : CTL_FAILED;
}

static enum err open_keys(struct work *w)
{
    struct plan *p = w->plan;

    w->keys = (struct plan_keys){ .plan = p, .folder = w->r->folder, .report = &w->report };
    if (p->conf->company_ca)
        return ERR_OK;
    w->ca = (struct plan_ca){ .folder = arena_printf(&p->arena, "%s/ca", w->r->folder).p,
                              .name = p->conf->name,
                              .passphrase = &w->r->passphrase,
                              .report = &w->report };
    w->keys.ca = &w->ca;
    return plan_ca_open(&w->ca, &w->why);
}

static enum err check_version(struct work *w)
{
    struct buf sentences = { 0 };
    enum err e = plan_check_version(w->plan, &sentences);

    if (e != ERR_OK) {
        conf_add_places(&plan_conf_spec, w->r->file, buf_str(&sentences), &w->why);
        buf_printf(&w->why, "nothing was written; plan --explain shows the flows all the same\n");
    }
    buf_fini(&sentences);
    return e;
}

static enum err make(struct work *w, const struct verb *verb)
{
    enum err e = check_version(w);

    if (e == ERR_OK)
        e = open_keys(w);
    if (e == ERR_OK && verb)
        e = verb->change(w);
    if (e == ERR_OK)
        e = plan_make(w->plan, &w->keys, &w->why);
    plan_ca_fini(&w->ca);
    return e;
}

static void say(const struct work *w, FILE *to)
{
    struct buf warnings = { 0 };

    plan_warn(w->plan, &warnings);
    print(to, &warnings);
    buf_fini(&warnings);
}

static bool is_telling(const struct request *r)
{
    return r->is_explaining || r->is_telling_secrets || r->is_comparing;
}

static int tell(struct work *w)
{
    const struct request *r = w->r;
    struct buf table = { 0 };
    bool differs = false;
    enum err e = ERR_OK;

    /* What people read begins with what is dangerous; programs get the table alone. */
    say(w, r->format == PLAN_TEXT ? stdout : stderr);
    if (r->is_comparing)
        e = plan_diff(w->plan, r->folder, &differs, &table, &w->why);
    else if (r->is_explaining)
        plan_explain_flows(w->plan, NULL, r->format, &table);
    else
        plan_explain_secrets(w->plan, r->format, &table);
    print(stdout, &table);
    buf_fini(&table);
    if (e == ERR_OK && r->is_comparing && !differs)
        printf("nothing would change in %s\n", r->folder);
    return e == ERR_OK ? (differs ? CTL_WARNING : CTL_OK) : code_of(e);
}

static int run_verb(struct request *r, const struct verb *verb)
{
    struct work w = { .r = r };
    int code = EXIT_CONF;
    enum err e = plan_open(r->file, &w.plan, &w.why);

    if (e == ERR_OK && is_telling(r)) {
        code = tell(&w);
    } else if (e == ERR_OK) {
        e = make(&w, verb);
        print(stdout, &w.report);
        if (e == ERR_OK && w.report.n == 0)
            printf("nothing has changed in %s\n", r->folder);
        if (e == ERR_AGAIN)
            buf_printf(&w.why, "no bundle is written before the company's CA has answered");
        say(&w, stderr);
        code = code_of(e);
    }
    if (code != CTL_OK)
        fail(code, &w.why);
    buf_fini(&w.report);
    buf_fini(&w.why);
    plan_free(w.plan);
    return code;
}

/* --- command line ----------------------------------------------------------------------------- */

static bool read_format(const char *text, enum plan_format *out)
{
    static const char *const names[] = {
        [PLAN_TEXT] = "text", [PLAN_CSV] = "csv", [PLAN_JSON] = "json"
    };

    *out = PLAN_TEXT;
    if (!text)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (enum plan_format)i;
            return true;
        }
    }
    return false;
}

static bool read_option(struct request *r, int option)
{
    switch (option) {
    case 'o':
        r->folder = optarg;
        return true;
    case 'f':
        r->file = optarg;
        return true;
    case 'p':
        r->passphrase.file = optarg;
        return true;
    case 'r':
        r->is_reference = true;
        return true;
    case 'd':
        r->is_comparing = true;
        return true;
    case 'n':
        r->has_new_keys = true;
        return true;
    case 'e':
        r->is_explaining = true;
        return read_format(optarg, &r->format);
    case 's':
        r->is_telling_secrets = true;
        return read_format(optarg, &r->format);
    default:
        return false;
    }
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int usage(void)
{
    print_help(stderr);
    return CTL_USAGE;
}

/* The keys of cluster.conf, for its manual page. */
static int print_reference(void)
{
    struct buf page = { 0 };

    conf_write_reference(&plan_conf_spec, CONF_FORMAT_MDOC, &page);
    print(stdout, &page);
    buf_fini(&page);
    return CTL_OK;
}

static int dispatch(struct request *r, int count, char **words)
{
    const struct verb *verb = count > 0 ? find_verb(words[0]) : NULL;
    struct buf folder = { 0 };
    int code;

    if (verb) {
        r->words = words + 1;
        r->count = count - 1;
        if (r->count < verb->least || r->count > verb->most || is_telling(r))
            return usage();
        r->file = r->file ? r->file : "cluster.conf";
    } else if (count == 1 && !r->file) {
        r->file = words[0];
    } else {
        return usage();
    }
    if (!r->folder) {
        const char *slash = strrchr(r->file, '/');

        buf_printf(&folder, "%.*splan%c", slash ? (int)(slash - r->file) + 1 : 0, r->file, '\0');
        r->folder = folder.p;
    }
    code = run_verb(r, verb);
    buf_fini(&folder);
    return code;
}

int plan_run(int count, char **words)
{
    static const struct option options[] = {
        { "out", required_argument, NULL, 'o' },
        { "file", required_argument, NULL, 'f' },
        { "explain", optional_argument, NULL, 'e' },
        { "secrets", optional_argument, NULL, 's' },
        { "diff", no_argument, NULL, 'd' },
        { "new-keys", no_argument, NULL, 'n' },
        { "passphrase-file", required_argument, NULL, 'p' },
        { "reference", no_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct request r = { 0 };
    int option, code;

    optind = 0; /* words[0] is "plan", as a program's name */
    umask(077);
    while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return CTL_OK;
        }
        if (!read_option(&r, option))
            return usage();
    }
    code = r.is_reference ? print_reference() : dispatch(&r, count - optind, words + optind);
    plan_passphrase_fini(&r.passphrase);
    return code;
}
