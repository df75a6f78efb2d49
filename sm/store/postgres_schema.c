/* The schema: the numbered files, forward only, each in a transaction of its own. Only at start,
 * under the lock of the session: one after another, waiting for each. */
#include "sm/store/postgres.h"

#include "common/buf.h"
#include "sm/store/migrations.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/time.h>

static enum err fail(struct pg_store *s, const PGresult *r, struct buf *why)
{
    const char *text = r ? PQresultErrorMessage(r) : PQerrorMessage(s->conn);

    buf_printf(why, "%.*s", (int)strcspn(text, "\n"), text);
    return ERR_IO;
}

/* Runs SQL; the first column of its last row into out_value, when that is wanted. */
static enum err run(struct pg_store *s, const char *sql, int64_t *out_value, struct buf *why)
{
    PGresult *r = PQexec(s->conn, sql);
    ExecStatusType status = PQresultStatus(r);
    enum err e = ERR_OK;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        e = fail(s, r, why);
    else if (out_value && PQntuples(r) > 0)
        *out_value = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return e;
}

/* Texts are compared as bytes, as in SQLite: pages of lists go by it, and no new version of the
 * system's locales can spoil an index. Lines that are comments elsewhere are told to us. */
static void add_for_postgres(struct buf *sql, struct str text)
{
    static const struct str type = STR(" text"), ours = STR("--postgresql: ");

    for (size_t i = 0; i < text.n; i++) {
        struct str rest = str_of(text.p + i, text.n - i);
        bool is_type = str_starts_with(rest, type) &&
                       (rest.n == type.n || !isalnum((unsigned char)rest.p[type.n]));

        if (str_starts_with(rest, ours)) {
            i += ours.n - 1;
        } else if (is_type) {
            buf_printf(sql, " text COLLATE \"C\"");
            i += type.n - 1;
        } else {
            buf_add_char(sql, text.p[i]);
        }
    }
}

static enum err apply(struct pg_store *s, int64_t number, struct buf *why)
{
    struct buf sql = { 0 }, unused = { 0 };
    struct timeval now;
    enum err e;

    gettimeofday(&now, NULL);
    buf_printf(&sql, "BEGIN; ");
    add_for_postgres(&sql, store_migration_text(number));
    buf_printf(&sql, "\n; INSERT INTO migration (version, done_us) VALUES (%lld, %lld); COMMIT",
               (long long)number, (long long)now.tv_sec * 1000000 + now.tv_usec);
    buf_add_char(&sql, '\0');
    e = run(s, sql.p, NULL, why);
    if (e != ERR_OK && run(s, "ROLLBACK", NULL, &unused) != ERR_OK)
        buf_printf(why, " (%.*s)", STR_ARG(buf_str(&unused)));
    buf_fini(&sql);
    buf_fini(&unused);
    return e;
}

/* A database with tables of somebody else is left alone. */
static enum err claim(struct pg_store *s, struct buf *why)
{
    int64_t ours = 0, all = 0;
    enum err e;

    if ((e = run(s,
                 "SELECT count(*) FROM pg_class WHERE relnamespace = "
                 "current_schema()::regnamespace AND relname = 'migration'",
                 &ours, why)) != ERR_OK)
        return e;
    if (ours)
        return ERR_OK;
    if ((e = run(s,
                 "SELECT count(*) FROM pg_class WHERE relnamespace = "
                 "current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')",
                 &all, why)) != ERR_OK)
        return e;
    if (all) {
        buf_printf(why, "is not a database of this program: it has tables of others");
        return ERR_MALFORMED;
    }
    return run(
        s, "CREATE TABLE migration (version bigint NOT NULL PRIMARY KEY, done_us bigint NOT NULL)",
        NULL, why);
}

enum err pg_migrate(struct pg_store *s, struct buf *why)
{
    int64_t version = 0;
    enum err e;

    if ((e = claim(s, why)) != ERR_OK)
        return e;
    if ((e = run(s, "SELECT coalesce(max(version), 0) FROM migration", &version, why)) != ERR_OK)
        return e;
    if (version > store_migration_count) {
        buf_printf(why,
                   "has schema %lld, and this version knows schemas up to %lld: it was used by a "
                   "newer version, which cannot be undone",
                   (long long)version, (long long)store_migration_count);
        return ERR_UNSUPPORTED;
    }
    while (version < store_migration_count && e == ERR_OK)
        e = apply(s, ++version, why);
    return e;
}
