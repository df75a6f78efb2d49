/* One configured peer: dialling it again and again, and what happens when a second link of its name
 * comes. */
#include "proto/link_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"

#include <gnutls/crypto.h>

/* Half of it fixed, half of it random, so that many that lost the same peer do not all come back at
 * once. */
static uint64_t jittered(uint64_t ms)
{
    uint32_t random;

    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, &random, sizeof random) == 0);
    return ms / 2 + random % (ms / 2 + 1);
}

static void plan_retry(struct link_peer *p)
{
    if (!p->is_dialled || p->current || p->attempt || p->ls->is_closing)
        return;
    timer_set(p->ls->timers, &p->retry, jittered(p->backoff_ms));
    p->backoff_ms =
        p->backoff_ms * 2 > LINK_BACKOFF_MAX_MS ? LINK_BACKOFF_MAX_MS : p->backoff_ms * 2;
}

static void on_retry(struct timer *t)
{
    link_peer_dial(CONTAINER_OF(t, struct link_peer, retry));
}

void link_peer_dial(struct link_peer *p)
{
    struct links *ls = p->ls;
    struct conn *c;

    timer_init(&p->retry, on_retry);
    if (!p->is_dialled || p->current || p->attempt || ls->is_closing)
        return;
    c = conn_dial(ls->net, &p->dial, LINK_CONNECT_MS, &link_conn_events, NULL);
    p->attempt = link_new(ls, p, c, true);
    conn_set_owner(c, &link_conn_events, p->attempt);
}

void link_peer_lost(struct link_peer *p, struct link *l)
{
    uint64_t now = uv_now(net_loop(p->ls->net));

    if (p->attempt == l)
        p->attempt = NULL;
    if (p->current == l)
        p->current = NULL;
    if (l->was_up && now - l->up_ms >= LINK_STEADY_MS)
        p->backoff_ms = LINK_BACKOFF_MIN_MS;
    if (l->is_dialled)
        plan_retry(p);
}

void link_peer_stop(struct link_peer *p)
{
    timer_stop(&p->retry);
    listener_close(p->listener);
    p->listener = NULL;
}

/* Two processes that bear the same name would replace each other for ever. */
static bool may_replace(struct link_peer *p, uint64_t now)
{
    if (now - p->damp_since_ms > LINK_DAMP_MS) {
        p->damp_since_ms = now;
        p->damp_count = 0;
    }
    return ++p->damp_count <= LINK_DAMP_COUNT;
}

bool link_peer_admit(struct link *l)
{
    struct link_peer *p = l->peer;
    uint64_t now = uv_now(net_loop(l->ls->net));
    char address[64];

    conn_peer_text(l->conn, address);
    if (p->current && !may_replace(p, now)) {
        link_fail(l, STREAM_CONFLICT, "too many links of this name replace each other");
        return false;
    }
    if (p->current) {
        log_warn("link replaced by a new one of the same name", kv_text("peer", l->name),
                 kv_text("address", address));
        audit_warning("link-replaced", kv_text("peer", l->name),
                      kv_text("peer_role", link_role_names[l->role]), kv_text("address", address));
        p->last_error = "replaced";
        link_take_down(p->current);
    }
    if (p->attempt == l)
        p->attempt = NULL;
    p->current = l;
    l->was_up = true;
    l->up_ms = now;
    l->ls->guests -= !l->is_dialled;
    link_set_phase(l, PHASE_UP);
    log_info("link up", kv_text("peer", l->name), kv_text("role", link_role_names[l->role]),
             kv_text("instance", l->instance), kv_text("address", address));
    audit("link-up", kv_text("peer", l->name), kv_text("peer_role", link_role_names[l->role]),
          kv_text("address", address), kv_text("instance", l->instance),
          kv_text("identity", l->is_unix ? "uid" : "certificate"));
    timer_set(l->ls->timers, &l->timer, LINK_KEEPALIVE_MS);
    l->ls->events->on_up(l->ls->owner, l);
    link_report(l);
    return l->phase == PHASE_UP;
}
