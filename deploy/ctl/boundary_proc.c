/* /proc. See boundary_proc.h. */
#include "deploy/ctl/boundary_proc.h"

#include "common/mem.h"
#include "deploy/ctl/plan_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- texts ------------------------------------------------------------------------------------ */

/* Behind "NAME:" at the beginning of a line, without white space; absent: no such line. */
static struct str line_of(struct str text, const char *name)
{
    struct str start = str_from(name);

    while (text.n > 0) {
        struct str line = str_cut(&text, '\n');

        if (str_starts_with(line, start))
            return str_trim(str_of(line.p + start.n, line.n - start.n));
    }
    return STR_NONE;
}

static bool read_hex(struct str text, uint64_t *out)
{
    *out = 0;
    if (text.n == 0 || text.n > 16)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const char *digit = memchr("0123456789abcdef", text.p[i], 16);

        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    return true;
}

static bool read_small(struct str text, uint64_t most, uint64_t *out)
{
    return str_to_u64(text, out) == ERR_OK && *out <= most;
}

static bool read_uids(struct str text, uint32_t uids[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t uid;

        if (!read_small(str_cut(&text, '\t'), UINT32_MAX, &uid))
            return false;
        uids[i] = (uint32_t)uid;
    }
    return text.n == 0;
}

enum err boundary_proc_status(struct str text, struct boundary_process *p)
{
    uint64_t no_new_privs, seccomp;

    if (str_starts_with(line_of(text, "State:"), STR("Z")))
        return ERR_CLOSED;
    if (!read_uids(line_of(text, "Uid:"), p->uids) ||
        !read_hex(line_of(text, "CapEff:"), &p->cap_effective) ||
        !read_hex(line_of(text, "CapBnd:"), &p->cap_bounding) ||
        !read_small(line_of(text, "NoNewPrivs:"), 1, &no_new_privs) ||
        !read_small(line_of(text, "Seccomp:"), 2, &seccomp))
        return ERR_MALFORMED;
    p->no_new_privs = no_new_privs == 1;
    p->seccomp = (int)seccomp;
    return ERR_OK;
}

struct str boundary_proc_core_limit(struct str text)
{
    struct str line = line_of(text, "Max core file size");

    return str_cut(&line, ' ');
}

bool boundary_proc_inode(struct str link, const char *kind, uint64_t *out_inode)
{
    struct str start = str_cut(&link, '[');

    return start.n > 0 && start.p[start.n - 1] == ':' &&
           str_is(str_of(start.p, start.n - 1), kind) && link.n > 1 && link.p[link.n - 1] == ']' &&
           str_to_u64(str_of(link.p, link.n - 1), out_inode) == ERR_OK;
}

bool boundary_proc_is_program(struct str path)
{
    while (str_find(path, '/') < path.n)
        str_cut(&path, '/');
    return str_starts_with(path, STR("sallyport-"));
}

/* --- one process ------------------------------------------------------------------------------ */

struct scan {
    const char *root;
    const struct boundary_plan *plan; /* NULL: looks for inodes */
    const uint64_t *inodes;
    size_t inode_count;
    struct boundary_look *look;
    struct buf *why;
    size_t holding_cap, other_cap, process_cap;
};

/* What is too long to be a path is "", which is nowhere. */
static void join(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        out[0] = '\0';
}

static struct str read_link(const char *path, char target[PATH_MAX])
{
    ssize_t n = readlink(path, target, PATH_MAX);

    return n < 0 ? STR_NONE : str_of(target, (size_t)n);
}

static struct str user_of(struct arena *arena, uint32_t uid)
{
    const struct passwd *user = getpwuid(uid);

    return user ? boundary_printable(arena, str_from(user->pw_name))
                : arena_printf(arena, "%u", uid);
}

