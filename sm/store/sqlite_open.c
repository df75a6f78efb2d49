/* The SQLite file: opened alone, set up, brought to the newest schema, its statements prepared and
 * checked. */
#include "sm/store/sqlite.h"

#include "common/mem.h"
#include "sm/store/migrations.h"
#include "sm/store/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Which of SQLite's codes mean what, for whoever starts the process. */
static const struct {
    int code;
    enum err err;
    const char *sentence;
} open_errors[] = {
    { SQLITE_BUSY, ERR_DENIED, "is in use by another process" },
    { SQLITE_LOCKED, ERR_DENIED, "is in use by another process" },
    { SQLITE_NOTADB, ERR_MALFORMED, "is not a database of this program" },
    { SQLITE_CORRUPT, ERR_MALFORMED, "is damaged; restore it from a backup" },
    { SQLITE_CANTOPEN, ERR_IO, "cannot be opened; do its folder and its permissions fit?" },
    { SQLITE_READONLY, ERR_IO, "cannot be written to" },
    { SQLITE_FULL, ERR_IO, "cannot grow: the disk is full" },
};

static enum err explain(struct sqlite_db *d, int rc, const char *path, struct buf *why)
{
    for (size_t i = 0; i < ARRAY_LEN(open_errors); i++)
        if (open_errors[i].code == (rc & 0xff)) {
            buf_printf(why, "%s %s (%s)", path, open_errors[i].sentence, sqlite3_errstr(rc));
            return open_errors[i].err;
        }
    buf_printf(why, "%s: %s (%d)", path, d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc), rc);
    return ERR_IO;
}

/* The first column of the first row; what is left as it is when there is no row. */
static int ask_int(struct sqlite_db *d, const char *sql, int64_t *out_value)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out_value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* exclusive: no other process can open the file, and the WAL's index needs no shared memory. The
 * lock is taken by the first transaction. */
static int set_up(struct sqlite_db *d, bool is_full_sync)
{
    static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                                  "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;"
                                  "PRAGMA wal_autocheckpoint=4000;"
                                  "PRAGMA journal_size_limit=67108864;"
                                  "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                                  "BEGIN EXCLUSIVE; COMMIT;";
    int rc = sqlite3_exec(d->db, pragmas, NULL, NULL, NULL);

    if (rc != SQLITE_OK)
        return rc;
    return sqlite3_exec(d->db,
                        is_full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                        NULL, NULL, NULL);
}

/* --- schema ----------------------------------------------------------------------------------- */

/* SQLite would take a column of type bytea for a number's (its affinity rules go by the name). */
static void add_for_sqlite(struct buf *sql, struct str text)
{
    static const struct str from = STR(" bytea"), to = STR(" blob");

    for (size_t i = 0; i < text.n; i++) {
        struct str rest = str_of(text.p + i, text.n - i);

        if (str_starts_with(rest, from)) {
            buf_add(sql, to);
            i += from.n - 1;
        } else {
            buf_add_char(sql, text.p[i]);
        }
    }
}

/* All that lacks in one transaction: a crash half-way leaves the old schema. */
static int migrate_from(struct sqlite_db *d, int64_t version)
{
    struct buf sql = { 0 };
    int rc;

    buf_add(&sql, STR("BEGIN IMMEDIATE;\n"));
    for (int64_t n = version + 1; n <= store_migration_count; n++) {
        add_for_sqlite(&sql, store_migration_text(n));
        buf_printf(&sql,
                   "\nINSERT INTO migration (version, done_us)"
                   " VALUES (%lld, CAST(strftime('%%s') AS bigint) * 1000000);\n",
                   (long long)n);
    }
    buf_add(&sql, STR("COMMIT;"));
    buf_add_char(&sql, '\0');
    rc = sqlite3_exec(d->db, sql.p, NULL, NULL, NULL);
    buf_fini(&sql);
    return rc;
}

/* An empty file becomes ours; one with tables of someone else is left alone. */
static int claim(struct sqlite_db *d)
{
    int64_t id = 0, tables = 0;
    int rc;

    if ((rc = ask_int(d, "PRAGMA application_id", &id)) != SQLITE_OK)
        return rc;
    if ((rc = ask_int(d, "SELECT count(*) FROM sqlite_master", &tables)) != SQLITE_OK)
        return rc;
    if (id == SQLITE_APPLICATION_ID)
        return SQLITE_OK;
    if (id != 0 || tables != 0)
        return SQLITE_NOTADB;
    _Static_assert(SQLITE_APPLICATION_ID == 1399878705, "the text below says the same");
    return sqlite3_exec(d->db,
                        "BEGIN IMMEDIATE;"
                        "CREATE TABLE migration (version bigint NOT NULL PRIMARY KEY,"
                        " done_us bigint NOT NULL);"
                        "PRAGMA application_id=1399878705; COMMIT",
                        NULL, NULL, NULL);
}

