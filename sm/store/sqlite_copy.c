/* See sqlite_copy.h. */
#include "sm/store/sqlite_copy.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

/* PAGES_A_STEP: some 20 µs; nobody's batch waits for more than SQLite's own look at the file
 * besides. */
enum { PAGES_A_STEP = 16, SYNC_AHEAD_BYTES = 4 << 20, ROOM_BYTES = 16 << 20 };

/* Where SQLite's header has application_id (https://www.sqlite.org/fileformat2.html §1.3), and what
 * stands there in copies: "Sptc". */
enum { ID_AT = 68, ID_BYTES = 4, COPY_ID = 0x53707463 };

struct sqlite_copy *sqlite_copy_new(const char *path)
{
    struct sqlite_copy *c = mem_new(struct sqlite_copy);
    struct buf part = { 0 };

    buf_printf(&part, "%s.part", path);
    c->path = str_dup(str_from(path));
    c->part = str_dup(buf_str(&part));
    c->fd = -1;
    buf_fini(&part);
    return c;
}

void sqlite_copy_free(struct sqlite_copy *c)
{
    mem_free(c->path);
    mem_free(c->part);
    mem_free(c);
}

static void fail(struct sqlite_copy *c, enum err e, const char *what, const char *reason)
{
    if (c->result != ERR_OK)
        return;
    c->result = e;
    snprintf(c->why, sizeof c->why, "%s: %s", what, reason);
}

static void fail_sqlite(struct sqlite_copy *c, int rc)
{
    int primary = rc & 0xff;

    fail(c, ERR_IO, c->part, primary == SQLITE_FULL ? "the disk is full" : sqlite3_errstr(rc));
}

/* --- pages ------------------------------------------------------------------------------------ */

