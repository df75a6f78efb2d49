/* The two tables for people. See plan_explain.h. */
#include "deploy/ctl/plan_explain.h"

/* --- flows ------------------------------------------------------------------------------------ */

static const struct plan_column flow_columns[] = {
    { "from", false },         { "from_host", false },  { "from_zone", false },
    { "from_address", false }, { "to", false },         { "to_host", false },
    { "to_zone", false },      { "to_address", false }, { "protocol", false },
    { "port", false },         { "crosses", false },    { "from_user", true },
    { "to_user", true },       { "to_program", true },  { "path", true },
    { "identity", true },      { "carries", true },     { "why", true },
};

static struct str join(struct plan *p, const struct plan_end *e)
{
    struct str text = e->address_count ? e->addresses[0] : STR("any");

    for (size_t i = 1; i < e->address_count; i++)
        text = arena_printf(&p->arena, "%.*s %.*s", STR_ARG(text), STR_ARG(e->addresses[i]));
    return text;
}

static void fill_flow(struct plan *p, const struct plan_flow *f, struct str *cells)
{
    bool is_unix = f->protocol == PLAN_UNIX;
    struct str values[] = {
        f->from.name,
        f->from.host,
        f->from.zone,
        is_unix ? STR("") : join(p, &f->from),
        f->to.name,
        f->to.host,
        f->to.zone,
        is_unix ? STR("") : join(p, &f->to),
        str_from(plan_protocol_names[f->protocol]),
        is_unix ? STR("") : arena_printf(&p->arena, "%u", f->port),
        f->is_crossing ? STR("yes") : STR("no"),
        f->from.node ? f->from.node->user : STR(""),
        f->to.node ? f->to.node->user : STR(""),
        f->to.node ? arena_printf(&p->arena, "%s/sallyport-%s", p->conf->programs,
                                  plan_role_names[f->to.node->role])
                   : STR(""),
        f->path,
        f->identity,
        f->carries,
        f->why,
    };

    _Static_assert(ARRAY_LEN(values) == ARRAY_LEN(flow_columns), "a value for each column");
    memcpy(cells, values, sizeof values);
}

void plan_explain_flows(struct plan *p, const char *host, enum plan_format format, struct buf *out)
{
    struct plan_table t = { .columns = flow_columns, .column_count = ARRAY_LEN(flow_columns) };

    t.cells = arena_alloc(&p->arena, p->flow_count * t.column_count * sizeof *t.cells);
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        if (!host || str_is(f->from.host, host) || str_is(f->to.host, host))
            fill_flow(p, f, &t.cells[t.row_count++ * t.column_count]);
    }
    plan_table_print(&t, format, out);
}

/* --- secrets ---------------------------------------------------------------------------------- */

static const struct plan_column secret_columns[] = {
    { "host", false },  { "file", false },    { "owner", false },        { "mode", false },
    { "secret", true }, { "rotation", true }, { "theft_permits", true },
};

struct secrets {
    struct plan *p;
    struct plan_table table;
    size_t cap;
};

struct secret {
    const char *host, *owner, *mode, *what, *rotation, *theft;
};

static void add(struct secrets *s, const struct secret *x, struct str file)
{
    struct plan_table *t = &s->table;
    struct str values[] = { str_from(x->host),  file,
                            str_from(x->owner), str_from(x->mode),
                            str_from(x->what),  str_from(x->rotation),
                            str_from(x->theft) };

    _Static_assert(ARRAY_LEN(values) == ARRAY_LEN(secret_columns), "a value for each column");
    if (t->row_count == s->cap) {
        struct str *old = t->cells;

        s->cap = s->cap ? 2 * s->cap : 32;
        t->cells = arena_alloc(&s->p->arena, s->cap * t->column_count * sizeof *t->cells);
        if (old)
            memcpy(t->cells, old, t->row_count * t->column_count * sizeof *old);
    }
    memcpy(&t->cells[t->row_count++ * t->column_count], values, sizeof values);
}

/* By the role of who holds the key. */
static const char *const key_theft[] = {
    [PLAN_ROUTER] = "with the link secrets: to pose as this router to its peers, and read and "
                    "alter what they send; revoke the name at once",
    [PLAN_C2S] = "with its link secret: to pose as this connection manager, that is to offer "
                 "logins to clients that come to the thief; no session of others, no account",
    [PLAN_SM] = "with its link secret: to pose as this session manager, that is to answer for "
                "accounts; revoke the name at once",
};

static const char *text(struct plan *p, struct str s)
{
    return arena_printf(&p->arena, "%.*s", STR_ARG(s)).p;
}

