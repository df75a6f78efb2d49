/* From the configured hosts to a connection: each host's addresses one after the other, each with a
 * time limit of our own. libpq would look names up while everything waits, so it is given
 * addresses. */
#include "sm/store/postgres.h"

#include "common/conf.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIAL_MS = 5000, MAX_PARAMETERS = 24 };

static const char *const tls_modes[] = { "verify-full", "verify-ca", "require", "disable" };

/* --- libpq ------------------------------------------------------------------------------------ */

/* Nothing that libpq writes goes to standard error past the log. */
static void on_notice(void *arg, const char *text)
{
    (void)arg, (void)text;
}

struct parameters {
    const char *keys[MAX_PARAMETERS + 1];
    const char *values[MAX_PARAMETERS + 1];
    size_t count;
};

static void add(struct parameters *p, const char *key, const char *value)
{
    ASSERT(p->count < MAX_PARAMETERS);
    p->keys[p->count] = key;
    p->values[p->count++] = value;
}

/* All that the environment or files in somebody's home could decide is said here. */
static void add_fixed(struct parameters *p)
{
    add(p, "application_name", "sallyport-sm");
    add(p, "client_encoding", "UTF8");
    add(p, "target_session_attrs", "read-write");
    add(p, "gssencmode", "disable");
    add(p, "passfile", "/nonexistent");
    add(p, "sslcert", "/nonexistent/none");
    add(p, "sslcrl", "/nonexistent/none");
    add(p, "sslcrldir", "/nonexistent/none");
    add(p, "keepalives_idle", "10");
    add(p, "keepalives_interval", "5");
    add(p, "keepalives_count", "3");
    add(p, "tcp_user_timeout", "25000");
}

static void connect_to(struct pg_store *s, const char *address)
{
    struct parameters p = { .count = 0 };
    struct buf password = { 0 }, why = { 0 };
    struct str name, port;
    char *host, *number;

    ASSERT(pg_host_parse(s->server.hosts[s->host], &name, &port));
    if (s->server.password_file &&
        conf_read_secret(s->server.password_file, &password, &why) != ERR_OK) {
        buf_add_char(&why, '\0');
        pg_on_gone(s, why.p);
        buf_fini(&why);
        return;
    }
    buf_fini(&why);
    buf_add_char(&password, '\0');
    host = str_dup(name);
    number = str_dup(port);
    add(&p, "host", host);
    if (address)
        add(&p, "hostaddr", address);
    add(&p, "port", number);
    add(&p, "dbname", s->server.database);
    add(&p, "user", s->server.user);
    if (password.n > 1)
        add(&p, "password", password.p);
    add(&p, "sslmode", tls_modes[s->server.tls]);
    if (s->server.ca)
        add(&p, "sslrootcert", s->server.ca);
    add_fixed(&p);
    s->conn = PQconnectStartParams(p.keys, p.values, 0);
    mem_wipe(password.p, password.n);
    buf_fini(&password);
    mem_free(host);
    mem_free(number);
    ASSERT(s->conn);
    if (PQstatus(s->conn) == CONNECTION_BAD) {
        pg_on_gone(s, PQerrorMessage(s->conn));
        return;
    }
    PQsetNoticeProcessor(s->conn, on_notice, NULL);
    pg_set_phase(s, PG_DIALLING);
    pg_set_timer(s, DIAL_MS);
    pg_watch(s, UV_WRITABLE);
}

/* libpq may take another socket: it is not watched while libpq works. */
void pg_dial_io(struct pg_store *s)
{
    PostgresPollingStatusType status;

    uv_poll_stop(s->poll);
    status = PQconnectPoll(s->conn);
    switch (status) {
    case PGRES_POLLING_READING:
        pg_watch(s, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        pg_watch(s, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        pg_session_start(s);
        break;
    default:
        pg_on_gone(s, PQerrorMessage(s->conn));
        break;
    }
}

void pg_dial_timeout(struct pg_store *s)
{
    if (s->phase == PG_RESOLVING) { /* its answer will find another phase */
        uv_cancel((uv_req_t *)s->lookup);
        s->lookup = NULL;
        s->address_count = 0;
    }
    pg_on_gone(s, s->phase == PG_RESOLVING ? "its name is not resolved in time"
                                           : "it does not answer in time");
}

/* --- names ------------------------------------------------------------------------------------ */

struct lookup {
    uv_getaddrinfo_t request;
    struct pg_store *store;
};

static void keep_addresses(struct pg_store *s, const struct addrinfo *all)
{
    s->address_count = s->address = 0;
    for (const struct addrinfo *a = all; a && s->address_count < PG_MAX_ADDRESSES; a = a->ai_next) {
        char *text = s->addresses[s->address_count].text;

        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof s->addresses[0].text, NULL, 0,
                        NI_NUMERICHOST) == 0)
            s->address_count++;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *all)
{
    struct lookup *l = CONTAINER_OF(request, struct lookup, request);
    struct pg_store *s = l->store;
    bool is_awaited = s->lookup == request && s->phase == PG_RESOLVING;

    if (s->lookup == request)
        s->lookup = NULL;
    if (is_awaited) {
        keep_addresses(s, status == 0 ? all : NULL);
        if (s->address_count > 0)
            connect_to(s, s->addresses[0].text);
        else
            pg_on_gone(s, status ? uv_strerror(status) : "its name has no address");
    }
    if (all)
        uv_freeaddrinfo(all);
    mem_free(l);
    pg_release(s);
}

static void resolve(struct pg_store *s, struct str name)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct lookup *l = mem_new(struct lookup);
    char *text = str_dup(name);
    int rc;

    l->store = s;
    rc = uv_getaddrinfo(s->base.loop, &l->request, on_resolved, text, NULL, &hints);
    mem_free(text);
    if (rc != 0) {
        mem_free(l);
        pg_on_gone(s, uv_strerror(rc));
        return;
    }
    s->lookup = &l->request;
    s->handles_open++;
    pg_set_phase(s, PG_RESOLVING);
    pg_set_timer(s, DIAL_MS);
}

static bool is_numeric(const char *text)
{
    uint8_t address[16];

    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* The next address of this host, or the host. */
void pg_dial(struct pg_store *s)
{
    struct str name, port;
    char text[64];

    if (s->address < s->address_count) {
        connect_to(s, s->addresses[s->address].text);
        return;
    }
    ASSERT(pg_host_parse(s->server.hosts[s->host], &name, &port));
    snprintf(text, sizeof text, "%.*s", STR_ARG(name));
    s->address_count = s->address = 0;
    if (name.p[0] == '/')
        connect_to(s, NULL);
    else if (name.n < sizeof text && is_numeric(text))
        connect_to(s, text);
    else
        resolve(s, name);
}
