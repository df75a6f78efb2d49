/* What sallyportctl may ask a connection manager (commands.h). */
#include "c2s/commands.h"

#include "c2s/client.h"
#include "c2s/door.h"
#include "c2s/upstream.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct cell {
    char text[24];
};

static struct str cell_u64(struct cell *cell, uint64_t value)
{
    snprintf(cell->text, sizeof(cell->text), "%" PRIu64, value);
    return str_from(cell->text);
}

static void run_connections(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "state", "connections", NULL };
    struct c2s *c2s = app;
    uint64_t counts[PHASE_COUNT] = { 0 };
    struct client *c;

    for (size_t at = 0; (c = table_next(&c2s->clients, &at));)
        counts[c->phase]++;
    ctl_columns(r, columns);
    for (int phase = 0; phase < PHASE_DEAD; phase++) {
        struct cell cell;

        ctl_row(r, (struct str[]){ str_from(client_phase_names[phase]),
                                   cell_u64(&cell, counts[phase]) });
    }
    ctl_finish(r, CTL_OK);
}

static void run_hosts(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "host",       "version",          "tls",
                                           "max_stanza", "bytes_per_second", "stanzas_per_second",
                                           NULL };
    struct c2s *c2s = app;
    struct host *h;

    ctl_columns(r, columns);
    for (size_t at = 0; (h = table_next(&c2s->hosts.by_name, &at));) {
        struct cell cells[4];

        if (h->is_gone)
            continue;
        ctl_row(r, (struct str[]){ h->announced.name, cell_u64(&cells[0], c2s->hosts.version),
                                   h->now.is_tls_required ? STR("required") : STR("optional"),
                                   cell_u64(&cells[1], h->now.max_stanza_bytes),
                                   cell_u64(&cells[2], h->now.bytes_per_second),
                                   cell_u64(&cells[3], h->now.stanzas_per_second) });
    }
    ctl_finish(r, CTL_OK);
}

static size_t list_count(const struct list *head)
{
    size_t n = 0;

    LIST_FOR_EACH(item, head)
        n++;
    return n;
}

/* How each session manager is reached. */
static void run_paths(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "sm",     "router", "instance", "clients",
                                           "parked", "bytes",  NULL };
    struct c2s *c2s = app;
    struct upstream *u;

    ctl_columns(r, columns);
    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));) {
        struct cell cells[3];
        struct str parked = cell_u64(&cells[1], list_count(&u->parked)),
                   bytes = cell_u64(&cells[2], u->under_way);

        if (list_is_empty(&u->paths))
            ctl_row(r,
                    (struct str[]){ str_from(u->name), STR(""), STR(""), STR("0"), parked, bytes });
        LIST_FOR_EACH(item, &u->paths) {
            struct path *path = CONTAINER_OF(item, struct path, at);

            ctl_row(r, (struct str[]){
                           str_from(u->name), link_name(path->link), str_from(path->instance),
                           cell_u64(&cells[0], list_count(&path->clients)), parked, bytes });
        }
    }
    ctl_finish(r, CTL_OK);
}

static void run_links(void *app, struct ctl_request *r)
{
    const struct c2s *c2s = app;

    links_answer(c2s->links, r);
}

/* What is shown to clients, which is not what lies in the files until a reload has taken them. */
static void run_certificates(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "names", "ends", "sha256", NULL };
    const struct c2s *c2s = app;
    struct tls_own_cert cert;
    struct arena arena = { 0 };

    ctl_columns(r, columns);
    for (size_t at = 0;
         c2s->starttls_creds && tls_creds_next_cert(c2s->starttls_creds, &at, &arena, &cert);) {
        time_t ends = (time_t)cert.expiry;
        struct tm utc;
        char text[32];

        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&ends, &utc));
        ctl_row(r, (struct str[]){ cert.names, str_from(text), cert.sha256 });
    }
    arena_fini(&arena);
    ctl_finish(r, CTL_OK);
}

const struct ctl_command c2s_commands[] = {
    { "certificates", CTL_READ, 0, 0, "certificates", "The certificates that are shown to clients.", run_certificates },
    { "connections", CTL_READ, 0, 0, "connections", "Client connections, counted by state.", run_connections },
    { "hosts", CTL_READ, 0, 0, "hosts", "The table of hosts in force, with this process's floors applied.", run_hosts },
    { "links", CTL_READ, 0, 0, "links", "The links to the routers.", run_links },
    { "paths", CTL_READ, 0, 0, "paths", "The session managers, and by which router each is reached.", run_paths },
    { 0 },
};

enum ctl_exit c2s_status(struct service *s, struct ctl_request *r)
{
    struct c2s *c2s = s->app;
    enum ctl_exit of_link, of_hosts;
    size_t reachable = 0;
    struct upstream *u;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));)
        reachable += !list_is_empty(&u->paths);
    ctl_field_u64(r, "connections", c2s->clients.count);
    ctl_field_u64(r, "sessions", c2s->sessions.count);
    ctl_field_u64(r, "unauthenticated", c2s->unauthenticated);
    ctl_field_u64(r, "hosts_version", c2s->hosts.version);
    ctl_field_u64(r, "session_managers", reachable);
    of_link = service_certificate_health(r, "link_certificate_days", links_cert_expiry(c2s->links));
    of_hosts = service_certificate_health(
        r, "certificate_days", c2s->starttls_creds ? tls_creds_expiry(c2s->starttls_creds) : 0);
    if (!c2s->hosts.first || !reachable)
        return CTL_CRITICAL;
    return of_link > of_hosts ? of_link : of_hosts;
}
