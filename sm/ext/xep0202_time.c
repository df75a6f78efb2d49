/* XEP-0202 Entity Time: the server's clock and its offset from UTC (formats of XEP-0082). */
#include <time.h>

#include "proto/datetime.h"
#include "sm/ext/list.h"

static struct str offset_text(struct arena *arena, const struct tm *local)
{
    long minutes = local->tm_gmtoff / 60;
    long size = minutes < 0 ? -minutes : minutes;

    if (minutes == 0)
        return STR("Z");
    return arena_printf(arena, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', size / 60, size % 60);
}

static enum stanza_error on_time(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *el = xml_new(arena, NS_TIME, "time");
    time_t now = (time_t)(ext_time_us() / 1000000);
    struct tm local;

    localtime_r(&now, &local);
    xml_add_text(xml_add(el, arena, NULL, "tzo"), arena, offset_text(arena, &local));
    xml_add_text(xml_add(el, arena, NULL, "utc"), arena,
                 datetime_text((int64_t)now * 1000000, arena));
    iq_reply(iq, el);
    return STANZA_OK;
}

static const char *const features[] = { NS_TIME, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_TIME, "time", TO_SERVER, on_time },
    { 0 },
};

const struct ext xep0202_time = {
    .name = "time",
    .doc = "XEP-0202: Entity Time.",
    .features = features,
    .iqs = iqs,
};
