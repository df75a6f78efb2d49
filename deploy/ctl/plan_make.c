/* Bundles and tables. See plan_make.h. */
#include "deploy/ctl/plan_make.h"

#include "common/mem.h"
#include "deploy/ctl/plan_explain.h"
#include "deploy/ctl/plan_file.h"
#include "deploy/ctl/plan_write.h"

#include <dirent.h>

static struct str at(struct plan *p, const char *folder, struct str name, const char *file,
                     struct str last)
{
    return arena_printf(&p->arena, "%s%s/%.*s/%s%.*s", p->conf->config_dir, folder, STR_ARG(name),
                        file, STR_ARG(last));
}

static enum err add_secrets(struct plan *p, struct plan_keys *k, const struct plan_node *n,
                            struct plan_bundle *b, struct buf *why)
{
    const struct plan_component_conf *components = p->conf->components.items;
    enum err e = ERR_OK;

    for (size_t i = 0; i < p->link_count && e == ERR_OK; i++) {
        const struct plan_link *l = &p->links[i];

        if (l->router == n || l->leaf == n)
            e = plan_keys_secret(
                k, plan_keys_link_secret_name(p, l),
                plan_bundle_add_secret(b, at(p, "", n->name, "secret/", plan_other(l, n)->name),
                                       n->user),
                why);
    }
    if (n->role != PLAN_ROUTER || !plan_has_components(p, n))
        return e;
    for (size_t i = 0; i < p->conf->components.count && e == ERR_OK; i++) {
        struct str name = arena_printf(&p->arena, "component-%s", components[i].domain);

        e = plan_keys_secret(
            k, name, plan_bundle_add_secret(b, at(p, "", n->name, "secret/", name), n->user), why);
    }
    return e;
}

static enum err add_process(struct plan *p, struct plan_keys *k, const struct plan_node *n,
                            struct plan_bundle *b, struct buf *why)
{
    enum err e;

    e = plan_keys_key(
        k, n, plan_bundle_add_secret(b, at(p, "", n->name, "link.key", STR("")), STR("root")), why);
    if (e == ERR_OK)
        e = plan_keys_cert(k, n, plan_bundle_add(b, at(p, "", n->name, "link.pem", STR(""))), why);
    return e == ERR_OK ? add_secrets(p, k, n, b, why) : e;
}

static enum err add_trust(struct plan *p, struct plan_keys *k, struct plan_bundle *b,
                          struct buf *why)
{
    struct buf *ca = plan_bundle_add(
                   b, arena_printf(&p->arena, "%s/link-ca.pem", p->conf->config_dir)),
               crl = { 0 };
    enum err e = plan_keys_trust(k, ca, &crl, why);

    if (crl.n > 0)
        buf_add(plan_bundle_add(b, arena_printf(&p->arena, "%s/link-crl.pem", p->conf->config_dir)),
                buf_str(&crl));
    buf_fini(&crl);
    return e;
}

static bool has_process(const struct plan *p, const struct plan_host_conf *h)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].host == h)
            return true;
    return false;
}

void plan_make_public(struct plan *p, const struct plan_host_conf *h, struct plan_bundle *b)
{
    if (!has_process(p, h))
        return;
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].host == h)
            plan_write_process(
                p, &p->nodes[i],
                plan_bundle_add(b, arena_printf(&p->arena, "%s/%.*s.conf", p->conf->config_dir,
                                                STR_ARG(p->nodes[i].name))));
    plan_write_units(p, h, b);
    plan_write_nft(
        p, h, plan_bundle_add(b, arena_printf(&p->arena, "%s/sallyport.nft", p->conf->config_dir)));
    plan_explain_flows(
        p, h->name, PLAN_JSON,
        plan_bundle_add(b, arena_printf(&p->arena, "%s/flows.json", p->conf->config_dir)));
}

static enum err fill(struct plan *p, struct plan_keys *k, const struct plan_host_conf *h,
                     struct plan_bundle *b, struct buf *why)
{
    bool is_waiting = false;
    enum err e = ERR_OK;

