/* The servers of a directory: those of the configuration, and behind them those that DNS has. DNS
 * is asked again by its TTL; a server that is gone from it gets no new work and goes when its last
 * operation is over. A failing DNS changes nothing. */
#include "sm/directory/parts.h"
#include "sm/directory/srv.h"

#include "common/mem.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

enum { MIN_LOOKUP_MS = 1000, FAILED_LOOKUP_MS = 3000, MS = 1000 };

static uint64_t now(const struct directory *d)
{
    return uv_now(d->set->loop);
}

/* --- one server -------------------------------------------------------------------------------- */

static double draw(void)
{
    uint32_t bits;

    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, &bits, sizeof bits) == 0);
    return (bits + 0.5) / ((double)UINT32_MAX + 1);
}

static struct dir_server *new_server(struct directory *d, const char *uri, const char *tls_name)
{
    struct dir_server *s = mem_new(struct dir_server);

    s->directory = d;
    d->refs++;
    s->refs = 1;
    s->uri = mem_strdup(uri);
    s->tls_name = tls_name ? mem_strdup(tls_name) : NULL;
    s->since_ms = now(d);
    s->luck = draw();
    list_init(&s->drained_at);
    for (int pool = 0; pool < DIR_POOLS; pool++)
        list_init(&s->conns[pool]);
    dir_pool_add(s);
    return s;
}

struct dir_server *dir_server_ref(struct dir_server *s)
{
    s->refs++;
    return s;
}

void dir_server_unref(struct dir_server *s)
{
    struct directory *d = s ? s->directory : NULL;

    if (!s || --s->refs > 0)
        return;
    list_remove(&s->drained_at);
    mem_free(s->uri);
    mem_free(s->tls_name);
    mem_free(s->last_error);
    mem_free(s->tls);
    mem_free(s);
    dir_unref(d);
}

/* --- the list ---------------------------------------------------------------------------------- */

static void append(struct directory *d, struct dir_server *take_s)
{
    d->servers = mem_realloc(d->servers, (d->server_count + 1) * sizeof(struct dir_server *));
    d->servers[d->server_count++] = take_s;
}

static struct dir_server *find(const struct directory *d, const char *uri)
{
    for (size_t i = 0; i < d->server_count; i++)
        if (strcmp(d->servers[i]->uri, uri) == 0)
            return d->servers[i];
    return NULL;
}

/* Configuration first; then by priority, then by weight and luck. */
static int compare(const void *a, const void *b)
{
    const struct dir_server *const *x = a, *const *y = b;
    double of_x, of_y;

    if ((*x)->is_found != (*y)->is_found)
        return (*x)->is_found - (*y)->is_found;
    if (!(*x)->is_found)
        return (*x)->rank < (*y)->rank ? -1 : 1;
    if ((*x)->rank != (*y)->rank)
        return (*x)->rank < (*y)->rank ? -1 : 1;
    of_x = dir_srv_place((*x)->weight, (*x)->luck);
    of_y = dir_srv_place((*y)->weight, (*y)->luck);
    return of_x < of_y ? -1 : of_x > of_y;
}

static bool is_allowed(const struct directory *d, uint16_t port)
{
    for (size_t i = 0; i < ARRAY_LEN(d->options.srv_ports.items); i++)
        if (d->options.srv_ports.items[i] == port)
            return true;
    return false;
}

static void add_found(struct directory *d, const struct dir_srv *r, bool is_ldaps)
{
    struct dir_server *s;
    struct buf uri = { 0 };

    buf_printf(&uri, "%s://%s:%u", is_ldaps ? "ldaps" : "ldap", r->target, r->port);
    buf_add_char(&uri, '\0');
    if (!(s = find(d, uri.p))) {
        s = new_server(d, uri.p, d->options.srv_certificate == DIRECTORY_OF_DOMAIN ? d->options.srv
                                                                                   : NULL);
        s->is_found = true;
        append(d, s);
    }
    if (s->is_found) { /* else it is in the configuration, too */
        s->is_still_there = true;
        s->rank = r->priority;
        s->weight = r->weight;
    }
    buf_fini(&uri);
}

/* Who is not there any more. */
static void drop_gone(struct directory *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->server_count; i++) {
        struct dir_server *s = d->servers[i];

        if (!s->is_found || s->is_still_there) {
            s->is_still_there = false;
            d->servers[kept++] = s;
            continue;
        }
        if (d->chosen == s)
            d->chosen = NULL;
        list_push_back(&d->drained, &s->drained_at);
        dir_pool_drain(s);
    }
    d->server_count = kept;
}

/* --- DNS --------------------------------------------------------------------------------------- */

struct lookup {
    uv_work_t work;
    struct directory *directory;
    char *domain;
    int64_t timeout_ms;
    struct dir_srv_found found;
    bool is_done;
    struct buf why;
};

