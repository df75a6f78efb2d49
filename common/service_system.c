/* What a process sets for itself before it serves: limits, file modes, core dumps, its user. */
#include "common/service_private.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MALLOC_ARENAS = 2
}; /* the loop's, and one for the thread pool: each costs memory that idle connections would use */

/* A core would hold keys and passwords. Whoever debugs or measures memory says so. */
static void forbid_dumps(void)
{
    static const struct rlimit none = { 0, 0 };

    if (getenv("SALLYPORT_DUMPABLE"))
        return;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

void service_harden(bool is_confined)
{
    struct rlimit files;

    umask(027);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    if (!is_confined)
        return;
    forbid_dumps();
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The log files were opened by root: rotation must find them writable afterwards. */
static bool give_file(const char *path, const struct passwd *user)
{
    return !path || chown(path, user->pw_uid, user->pw_gid) == 0;
}

enum err service_drop_privileges(const struct service_conf *conf, struct buf *why)
{
    const struct passwd *user = conf->user ? getpwnam(conf->user) : NULL;
    int is_dumpable = prctl(PR_GET_DUMPABLE) == 1;

    if (!conf->user)
        return ERR_OK;
    if (!user) {
        buf_printf(why, "user: expected the name of a user of this system, not \"%s\"", conf->user);
        return ERR_NOT_FOUND;
    }
    if (geteuid() == user->pw_uid)
        return ERR_OK;
    if (!give_file(conf->log_file, user) || !give_file(conf->audit_file, user) ||
        initgroups(conf->user, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0) {
        buf_printf(why, "user: cannot become \"%s\": %s", conf->user, strerror(errno));
        return ERR_DENIED;
    }
    (void)prctl(PR_SET_DUMPABLE, is_dumpable); /* changing the user sets it as the system likes */
    /* Nothing may bring them back. */
    ASSERT(user->pw_uid == 0 ||
           (setuid(0) != 0 && geteuid() == user->pw_uid && getegid() == user->pw_gid));
    return ERR_OK;
}