static enum err migrate(struct sqlite_db *d, const char *path, struct buf *why)
{
    int64_t version = 0;
    int rc;

    if ((rc = claim(d)) != SQLITE_OK)
        return explain(d, rc, path, why);
    if ((rc = ask_int(d, "SELECT coalesce(max(version), 0) FROM migration", &version)) != SQLITE_OK)
        return explain(d, rc, path, why);
    if (version > store_migration_count) {
        buf_printf(why,
                   "%s has schema %lld, and this version knows schemas up to %lld: it was used by "
                   "a newer version, which cannot be undone",
                   path, (long long)version, (long long)store_migration_count);
        return ERR_UNSUPPORTED;
    }
    if (version < store_migration_count && (rc = migrate_from(d, version)) != SQLITE_OK)
        return explain(d, rc, path, why);
    return ERR_OK;
}

/* --- statements ------------------------------------------------------------------------------- */

static const struct {
    size_t offset;
    const char *sql;
} own_statements[] = {
    { offsetof(struct sqlite_db, begin), "BEGIN IMMEDIATE" },
    { offsetof(struct sqlite_db, commit), "COMMIT" },
    { offsetof(struct sqlite_db, rollback), "ROLLBACK" },
    { offsetof(struct sqlite_db, savepoint), "SAVEPOINT one" },
    { offsetof(struct sqlite_db, release), "RELEASE one" },
    { offsetof(struct sqlite_db, rollback_to), "ROLLBACK TO one" },
};

/* $n is a name to SQLite, which numbers parameters by first appearance; our binds go by number. */
static void check_parameters(sqlite3_stmt *statement, const char *sql)
{
    int count = sqlite3_bind_parameter_count(statement);

    ASSERT((uint32_t)count == tx_parameter_count(sql));
    ASSERT(sqlite3_column_count(statement) <= TX_MAX_COLUMNS);
    for (int i = 1; i <= count; i++) {
        struct str name = str_from(sqlite3_bind_parameter_name(statement, i));
        uint64_t number;

        ASSERT(name.n > 1 && str_to_u64(str_of(name.p + 1, name.n - 1), &number) == ERR_OK);
        ASSERT(number == (uint64_t)i);
    }
}

static int prepare(struct sqlite_db *d, const char *sql, sqlite3_stmt **out_statement)
{
    return sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out_statement, NULL);
}

static enum err prepare_all(struct sqlite_db *d, const char *path, struct buf *why)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < ARRAY_LEN(own_statements) && rc == SQLITE_OK; i++)
        rc = prepare(d, own_statements[i].sql,
                     (sqlite3_stmt **)(void *)((char *)d + own_statements[i].offset));
    for (size_t i = 0; i < STORE_STATEMENT_COUNT && rc == SQLITE_OK; i++) {
        rc = prepare(d, store_statement_texts[i], &d->statements[i]);
        if (rc == SQLITE_OK)
            check_parameters(d->statements[i], store_statement_texts[i]);
        else
            buf_printf(why, "statement %s: ", store_statement_names[i]);
    }
    return rc == SQLITE_OK ? ERR_OK : explain(d, rc, path, why);
}

/* --- open and close --------------------------------------------------------------------------- */

/* SQLite would make it readable for all: it holds keys and messages. */
static enum err make_file(const char *path, struct buf *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        buf_printf(why, "%s cannot be opened: %s", path, strerror(errno));
        return ERR_IO;
    }
    close(fd);
    return ERR_OK;
}

enum err sqlite_db_open(const struct store_options *options, struct sqlite_db **out_db,
                        struct buf *why)
{
    struct sqlite_db *d = mem_new(struct sqlite_db);
    enum err e;
    int rc;

    if ((e = make_file(options->path, why)) != ERR_OK)
        goto fail;
    if ((e = sqlite_copy_adopt(options->path, why)) != ERR_OK)
        goto fail;
    rc = sqlite3_open_v2(options->path, &d->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = set_up(d, options->is_full_sync);
    if (rc != SQLITE_OK) {
        e = explain(d, rc, options->path, why);
        goto fail;
    }
    if ((e = migrate(d, options->path, why)) != ERR_OK)
        goto fail;
    if ((e = prepare_all(d, options->path, why)) != ERR_OK)
        goto fail;
    *out_db = d;
    return ERR_OK;
fail:
    sqlite_db_close(d);
    return e;
}

void sqlite_db_close(struct sqlite_db *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < ARRAY_LEN(own_statements); i++)
        sqlite3_finalize(*(sqlite3_stmt **)(void *)((char *)d + own_statements[i].offset));
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize(d->statements[i]);
    sqlite3_close(d->db);
    mem_free(d);
}