    for (size_t i = 0; i < p->node_count && e == ERR_OK; i++) {
        if (p->nodes[i].host != h)
            continue;
        e = add_process(p, k, &p->nodes[i], b, why);
        is_waiting |= e == ERR_AGAIN;
        e = e == ERR_AGAIN ? ERR_OK : e;
    }
    if (e == ERR_OK)
        e = add_trust(p, k, b, why);
    plan_make_public(p, h, b);
    return e == ERR_OK && is_waiting ? ERR_AGAIN : e;
}

/* --- tables ----------------------------------------------------------------------------------- */

static enum err write_if_new(struct plan_keys *k, const char *path, struct str bytes,
                             struct buf *why)
{
    struct buf old = { 0 };
    enum err e = plan_file_read(path, &old, why);
    bool is_same = e == ERR_OK && str_eq(buf_str(&old), bytes);

    buf_fini(&old);
    if (is_same || (e != ERR_OK && e != ERR_NOT_FOUND))
        return is_same ? ERR_OK : e;
    buf_printf(k->report, "%s %s\n", e == ERR_NOT_FOUND ? "new     " : "changed ", path);
    return plan_file_write(path, 0644, bytes, why);
}

static enum err write_tables(struct plan *p, struct plan_keys *k, struct buf *why)
{
    static const char *const suffixes[] = {
        [PLAN_TEXT] = "txt", [PLAN_CSV] = "csv", [PLAN_JSON] = "json"
    };
    enum err e = ERR_OK;

    for (enum plan_format f = PLAN_TEXT; f <= PLAN_JSON && e == ERR_OK; f++) {
        struct buf flows = { 0 }, secrets = { 0 };

        if (f == PLAN_TEXT)
            plan_warn(p, &flows);
        plan_explain_flows(p, NULL, f, &flows);
        plan_explain_secrets(p, f, &secrets);
        e = write_if_new(k, arena_printf(&p->arena, "%s/flows.%s", k->folder, suffixes[f]).p,
                         buf_str(&flows), why);
        if (e == ERR_OK)
            e = write_if_new(k, arena_printf(&p->arena, "%s/secrets.%s", k->folder, suffixes[f]).p,
                             buf_str(&secrets), why);
        buf_fini(&flows);
        buf_fini(&secrets);
    }
    return e;
}

/* Hosts of an earlier plan: their files would otherwise be carried on. */
static enum err remove_others(struct plan *p, struct plan_keys *k, struct buf *why)
{
    DIR *dir = opendir(arena_printf(&p->arena, "%s/hosts", k->folder).p);
    enum err e = ERR_OK;

    if (!dir)
        return ERR_OK;
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(dir));) {
        const struct plan_host_conf *h = plan_host(p->conf, entry->d_name);

        if (entry->d_name[0] != '.' && (!h || !has_process(p, h)))
            e = plan_bundle_remove(
                arena_printf(&p->arena, "%s/hosts/%s", k->folder, entry->d_name).p, k->report, why);
    }
    closedir(dir);
    return e;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Everything is made before anything is written: a plan that fails halfway leaves the bundles as
 * they were. */
enum err plan_make(struct plan *p, struct plan_keys *k, struct buf *why)
{
    const struct plan_host_conf *hosts = p->conf->hosts.items;
    struct plan_bundle *bundles = mem_alloc(p->conf->hosts.count * sizeof *bundles);
    bool is_waiting = false;
    enum err e = ERR_OK;

    for (size_t i = 0; i < p->conf->hosts.count && e == ERR_OK; i++) {
        if (has_process(p, &hosts[i]))
            e = fill(p, k, &hosts[i], &bundles[i], why);
        is_waiting |= e == ERR_AGAIN;
        e = e == ERR_AGAIN ? ERR_OK : e;
    }
    if (e == ERR_OK && is_waiting)
        e = ERR_AGAIN;
    for (size_t i = 0; i < p->conf->hosts.count && e == ERR_OK; i++)
        if (bundles[i].count)
            e = plan_bundle_write(
                &bundles[i], arena_printf(&p->arena, "%s/hosts/%s", k->folder, hosts[i].name).p,
                k->report, why);
    if (e == ERR_OK)
        e = remove_others(p, k, why);
    if (e == ERR_OK)
        e = write_tables(p, k, why);
    for (size_t i = 0; i < p->conf->hosts.count; i++)
        plan_bundle_fini(&bundles[i]);
    mem_free(bundles);
    return e;
}
