/* All extensions, in the order of their hooks. Configuration turns one off (key disabled), it never
 * changes the order. */
#include "sm/ext/list.h"

/* What the core does itself and discovery has to name: offline messages (XEP-0160 §4). */
static const char *const core_features[] = { NS_OFFLINE_FEATURE, NULL };
static const struct ext core = {
    .name = "core",
    .doc = "What the session manager does itself, as shown by service discovery.",
    .features = core_features,
};

const struct ext *const ext_list[] = {
    &core,          /* first: what it names is the ground of the others */
    &xep0199_ping,  /* the most frequent request: found first */
    &xep0030_disco, /* asks all others for their features when it is asked; its place does not
                       matter */
    &xep0191_blocking, /* what it decides holds in delivery, ahead of all hooks */
    &xep0280_carbons, /* a switch; copies are made by delivery itself */
    &xep0313_mam, /* reads; what is kept is decided by delivery, too */
    &xep0352_csi, /* the same: what waits is decided where stanzas go down */
    &xep0157_contact,
    &xep0054_vcard,
    &xep0055_search, /* an address of its own: meets no other */
    &xep0049_private,
    &xep0012_last, /* hears of the end of sessions; no other writes then */
    &xep0202_time,
    &xep0092_version,
    &xep0077_register, /* last: it can end the account that others would still write for */
    NULL,
};
