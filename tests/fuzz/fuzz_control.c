/* Control elements as a hostile peer may write them: each reader takes any element; what one accepts it accepts again when it is written anew. */
#include "proto/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xml_parser *parser;

static struct xml *parse(struct str bytes, struct arena *arena)
{
    struct xml *x;

    return xml_parse(parser, XML_ALONE, &control_xml_limits, bytes, arena, &x) == XML_OK ? x : NULL;
}

static void check_peers(const struct xml *x, struct arena *arena, struct buf *out)
{
    struct control_peers peers, again;

    if (control_read_peers(x, arena, &peers) != ERR_OK)
        return;
    control_write_peers(out, &peers);
    ASSERT(control_read_peers(parse(buf_str(out), arena), arena, &again) == ERR_OK);
    ASSERT(again.count == peers.count && again.is_all == peers.is_all);
}

static void check_slots(const struct xml *x, struct arena *arena, struct buf *out)
{
    struct control_slots slots, again;

    if (control_read_slots(x, arena, &slots) != ERR_OK)
        return;
    control_write_slots(out, &slots);
    ASSERT(control_read_slots(parse(buf_str(out), arena), arena, &again) == ERR_OK);
    ASSERT(again.epoch == slots.epoch && memcmp(again.owned, slots.owned, sizeof slots.owned) == 0);
}

static void check_hosts(const struct xml *x, struct arena *arena, struct buf *out)
{
    struct control_hosts hosts, again;

    if (control_read_hosts(x, arena, &hosts) != ERR_OK)
        return;
    control_write_hosts(out, &hosts);
    ASSERT(control_read_hosts(parse(buf_str(out), arena), arena, &again) == ERR_OK);
    ASSERT(again.version == hosts.version && again.count == hosts.count);
}

static void check_open(const struct xml *x, struct arena *arena, struct buf *out)
{
    struct control_open o, again;

    if (control_read_open(x, arena, &o) != ERR_OK)
        return;
    control_write_open(out, &o);
    ASSERT(control_read_open(parse(buf_str(out), arena), arena, &again) == ERR_OK);
    ASSERT(str_eq(again.host, o.host) && str_eq(again.cb_exporter, o.cb_exporter) && str_eq(again.chain, o.chain));
}

/* Of the channel. */
static void check_channel(const struct xml *x, struct arena *arena)
{
    struct control_end end;
    struct control_sync sync;
    struct control_synced synced;
    struct control_adopt adopt;
    struct str a, b, c;

    if (control_read_end(x, &end) == ERR_OK)
        ASSERT(end.why <= CONTROL_END_TIMEOUT);
    if (control_read_sync(x, arena, &sync) == ERR_OK)
        ASSERT(sync.count <= CONTROL_MAX_ENTRIES);
    if (control_read_synced(x, arena, &synced) == ERR_OK)
        control_synced_fini(&synced);
    ASSERT(control_read_adopt(x, STR("a key that nobody guesses"), arena, &adopt) != ERR_OK);
    if (control_read_restart(x, &a, &b, &c) == ERR_OK)
        ASSERT(str_is_set(a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(const struct xml *, struct arena *, struct buf *) = { check_peers, check_slots, check_hosts, check_open };
    struct arena arena = { 0 };
    struct buf out = { 0 };
    const struct xml *x;

    if (!parser)
        parser = xml_parser_new();
    if ((x = parse(str_of(data, size), &arena)) != NULL) {
        for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
            buf_clear(&out);
            checks[i](x, &arena, &out);
        }
        check_channel(x, &arena);
    }
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
