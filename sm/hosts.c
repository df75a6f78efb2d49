/* What is announced: hosts to c2s, slots to routers. */
#include "sm/hosts.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/peers.h"
#include "sm/wire.h"

static struct control_host host_of(const struct sm_host_conf *c)
{
    return (struct control_host){ .name = str_from(c->name),
                                  .is_tls_required = c->is_tls_required,
                                  .is_registration_open = c->may_register,
                                  .max_stanza_bytes = (uint64_t)c->max_stanza,
                                  .max_stanza_bytes_before = (uint64_t)c->max_stanza_before,
                                  .max_depth = (uint64_t)c->max_depth,
                                  .max_attributes = (uint64_t)c->max_attributes,
                                  .bytes_per_second = (uint64_t)c->bytes_per_second,
                                  .stanzas_per_second = (uint64_t)c->stanzas_per_second,
                                  .auth_timeout_ms = (uint64_t)c->auth_timeout_ms,
                                  .idle_timeout_ms = (uint64_t)c->idle_timeout_ms };
}

static void write_hosts(const struct sm *sm, uint64_t version, struct buf *out)
{
    const struct conf_items *items = &sm->conf->hosts;
    const struct sm_host_conf *confs = items->items;
    struct control_hosts hosts = { .version = version, .count = items->count };

    hosts.hosts = mem_alloc(items->count * sizeof *hosts.hosts);
    for (size_t i = 0; i < items->count; i++)
        hosts.hosts[i] = host_of(&confs[i]);
    control_write_hosts(out, &hosts);
    mem_free(hosts.hosts);
}

void hosts_write_content(const struct sm *sm, struct buf *out)
{
    write_hosts(sm, 0, out);
}

void hosts_send(struct sm *sm, struct link *l, struct str c2s)
{
    struct buf out = { 0 };

    write_hosts(sm, sm->hosts_version, &out);
    wire_control(sm, l, c2s, buf_str(&out));
    buf_fini(&out);
}

void hosts_send_all(struct sm *sm)
{
    struct peer *p;

    for (size_t at = 0; (p = table_next(&sm->peers, &at));) {
        if (peers_is_role(p, "c2s") && p->path_count > 0)
            hosts_send(sm, p->paths[0], str_from(p->name));
    }
}

static size_t count_exposed(const struct conf_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->count; i++)
        n += sm_conf_is_exposed(list->items[i]);
    return n;
}

void hosts_warn(const struct sm *sm)
{
    const struct sm_host_conf *hosts = sm->conf->hosts.items;

    for (size_t i = 0; i < sm->conf->hosts.count; i++) {
        const struct sm_host_conf *h = &hosts[i];

        if (sm_conf_has_digest(h))
            log_warn("DIGEST-MD5 is offered: a historic mechanism (RFC 6331) without a channel binding, "
                     "and its passwords lie in the directory in clear text",
                     kv_text("host", h->name));
        if (count_exposed(&h->mechanisms_dmz) > 0)
            log_warn("PLAIN, EXTERNAL or DIGEST-MD5 is offered through connection managers in the dmz", kv_text("host", h->name));
        if (h->mechanisms_dmz.count == 0 && h->mechanisms.count > 0 && count_exposed(&h->mechanisms) == h->mechanisms.count)
            log_warn("nobody can log in through connection managers in the dmz: mechanisms_dmz leaves nothing", kv_text("host", h->name));
    }
}

/* With the embedded store this one process owns them all. */
void hosts_send_slots(struct sm *sm, struct link *l)
{
    const struct conf_items *items = &sm->conf->hosts;
    const struct sm_host_conf *confs = items->items;
    struct control_slots slots = { .epoch = sm->epoch, .host_count = items->count };
    struct buf out = { 0 };

    memcpy(slots.key, sm->slot_key, sizeof slots.key);
    memset(slots.owned, 0xff, sizeof slots.owned);
    slots.hosts = mem_alloc(items->count * sizeof *slots.hosts);
    for (size_t i = 0; i < items->count; i++)
        slots.hosts[i] = str_from(confs[i].name);
    control_write_slots(&out, &slots);
    wire_control(sm, l, link_name(l), buf_str(&out));
    mem_free(slots.hosts);
    buf_fini(&out);
}

void hosts_send_slots_all(struct sm *sm)
{
    size_t at = 0;
    struct link *l;

    while ((l = links_next(sm->links, &at)))
        hosts_send_slots(sm, l);
}