static void read_program(struct scan *s, const char *folder, struct boundary_process *p)
{
    static const struct str deleted = { " (deleted)", 10 };
    char path[PATH_MAX], target[PATH_MAX];
    struct str exe;

    join(path, folder, "exe");
    exe = read_link(path, target);
    if (str_ends_with(exe, deleted)) {
        exe.n -= deleted.n;
        p->is_replaced = true;
    }
    p->program = boundary_printable(&s->look->arena, exe);
}

/* What belongs to root although the process is another's is shown to nobody else: it is not
 * dumpable, prctl(2). */
static bool read_facts(struct scan *s, const char *folder, struct boundary_process *p)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct buf text = { 0 }, why = { 0 };
    struct stat st;
    bool is_good;

    join(path, folder, "status");
    is_good = stat(path, &st) == 0;
    p->is_dumpable = is_good && st.st_uid == p->uids[1];
    join(path, folder, "ns/net");
    is_good = is_good && boundary_proc_inode(read_link(path, target), "net", &p->space);
    join(path, folder, "limits");
    is_good = is_good && plan_file_read(path, &text, &why) == ERR_OK;
    p->core_limit = boundary_printable(&s->look->arena, boundary_proc_core_limit(buf_str(&text)));
    p->user = user_of(&s->look->arena, p->uids[1]);
    buf_fini(&text);
    buf_fini(&why);
    return is_good;
}

static bool is_of_interest(const struct scan *s, const struct boundary_process *p)
{
    for (int i = 0; i < 4; i++)
        if (boundary_plan_has_uid(s->plan, p->uids[i]))
            return true;
    return boundary_proc_is_program(p->program);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static bool is_wanted(const struct scan *s, uint64_t inode)
{
    size_t low = 0, high = s->inode_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->inodes[middle] < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->inode_count && s->inodes[low] == inode;
}

static enum err add_holding(struct scan *s, struct boundary_holding h)
{
    struct boundary_look *l = s->look;
    struct boundary_holding **list = s->plan ? &l->holdings : &l->others;
    size_t *count = s->plan ? &l->holding_count : &l->other_count;
    size_t *cap = s->plan ? &s->holding_cap : &s->other_cap;

    if (!s->plan && !is_wanted(s, h.inode))
        return ERR_OK;
    if (*count == BOUNDARY_MAX_HOLDINGS) {
        buf_add(s->why, STR("more open sockets than this tool counts"));
        return ERR_LIMIT;
    }
    if (*count == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        *list = mem_realloc(*list, *cap * sizeof **list);
    }
    (*list)[(*count)++] = h;
    return ERR_OK;
}

/* A thread or process that has ended has none; one that may not be looked at must not pass for it.
 */
static enum err fail_unless_gone(const struct scan *s, const char *path)
{
    if (errno == ENOENT || errno == ESRCH || !s->plan)
        return ERR_OK;
    buf_printf(s->why, "%s: %s", path, strerror(errno));
    return ERR_IO;
}

static enum err scan_descriptors(struct scan *s, const char *folder, pid_t pid)
{
    char path[PATH_MAX], target[PATH_MAX];
    enum err e = ERR_OK;
    DIR *dir;

    join(path, folder, "fd");
    dir = opendir(path);
    if (!dir)
        return fail_unless_gone(s, path);
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(dir));) {
        char one[PATH_MAX];
        uint64_t inode;

        if (entry->d_name[0] == '.')
            continue;
        join(one, path, entry->d_name);
        if (boundary_proc_inode(read_link(one, target), "socket", &inode))
            e = add_holding(s, (struct boundary_holding){ inode, pid, atoi(entry->d_name) });
    }
    closedir(dir);
    return e;
}

/* A thread may have descriptors of its own: unshare(CLONE_FILES). */
static enum err scan_threads(struct scan *s, const char *folder, pid_t pid)
{
    char path[PATH_MAX];
    enum err e = ERR_OK;
    DIR *dir;

