/* The skeleton's side of confinement: the description of the whole process, when it is applied, and
 * what status says of it. */
#include "common/audit.h"
#include "common/log.h"
#include "common/service_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void service_confine_describe(const struct service_conf *conf, const char *path, struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, path, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_APPEND, conf->log_file, CONFINE_AT_START);
    confine_allow_file(c, CONFINE_APPEND, conf->audit_file, CONFINE_AT_START);
    confine_allow_folder(c, CONFINE_SOCKETS, conf->control_dir, CONFINE_AT_START);
    confine_allow_listen(c, conf->metrics, CONFINE_AT_START);
    if (conf->control_dir) /* names of users who ask */
        confine_allow(c, CONFINE_THREADS);
    if (conf->audit_forward != AUDIT_FORWARD_NONE)
        confine_allow(c, CONFINE_FORWARD);
}

static struct confine *describe(const struct process *p, const void *conf)
{
    struct confine *c = confine_new();

    service_confine_describe(conf, p->path, c);
    if (p->spec->confine)
        p->spec->confine(conf, c);
    confine_allow_system(c);
    return c;
}

/* What this kernel cannot do is no reason not to serve. */
static enum err tolerate(enum err e, struct buf *why)
{
    if (e != ERR_UNSUPPORTED)
        return e;
    log_warn("the process is not confined as far as it could be", kv_str("why", buf_str(why)));
    buf_clear(why);
    return ERR_OK;
}

enum err service_confine_files(struct process *p, struct buf *why)
{
    if (!service_own_conf(p)->is_confined) {
        log_warn("the process does not confine itself", kv_text("why", "confine = no"));
        return ERR_OK;
    }
    p->confine = describe(p, p->conf);
    return tolerate(confine_files(p->confine, &p->confined, why), why);
}

enum err service_confine_calls(struct process *p, struct buf *why)
{
    return p->confine ? tolerate(confine_calls(p->confine, &p->confined, why), why) : ERR_OK;
}

enum err service_confine_check(const struct process *p, const void *conf, struct buf *why)
{
    struct confine *wanted;
    enum err e;

    if (!p->confine)
        return ERR_OK;
    wanted = describe(p, conf);
    e = confine_check_reload(p->confine, wanted, why);
    confine_free(wanted);
    return e;
}

/* --- status ----------------------------------------------------------------------------------- */

static void read_kernel(struct buf *text)
{
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char bytes[4096];
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

    if (fd >= 0)
        close(fd);
    if (n > 0)
        buf_add(text, str_of(bytes, (size_t)n));
}

/* The value behind "KEY:", or an empty text. */
static struct str value_of(struct str text, const char *key)
{
    while (text.n > 0) {
        struct str value = str_cut(&text, '\n'), own = str_cut(&value, ':');

        if (str_is(own, key))
            return str_trim(value);
    }
    return STR("");
}

static void add_landlock(const struct confine_report *c, struct ctl_request *r)
{
    char text[80];

    snprintf(text, sizeof text, "%s%s%s%s", c->landlock_abi ? "files" : "none",
             c->has_tcp ? ", tcp" : "", c->has_devices ? ", devices" : "",
             c->has_scopes ? ", signals, abstract sockets" : "");
    ctl_field(r, "landlock", str_from(text));
    ctl_field_u64(r, "landlock_abi", (uint64_t)c->landlock_abi);
    ctl_field_u64(r, "landlock_rules", c->path_rules + c->port_rules);
}

static void add_rights(struct str kernel, struct ctl_request *r)
{
    struct str capabilities = value_of(kernel, "CapEff");
    bool has_none = strspn(capabilities.p, "0") == capabilities.n;
    struct rlimit core = { 0 };

    ctl_field(r, "no_new_privs",
              str_is(value_of(kernel, "NoNewPrivs"), "1") ? STR("yes") : STR("no"));
    ctl_field(r, "dumpable", prctl(PR_GET_DUMPABLE) ? STR("yes") : STR("no"));
    if (getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur != RLIM_INFINITY)
        ctl_field_u64(r, "core_limit", core.rlim_cur);
    else
        ctl_field(r, "core_limit", STR("unlimited"));
    ctl_field_u64(r, "uid", geteuid());
    ctl_field(r, "capabilities", has_none ? STR("none") : capabilities);
}

enum ctl_exit service_confine_status(const struct process *p, struct ctl_request *r)
{
    struct buf kernel = { 0 };
    bool is_filtered;

    read_kernel(&kernel);
    is_filtered = str_is(value_of(buf_str(&kernel), "Seccomp"), "2");
    ctl_field(r, "confine", p->confine ? STR("yes") : STR("no"));
    ctl_field(r, "seccomp", is_filtered ? STR("filter") : STR("none"));
    if (value_of(buf_str(&kernel), "Seccomp_filters").n > 0) /* the unit's, too; Linux 5.9 */
        ctl_field(r, "seccomp_filters", value_of(buf_str(&kernel), "Seccomp_filters"));
    ctl_field_u64(r, "seccomp_rules", p->confined.call_rules);
    add_landlock(&p->confined, r);
    add_rights(buf_str(&kernel), r);
    buf_fini(&kernel);
    return p->confine ? CTL_OK : CTL_WARNING;
}
