/* Control elements about the cluster: who is linked, who owns which slots, which hosts there are,
 * what could not be sent. The elements of one client's channel are in control_channel.c, those of
 * logging in in control_login.c. LINK.md §7. */
#include "proto/control.h"

#include "common/table.h"
#include "proto/control_part.h"
#include "proto/ns.h"

const struct xml_limits control_xml_limits = {
    .max_depth = 4,
    .max_attributes = 32,
    .max_nodes = 3 * CONTROL_MAX_ENTRIES,
};

/* --- peers ------------------------------------------------------------------------------------ */

static const char *const peer_roles[] = { "router", "c2s", "s2s", "sm", "component", NULL };

static const struct control_attr peer_attrs[] = {
    { "name", offsetof(struct control_peer, name), true },
    { "role", offsetof(struct control_peer, role), true },
    { "instance", offsetof(struct control_peer, instance), false },
};

void control_write_peers(struct buf *out, const struct control_peers *p)
{
    buf_add(out, STR("<peers xmlns='" NS_LINK "'"));
    if (p->is_all)
        control_put_u64(out, "all", 1);
    buf_add_char(out, '>');
    for (size_t i = 0; i < p->count; i++) {
        buf_add(out, STR("<peer"));
        control_put_texts(out, peer_attrs, ARRAY_LEN(peer_attrs), &p->peers[i]);
        control_put_u64(out, "up", p->peers[i].is_up);
        buf_add(out, STR("/>"));
    }
    buf_add(out, STR("</peers>"));
}

static enum err read_peer(const struct xml *x, struct control_peer *out)
{
    unsigned role;

    if (control_get_texts(x, peer_attrs, ARRAY_LEN(peer_attrs), out) != ERR_OK ||
        control_get_word(x, "role", peer_roles, &role) != ERR_OK ||
        control_get_flag(x, "up", &out->is_up) != ERR_OK)
        return ERR_MALFORMED;
    if (str_is_set(out->instance) && !control_is_hex(out->instance, 16))
        return ERR_MALFORMED;
    return ERR_OK;
}

enum err control_read_peers(const struct xml *x, struct arena *arena, struct control_peers *out)
{
    struct control_peers p = { 0 };
    size_t i = 0;

    if (!xml_is(x, NS_LINK, "peers") || control_get_flag(x, "all", &p.is_all) != ERR_OK ||
        control_count(x, "peer", &p.count) != ERR_OK)
        return ERR_MALFORMED;
    p.peers = arena_alloc(arena, p.count * sizeof *p.peers);
    for (const struct xml *c = xml_child(x, NS_LINK, "peer"); c; c = xml_next(c, NS_LINK, "peer"))
        if (read_peer(c, &p.peers[i++]) != ERR_OK)
            return ERR_MALFORMED;
    *out = p;
    return ERR_OK;
}

/* --- slots ------------------------------------------------------------------------------------ */

static bool is_owned(const struct control_slots *s, unsigned slot)
{
    return s->owned[slot / 8] >> (slot % 8) & 1;
}

static void write_owned(struct buf *out, const struct control_slots *s)
{
    for (unsigned from = 0; from < SLOT_COUNT; from++) {
        unsigned to = from;

        if (!is_owned(s, from))
            continue;
        while (to + 1 < SLOT_COUNT && is_owned(s, to + 1))
            to++;
        buf_add(out, STR("<own"));
        control_put_u64(out, "from", from);
        control_put_u64(out, "to", to);
        buf_add(out, STR("/>"));
        from = to;
    }
}

void control_write_slots(struct buf *out, const struct control_slots *s)
{
    buf_add(out, STR("<slots xmlns='" NS_LINK "'"));
    control_put_hex(out, "key", str_of(s->key, sizeof s->key));
    control_put_u64(out, "e", s->epoch);
    buf_add_char(out, '>');
    for (size_t i = 0; i < s->host_count; i++) {
        buf_add(out, STR("<host"));
        control_put(out, "name", s->hosts[i]);
        buf_add(out, STR("/>"));
    }
    write_owned(out, s);
    buf_add(out, STR("</slots>"));
}

static enum err read_owned(const struct xml *x, struct control_slots *out)
{
    uint64_t from, to;

    for (const struct xml *c = xml_child(x, NS_LINK, "own"); c; c = xml_next(c, NS_LINK, "own")) {
        if (control_get_u64(c, "from", &from) != ERR_OK ||
            control_get_u64(c, "to", &to) != ERR_OK || from > to || to >= SLOT_COUNT)
            return ERR_MALFORMED;
        for (; from <= to; from++)
            out->owned[from / 8] |= (uint8_t)(1u << (from % 8));
    }
    return ERR_OK;
}

enum err control_read_slots(const struct xml *x, struct arena *arena, struct control_slots *out)
{
    struct control_slots s = { 0 };
    size_t i = 0, ranges;

