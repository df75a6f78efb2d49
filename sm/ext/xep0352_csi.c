/* XEP-0352 Client State Indication: offered after authentication (§4.1); what a client says of its
 * state (§4.2). What follows from it is csi.c's. */
#include "sm/ext/list.h"

static void on_active(struct session *s, struct origin *origin)
{
    ext_set_inactive(s, false, origin);
}

static void on_inactive(struct session *s, struct origin *origin)
{
    ext_set_inactive(s, true, origin);
}

static void stream_features(struct sm *sm, struct str host, bool is_authenticated, struct xml *to,
                            struct arena *arena)
{
    (void)sm;
    (void)host;
    if (is_authenticated)
        xml_add(to, arena, NS_CSI, "csi");
}

static const struct ext_element elements[] = {
    { NS_CSI, "active", on_active },
    { NS_CSI, "inactive", on_inactive },
    { 0 },
};

const struct ext xep0352_csi = {
    .name = "csi",
    .doc = "XEP-0352: Client State Indication.",
    .stream_features = stream_features,
    .elements = elements,
};
