/* XEP-0054 vcard-temp: set by the account itself, read by anybody. */
#include "sm/ext/list.h"

static const char KIND[] = "vcard";

static void on_got(struct iq *iq, enum err e, struct str text)
{
    struct xml *vcard = e == ERR_OK && str_is_set(text) ? ext_parse(iq, text) : NULL;

    if (e != ERR_OK)
        iq_error(iq, ext_stanza_error(e), NULL);
    else if (vcard)
        iq_reply(iq, vcard);
    else /* §3.1; for others like an account that does not exist (§3.3) */
        iq_error(iq, iq->is_own ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE, NULL);
}

static enum stanza_error on_get(struct iq *iq)
{
    ext_data_get(iq, iq_account(iq).bare, KIND, STR(""), on_got);
    return STANZA_OK;
}

static void on_put(struct iq *iq, enum err e)
{
    if (e == ERR_OK)
        iq_reply(iq, NULL);
    else
        iq_error(iq, ext_stanza_error(e), NULL);
}

static enum stanza_error on_set(struct iq *iq)
{
    struct ext_data item = { .key = STR("") };
    struct buf out = { 0 };

    if (!iq->is_own)
        return STANZA_FORBIDDEN; /* §3.2 */
    xml_write(&out, iq->child, STR_NONE);
    item.xml = arena_str(iq_arena(iq), buf_str(&out));
    buf_fini(&out);
    ext_data_put(iq, iq_account(iq).bare, KIND, &item, 1, on_put);
    return STANZA_OK;
}

static const char *const features[] = { NS_VCARD, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_VCARD, "vCard", TO_ACCOUNT, on_get },
    { IQ_SET, NS_VCARD, "vCard", TO_ACCOUNT, on_set },
    { 0 },
};

const struct ext xep0054_vcard = {
    .name = "vcard",
    .doc = "XEP-0054: vcard-temp.",
    .features = features,
    .account_features = features,
    .iqs = iqs,
};