    if (!xml_is(x, NS_LINK, "slots") || control_get_hex(x, "key", s.key, sizeof s.key) != ERR_OK ||
        control_get_u64(x, "e", &s.epoch) != ERR_OK ||
        control_count(x, "host", &s.host_count) != ERR_OK)
        return ERR_MALFORMED;
    if (control_count(x, "own", &ranges) != ERR_OK || ranges > SLOT_COUNT ||
        read_owned(x, &s) != ERR_OK)
        return ERR_MALFORMED;
    s.hosts = arena_alloc(arena, s.host_count * sizeof *s.hosts);
    for (const struct xml *c = xml_child(x, NS_LINK, "host"); c; c = xml_next(c, NS_LINK, "host")) {
        s.hosts[i] = xml_attr(c, "name");
        if (s.hosts[i++].n == 0)
            return ERR_MALFORMED;
    }
    *out = s;
    return ERR_OK;
}

unsigned control_slot_of(const uint8_t key[16], struct str bare)
{
    return (unsigned)(table_siphash(key, bare) % SLOT_COUNT);
}

/* --- hosts ------------------------------------------------------------------------------------ */

static const char *const tls_words[] = { "optional", "required", NULL };

static const struct control_attr host_numbers[] = {
    { "max-stanza", offsetof(struct control_host, max_stanza_bytes), true },
    { "max-stanza-before", offsetof(struct control_host, max_stanza_bytes_before), true },
    { "max-depth", offsetof(struct control_host, max_depth), true },
    { "max-attributes", offsetof(struct control_host, max_attributes), true },
    { "bytes-per-second", offsetof(struct control_host, bytes_per_second), true },
    { "stanzas-per-second", offsetof(struct control_host, stanzas_per_second), true },
    { "auth-timeout-ms", offsetof(struct control_host, auth_timeout_ms), true },
    { "idle-timeout-ms", offsetof(struct control_host, idle_timeout_ms), true },
};

void control_write_hosts(struct buf *out, const struct control_hosts *h)
{
    buf_add(out, STR("<hosts xmlns='" NS_LINK "'"));
    control_put_u64(out, "v", h->version);
    buf_add_char(out, '>');
    for (size_t i = 0; i < h->count; i++) {
        const struct control_host *host = &h->hosts[i];

        buf_add(out, STR("<host"));
        control_put(out, "name", host->name);
        control_put(out, "tls", str_from(tls_words[host->is_tls_required]));
        control_put_u64(out, "registration", host->is_registration_open);
        for (size_t k = 0; k < ARRAY_LEN(host_numbers); k++) {
            uint64_t value;

            memcpy(&value, (const char *)host + host_numbers[k].at, sizeof value);
            control_put_u64(out, host_numbers[k].name, value);
        }
        buf_add(out, STR("/>"));
    }
    buf_add(out, STR("</hosts>"));
}

static enum err read_host(const struct xml *x, struct control_host *out)
{
    unsigned tls;

    out->name = xml_attr(x, "name");
    if (out->name.n == 0 || control_get_word(x, "tls", tls_words, &tls) != ERR_OK ||
        control_get_flag(x, "registration", &out->is_registration_open) != ERR_OK)
        return ERR_MALFORMED;
    out->is_tls_required = tls == 1;
    for (size_t k = 0; k < ARRAY_LEN(host_numbers); k++) {
        uint64_t value;

        if (control_get_u64(x, host_numbers[k].name, &value) != ERR_OK)
            return ERR_MALFORMED;
        memcpy((char *)out + host_numbers[k].at, &value, sizeof value);
    }
    return ERR_OK;
}

enum err control_read_hosts(const struct xml *x, struct arena *arena, struct control_hosts *out)
{
    struct control_hosts h = { 0 };
    size_t i = 0;

    if (!xml_is(x, NS_LINK, "hosts") || control_get_u64(x, "v", &h.version) != ERR_OK ||
        control_count(x, "host", &h.count) != ERR_OK)
        return ERR_MALFORMED;
    h.hosts = arena_alloc(arena, h.count * sizeof *h.hosts);
    for (const struct xml *c = xml_child(x, NS_LINK, "host"); c; c = xml_next(c, NS_LINK, "host"))
        if (read_host(c, &h.hosts[i++]) != ERR_OK)
            return ERR_MALFORMED;
    *out = h;
    return ERR_OK;
}

/* --- bounce ----------------------------------------------------------------------------------- */

void control_write_bounce(struct buf *out, const char *reason)
{
    buf_add(out, STR("<bounce xmlns='" NS_LINK "'"));
    control_put(out, "reason", str_from(reason));
    buf_add(out, STR("/>"));
}

/* --- metrics ---------------------------------------------------------------------------------- */

void control_write_metrics(struct buf *out, struct str text)
{
    buf_add(out, STR("<metrics xmlns='" NS_LINK "'>"));
    xml_escape(out, text);
    buf_add(out, STR("</metrics>"));
}

enum err control_read_metrics(const struct xml *x, struct arena *arena, struct str *out_text)
{
    struct str text;

    if (!xml_is(x, NS_LINK, "metrics"))
        return ERR_MALFORMED;
    text = xml_text(x, arena);
    if (text.n > CONTROL_MAX_METRICS)
        return ERR_LIMIT;
    *out_text = text;
    return ERR_OK;
}
