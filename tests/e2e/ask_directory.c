/* Asks a directory through sm/directory as the session manager would, and prints what came: for
 * tests against real servers (Samba.ask in samba.py).
 *
 *     ask_directory [KEY=VALUE …] search FILTER MAX page|one ATTRIBUTE …
 *     ask_directory [KEY=VALUE …] groups DN USER
 *     ask_directory [KEY=VALUE …] state USER
 *
 * Keys are those of a section of sm.conf. Values that are not text are printed in hexadecimal. */
#include "common/arena.h"
#include "common/timer.h"
#include "sm/directory/directory.h"
#include "sm/directory/entry.h"
#include "sm/directory/groups.h"
#include "sm/directory/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 20000, MAX_ATTRIBUTES = 16 };

struct asker {
    uv_loop_t loop;
    struct timers *timers;
    struct directories *directories;
    struct timer deadline;
    char **args; /* behind the keys */
    int count;
};

static void usage(const char *why)
{
    fprintf(stderr, "ask_directory: %s\n", why);
    exit(64);
}

static void on_stop(struct timer *t)
{
    struct asker *a = CONTAINER_OF(t, struct asker, deadline);

    directories_close(a->directories);
    timers_unref(a->timers);
}

/* Soon: not from inside a call of the directory's. */
static void stop(struct asker *a)
{
    a->deadline.fire = on_stop;
    timer_set(a->timers, &a->deadline, 1);
}

static void on_late(struct timer *t)
{
    printf("late\n");
    on_stop(t);
}

static void print_value(struct str name, struct str value)
{
    bool is_text = str_is_utf8(value);

    for (size_t i = 0; i < value.n; i++)
        is_text &= (unsigned char)value.p[i] >= ' ';
    printf("%.*s: ", (int)name.n, name.p);
    if (is_text)
        printf("%.*s", (int)value.n, value.p);
    else
        for (size_t i = 0; i < value.n; i++)
            printf("%02x", (unsigned char)value.p[i]);
    printf("\n");
}

/* --- verbs --------------------------------------------------------------------------------------
 */

static void on_entry(void *owner, const struct directory_entry *e)
{
    (void)owner;
    printf("dn: %.*s\n", (int)e->dn.n, e->dn.p);
    for (size_t i = 0; i < e->count; i++)
        for (size_t n = 0; n < e->attributes[i].count; n++)
            print_value(e->attributes[i].name, e->attributes[i].values[n]);
}

static void on_end(void *owner, const struct directory_end *end)
{
    printf("end: %s entries=%u cut=%d\n", directory_verdict_name(end->verdict), end->entries,
           end->is_cut);
    stop(owner);
}

static void search(struct asker *a, struct directory *d)
{
    const char *attributes[MAX_ATTRIBUTES + 1] = { NULL };
    struct directory_query q = { .attributes = attributes };

    if (a->count < 4 || a->count - 4 > MAX_ATTRIBUTES)
        usage("search FILTER MAX page|one ATTRIBUTE …");
    q.filter = a->args[1];
    q.max_entries = (uint32_t)strtoul(a->args[2], NULL, 10);
    q.is_bulk = strcmp(a->args[3], "page") == 0;
    for (int i = 4; i < a->count; i++)
        attributes[i - 4] = a->args[i];
    directory_query_start(d, &q, on_entry, on_end, a);
}

static void on_groups(void *owner, const struct directory_groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        printf("group: %u %.*s|%.*s\n", g->groups[i].depth, (int)g->groups[i].name.n,
               str_is_set(g->groups[i].name) ? g->groups[i].name.p : "", (int)g->groups[i].dn.n,
               g->groups[i].dn.p);
    printf("end: %s searches=%u cut=%d\n", directory_verdict_name(g->verdict), g->searches,
           g->is_cut);
    stop(owner);
}

static void on_looked_up(void *owner, const struct directory_found *found)
{
    printf("found: %s\nstate: %s\n", directory_verdict_name(found->verdict),
           directory_verdict_name(found->state));
    stop(owner);
}