    join(path, folder, "task");
    dir = opendir(path);
    if (!dir)
        return fail_unless_gone(s, path);
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(dir));) {
        char one[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        join(one, path, entry->d_name);
        e = scan_descriptors(s, one, pid);
    }
    closedir(dir);
    return e;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void add_process(struct scan *s, const struct boundary_process *p)
{
    struct boundary_look *l = s->look;

    if (l->process_count == s->process_cap) {
        s->process_cap = s->process_cap ? 2 * s->process_cap : 16;
        l->processes = mem_realloc(l->processes, s->process_cap * sizeof *l->processes);
    }
    l->processes[l->process_count++] = *p;
}

/* One of the plan's: kept with its descriptors, unless it ends while one looks. */
static enum err scan_ours(struct scan *s, const char *folder, pid_t pid)
{
    struct boundary_process p = { .pid = pid };
    struct buf text = { 0 }, why = { 0 };
    char path[PATH_MAX];
    enum err e;

    join(path, folder, "status");
    e = plan_file_read(path, &text, &why);
    if (e == ERR_OK)
        e = boundary_proc_status(buf_str(&text), &p);
    buf_fini(&text);
    buf_fini(&why);
    if (e == ERR_MALFORMED) {
        buf_printf(s->why, "%s: not what this tool knows of a process", path);
        return ERR_IO;
    }
    if (e != ERR_OK)
        return ERR_OK; /* it has ended */
    read_program(s, folder, &p);
    if (!is_of_interest(s, &p))
        return ERR_OK;
    if (!read_facts(s, folder, &p)) {
        if (access(folder, F_OK) != 0)
            return ERR_OK;
        buf_printf(s->why, "%s: cannot be read; run this as root", folder);
        return ERR_IO;
    }
    add_process(s, &p);
    return scan_threads(s, folder, pid);
}

static enum err scan_all(struct scan *s)
{
    DIR *dir = opendir(s->root);
    enum err e = ERR_OK;

    if (!dir) {
        buf_printf(s->why, "%s: %s", s->root, strerror(errno));
        return ERR_IO;
    }
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(dir));) {
        char folder[PATH_MAX];
        uint64_t pid;

        if (str_to_u64(str_from(entry->d_name), &pid) != ERR_OK || pid > INT_MAX)
            continue;
        join(folder, s->root, entry->d_name);
        e = s->plan ? scan_ours(s, folder, (pid_t)pid) : scan_threads(s, folder, (pid_t)pid);
    }
    closedir(dir);
    return e;
}

static int by_pid(const void *a, const void *b)
{
    const struct boundary_process *x = a, *y = b;

    return (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_inode(const void *a, const void *b)
{
    const struct boundary_holding *x = a, *y = b;
    int inodes = (x->inode > y->inode) - (x->inode < y->inode);

    return inodes ? inodes : (x->pid > y->pid) - (x->pid < y->pid);
}

/* Threads share what they hold, and a descriptor may be there twice. */
static void sort(struct boundary_holding *list, size_t *count)
{
    size_t kept = 0;

    if (*count == 0)
        return;
    qsort(list, *count, sizeof *list, by_inode);
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || by_inode(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    *count = kept;
}

enum err boundary_proc_look(const char *root, const struct boundary_plan *plan,
                            struct boundary_look *look, struct buf *why)
{
    struct scan s = { .root = root, .plan = plan, .look = look, .why = why };
    enum err e = scan_all(&s);

    if (look->process_count > 0)
        qsort(look->processes, look->process_count, sizeof *look->processes, by_pid);
    sort(look->holdings, &look->holding_count);
    return e;
}

enum err boundary_proc_find_others(const char *root, const uint64_t *inodes, size_t count,
                                   struct boundary_look *look, struct buf *why)
{
    struct scan s = {
        .root = root, .inodes = inodes, .inode_count = count, .look = look, .why = why
    };
    enum err e;

    mem_free(look->others);
    look->others = NULL;
    look->other_count = 0;
    e = scan_all(&s);
    sort(look->others, &look->other_count);
    return e;
}
