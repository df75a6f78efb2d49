/* The table of secrets, and of what is private without being one: by host and file, who may read
 * it, how it is replaced, what its theft permits. See plan_explain.h. A test walks over the files
 * of a running cluster and looks for one that is not here. */
#include "deploy/ctl/plan_explain.h"

static const struct plan_column columns[] = {
    { "host", false },  { "file", false },    { "owner", false },        { "mode", false },
    { "secret", true }, { "rotation", true }, { "theft_permits", true },
};

enum owner { BY_ROOT, BY_ROOT_FOR_USER, BY_USER, BY_USER_ALONE, BY_ADMINISTRATOR };

struct kind {
    enum owner owner;
    const char *mode, *what, *rotation, *theft;
};

struct secrets {
    struct plan *p;
    struct plan_table table;
    size_t cap;
};

static struct str owner_of(struct secrets *s, enum owner owner, const struct plan_node *n)
{
    switch (owner) {
    case BY_ROOT:
        return STR("root:root");
    case BY_ROOT_FOR_USER:
        return arena_printf(&s->p->arena, "root:%.*s", STR_ARG(n->user));
    case BY_USER:
        return arena_printf(&s->p->arena, "%.*s:%.*s", STR_ARG(n->user), STR_ARG(n->user));
    case BY_USER_ALONE:
        return arena_printf(&s->p->arena, "%.*s:root", STR_ARG(n->user));
    case BY_ADMINISTRATOR:
        break;
    }
    return STR("you");
}

/* n: whose host it is on; NULL: the planning machine. */
static void add(struct secrets *s, const struct plan_node *n, const struct kind *k, struct str file)
{
    struct plan_table *t = &s->table;
    struct str values[] = { n ? str_from(n->host->name) : STR("(planning)"),
                            file,
                            owner_of(s, k->owner, n),
                            str_from(k->mode),
                            str_from(k->what),
                            str_from(k->rotation),
                            str_from(k->theft) };

    _Static_assert(ARRAY_LEN(values) == ARRAY_LEN(columns), "a value for each column");
    if (t->row_count == s->cap) {
        struct str *old = t->cells;

        s->cap = s->cap ? 2 * s->cap : 32;
        t->cells = arena_alloc(&s->p->arena, s->cap * t->column_count * sizeof *t->cells);
        if (old)
            memcpy(t->cells, old, t->row_count * t->column_count * sizeof *old);
    }
    memcpy(&t->cells[t->row_count++ * t->column_count], values, sizeof values);
}

/* --- of every process ------------------------------------------------------------------------- */

/* By the role of who holds the key. */
static const char *const key_theft[PLAN_ROLE_COUNT] = {
    [PLAN_ROUTER] = "with the link secrets: to pose as this router to its peers, and read and "
                    "alter what they send; revoke the name at once",
    [PLAN_C2S] = "with its link secret: to pose as this connection manager, that is to offer "
                 "logins to clients that come to the thief; no session of others, no account",
    [PLAN_SM] = "with its link secret: to pose as this session manager, that is to answer for "
                "accounts; revoke the name at once",
    [PLAN_S2S] =
        "with its link secret: to pose as this server connection manager, that is to speak "
        "for other domains; no account",
};

static void add_process(struct secrets *s, const struct plan_node *n)
{
    static const struct kind link = {
        BY_ROOT_FOR_USER, "0640", "XEP-0114 secret of one link",
        "delete it in secrets/ beside the plan and plan again; reload both ends",
        "nothing without a certificate of the same name, or (Unix socket) the same user"
    };
    static const struct kind log = { BY_USER, "0640",
                                     "no secret but private: who logged in when, and from where",
                                     "logrotate, or the collector's own; reload",
                                     "to learn who uses the service, and from where" };
    const struct kind key = { BY_ROOT, "0600",
                              "key of the link certificate, handed over by LoadCredential=",
                              "plan renew --new-keys; then restart", key_theft[n->role] };
    const struct kind copy = { BY_USER_ALONE, "0400",
                               "the same key, as the service manager shows it to the process, in "
                               "memory while it runs",
                               "with its original", key_theft[n->role] };
    struct plan *p = s->p;

    add(s, n, &key,
        arena_printf(&p->arena, "%s/%.*s/link.key", p->conf->config_dir, STR_ARG(n->name)));
    add(s, n, &copy,
        arena_printf(&p->arena, "/run/credentials/sallyport-%s@%.*s.service/link.key",
                     plan_role_names[n->role], STR_ARG(n->name)));
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].router == n || p->links[i].leaf == n)
            add(s, n, &link,
                arena_printf(&p->arena, "%s/%.*s/secret/%.*s", p->conf->config_dir,
                             STR_ARG(n->name), STR_ARG(plan_other(&p->links[i], n)->name)));
    add(s, n, &log,
        arena_printf(&p->arena, "%s/%.*s/audit.log", p->conf->log_dir, STR_ARG(n->name)));
}

/* --- by role ---------------------------------------------------------------------------------- */

/* Whether another process before it shows the same files to the same user. */
static bool is_told(const struct plan *p, const struct plan_node *n)
{
    for (const struct plan_node *other = p->nodes; other < n; other++)
        if (other->host == n->host && (other->role == PLAN_C2S || other->role == PLAN_S2S) &&
            str_eq(other->user, n->user))
            return true;
    return false;
}

