/* Installing a bundle: all of it is checked first, then written file by file, each in one step;
 * what the bundle before it had and this one has not is removed. It starts nothing: it says how. */
#include "deploy/ctl/install.h"

#include "common/ctl.h"
#include "common/mem.h"
#include "deploy/ctl/install_manifest.h"
#include "deploy/ctl/plan_file.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct install {
    const char *bundle;
    bool is_dry;
    struct buf text, old_text; /* of the manifests */
    struct manifest manifest, old;
    struct buf old_path; /* of the copy of the manifest that is installed */
    struct manifest_steps steps;
    struct buf why;
};

static char *join(struct buf *out, const char *folder, struct str path)
{
    buf_clear(out);
    buf_printf(out, "%s%.*s%c", folder, STR_ARG(path), '\0');
    return out->p;
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool has_digest(struct str content, struct str digest)
{
    struct buf hex = { 0 };
    bool is_same;

    plan_file_add_digest(&hex, content);
    is_same = str_eq(buf_str(&hex), digest);
    buf_fini(&hex);
    return is_same;
}

/* The file as the bundle has it, checked. */
static enum err read_file(struct install *in, const struct manifest_file *f, struct buf *out)
{
    struct buf path = { 0 };
    enum err e = plan_file_read(join(&path, in->bundle, f->path), out, &in->why);

    if (e == ERR_NOT_FOUND)
        buf_printf(&in->why, "%s is in the manifest and not in the bundle", path.p);
    else if (e == ERR_OK && !has_digest(buf_str(out), f->digest)) {
        buf_printf(&in->why, "%s is not what the plan made: its SHA-256 differs", path.p);
        e = ERR_DENIED;
    }
    buf_fini(&path);
    return e;
}

static enum err check_files(struct install *in)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < in->manifest.count && e == ERR_OK; i++) {
        struct buf content = { 0 };

        e = read_file(in, &in->manifest.files[i], &content);
        plan_file_forget(&content);
    }
    return e;
}

/* The copy of the manifest stands beside flows.json, which every bundle has. */
static enum err find_old(struct install *in)
{
    struct str flows = STR("/flows.json");
    enum err e;

    for (size_t i = 0; i < in->manifest.count; i++) {
        struct str path = in->manifest.files[i].path;

        if (str_ends_with(path, flows))
            buf_printf(&in->old_path, "%.*s/manifest%c", (int)(path.n - flows.n), path.p, '\0');
    }
    if (in->old_path.n == 0) {
        buf_printf(&in->why, "%s is no bundle: it has no flows.json", in->bundle);
        return ERR_MALFORMED;
    }
    e = plan_file_read(in->old_path.p, &in->old_text, &in->why);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e == ERR_OK && manifest_read(buf_str(&in->old_text), &in->old, &in->why) != ERR_OK) {
        buf_printf(&in->why, " (in %s)", in->old_path.p);
        e = ERR_MALFORMED;
    }
    return e;
}

/* --- users ------------------------------------------------------------------------------------ */

static bool find_owner(const struct manifest_file *f, uid_t *out_uid, gid_t *out_gid)
{
    char *user = str_dup(f->owner), *group = str_dup(f->group);
    const struct passwd *p = getpwnam(user);
    const struct group *g = getgrnam(group);

    if (p)
        *out_uid = p->pw_uid;
    if (g)
        *out_gid = g->gr_gid;
    mem_free(user);
    mem_free(group);
    return p && g;
}

static const struct manifest_file *without_owner(const struct install *in)
{
    uid_t uid;
    gid_t gid;

    for (size_t i = 0; i < in->manifest.count; i++)
        if (!find_owner(&in->manifest.files[i], &uid, &gid))
            return &in->manifest.files[i];
    return NULL;
}

static bool run(char *const *argv)
{
    extern char **environ;
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The bundle says which users its processes have. */
static enum err make_users(struct install *in)
{
    const struct manifest_file *missing = without_owner(in);

    if (!missing || in->is_dry)
        return ERR_OK;
    for (size_t i = 0; i < in->manifest.count; i++) {
        struct buf path = { 0 };
        char program[] = "systemd-sysusers", *absolute;

        if (!memmem(in->manifest.files[i].path.p, in->manifest.files[i].path.n, "/sysusers.d/", 12))
            continue;
        join(&path, in->bundle, in->manifest.files[i].path);
        absolute = realpath(path.p, NULL); /* it takes no others */
        if (!absolute || !run((char *[]){ program, absolute, NULL }))
            buf_printf(&in->why, "systemd-sysusers %s failed", path.p);
        free(absolute);
        buf_fini(&path);
        if (in->why.n > 0)
            return ERR_IO;
    }
    missing = without_owner(in);
    if (missing)
        buf_printf(&in->why, "there is no user %.*s or no group %.*s", STR_ARG(missing->owner),
                   STR_ARG(missing->group));
    return missing ? ERR_NOT_FOUND : ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void say(struct install *in, enum manifest_change change, struct str path)
{
    static const char *const words[] = {
        [FILE_NEW] = "new     ", [FILE_CHANGED] = "changed ", [FILE_REMOVED] = "removed "
    };

    printf("%s %.*s\n", words[change], STR_ARG(path));
    manifest_steps_add(&in->steps, path, change);
}

/* Folders above path that are not there yet: everybody may pass. */
static enum err make_folders(struct install *in, char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        bool failed;

        *slash = '\0';
        failed = mkdir(path, 0755) != 0 && errno != EEXIST;
        if (failed)
            buf_printf(&in->why, "%s: %s", path, strerror(errno));
        *slash = '/';
        if (failed)
            return ERR_IO;
    }
    return ERR_OK;
}

/* Nobody but root reads it before it has its owner and mode. */
static enum err put(struct install *in, const struct manifest_file *f, char *path, struct str bytes)
{
    struct buf new = { 0 };
    uid_t uid = 0;
    gid_t gid = 0;
    enum err e = make_folders(in, path);

    buf_printf(&new, "%s.install%c", path, '\0');
    if (e == ERR_OK && !find_owner(f, &uid, &gid))
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        e = plan_file_write(new.p, 0600, bytes, &in->why);
    if (e == ERR_OK &&
        (chown(new.p, uid, gid) != 0 || chmod(new.p, f->mode) != 0 || rename(new.p, path) != 0)) {
        buf_printf(&in->why, "%s: %s", path, strerror(errno));
        unlink(new.p);
        e = ERR_IO;
    }
    buf_fini(&new);
    return e;
}

static bool is_as_planned(const struct manifest_file *f, const char *path, struct str content)
{
    struct stat st;
    uid_t uid;
    gid_t gid;

    return find_owner(f, &uid, &gid) && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_mode & 07777) == f->mode && st.st_uid == uid && st.st_gid == gid &&
           has_digest(content, f->digest);
}

