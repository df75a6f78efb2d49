/* XEP-0054 vcard-temp: set by the account itself, read by anybody. What a directory says of a person
 * is the directory's to change; their own fields fill the rest. */
#include "sm/ext/list.h"

static const char KIND[] = "vcard";

/* --- get -------------------------------------------------------------------------------------- */

static void on_directory(struct iq *iq, enum err e, struct xml *vcard)
{
    struct xml *own = iq->kept;

    if (vcard)
        iq_reply(iq, ext_vcard_merge(iq, vcard, own));
    else if (own)
        iq_reply(iq, own);
    else if (e != ERR_OK)
        iq_error(iq, STANZA_REMOTE_SERVER_TIMEOUT, NULL); /* type wait */
    else /* §3.1; for others like an account that does not exist (§3.3) */
        iq_error(iq, iq->is_own ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE, NULL);
}

static void on_got(struct iq *iq, enum err e, struct str text)
{
    if (e != ERR_OK) {
        iq_error(iq, ext_stanza_error(e), NULL);
        return;
    }
    iq->kept = str_is_set(text) ? ext_parse(iq, text) : NULL;
    ext_directory_vcard(iq, on_directory);
}

static enum stanza_error on_get(struct iq *iq)
{
    ext_data_get(iq, iq_account(iq).bare, KIND, STR(""), on_got);
    return STANZA_OK;
}

/* --- set -------------------------------------------------------------------------------------- */

static void on_put(struct iq *iq, enum err e)
{
    if (e == ERR_OK)
        iq_reply(iq, NULL);
    else
        iq_error(iq, ext_stanza_error(e), NULL);
}

static void put(struct iq *iq)
{
    struct ext_data item = { .key = STR("") };
    struct buf out = { 0 };

    xml_write(&out, iq->child, STR_NONE);
    item.xml = arena_str(iq_arena(iq), buf_str(&out));
    buf_fini(&out);
    ext_data_put(iq, iq_account(iq).bare, KIND, &item, 1, on_put);
}

/* Clients read the whole vCard, change something and send it back: what the directory had in it
 * comes with it, and must not be kept as the user's own. */
static void on_held(struct iq *iq, enum err e, struct xml *vcard)
{
    if (e != ERR_OK)
        iq_error(iq, STANZA_REMOTE_SERVER_TIMEOUT, NULL);
    else if (vcard && ext_vcard_strip(iq, iq->child, vcard))
        iq_error(iq, STANZA_NOT_ALLOWED, "the photo is the directory's");
    else
        put(iq);
}

static enum stanza_error on_set(struct iq *iq)
{
    if (!iq->is_own)
        return STANZA_FORBIDDEN; /* §3.2 */
    ext_directory_vcard(iq, on_held);
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