static void look_up(struct asker *a, struct directory *d)
{
    struct directory_name name = { .user = str_from(a->args[1]),
                                   .host = STR("example"),
                                   .jid = str_from(a->args[1]) };

    directory_lookup(d, &name, NULL, on_looked_up, a);
}

static void begin(struct asker *a)
{
    struct directory *d = directories_find(a->directories, "asked");

    if (strcmp(a->args[0], "search") == 0)
        search(a, d);
    else if (strcmp(a->args[0], "groups") == 0 && a->count == 3)
        directory_groups_find(d, str_from(a->args[1]), str_from(a->args[2]), on_groups, a);
    else if (strcmp(a->args[0], "state") == 0 && a->count == 2)
        look_up(a, d);
    else
        usage("no such verb");
}

static void on_changed(void *owner, const char *directory, const char *uri, bool is_up,
                       const char *why)
{
    (void)owner;
    (void)directory;
    if (!is_up)
        printf("down: %s: %s\n", uri, why);
}

/* --- options ------------------------------------------------------------------------------------
 */

static char *uri_list[1];

static void read_key(struct directory_options *o, const char *key, char *value)
{
    if (strcmp(key, "uri") == 0)
        uri_list[0] = value;
    else if (strcmp(key, "ca") == 0)
        o->ca_file = value;
    else if (strcmp(key, "bind_dn") == 0)
        o->bind_dn = value;
    else if (strcmp(key, "bind_password") == 0)
        o->bind_password = str_from(value);
    else if (strcmp(key, "base") == 0)
        o->base = value;
    else if (strcmp(key, "filter") == 0)
        o->filter = value;
    else if (strcmp(key, "group_member") == 0)
        o->group_member = value;
    else if (strcmp(key, "group_nesting") == 0)
        o->group_nesting = strcmp(value, "chain") == 0  ? DIRECTORY_NEST_CHAIN
                           : strcmp(value, "none") == 0 ? DIRECTORY_NEST_NONE
                                                        : DIRECTORY_NEST_WALK;
    else if (strcmp(key, "primary_group") == 0)
        o->has_primary_group = strcmp(value, "yes") == 0;
    else
        usage("no such key");
}

static struct directory_options defaults(void)
{
    return (struct directory_options){ .name = "asked",
                                       .uris = uri_list,
                                       .uri_count = 1,
                                       .is_start_tls = true,
                                       .bind_password = STR(""),
                                       .filter = "(uid=%u)",
                                       .key_attribute = "objectGUID",
                                       .watch = DIRECTORY_WATCH_NONE,
                                       .group_filter = "(objectClass=group)",
                                       .group_name = "cn",
                                       .group_member = "member",
                                       .lockout_ms = 3600000,
                                       .connect_ms = 5000,
                                       .search_ms = 5000,
                                       .bind_ms = 5000,
                                       .query_ms = 10000,
                                       .answer_ms = 10000,
                                       .probe_ms = 30000,
                                       .failback_ms = 1000,
                                       .search_connections = 1,
                                       .bind_connections = 1,
                                       .max_waiting = 10 };
}

int main(int argc, char **argv)
{
    struct asker a = { 0 };
    struct directory_options o = defaults();
    int i = 1;

    for (; i < argc && strchr(argv[i], '=') && argv[i][0] != '('; i++) {
        char *value = strchr(argv[i], '=');

        *value = '\0';
        read_key(&o, argv[i], value + 1);
    }
    a.args = argv + i;
    a.count = argc - i;
    if (a.count < 1 || !uri_list[0] || !o.base)
        usage("uri=… base=… and a verb");
    directory_library_init();
    uv_loop_init(&a.loop);
    a.timers = timers_new(&a.loop);
    timer_init(&a.deadline, on_late);
    timer_set(a.timers, &a.deadline, WAIT_MS);
    a.directories = directories_new(&a.loop, a.timers, on_changed, NULL, &a);
    directories_set(a.directories, &o, 1);
    begin(&a);
    uv_run(&a.loop, UV_RUN_DEFAULT); /* until nothing of the directory is left */
    timers_close(a.timers);
    uv_run(&a.loop, UV_RUN_DEFAULT);
    uv_loop_close(&a.loop);
    return 0;
}
