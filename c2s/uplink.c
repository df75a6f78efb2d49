/* What comes by the links (uplink.h). LINK.md §4: a frame to C2S/INSTANCE-CONN is for a client, one
 * to C2S is said to this process. */
#include "c2s/uplink.h"

#include "c2s/client.h"
#include "c2s/gate.h"
#include "c2s/metrics.h"
#include "common/audit.h"
#include "common/log.h"
#include "proto/ns.h"

static void refuse(const struct frame *f, const char *what)
{
    metric_inc(&c2s_metric_violations);
    audit_warning("frame-refused", kv_str("from", f->from), kv_str("to", f->to),
                  kv_text("what", what));
}

static enum err on_peers(struct c2s *c2s, struct link *l, const struct frame *f,
                         const struct xml *x)
{
    struct control_peers peers;
    enum err e;

    if (!str_eq(f->from, link_name(l)))
        return ERR_DENIED; /* who is linked to a router only itself knows */
    if ((e = control_read_peers(x, &c2s->link_arena, &peers)) == ERR_OK)
        upstream_peers(c2s, l, &peers);
    return e;
}

static void end_hostless(struct c2s *c2s)
{
    struct client *c;

    for (size_t at = 0; (c = table_next(&c2s->clients, &at));)
        if (c->host && c->host->is_gone)
            client_fail(c, STREAM_HOST_GONE, NULL); /* RFC 6120 §4.9.3.5 */
}

void uplink_check_certificates(const struct c2s *c2s)
{
    const struct host *h;

    for (size_t at = 0; (h = table_next(&c2s->hosts.by_name, &at));) {
        if (h->is_gone || !c2s->starttls_creds ||
            tls_creds_covers(c2s->starttls_creds, h->announced.name))
            continue;
        log_warn("no certificate names this host", kv_str("host", h->announced.name));
        audit_warning("certificate-missing", kv_str("host", h->announced.name));
    }
}

static enum err on_hosts(struct c2s *c2s, struct link *l, const struct frame *f,
                         const struct xml *x)
{
    struct control_hosts hosts;
    enum err e;

    if (!upstream_path(c2s, l, f->from))
        return ERR_DENIED;
    if ((e = control_read_hosts(x, &c2s->link_arena, &hosts)) != ERR_OK)
        return e;
    if (!hosts_take(&c2s->hosts, &hosts, &c2s->conf->floors)) {
        if (hosts.version < c2s->hosts.version)
            log_warn("an older table of hosts is ignored", kv_u64("version", hosts.version),
                     kv_str("sm", f->from));
        return ERR_OK;
    }
    log_info("table of hosts", kv_u64("version", hosts.version), kv_u64("hosts", hosts.count),
             kv_str("sm", f->from));
    uplink_check_certificates(c2s);
    end_hostless(c2s);
    c2s_update(c2s);
    return ERR_OK;
}

static enum err on_sync(struct c2s *c2s, struct link *l, const struct frame *f, const struct xml *x)
{
    struct path *path = upstream_path(c2s, l, f->from);
    struct control_sync sync;
    enum err e;

    if (!path)
        return ERR_DENIED;
    if ((e = control_read_sync(x, &c2s->link_arena, &sync)) == ERR_OK)
        gate_sync(c2s, path, &sync);
    return e;
}

/* A hint: <peers/> says when there is somebody again, and what is kept is sent again then. */
static enum err on_bounce(struct c2s *c2s, struct link *l, const struct frame *f,
                          const struct xml *x)
{
    (void)c2s;
    (void)l;
    log_debug("a frame came back", kv_str("s", f->s), kv_u64("n", f->n),
              kv_str("reason", xml_attr(x, "reason")));
    return ERR_OK;
}

static const struct {
    const char *name;
    enum err (*handle)(struct c2s *c2s, struct link *l, const struct frame *f, const struct xml *x);
} controls[] = {
    { "peers", on_peers },
    { "hosts", on_hosts },
    { "sync", on_sync },
    { "bounce", on_bounce },
};

static void on_control(struct c2s *c2s, struct link *l, const struct frame *f)
{
    struct xml *x;

    if (frame_is_acks(f->payload)) {
        struct upstream *u = upstream_find(c2s, f->from);

        if (u)
            gate_acks(c2s, u, f->payload);
        return;
    }
    arena_reset(&c2s->link_arena);
    if (xml_parse(c2s->parser, XML_ALONE, &control_xml_limits, f->payload, &c2s->link_arena, &x) !=
            XML_OK ||
        !str_is(x->ns, NS_LINK)) {
        refuse(f, "not an element of the link");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        if (str_is(x->name, controls[i].name)) {
            enum err e = controls[i].handle(c2s, l, f, x);

            if (e != ERR_OK)
                refuse(f, e == ERR_DENIED ? "not from one who may say that" : "malformed");
            return;
        }
    metric_inc(&c2s_metric_dropped); /* a newer version may say more */
}

static void on_frame(void *owner, struct link *l, const struct frame *f, struct str raw)
{
    struct c2s *c2s = owner;
    struct str prefix = str_of(c2s->own_prefix, c2s->own_prefix_bytes);
    uint64_t number;

    (void)raw;
    if (str_eq(f->to, c2s_name(c2s)))
        on_control(c2s, l, f);
    else if (str_starts_with(f->to, prefix) &&
             str_to_u64(str_of(f->to.p + prefix.n, f->to.n - prefix.n), &number) == ERR_OK)
        gate_frame(c2s, l, f, client_find(c2s, number), number);
    else
        metric_inc(&c2s_metric_dropped); /* of an instance before this one */
}

static void on_up(void *owner, struct link *l)
{
    upstream_router_up(owner, l);
}

static void on_batch(void *owner, struct link *l)
{
    (void)l;
    upstream_flush(owner, false);
}

static void on_down(void *owner, struct link *l)
{
    upstream_router_down(owner, l);
}

const struct link_events uplink_events = {
    .on_up = on_up,
    .on_frame = on_frame,
    .on_batch = on_batch,
    .on_down = on_down,
};
