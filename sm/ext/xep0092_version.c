/* XEP-0092 Software Version: of the server. The operating system is told only when the
 * configuration says so (§5). */
#include "common/service.h"
#include "sm/ext/list.h"

static enum stanza_error on_version(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *query = xml_new(arena, NS_VERSION, "query");
    const char *os = ext_software_os(iq->sm);

    xml_add_text(xml_add(query, arena, NULL, "name"), arena, STR("Sallyport"));
    xml_add_text(xml_add(query, arena, NULL, "version"), arena, str_from(service_version));
    if (os)
        xml_add_text(xml_add(query, arena, NULL, "os"), arena, str_from(os));
    iq_reply(iq, query);
    return STANZA_OK;
}

static const char *const features[] = { NS_VERSION, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_VERSION, "query", TO_SERVER, on_version },
    { 0 },
};

const struct ext xep0092_version = {
    .name = "version",
    .doc = "XEP-0092: Software Version.",
    .features = features,
    .iqs = iqs,
};
