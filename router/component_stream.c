/* How a component comes in: stream header and handshake. XEP-0114 §3. */
#include "router/component_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "router/announce.h"
#include "router/metrics.h"

#include <gnutls/crypto.h>

/* to: the domain as the component wrote it; absent: none to be named. */
void component_answer_header(struct component *c, struct str to)
{
    struct stream_header header = { .from = to };
    uint8_t id[16];
    struct buf b = { 0 };

    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, id, sizeof id) == 0);
    buf_add_hex(&b, str_of(id, sizeof id));
    memcpy(c->stream_id, b.p, sizeof c->stream_id - 1);
    buf_clear(&b);
    header.id = str_from(c->stream_id);
    stream_write_header(&b, NS_COMPONENT_ACCEPT, &header);
    conn_write(c->conn, buf_str(&b));
    buf_fini(&b);
}

static const struct component_known *known_as(const struct component *c, struct str to,
                                              struct arena *arena)
{
    struct str domain;

    if (!str_is_set(to) || jid_prepare_domain(to, arena, &domain) != ERR_OK)
        return NULL;
    return table_get(&c->all->known, domain);
}

void component_take_header(struct component *c, struct str bytes)
{
    const struct component_known *known;
    struct arena arena = { 0 };
    struct stream_header h;
    struct xml *root;
    enum xml_error xe = xml_parse_header(c->all->router->parser, bytes, &arena, &root);
    enum stream_error e = xe == XML_OK ? stream_read_header(root, NS_COMPONENT_ACCEPT, &h)
                                       : stream_error_from_xml(xe);

    if (e != STREAM_OK) {
        component_fail(c, e, "its stream header is not that of a component");
    } else if ((known = known_as(c, h.to, &arena)) == NULL) {
        component_fail(c, STREAM_HOST_UNKNOWN, "no such component is configured");
    } else {
        c->domain = str_dup(str_from(known->domain));
        component_answer_header(c, h.to);
        c->phase = COMPONENT_SHAKING;
    }
    arena_fini(&arena);
}

/* A connection that died without a word is noticed when it is written to. */
static bool is_taken(struct component *c)
{
    struct component *old = components_find(c->all, str_from(c->domain));

    if (!old)
        return false;
    conn_write(old->conn, STR(" "));
    return true;
}

static void attach(struct component *c)
{
    struct router *r = c->all->router;
    char address[64];

    conn_peer_text(c->conn, address);
    timer_stop(&c->timer);
    c->phase = COMPONENT_ACTIVE;
    c->up_ms = uv_now(r->service->loop);
    c->all->guests--;
    table_put(&c->all->by_domain, c);
    metric_inc(&router_metric_components);
    conn_write(c->conn, STR("<handshake/>"));
    log_info("component attached", kv_text("domain", c->domain), kv_text("address", address));
    audit("link-up", kv_text("peer", c->domain), kv_text("peer_role", "component"),
          kv_text("address", address), kv_text("identity", "secret"));
    announce_component(r, str_from(c->domain), true);
}

void component_take_handshake(struct component *c, struct str bytes)
{
    const struct component_known *known = table_get(&c->all->known, str_from(c->domain));
    struct arena arena = { 0 };
    struct xml *x;
    enum xml_error xe = xml_parse(c->all->router->parser, XML_IN_COMPONENT_STREAM,
                                  &xml_default_limits, bytes, &arena, &x);
    char proof[41];

    link_handshake(str_from(c->stream_id), known ? buf_str(&known->secret) : STR(""), proof);
    if (xe != XML_OK)
        component_fail(c, stream_error_from_xml(xe), "it sent broken XML");
    else if (!known || !xml_is(x, NS_COMPONENT_ACCEPT, "handshake") ||
             !str_eq_const_time(xml_text(x, &arena), str_from(proof)))
        component_fail(c, STREAM_NOT_AUTHORIZED, "its handshake is wrong (secret_file differs)");
    else if (is_taken(c))
        component_fail(c, STREAM_CONFLICT, "a component of this domain is attached already");
    else
        attach(c);
    mem_wipe(proof, sizeof proof);
    arena_fini(&arena);
}
