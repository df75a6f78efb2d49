/* Bundles on the disk. See plan_bundle.h. The manifest, a line "MODE OWNER:GROUP SHA-256 PATH"
 * each, says which files are ours. */
#include "deploy/ctl/plan_bundle.h"

#include "common/mem.h"
#include "deploy/ctl/plan_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void plan_bundle_fini(struct plan_bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        plan_file_forget(&b->files[i]->content);
        mem_free(b->files[i]);
    }
    mem_free(b->files);
    arena_fini(&b->arena);
    *b = (struct plan_bundle){ 0 };
}

static struct buf *add(struct plan_bundle *b, struct plan_bundle_file file)
{
    struct plan_bundle_file *f = mem_new(struct plan_bundle_file);

    *f = file;
    f->path = arena_str(&b->arena, file.path);
    f->group = arena_str(&b->arena, file.group);
    b->files = mem_realloc(b->files, (b->count + 1) * sizeof(struct plan_bundle_file *));
    b->files[b->count++] = f;
    return &f->content;
}

struct buf *plan_bundle_add(struct plan_bundle *b, struct str path)
{
    return add(b, (struct plan_bundle_file){
                      .path = path, .mode = 0644, .owner = STR("root"), .group = STR("root") });
}

struct buf *plan_bundle_add_secret(struct plan_bundle *b, struct str path, struct str group)
{
    bool is_roots = str_is(group, "root");

    return add(b, (struct plan_bundle_file){ .path = path,
                                             .mode = is_roots ? 0600 : 0640,
                                             .owner = STR("root"),
                                             .group = group });
}

/* --- manifest --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return str_cmp((*(struct plan_bundle_file *const *)a)->path,
                   (*(struct plan_bundle_file *const *)b)->path);
}

static void write_manifest(const struct plan_bundle *b, struct buf *out)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct plan_bundle_file *f = b->files[i];

        buf_printf(out, "%04o %.*s:%.*s ", f->mode, STR_ARG(f->owner), STR_ARG(f->group));
        plan_file_add_digest(out, buf_str(&f->content));
        buf_printf(out, " %.*s\n", STR_ARG(f->path));
    }
}

static struct str path_of_line(struct str line)
{
    for (int i = 0; i < 3; i++)
        str_cut(&line, ' ');
    return line;
}

static bool has_path(const struct plan_bundle *b, struct str path)
{
    for (size_t i = 0; b && i < b->count; i++)
        if (str_eq(b->files[i]->path, path))
            return true;
    return false;
}

/* A manifest that somebody altered must not make us remove files elsewhere. */
static bool is_inside(struct str path)
{
    return path.n > 1 && path.p[0] == '/' && !memmem(path.p, path.n, "/../", 4) &&
           !str_ends_with(path, STR("/.."));
}

/* Removes files of the old manifest that are not in b (or all, when b is NULL). */
static enum err remove_old(const struct plan_bundle *b, const char *folder, struct str manifest,
                           struct buf *report, struct buf *why)
{
    while (manifest.n > 0) {
        struct str path = path_of_line(str_cut(&manifest, '\n'));
        struct buf full = { 0 };
        bool is_gone;

        if (!is_inside(path) || has_path(b, path))
            continue;
        buf_printf(&full, "%s%.*s%c", folder, STR_ARG(path), '\0');
        is_gone = unlink(full.p) == 0;
        if (!is_gone && errno != ENOENT)
            buf_printf(why, "%s: %s", full.p, strerror(errno));
        buf_fini(&full);
        if (why->n > 0)
            return ERR_IO;
        if (is_gone)
            buf_printf(report, "removed  %s%.*s\n", folder, STR_ARG(path));
    }
    return ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What only its owner may read here keeps that: on the host owner and mode are set from the
 * manifest's twin, tmpfiles.d. */
static enum err write_if_changed(const char *path, unsigned mode, struct str content,
                                 struct buf *report, struct buf *why)
{
    struct buf old = { 0 };
    enum err e = plan_file_read(path, &old, why);
    bool is_new = e == ERR_NOT_FOUND;

    if (e == ERR_OK && str_eq(buf_str(&old), content)) {
        plan_file_forget(&old);
        return ERR_OK;
    }
    plan_file_forget(&old);
    if (e != ERR_OK && !is_new)
        return e;
    e = plan_file_write(path, mode, content, why);
    if (e == ERR_OK && report)
        buf_printf(report, "%s %s\n", is_new ? "new     " : "changed ", path);
    return e;
}

static enum err write_file(const struct plan_bundle_file *f, const char *folder, struct buf *report,
                           struct buf *why)
{
    struct buf path = { 0 };
    enum err e;

    buf_printf(&path, "%s%.*s%c", folder, STR_ARG(f->path), '\0');
    e = write_if_changed(path.p, f->mode == 0644 ? 0644 : 0600, buf_str(&f->content), report, why);
    buf_fini(&path);
    return e;
}

enum err plan_bundle_write(struct plan_bundle *b, const char *folder, struct buf *report,
                           struct buf *why)
{
    struct buf path = { 0 }, old = { 0 }, manifest = { 0 };
    enum err e;

    buf_printf(&path, "%s/manifest%c", folder, '\0');
    e = plan_file_read(path.p, &old, why);
    if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    if (b->count)
        qsort(b->files, b->count, sizeof *b->files, compare);
    for (size_t i = 0; i < b->count && e == ERR_OK; i++)
        e = write_file(b->files[i], folder, report, why);
    if (e == ERR_OK)
        e = remove_old(b, folder, buf_str(&old), report, why);
    write_manifest(b, &manifest);
    if (e == ERR_OK)
        e = write_if_changed(path.p, 0644, buf_str(&manifest), NULL, why);
    buf_fini(&path);
    buf_fini(&old);
    buf_fini(&manifest);
    return e;
}

enum err plan_bundle_remove(const char *folder, struct buf *report, struct buf *why)
{
    struct buf path = { 0 }, old = { 0 };
    enum err e;

    buf_printf(&path, "%s/manifest%c", folder, '\0');
    e = plan_file_read(path.p, &old, why);
    if (e == ERR_OK)
        e = remove_old(NULL, folder, buf_str(&old), report, why);
    else if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    unlink(path.p);
    buf_fini(&path);
    buf_fini(&old);
    return e;
}