static void add_process(struct secrets *s, const struct plan_node *n)
{
    struct plan *p = s->p;
    const char *group = text(p, arena_printf(&p->arena, "root:%.*s", STR_ARG(n->user)));
    const struct secret key = { n->host->name,
                                "root:root",
                                "0600",
                                "key of the link certificate, handed over by LoadCredential=",
                                "plan renew --new-keys; then restart",
                                key_theft[n->role] };
    const struct secret link = {
        n->host->name,
        group,
        "0640",
        "XEP-0114 secret of one link",
        "delete it in secrets/ beside the plan and plan again; reload both ends",
        "nothing without a certificate of the same name, or (Unix socket) the same user"
    };

    add(s, &key,
        arena_printf(&p->arena, "%s/%.*s/link.key", p->conf->config_dir, STR_ARG(n->name)));
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].router == n || p->links[i].leaf == n)
            add(s, &link,
                arena_printf(&p->arena, "%s/%.*s/secret/%.*s", p->conf->config_dir,
                             STR_ARG(n->name), STR_ARG(plan_other(&p->links[i], n)->name)));
}

static void add_c2s(struct secrets *s, const struct plan_node *n)
{
    const struct plan_domain_conf *domains = s->p->conf->domains.items;
    const struct secret key = {
        n->host->name,
        text(s->p, arena_printf(&s->p->arena, "root:%.*s", STR_ARG(n->user))),
        "0640",
        "key of the domain's certificate; not made by the plan",
        "with the certificate, by the ACME client; reload",
        "to pose as the domain to clients that the thief can redirect, until it is revoked"
    };

    for (size_t i = 0; i < s->p->conf->domains.count; i++)
        add(s, &key,
            domains[i].key_file ? str_from(domains[i].key_file)
                                : arena_printf(&s->p->arena, "%s/tls/%s.key",
                                               s->p->conf->config_dir, domains[i].name));
}

static void add_router(struct secrets *s, const struct plan_node *n)
{
    const struct plan_component_conf *items = s->p->conf->components.items;
    const struct secret secret = {
        n->host->name,
        text(s->p, arena_printf(&s->p->arena, "root:%.*s", STR_ARG(n->user))),
        "0640",
        "XEP-0114 secret of a third-party component",
        "delete it in secrets/ beside the plan and plan again; reload, and tell the component",
        "to pose as this component's domain, from where its port can be reached"
    };

    if (!plan_has_components(s->p, n))
        return;
    for (size_t i = 0; i < s->p->conf->components.count; i++)
        add(s, &secret,
            arena_printf(&s->p->arena, "%s/%.*s/secret/component-%s", s->p->conf->config_dir,
                         STR_ARG(n->name), items[i].domain));
}

static void add_sm(struct secrets *s, const struct plan_node *n)
{
    const struct secret store = {
        n->host->name,
        text(s->p, n->user),
        "0600",
        "the store: SCRAM keys, rosters, messages; never a password",
        "passwords: by their owners",
        "to read everything; to log in as anybody through SCRAM until passwords change"
    };

    add(s, &store,
        arena_printf(&s->p->arena, "%s/%.*s/store.db", s->p->conf->state_dir, STR_ARG(n->name)));
}

static void add_planning_machine(struct secrets *s)
{
    static const struct secret ca = { "(planning)",
                                      "you",
                                      "0600",
                                      "key of the link CA, encrypted with the passphrase (PKCS #8)",
                                      "plan ca new, switch, drop",
                                      "with the passphrase: to make certificates of any process; "
                                      "alone: a guessing attack on the passphrase" };
    static const struct secret all = {
        "(planning)",
        "you",
        "0600",
        "every link key and link secret, and the bundles made from them",
        "as on the hosts",
        "to pose as any process; keep this machine offline or its disk encrypted"
    };

    if (!s->p->conf->company_ca)
        add(s, &ca, STR("ca/ca-N.key"));
    add(s, &all, STR("keys/ secrets/ hosts/"));
}

void plan_explain_secrets(struct plan *p, enum plan_format format, struct buf *out)
{
    struct secrets s = {
        .p = p, .table = { .columns = secret_columns, .column_count = ARRAY_LEN(secret_columns) }
    };

    for (size_t i = 0; i < p->node_count; i++) {
        const struct plan_node *n = &p->nodes[i];

        add_process(&s, n);
        if (n->role == PLAN_C2S)
            add_c2s(&s, n);
        else if (n->role == PLAN_ROUTER)
            add_router(&s, n);
        else
            add_sm(&s, n);
    }
    add_planning_machine(&s);
    plan_table_print(&s.table, format, out);
}
