/* Copies of the store, made while it is used (sm/store/store.h), and what is said of a store that
 * was put back. */
#include "sm/backup.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "sm/sm.h"
#include "sm/store/store.h"

#include <time.h>

enum { MAX_NAME = 100 };

/* A request that waits. */
struct job {
    struct sm *sm;
    struct ctl_request *request;
    uint64_t begun_ns;
};

bool backup_is_name(struct str name)
{
    if (name.n == 0 || name.n > MAX_NAME || name.p[0] == '.' || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* "store-20260301T083000Z.copy" for store.db, in backup_dir. */
static void write_path(const struct sm *sm, struct str name, struct buf *out)
{
    const char *store = sm->conf->store_path, *slash = strrchr(store, '/');
    struct str base = str_from(slash ? slash + 1 : store), stem;
    time_t now = time(NULL);
    char stamp[32];
    struct tm tm;

    if (sm->conf->backup_dir)
        buf_add(out, str_from(sm->conf->backup_dir));
    else
        buf_add(out, str_of(store, slash ? (size_t)(slash - store) : 0));
    buf_add_char(out, '/');
    if (str_is_set(name)) {
        buf_add(out, name);
    } else {
        gmtime_r(&now, &tm);
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
        stem = str_cut(&base, '.');
        buf_printf(out, "%.*s-%s.copy", STR_ARG(stem), stamp);
    }
    buf_add_char(out, '\0');
}

static void on_copied(void *owner, enum err e, const struct store_copied *copied)
{
    struct job *j = owner;
    uint64_t ms = (uv_hrtime() - j->begun_ns) / 1000000;
    struct arena arena = { 0 };

    if (e == ERR_OK) {
        audit("store-copied", kv_text("file", copied->path), kv_u64("bytes", copied->bytes),
              kv_u64("ms", ms));
        ctl_field(j->request, "file", str_from(copied->path));
        ctl_field_u64(j->request, "bytes", copied->bytes);
        ctl_field(j->request, "made", datetime_text(copied->made_us, &arena));
        ctl_field_u64(j->request, "ms", ms);
    } else {
        log_error("no copy of the store was made", kv_err(e), kv_text("why", copied->why));
        ctl_say(j->request, "no copy was made: %s", copied->why);
    }
    ctl_finish(j->request, e == ERR_OK ? CTL_OK : CTL_FAILED);
    arena_fini(&arena);
    mem_free(j);
}

static void backup(struct sm *sm, struct ctl_request *r)
{
    struct job *j;
    struct buf path = { 0 };

    if (sm->conf->store == SM_STORE_POSTGRESQL) {
        ctl_say(r, "the store is a database of PostgreSQL: copy it with PostgreSQL's own tools, as pg_basebackup or pg_dump");
        ctl_finish(r, CTL_FAILED);
        return;
    }
    j = mem_new(struct job);
    j->sm = sm;
    j->request = r;
    j->begun_ns = uv_hrtime();
    write_path(sm, ctl_arg(r, 1), &path);
    if (store_copy(sm->store, path.p, on_copied, j) != ERR_OK) {
        ctl_say(r, "another copy is being made");
        ctl_finish(r, CTL_FAILED);
        mem_free(j);
    }
    buf_fini(&path);
}

/* --- restored --------------------------------------------------------------------------------- */

static void on_marked(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;

    (void)changes;
    if (e == ERR_OK)
        ctl_say(j->request, "noted; restart this session manager now: at its next start all "
                            "sessions end, and it goes on with new numbers");
    else
        ctl_say(j->request, "failed: %s", err_text(e));
    ctl_finish(j->request, e == ERR_OK ? CTL_OK : CTL_FAILED);
    mem_free(j);
}

/* For a file that was put back by other means than a copy of ours, which says so itself: a snapshot
 * of a disk, a virtual machine. */
static void restored(struct sm *sm, struct ctl_request *r)
{
    struct store_tx *tx = store_begin(sm->store);
    struct job *j = mem_new(struct job);
    struct buf now = { 0 };

    j->sm = sm;
    j->request = r;
    buf_printf(&now, "%lld", (long long)sm_time_us());
    store_add(tx, STORE_META_PUT);
    store_bind_text(tx, STR(STORE_COPY_MARK));
    store_bind_blob(tx, buf_str(&now));
    store_submit(tx, on_marked, j);
    buf_fini(&now);
}

void backup_run(void *app, struct ctl_request *r)
{
    struct str what = ctl_arg(r, 0);

    if (str_is(what, "backup") && (ctl_arg_count(r) == 1 || backup_is_name(ctl_arg(r, 1)))) {
        backup(app, r);
    } else if (str_is(what, "backup")) {
        ctl_say(r, "expected the name of a file in backup_dir: letters, digits, '.', '-' and '_'");
        ctl_finish(r, CTL_USAGE);
    } else if (str_is(what, "restored") && ctl_arg_count(r) == 1) {
        restored(app, r);
    } else {
        ctl_say(r, "usage: store backup [NAME] | store restored");
        ctl_finish(r, CTL_USAGE);
    }
}
