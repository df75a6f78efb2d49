/* See plan_diff.h. The old side is what is on the disk: flows.csv, manifests, files. */
#include "deploy/ctl/plan_diff.h"

#include "deploy/ctl/plan_explain.h"
#include "deploy/ctl/plan_file.h"
#include "deploy/ctl/plan_make.h"

#include <dirent.h>

/* --- flows ------------------------------------------------------------------------------------ */

static bool has_line(struct str text, struct str line)
{
    while (text.n > 0)
        if (str_eq(str_cut(&text, '\n'), line))
            return true;
    return false;
}

/* Lines of one that the other lacks; the first is the header. */
static void tell_missing(struct str one, struct str other, char sign, struct buf *out)
{
    str_cut(&one, '\n');
    while (one.n > 0) {
        struct str line = str_cut(&one, '\n'), shown = str_trim(line);

        if (!has_line(other, line))
            buf_printf(out, "%c flow %.*s\n", sign, STR_ARG(shown));
    }
}

static enum err diff_flows(struct plan *p, const char *folder, struct buf *out, struct buf *why)
{
    struct buf old = { 0 }, new = { 0 };
    enum err e = plan_file_read(arena_printf(&p->arena, "%s/flows.csv", folder).p, &old, why);

    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        plan_explain_flows(p, NULL, PLAN_CSV, &new);
        tell_missing(buf_str(&old), buf_str(&new), '-', out);
        tell_missing(buf_str(&new), buf_str(&old), '+', out);
        e = ERR_OK;
    }
    buf_fini(&old);
    buf_fini(&new);
    return e;
}

/* --- files ------------------------------------------------------------------------------------ */

/* What comes from the CA or from chance, and so is in no bundle that is made to be compared. */
static bool is_kept(struct str path)
{
    return memmem(path.p, path.n, "/secret/", 8) || str_ends_with(path, STR("/link.key")) ||
           str_ends_with(path, STR("/link.pem")) || str_ends_with(path, STR("/link-ca.pem")) ||
           str_ends_with(path, STR("/link-crl.pem"));
}

static bool has_file(const struct plan_bundle *b, struct str path)
{
    for (size_t i = 0; i < b->count; i++)
        if (str_eq(b->files[i]->path, path))
            return true;
    return false;
}

static enum err diff_file(struct plan *p, const char *host, const struct plan_bundle_file *f,
                          struct buf *out, struct buf *why)
{
    struct buf old = { 0 };
    enum err e =
        plan_file_read(arena_printf(&p->arena, "%s%.*s", host, STR_ARG(f->path)).p, &old, why);

    if (e == ERR_NOT_FOUND || (e == ERR_OK && !str_eq(buf_str(&old), buf_str(&f->content))))
        buf_printf(out, "%s %s%.*s\n", e == ERR_OK ? "changed " : "new     ", host,
                   STR_ARG(f->path));
    buf_fini(&old);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Lines "MODE OWNER SHA-256 PATH". */
static enum err diff_removed(struct plan *p, const char *host, const struct plan_bundle *b,
                             struct buf *out, struct buf *why)
{
    struct buf manifest = { 0 };
    enum err e = plan_file_read(arena_printf(&p->arena, "%s/manifest", host).p, &manifest, why);
    struct str rest = buf_str(&manifest);

    while (e == ERR_OK && rest.n > 0) {
        struct str path = str_cut(&rest, '\n');

        for (int i = 0; i < 3; i++)
            str_cut(&path, ' ');
        if (!is_kept(path) && !has_file(b, path))
            buf_printf(out, "removed  %s%.*s\n", host, STR_ARG(path));
    }
    buf_fini(&manifest);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err diff_host(struct plan *p, const struct plan_host_conf *h, const char *folder,
                          struct buf *out, struct buf *why)
{
    const char *host = arena_printf(&p->arena, "%s/hosts/%s", folder, h->name).p;
    struct plan_bundle b = { 0 };
    enum err e = ERR_OK;

    plan_make_public(p, h, &b); /* empty where no process is planned */
    for (size_t i = 0; i < b.count && e == ERR_OK; i++)
        e = diff_file(p, host, b.files[i], out, why);
    if (e == ERR_OK)
        e = diff_removed(p, host, &b, out, why);
    plan_bundle_fini(&b);
    return e;
}

/* Bundles of hosts that the description has no more. */
static void diff_others(struct plan *p, const char *folder, struct buf *out)
{
    DIR *dir = opendir(arena_printf(&p->arena, "%s/hosts", folder).p);

    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && !plan_host(p->conf, entry->d_name) &&
            plan_file_exists(
                arena_printf(&p->arena, "%s/hosts/%s/manifest", folder, entry->d_name).p))
            buf_printf(out, "removed  %s/hosts/%s\n", folder, entry->d_name);
    closedir(dir);
}

enum err plan_diff(struct plan *p, const char *folder, bool *out_differs, struct buf *out,
                   struct buf *why)
{
    const struct plan_host_conf *hosts = p->conf->hosts.items;
    size_t before = out->n;
    enum err e = diff_flows(p, folder, out, why);

    for (size_t i = 0; i < p->conf->hosts.count && e == ERR_OK; i++)
        e = diff_host(p, &hosts[i], folder, out, why);
    diff_others(p, folder, out);
    *out_differs = out->n > before;
    return e;
}
