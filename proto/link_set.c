/* All links of a process: listeners, accepting, reload, what the owner asks. */
#include "proto/link_private.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"

#include <gnutls/crypto.h>

static struct str peer_key(const void *item)
{
    return ((const struct link_peer *)item)->name;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* The oldest of those that are not up makes room: an honest peer needs a moment, one that only
 * holds a place waits for ever. */
static void make_room(struct links *ls)
{
    uint64_t now = uv_now(net_loop(ls->net));

    if (ls->guests < LINK_MAX_GUESTS)
        return;
    if (now - ls->crowded_ms > LINK_CROWDED_MS)
        log_warn("too many links are being made: the oldest of them end");
    ls->crowded_ms = now;
    LIST_FOR_EACH(at, &ls->all)
    {
        struct link *l = CONTAINER_OF(at, struct link, at);

        if (l->is_dialled || l->was_up || l->phase == PHASE_DOOMED)
            continue;
        link_audit_refused(l, "protocol", "too many links are being made");
        link_take_down(l);
        return;
    }
}

static void on_accept_tls(void *owner, struct conn *c)
{
    struct links *ls = owner;
    struct link *l;

    make_room(ls);
    l = link_new(ls, NULL, c, false);
    conn_set_owner(c, &link_conn_events, l);
    timer_set(ls->timers, &l->timer, LINK_AUTH_MS);
    link_set_phase(l, PHASE_SECURING);
    conn_start_tls(c, ls->creds, true, NULL, STR_NONE);
}

static void on_accept_unix(void *owner, struct conn *c)
{
    struct link_peer *p = owner;
    struct link *l;

    make_room(p->ls);
    l = link_new(p->ls, p, c, false);
    conn_set_owner(c, &link_conn_events, l);
    if (link_identify(l))
        link_begin(l);
}

static enum err listen_tls(struct links *ls, struct buf *why)
{
    struct listener_options o = { .inherited_fd = -1, .backlog = 64 };

    if (!ls->conf->listen)
        return ERR_OK;
    o.inherited_fd = service_inherited_fd("link");
    if (net_address_parse(str_from(ls->conf->listen), &o.address) != ERR_OK || o.address.is_unix) {
        buf_printf(why, "link_listen: expected \"ADDRESS:PORT\"");
        return ERR_MALFORMED;
    }
    return listener_open(ls->net, &o, on_accept_tls, ls, &ls->listener, why);
}

/* The kernel tells the peer's uid; the file's mode only keeps others from trying. */
static enum err listen_unix(struct link_peer *p, struct buf *why)
{
    struct listener_options o = { .inherited_fd = -1, .backlog = 16, .address = p->accept };

    if (!p->conf->accept)
        return ERR_OK;
    o.unix_mode = p->uid < 0 ? 0600 : 0666;
    return listener_open(p->ls->net, &o, on_accept_unix, p, &p->listener, why);
}

/* --- open, close ------------------------------------------------------------------------------ */

static void index_peers(struct links *ls)
{
    table_fini(&ls->by_name);
    for (size_t i = 0; i < ls->peer_count; i++)
        table_put(&ls->by_name, ls->peers[i]);
}

static void on_closed(uv_handle_t *handle)
{
    struct links *ls = handle->data;

    buf_fini(&ls->scratch);
    mem_free(ls);
}

void links_close(struct links *ls)
{
    if (!ls || ls->is_closing)
        return;
    ls->is_closing = true;
    timer_stop(&ls->report);
    listener_close(ls->listener);
    while (!list_is_empty(&ls->all))
        link_take_down(CONTAINER_OF(list_first(&ls->all), struct link, at));
    link_peers_free(ls->peers, ls->peer_count);
    ls->peers = NULL;
    ls->peer_count = 0;
    table_fini(&ls->by_name);
    link_conf_free(ls->conf);
    tls_creds_unref(ls->creds);
    xml_parser_free(ls->parser);
    uv_close((uv_handle_t *)&ls->doom, on_closed);
}

static struct links *links_new(struct net *net, struct timers *timers, enum link_role own_role,
                               const struct link_conf *conf)
{
    struct links *ls = mem_new(struct links);
    struct buf hex = { 0 };
    uint8_t random[8];

    ls->net = net;
    ls->timers = timers;
    ls->role = own_role;
    ls->conf = link_conf_copy(conf);
    list_init(&ls->all);
    table_init(&ls->by_name, peer_key);
    timer_init(&ls->report, NULL);
    ls->parser = xml_parser_new();
    uv_idle_init(net_loop(net), &ls->doom);
    ls->doom.data = ls;
    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random) == 0);
    buf_add_hex(&hex, str_of(random, sizeof random));
    memcpy(ls->instance, hex.p, 16);
    buf_fini(&hex);
    return ls;
}

