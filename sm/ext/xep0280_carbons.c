/* XEP-0280 Message Carbons: a client turns copies for itself on and off (§4, §5), as often as it
 * likes (§10.1). What is copied is carbons.c's. */
#include "sm/ext/list.h"

/* Of another's account: the answer of one that does not exist. */
static enum stanza_error set(struct iq *iq, bool is_on)
{
    if (!iq->is_own)
        return STANZA_SERVICE_UNAVAILABLE;
    return ext_set_carbons(iq, is_on);
}

static enum stanza_error on_enable(struct iq *iq)
{
    return set(iq, true);
}

static enum stanza_error on_disable(struct iq *iq)
{
    return set(iq, false);
}

/* Not urn:xmpp:carbons:rules:0 (carbons.h). */
static const char *const features[] = { NS_CARBONS, NULL };
static const struct ext_iq iqs[] = {
    { IQ_SET, NS_CARBONS, "enable", TO_ACCOUNT, on_enable },
    { IQ_SET, NS_CARBONS, "disable", TO_ACCOUNT, on_disable },
    { 0 },
};

const struct ext xep0280_carbons = {
    .name = "carbons",
    .doc = "XEP-0280: Message Carbons.",
    .features = features,
    .account_features = features,
    .iqs = iqs,
};
