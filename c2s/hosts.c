/* The table of hosts (hosts.h). */
#include "c2s/hosts.h"

#include "common/mem.h"

static struct str key_of(const void *item)
{
    return ((const struct host *)item)->announced.name;
}

void hosts_init(struct hosts *hs)
{
    *hs = (struct hosts){ 0 };
    table_init(&hs->by_name, key_of);
}

void hosts_fini(struct hosts *hs)
{
    struct host *h;

    for (size_t at = 0; (h = table_next(&hs->by_name, &at));) {
        mem_free((char *)h->announced.name.p);
        mem_free(h);
    }
    table_fini(&hs->by_name);
}

struct control_host hosts_of_floors(const struct c2s_floors *f)
{
    return (struct control_host){
        .is_tls_required = f->is_tls_required,
        .max_stanza_bytes = (uint64_t)f->max_stanza,
        .max_stanza_bytes_before = (uint64_t)f->max_stanza_before,
        .max_depth = (uint64_t)f->max_depth,
        .max_attributes = (uint64_t)f->max_attributes,
        .bytes_per_second = (uint64_t)f->bytes_per_second,
        .stanzas_per_second = (uint64_t)f->stanzas_per_second,
        .auth_timeout_ms = (uint64_t)f->auth_timeout_ms,
        .idle_timeout_ms = (uint64_t)f->idle_timeout_ms,
    };
}

/* 0 is "no limit" on both sides. */
static uint64_t tighter(uint64_t a, uint64_t b)
{
    if (!a || !b)
        return a + b;
    return a < b ? a : b;
}

static void tighten(struct host *h, const struct c2s_floors *floors)
{
    struct control_host floor = hosts_of_floors(floors);
    struct control_host *now = &h->now;

    *now = h->announced;
    now->is_tls_required |= floor.is_tls_required;
    now->max_stanza_bytes = tighter(now->max_stanza_bytes, floor.max_stanza_bytes);
    now->max_stanza_bytes_before =
        tighter(now->max_stanza_bytes_before, floor.max_stanza_bytes_before);
    now->max_depth = tighter(now->max_depth, floor.max_depth);
    now->max_attributes = tighter(now->max_attributes, floor.max_attributes);
    now->bytes_per_second = tighter(now->bytes_per_second, floor.bytes_per_second);
    now->stanzas_per_second = tighter(now->stanzas_per_second, floor.stanzas_per_second);
    now->auth_timeout_ms = tighter(now->auth_timeout_ms, floor.auth_timeout_ms);
    now->idle_timeout_ms = tighter(now->idle_timeout_ms, floor.idle_timeout_ms);
}

void hosts_apply_floors(struct hosts *hs, const struct c2s_floors *floors)
{
    struct host *h;

    for (size_t at = 0; (h = table_next(&hs->by_name, &at));)
        tighten(h, floors);
}

static struct host *host_for(struct hosts *hs, struct str name)
{
    struct host *h = table_get(&hs->by_name, name);

    if (!h) {
        h = mem_new(struct host);
        h->announced.name = str_of(str_dup(name), name.n);
        table_put(&hs->by_name, h);
    }
    return h;
}

bool hosts_take(struct hosts *hs, const struct control_hosts *table,
                const struct c2s_floors *floors)
{
    struct host *h;

    if (table->version <= hs->version || !table->count)
        return false;
    for (size_t at = 0; (h = table_next(&hs->by_name, &at));)
        h->is_gone = true;
    hs->version = table->version;
    hs->count = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct str name;

        h = host_for(hs, table->hosts[i].name);
        name = h->announced.name;
        h->announced = table->hosts[i];
        h->announced.name = name; /* ours: the table's own lives no longer than the call */
        h->is_gone = false;
        tighten(h, floors);
        if (hs->count++ == 0)
            hs->first = h;
    }
    return true;
}

struct host *hosts_find(const struct hosts *hs, struct str name)
{
    struct host *h = table_get(&hs->by_name, name);

    return h && !h->is_gone ? h : NULL;
}
