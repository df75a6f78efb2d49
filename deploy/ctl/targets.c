/* Control sockets of a folder. See targets.h. */
#include "deploy/ctl/targets.h"

#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool targets_has(const struct targets *t, struct str name)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_is(name, t->names[i]))
            return true;
    return false;
}

static void add_target(struct targets *t, struct str file)
{
    struct str name = file;

    if (!str_ends_with(name, STR(".sock")))
        return;
    name.n -= sizeof ".sock" - 1;
    if (str_ends_with(name, STR("-admin")))
        name.n -= sizeof "-admin" - 1;
    if (name.n == 0 || targets_has(t, name))
        return;
    t->names = mem_realloc(t->names, (t->count + 1) * sizeof *t->names);
    t->names[t->count++] = str_dup(name);
}

enum err targets_find(const char *folder, struct targets *out)
{
    DIR *dir = opendir(folder);

    *out = (struct targets){ 0 };
    if (!dir)
        return errno == ENOENT ? ERR_NOT_FOUND : errno == EACCES ? ERR_DENIED : ERR_IO;
    for (struct dirent *entry; (entry = readdir(dir));)
        add_target(out, str_from(entry->d_name));
    closedir(dir);
    if (out->count > 0)
        qsort(out->names, out->count, sizeof *out->names, compare);
    return ERR_OK;
}

void targets_fini(struct targets *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->names[i]);
    mem_free(t->names);
    *t = (struct targets){ 0 };
}

void targets_path(const char *folder, const char *name, bool is_admin, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s/%s%s.sock", folder, name, is_admin ? "-admin" : "");
    buf_add_char(out, '\0');
}