static void on_thread(uv_work_t *work)
{
    struct lookup *l = work->data;

    l->is_done = dir_srv_look_up(l->domain, l->timeout_ms, &l->found, &l->why);
}

/* Told once when it fails, once when it works again. */
static void note(struct directory *d, const struct lookup *l, const char *why)
{
    bool is_news = (why != NULL) != (d->lookup_error != NULL);
    struct buf name = { 0 };

    mem_free(d->lookup_error);
    d->lookup_error = why ? mem_strdup(why) : NULL;
    if (!is_news || !d->set->changed)
        return;
    buf_printf(&name, "srv:%s", l->domain);
    buf_add_char(&name, '\0');
    d->set->changed(d->set->owner, d->options.name, name.p, why == NULL, why);
    buf_fini(&name);
}

static void take(struct directory *d, const struct lookup *l)
{
    const struct dir_srv_answer *a = &l->found.answer;
    struct buf why = { 0 };
    size_t used = 0;

    for (size_t i = 0; i < a->count; i++) {
        if (is_allowed(d, a->records[i].port)) {
            add_found(d, &a->records[i], l->found.is_ldaps);
            used++;
        } else {
            buf_printf(&why, "%s:%u: this port is not in srv_ports; ", a->records[i].target,
                       a->records[i].port);
        }
    }
    drop_gone(d);
    if (d->server_count > 0)
        qsort(d->servers, d->server_count, sizeof(struct dir_server *), compare);
    if (a->left_out > 0)
        buf_printf(&why, "%zu records cannot be used; ", a->left_out);
    if (used == 0)
        buf_printf(&why, "DNS names no server");
    buf_add_char(&why, '\0');
    note(d, l, why.n > 1 ? why.p : NULL);
    buf_fini(&why);
    if (!dir_pool_chosen(d))
        dir_jobs_fail_waiting(d, DIRECTORY_UNAVAILABLE);
}

static uint64_t next_in_ms(const struct directory *d, const struct lookup *l)
{
    uint64_t ms = (uint64_t)l->found.answer.ttl_s * MS, most = (uint64_t)d->options.srv_ms;

    if (!l->is_done)
        return FAILED_LOOKUP_MS;
    ms = ms < most ? ms : most;
    return ms > MIN_LOOKUP_MS ? ms : MIN_LOOKUP_MS;
}

static void on_looked_up(uv_work_t *work, int status)
{
    struct lookup *l = work->data;
    struct directory *d = l->directory;

    ASSERT(status == 0); /* we cancel nothing */
    d->set->openings--;
    d->is_looking = false;
    if (!d->is_closed) {
        buf_add_char(&l->why, '\0');
        if (l->is_done)
            take(d, l);
        else
            note(d, l, l->why.p);
        d->was_looked_up = true;
        d->lookup_at_ms = now(d) + next_in_ms(d, l);
        dir_pool_run(d);
    }
    buf_fini(&l->why);
    mem_free(l->domain);
    mem_free(l);
    dir_unref(d);
}

void dir_servers_tick(struct directory *d)
{
    struct lookup *l;

    if (!d->options.srv || d->is_looking || now(d) < d->lookup_at_ms ||
        d->set->openings >= DIR_OPENINGS_AT_ONCE)
        return;
    l = mem_new(struct lookup);
    l->work.data = l;
    l->directory = d;
    l->domain = mem_strdup(d->options.srv);
    l->timeout_ms = d->options.connect_ms;
    d->refs++;
    d->is_looking = true;
    d->set->openings++;
    ASSERT(uv_queue_work(d->set->loop, &l->work, on_thread, on_looked_up) == 0);
}

void dir_servers_open(struct directory *d)
{
    list_init(&d->drained);
    for (size_t i = 0; i < d->options.uri_count; i++) {
        struct dir_server *s = new_server(d, d->options.uris[i], NULL);

        s->rank = (uint32_t)i;
        append(d, s);
    }
    (void)dir_pool_chosen(d); /* the first */
    dir_servers_tick(d);
}

void dir_servers_close(struct directory *d)
{
    for (size_t i = 0; i < d->server_count; i++) {
        dir_pool_remove(d->servers[i]);
        dir_server_unref(d->servers[i]);
    }
    d->server_count = 0;
    d->chosen = NULL;
    LIST_FOR_EACH_SAFE(at, following, &d->drained) {
        struct dir_server *s = CONTAINER_OF(at, struct dir_server, drained_at);

        list_remove(&s->drained_at);
        dir_pool_remove(s);
        dir_server_unref(s);
    }
}

bool dir_servers_are_hopeless(struct directory *d)
{
    bool is_waiting = d->options.srv && !d->was_looked_up;

    return !dir_pool_chosen(d) && !is_waiting;
}