/* The disk may be the store's own: it must not be filled by a copy that cannot end. */
static void check_room(struct sqlite_copy *c, struct sqlite_db *d)
{
    sqlite3_stmt *statement;
    uint64_t need = 0;
    struct statvfs fs;

    if (sqlite3_prepare_v2(
            d->db, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", -1,
            &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        need = (uint64_t)sqlite3_column_int64(statement, 0) + ROOM_BYTES;
    sqlite3_finalize(statement);
    if (fstatvfs(c->fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < need) {
        char text[120];

        snprintf(text, sizeof text,
                 "the disk has too little room: %llu MiB are needed, %llu MiB are free",
                 (unsigned long long)(need >> 20),
                 (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20));
        fail(c, ERR_LIMIT, c->part, text);
    }
}

/* O_EXCL: what is there is somebody's. One that an earlier process began and did not finish is
 * nobody's. */
static void make_part(struct sqlite_copy *c)
{
    if (access(c->path, F_OK) == 0) {
        fail(c, ERR_EXISTS, c->path, "it exists already");
        return;
    }
    unlink(c->part);
    c->fd = open(c->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (c->fd < 0)
        fail(c, ERR_IO, c->part, strerror(errno));
}

static int open_part(struct sqlite_copy *c)
{
    int rc = sqlite3_open_v2(
        c->part, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    /* It is synced as a whole when it is done; before, nobody misses it. */
    return rc != SQLITE_OK ? rc
                           : sqlite3_exec(c->to,
                                          "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; "
                                          "PRAGMA synchronous=OFF;"
                                          "PRAGMA cache_size=-1024",
                                          NULL, NULL, NULL);
}

void sqlite_copy_begin(struct sqlite_copy *c, struct sqlite_db *d)
{
    int rc;

    make_part(c);
    if (c->result == ERR_OK)
        check_room(c, d);
    if (c->result != ERR_OK)
        return;
    if ((rc = open_part(c)) != SQLITE_OK) {
        fail_sqlite(c, rc);
        return;
    }
    c->backup = sqlite3_backup_init(c->to, "main", d->db, "main");
    if (!c->backup)
        fail_sqlite(c, sqlite3_errcode(c->to));
}

/* The kernel begins to write early: one large sync at the end would make the store's own wait. */
static void sync_ahead(struct sqlite_copy *c)
{
    struct stat st;

    if (fstat(c->fd, &st) != 0 || (uint64_t)st.st_size < c->synced_bytes + SYNC_AHEAD_BYTES)
        return;
    sync_file_range(c->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    c->synced_bytes = (uint64_t)st.st_size;
}

bool sqlite_copy_step(struct sqlite_copy *c)
{
    int rc;

    if (c->result != ERR_OK)
        return false;
    rc = sqlite3_backup_step(c->backup, PAGES_A_STEP);
    if (rc == SQLITE_OK) {
        sync_ahead(c);
        return true;
    }
    if (rc != SQLITE_DONE)
        fail_sqlite(c, rc);
    return false;
}

void sqlite_copy_end(struct sqlite_copy *c)
{
    struct timeval now;
    int rc;

    gettimeofday(&now, NULL);
    c->made_us = (int64_t)now.tv_sec * 1000000 + now.tv_usec;
    if (c->backup && (rc = sqlite3_backup_finish(c->backup)) != SQLITE_OK)
        fail_sqlite(c, rc);
    c->backup = NULL;
    sqlite3_close(c->to);
    c->to = NULL;
}

void sqlite_copy_cancel(struct sqlite_copy *c)
{
    fail(c, ERR_CLOSED, c->part, "the process ends");
}

/* --- mark, check, sync, name ------------------------------------------------------------------ */

static int on_check(void *owner, int count, char **values, char **names)
{
    (void)names;
    if (count > 0 && values[0] && strcmp(values[0], "ok") != 0)
        fail(owner, ERR_MALFORMED, ((struct sqlite_copy *)owner)->part, values[0]);
    return 0;
}

/* The mark is in the header, for the next start to see before it opens the file, and in a row,
 * which stays until it was heeded. */
static void mark_and_check(struct sqlite_copy *c)
{
    char sql[320];
    int rc = sqlite3_open_v2(
        c->part, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    snprintf(
        sql, sizeof sql,
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA journal_mode=DELETE; BEGIN;"
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('" STORE_COPY_MARK
        "', CAST('%lld' AS blob));"
        "PRAGMA application_id=%d; COMMIT",
        (long long)c->made_us, COPY_ID);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->to, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->to, "PRAGMA quick_check(1)", on_check, c, NULL);
    if (rc != SQLITE_OK)
        fail_sqlite(c, rc);
    sqlite3_close(c->to);
    c->to = NULL;
}

static void sync_folder(struct sqlite_copy *c)
{
    struct str folder = str_from(c->path);
    const char *slash = strrchr(c->path, '/');
    char *name;
    int fd;

    folder.n = slash && slash > c->path ? (size_t)(slash - c->path) : 1;
    name = str_dup(folder);
    fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        fail(c, ERR_IO, name, strerror(errno));
    if (fd >= 0)
        close(fd);
    mem_free(name);
}

/* What has come there meanwhile is not replaced; only some network file systems cannot promise
 * that. */
static int name_it(const struct sqlite_copy *c)
{
    int rc = renameat2(AT_FDCWD, c->part, AT_FDCWD, c->path, RENAME_NOREPLACE);

    if (rc == 0 || errno != EINVAL)
        return rc;
    if (access(c->path, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(c->part, c->path);
}

static void sync_and_name(struct sqlite_copy *c)
{
    struct stat st;

    if (fsync(c->fd) != 0 || fstat(c->fd, &st) != 0) {
        fail(c, ERR_IO, c->part, strerror(errno));
        return;
    }
    c->bytes = (uint64_t)st.st_size;
    if (name_it(c) != 0) {
        fail(c, errno == EEXIST ? ERR_EXISTS : ERR_IO, c->path, strerror(errno));
        return;
    }
    sync_folder(c);
    if (c->result != ERR_OK)
        unlink(c->path);
}

void sqlite_copy_seal(struct sqlite_copy *c)
{
    if (c->result == ERR_OK)
        mark_and_check(c);
    if (c->result == ERR_OK)
        sync_and_name(c);
    if (c->fd < 0)
        return;
    close(c->fd);
    if (c->result != ERR_OK)
        unlink(c->part);
}

/* --- restoring -------------------------------------------------------------------------------- */

static bool has_id(int fd, uint32_t id)
{
    uint8_t bytes[ID_BYTES];

    return pread(fd, bytes, sizeof bytes, ID_AT) == ID_BYTES &&
           ((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
            bytes[3]) == id;
}

static int remove_beside(const char *path)
{
    static const char *const endings[] = { "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        struct buf name = { 0 };
        int rc;

        buf_printf(&name, "%s%s", path, endings[i]);
        buf_add_char(&name, '\0');
        rc = unlink(name.p);
        buf_fini(&name);
        if (rc != 0 && errno != ENOENT)
            return rc;
    }
    return 0;
}

/* One write within a sector, before anything else is changed: until then the file is the copy as it
 * was made, and what lies beside it is another's; from then on it is SQLite's, with its own log. */
enum err sqlite_copy_adopt(const char *path, struct buf *why)
{
    static const uint8_t id[ID_BYTES] = { SQLITE_APPLICATION_ID >> 24,
                                          SQLITE_APPLICATION_ID >> 16 & 0xff,
                                          SQLITE_APPLICATION_ID >> 8 & 0xff,
                                          SQLITE_APPLICATION_ID & 0xff };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    enum err e = ERR_OK;

    if (fd < 0)
        return ERR_OK; /* who opens it says what is wrong */
    if (has_id(fd, COPY_ID) && (remove_beside(path) != 0 || fchmod(fd, 0600) != 0 ||
                                pwrite(fd, id, sizeof id, ID_AT) != ID_BYTES || fsync(fd) != 0)) {
        buf_printf(why, "%s is a copy, and cannot be made the store: %s", path, strerror(errno));
        e = ERR_IO;
    }
    close(fd);
    return e;
}
