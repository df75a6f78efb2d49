/* XEP-0199 Ping: answered by the server for itself (§4.2) and for an account that asks itself (its
 * c2s ping without to). */
#include "sm/ext/list.h"

static enum stanza_error on_ping(struct iq *iq)
{
    /* whether another's account exists is not told (RFC 6121 §8.5.2.1.3, §8.1) */
    if (jid_is_set(&iq->stanza->to) && str_is_set(iq->stanza->to.local) && !iq->is_own)
        return STANZA_SERVICE_UNAVAILABLE;
    iq_reply(iq, NULL);
    return STANZA_OK;
}

static const char *const features[] = { NS_PING, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_PING, "ping", TO_SERVER | TO_ACCOUNT, on_ping },
    { 0 },
};

const struct ext xep0199_ping = {
    .name = "ping",
    .doc = "XEP-0199: XMPP Ping.",
    .features = features,
    .iqs = iqs,
};