enum err links_open(struct net *net, struct timers *timers, enum link_role own_role,
                    const struct link_conf *conf, const struct link_events *events, void *owner,
                    struct links **out_links, struct buf *why)
{
    struct links *ls = links_new(net, timers, own_role, conf);
    enum err e;

    ls->events = events;
    ls->owner = owner;
    if ((e = link_creds_load(conf, &ls->creds, why)) != ERR_OK)
        goto fail;
    if ((e = link_peers_load(ls, ls->conf, &ls->peers, &ls->peer_count, why)) != ERR_OK)
        goto fail;
    if ((e = listen_tls(ls, why)) != ERR_OK)
        goto fail;
    for (size_t i = 0; i < ls->peer_count; i++)
        if ((e = listen_unix(ls->peers[i], why)) != ERR_OK)
            goto fail;
    link_creds_seen(ls);
    index_peers(ls);
    for (size_t i = 0; i < ls->peer_count; i++)
        link_peer_dial(ls->peers[i]);
    *out_links = ls;
    return ERR_OK;
fail:
    links_close(ls);
    return e;
}

/* --- reload ----------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return str_eq(str_from(a), str_from(b)) && !a == !b;
}

static bool is_same_peer(const struct link_peer *a, const struct link_peer *b)
{
    const struct link_peer_conf *x = a->conf, *y = b->conf;

    return x->role == y->role && a->uid == b->uid && is_same_text(x->dial, y->dial) &&
           is_same_text(x->accept, y->accept);
}

static struct link_peer *find_peer(const struct links *ls, struct str name)
{
    return table_get(&ls->by_name, name);
}

/* What p was goes on as the new q. */
static void move_state(struct link_peer *p, struct link_peer *q)
{
    q->current = p->current;
    q->attempt = p->attempt;
    q->backoff_ms = p->backoff_ms;
    q->damp_since_ms = p->damp_since_ms;
    q->damp_count = p->damp_count;
    q->last_error = p->last_error;
    p->current = p->attempt = NULL;
}

/* A path that is listened on already must not be opened again. */
static bool keeps_path(const struct link_peer *old, const struct link_peer *peer)
{
    return old && old->listener && is_same_text(old->conf->accept, peer->conf->accept);
}

static void move_listener(struct link_peer *p, struct link_peer *q)
{
    listener_set_owner(p->listener, q);
    q->listener = p->listener;
    p->listener = NULL;
}