static enum err install_file(struct install *in, const struct manifest_file *f)
{
    struct buf path = { 0 }, content = { 0 }, present = { 0 };
    enum err e = read_file(in, f, &content), there;

    join(&path, "", f->path);
    if (e == ERR_OK) {
        there = plan_file_read(path.p, &present, &in->why);
        if (there != ERR_OK && there != ERR_NOT_FOUND) {
            e = there;
        } else if (there == ERR_NOT_FOUND || !is_as_planned(f, path.p, buf_str(&present))) {
            e = in->is_dry ? ERR_OK : put(in, f, path.p, buf_str(&content));
            if (e == ERR_OK)
                say(in, there == ERR_NOT_FOUND ? FILE_NEW : FILE_CHANGED, f->path);
        }
    }
    plan_file_forget(&content);
    plan_file_forget(&present);
    buf_fini(&path);
    return e;
}

static enum err remove_old(struct install *in)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < in->old.count && e == ERR_OK; i++) {
        struct str path = in->old.files[i].path;
        struct buf full = { 0 };

        if (manifest_find(&in->manifest, path))
            continue;
        join(&full, "", path);
        if (!in->is_dry && unlink(full.p) != 0 && errno != ENOENT) {
            buf_printf(&in->why, "%s: %s", full.p, strerror(errno));
            e = ERR_IO;
        } else {
            say(in, FILE_REMOVED, path);
        }
        buf_fini(&full);
    }
    return e;
}

static enum err install_bundle(struct install *in)
{
    struct buf path = { 0 };
    enum err e = plan_file_read(join(&path, in->bundle, STR("/manifest")), &in->text, &in->why);

    if (e == ERR_NOT_FOUND)
        buf_printf(&in->why, "%s: expected the folder of a host, as plan/hosts/HOST", in->bundle);
    if (e == ERR_OK)
        e = manifest_read(buf_str(&in->text), &in->manifest, &in->why);
    if (e == ERR_OK)
        e = check_files(in);
    if (e == ERR_OK)
        e = find_old(in);
    if (e == ERR_OK)
        e = make_users(in);
    for (size_t i = 0; i < in->manifest.count && e == ERR_OK; i++)
        e = install_file(in, &in->manifest.files[i]);
    if (e == ERR_OK)
        e = remove_old(in);
    if (e == ERR_OK && !in->is_dry)
        e = plan_file_write(in->old_path.p, 0644, buf_str(&in->text), &in->why);
    buf_fini(&path);
    return e;
}

/* --- the command ------------------------------------------------------------------------------ */

static void print_steps(struct install *in)
{
    struct buf steps = { 0 };

    manifest_steps_print(&in->steps, in->old.count == 0, &steps);
    if (steps.n > 0)
        printf("\nNow run:\n%.*s", STR_ARG(buf_str(&steps)));
    else
        printf("nothing changed\n");
    buf_fini(&steps);
}

static int print_help(FILE *to, int code)
{
    fprintf(to,
            "usage: sallyportctl install [--dry-run] BUNDLE\n\n"
            "Puts plan/hosts/HOST, carried to that host, in its place, and says what to run next.\n"
            "  --dry-run    only say what would change\n");
    return code;
}

int install_run(int count, char **words)
{
    static const struct option options[] = { { "dry-run", no_argument, NULL, 'n' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct install in = { 0 };
    int option;
    enum err e;

    optind = 0; /* words[0] is "install", as a program's name */
    umask(022);
    while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
        if (option == 'h')
            return print_help(stdout, CTL_OK);
        if (option == 'n')
            in.is_dry = true;
        else
            return print_help(stderr, CTL_USAGE);
    }
    if (optind + 1 != count)
        return print_help(stderr, CTL_USAGE);
    in.bundle = words[optind];
    e = install_bundle(&in);
    if (e == ERR_OK)
        print_steps(&in);
    else
        fprintf(stderr, "sallyportctl: %.*s\n",
                STR_ARG(in.why.n > 0 ? buf_str(&in.why) : str_from(err_text(e))));
    plan_file_forget(&in.text);
    buf_fini(&in.old_text);
    buf_fini(&in.old_path);
    buf_fini(&in.why);
    manifest_fini(&in.manifest);
    manifest_fini(&in.old);
    manifest_steps_fini(&in.steps);
    return e == ERR_OK ? CTL_OK : e == ERR_DENIED ? CTL_DENIED : CTL_FAILED;
}
