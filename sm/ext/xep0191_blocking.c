/* XEP-0191 Blocking Command: what a client asks of its account's blocklist. What the list does is
 * delivery's, how it is changed block_change.c's. */
#include "sm/ext/list.h"

/* Of another's account: the answer of one that does not exist. */
static enum stanza_error on_list(struct iq *iq)
{
    struct xml *list;
    struct str *jids;
    size_t count;

    if (!iq->is_own)
        return STANZA_SERVICE_UNAVAILABLE;
    list = xml_new(iq_arena(iq), NS_BLOCKING, "blocklist");
    count = ext_blocked(iq, &jids);
    for (size_t i = 0; i < count; i++)
        xml_set(xml_add(list, iq_arena(iq), NULL, "item"), iq_arena(iq), "jid", jids[i]);
    iq_reply(iq, list);
    return STANZA_OK;
}

/* The JIDs of the items; all are checked before anything is done. */
static enum stanza_error read_items(struct iq *iq, struct jid **out_jids, size_t *out_count)
{
    struct xml *item = xml_child(iq->child, NS_BLOCKING, "item");
    size_t n = 0;

    *out_jids = arena_alloc(iq_arena(iq), (xml_child_count(iq->child) + 1) * sizeof **out_jids);
    for (; item; item = xml_next(item, NS_BLOCKING, "item")) {
        struct str text = xml_attr(item, "jid");

        if (!str_is_set(text))
            return STANZA_BAD_REQUEST;
        if (jid_parse(text, iq_arena(iq), &(*out_jids)[n++]) != ERR_OK)
            return STANZA_JID_MALFORMED;
    }
    *out_count = n;
    return STANZA_OK;
}

/* §3.3: at least one item. */
static enum stanza_error on_block(struct iq *iq)
{
    struct jid *jids;
    size_t count = 0;
    enum stanza_error e;

    if (!iq->is_own)
        return STANZA_SERVICE_UNAVAILABLE;
    if ((e = read_items(iq, &jids, &count)) != STANZA_OK)
        return e;
    return count ? ext_block(iq, EXT_BLOCK, jids, count) : STANZA_BAD_REQUEST;
}

/* §3.4; §3.5: without an item all of them. */
static enum stanza_error on_unblock(struct iq *iq)
{
    struct jid *jids;
    size_t count = 0;
    enum stanza_error e;

    if (!iq->is_own)
        return STANZA_SERVICE_UNAVAILABLE;
    if ((e = read_items(iq, &jids, &count)) != STANZA_OK)
        return e;
    return ext_block(iq, count ? EXT_UNBLOCK : EXT_UNBLOCK_ALL, jids, count);
}

static const char *const features[] = { NS_BLOCKING, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_BLOCKING, "blocklist", TO_ACCOUNT, on_list },
    { IQ_SET, NS_BLOCKING, "block", TO_ACCOUNT, on_block },
    { IQ_SET, NS_BLOCKING, "unblock", TO_ACCOUNT, on_unblock },
    { 0 },
};

const struct ext xep0191_blocking = {
    .name = "blocking",
    .doc = "XEP-0191: Blocking Command. Turned off, lists stay as they are and go on to hold.",
    .features = features,
    .account_features = features,
    .iqs = iqs,
};