static enum err listen_new(struct links *ls, struct link_peer **peers, size_t count,
                           struct buf *why)
{
    for (size_t i = 0; i < count; i++) {
        const struct link_peer *old = find_peer(ls, peers[i]->name);
        enum err e = keeps_path(old, peers[i]) ? ERR_OK : listen_unix(peers[i], why);

        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* Links of a peer that goes on follow it; the others end. */
static void adopt_links(struct links *ls, struct link_peer **peers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct link_peer *old = find_peer(ls, peers[i]->name);

        if (keeps_path(old, peers[i]))
            move_listener(old, peers[i]);
        if (!old || !is_same_peer(old, peers[i]))
            continue;
        LIST_FOR_EACH(at, &ls->all)
        {
            struct link *l = CONTAINER_OF(at, struct link, at);

            if (l->peer == old)
                l->peer = peers[i];
        }
        move_state(old, peers[i]);
    }
}

static void end_links(struct links *ls)
{
    LIST_FOR_EACH(at, &ls->all)
    {
        struct link *l = CONTAINER_OF(at, struct link, at);
        bool is_listed = false;

        for (size_t i = 0; i < ls->peer_count; i++)
            is_listed = is_listed || l->peer == ls->peers[i];
        if (l->peer && !is_listed) {
            l->peer = NULL;
            link_fail(l, STREAM_NOT_AUTHORIZED, "it is no longer configured");
        } else if (l->chain && ls->creds &&
                   tls_creds_verify(ls->creds, str_from(l->chain)) != ERR_OK) {
            link_fail_certificate(l, STREAM_NOT_AUTHORIZED,
                                  "its certificate is not valid any more");
        }
    }
}

static void take_over(struct links *ls, struct link_conf *conf, struct link_peer **peers,
                      size_t count)
{
    struct link_peer **old = ls->peers;
    size_t old_count = ls->peer_count;
    struct link_conf *old_conf = ls->conf;

    adopt_links(ls, peers, count);
    ls->peers = peers;
    ls->peer_count = count;
    ls->conf = conf;
    index_peers(ls);
    end_links(ls);
    link_peers_free(old, old_count);
    link_conf_free(old_conf);
    for (size_t i = 0; i < count; i++)
        link_peer_dial(peers[i]);
}

enum err links_reload(struct links *ls, const struct link_conf *conf, struct buf *why)
{
    struct link_conf *copy = link_conf_copy(conf);
    struct tls_creds *creds = NULL;
    struct link_peer **peers = NULL;
    size_t count = 0;
    enum err e;

    if ((e = link_creds_load(copy, &creds, why)) != ERR_OK)
        goto fail;
    if ((e = link_peers_load(ls, copy, &peers, &count, why)) != ERR_OK)
        goto fail;
    if ((e = listen_new(ls, peers, count, why)) != ERR_OK)
        goto fail;
    tls_creds_unref(ls->creds);
    ls->creds = creds;
    link_creds_seen(ls);
    take_over(ls, copy, peers, count);
    return ERR_OK;
fail:
    link_peers_free(peers, count);
    tls_creds_unref(creds);
    link_conf_free(copy);
    return e;
}

/* --- for the owner ---------------------------------------------------------------------------- */

struct str links_own_instance(const struct links *ls)
{
    return str_from(ls->instance);
}

struct link *links_find(const struct links *ls, struct str name)
{
    const struct link_peer *p = find_peer(ls, name);

    return p ? p->current : NULL;
}

bool links_is_peer(const struct links *ls, struct str name)
{
    return find_peer(ls, name) != NULL;
}

struct link *links_next(const struct links *ls, size_t *at)
{
    while (*at < ls->peer_count) {
        struct link *l = ls->peers[(*at)++]->current;

        if (l)
            return l;
    }
    return NULL;
}

bool links_status_next(const struct links *ls, size_t *at, struct link_status *out_status)
{
    const struct link_peer *p;
    const struct link *l;

    if (*at >= ls->peer_count)
        return false;
    p = ls->peers[(*at)++];
    l = p->current;
    *out_status = (struct link_status){
        .name = p->name,
        .role = (enum link_role)p->conf->role,
        .is_dialled = p->is_dialled,
        .is_unix = p->is_unix,
        .is_up = l != NULL,
        .last_error = p->last_error,
    };
    if (!l)
        return true;
    out_status->instance = str_from(l->instance);
    out_status->since_ms = l->up_ms;
    out_status->frames_in = l->frames_in;
    out_status->frames_out = l->frames_out;
    out_status->bytes_in = l->bytes_in;
    out_status->bytes_out = conn_queued(l->conn);
    out_status->queued = link_queued_bytes(l);
    out_status->peer_cert_expiry = l->cert_expiry;
    return true;
}
