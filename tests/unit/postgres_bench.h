/* For tests of the PostgreSQL driver: a server of the group's own (deploy/local-postgresql), and a
 * database of its own for each test. */
#ifndef TESTS_UNIT_POSTGRES_BENCH_H
#define TESTS_UNIT_POSTGRES_BENCH_H

#include "sm/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PG_UNUSED __attribute__((unused))

static char pg_folder[64];

/* One database, and what the store is told of it. */
struct pg_place {
    char host[128], password_file[96], database[32];
    const char *hosts[3];
    struct store_server server;
    bool is_lost;
    char sentence[320];
};

/* Runs one verb of local-postgresql. */
PG_UNUSED static int pg_try(const char *verb, const char *arguments)
{
    char command[1024];

    snprintf(command, sizeof command,
             "ASAN_OPTIONS= deploy/local-postgresql %s %s %s >/dev/null 2>&1", verb, pg_folder,
             arguments);
    return system(command);
}

PG_UNUSED static void pg_do(const char *verb, const char *arguments)
{
    if (pg_try(verb, arguments) != 0)
        fail_msg("local-postgresql %s %s failed", verb, arguments);
}

PG_UNUSED static int pg_group_set_up(void **state)
{
    (void)state;
    snprintf(pg_folder, sizeof pg_folder, "/tmp/sallyport-pg-%d", (int)getpid());
    pg_do("up", "");
    return 0;
}

PG_UNUSED static int pg_group_tear_down(void **state)
{
    (void)state;
    pg_do("down", "");
    return 0;
}

#define GROUP_SET_UP pg_group_set_up
#define GROUP_TEAR_DOWN pg_group_tear_down

PG_UNUSED static void pg_on_lost_place(void *owner, const char *sentence)
{
    struct pg_place *p = owner;

    p->is_lost = true;
    snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
}

PG_UNUSED static void pg_place_init(struct pg_place *p)
{
    static int count;
    char sql[128];

    snprintf(p->database, sizeof p->database, "test%d", ++count);
    snprintf(p->host, sizeof p->host, "%s/socket", pg_folder);
    snprintf(p->password_file, sizeof p->password_file, "%s/password", pg_folder);
    snprintf(sql, sizeof sql, "'CREATE DATABASE %s OWNER sallyport'", p->database);
    pg_do("sql", sql);
    p->hosts[0] = p->host;
    p->server = (struct store_server){ .hosts = p->hosts,
                                       .host_count = 1,
                                       .database = p->database,
                                       .user = "sallyport",
                                       .password_file = p->password_file,
                                       .on_lost = pg_on_lost_place,
                                       .owner = p };
}

PG_UNUSED static const struct store_server *pg_place_server(struct pg_place *p)
{
    return &p->server;
}

/* As the administrator, in the test's database. */
PG_UNUSED static int pg_sql(const struct pg_place *p, const char *statement)
{
    char arguments[800];

    snprintf(arguments, sizeof arguments, "--database %s \"%s\"", p->database, statement);
    return pg_try("sql", arguments);
}

#endif