/* Of c2s, and of s2s, which shows the same certificates to other servers. */
static void add_domains(struct secrets *s, const struct plan_node *n)
{
    static const struct kind key = {
        BY_ROOT_FOR_USER, "0640", "key of the domain's certificate; not made by the plan",
        "with the certificate, by the ACME client; reload",
        "to pose as the domain to clients that the thief can redirect, until it is revoked"
    };
    const struct plan_domain_conf *domains = s->p->conf->domains.items;

    for (size_t i = 0; i < s->p->conf->domains.count && !is_told(s->p, n); i++)
        add(s, n, &key,
            domains[i].key_file ? str_from(domains[i].key_file)
                                : arena_printf(&s->p->arena, "%s/tls/%s.key",
                                               s->p->conf->config_dir, domains[i].name));
}

static void add_components(struct secrets *s, const struct plan_node *n)
{
    static const struct kind secret = {
        BY_ROOT_FOR_USER, "0640", "XEP-0114 secret of a third-party component",
        "delete it in secrets/ beside the plan and plan again; reload, and tell the component",
        "to pose as this component's domain, from where its port can be reached"
    };
    const struct plan_component_conf *items = s->p->conf->components.items;

    for (size_t i = 0; i < s->p->conf->components.count && plan_has_components(s->p, n); i++)
        add(s, n, &secret,
            arena_printf(&s->p->arena, "%s/%.*s/secret/component-%s", s->p->conf->config_dir,
                         STR_ARG(n->name), items[i].domain));
}

static void add_store(struct secrets *s, const struct plan_node *n)
{
    static const struct {
        const char *suffix;
        struct kind kind;
    } files[] = {
        { "store.db",
          { BY_USER, "0600",
            "the store: SCRAM keys, rosters, messages, the key that signs adoptions, the keys that "
            "hide who exists and where accounts are; never a password",
            "passwords: by their owners; the other keys live as long as the store, copies included",
            "to read everything; to log in as anybody through SCRAM until passwords change; with a "
            "router's place: to open sessions" } },
        { "store.db-wal",
          { BY_USER, "0600", "what was written to the store lately", "with the store",
            "as the store" } },
        { "*.copy",
          { BY_USER, "0600",
            "copies of the store that store backup made (here unless backup_dir says otherwise), "
            "and "
            "wherever they are carried",
            "delete old ones; encrypt what leaves the host", "as the store, of that day" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        add(s, n, &files[i].kind,
            arena_printf(&s->p->arena, "%s/%.*s/%s", s->p->conf->state_dir, STR_ARG(n->name),
                         files[i].suffix));
}

static void (*const adders[PLAN_ROLE_COUNT])(struct secrets *s, const struct plan_node *n) = {
    [PLAN_ROUTER] = add_components,
    [PLAN_C2S] = add_domains,
    [PLAN_SM] = add_store,
    [PLAN_S2S] = add_domains,
};

/* --- elsewhere -------------------------------------------------------------------------------- */

static void add_planning_machine(struct secrets *s)
{
    static const struct {
        const char *file;
        struct kind kind;
        bool is_of_ca;
    } rows[] = {
        { "ca/ca-*.key",
          { BY_ADMINISTRATOR, "0600", "key of the link CA, encrypted with the passphrase (PKCS #8)",
            "plan ca new, switch, drop",
            "with the passphrase: to make certificates of any process; alone: a guessing attack on "
            "the passphrase" },
          true },
        { "(in no file)",
          { BY_ADMINISTRATOR, "-", "the passphrase of the link CA's key",
            "plan ca new, switch, drop, with another one", "with the key: as the key" },
          true },
        { "keys/*.key",
          { BY_ADMINISTRATOR, "0600", "every link key", "as on the hosts",
            "with the secrets: to pose as any process; keep this machine offline or its disk "
            "encrypted" },
          false },
        { "secrets/*",
          { BY_ADMINISTRATOR, "0600", "every link secret, and those of components",
            "as on the hosts", "as on the hosts" },
          false },
        { "hosts/*",
          { BY_ADMINISTRATOR, "0600",
            "the bundles: copies of keys and secrets, for each host its own", "as on the hosts",
            "as on the hosts; remove copies once they are installed" },
          false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!rows[i].is_of_ca || !s->p->conf->company_ca)
            add(s, NULL, &rows[i].kind, str_from(rows[i].file));
}

void plan_explain_secrets(struct plan *p, enum plan_format format, struct buf *out)
{
    struct secrets s = { .p = p,
                         .table = { .columns = columns, .column_count = ARRAY_LEN(columns) } };

    for (size_t i = 0; i < p->node_count; i++) {
        add_process(&s, &p->nodes[i]);
        adders[p->nodes[i].role](&s, &p->nodes[i]);
    }
    add_planning_machine(&s);
    plan_table_print(&s.table, format, out);
    if (format == PLAN_TEXT)
        buf_add(out,
                STR("\nA copy of a file is as dangerous as the file: backups of a store or of the "
                    "planning machine belong on an encrypted disk. No process leaves a core image "
                    "(LimitCORE=0).\n"));
}
