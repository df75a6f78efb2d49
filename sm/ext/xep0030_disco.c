/* XEP-0030 Service Discovery: info and items of the server and of accounts. What is told of an
 * account only those learn who may see its presence (§8): to all others an account that exists
 * answers like one that does not. */
#include "sm/ext/list.h"

static void add_identity(struct xml *query, struct arena *arena, const char *category,
                         const char *type, const char *name)
{
    struct xml *identity = xml_add(query, arena, NULL, "identity");

    xml_set(identity, arena, "category", str_from(category));
    xml_set(identity, arena, "type", str_from(type));
    if (name)
        xml_set(identity, arena, "name", str_from(name));
}

static void add_features(struct iq *iq, struct xml *query, bool is_account)
{
    for (const struct ext *const *at = ext_list; *at; at++) {
        const struct ext *e = *at;
        const char *const *feature = is_account ? e->account_features : e->features;

        if (!ext_is_enabled(iq->sm, e) || (e->is_offered && !e->is_offered(iq->sm, iq_host(iq))))
            continue;
        for (; feature && *feature; feature++)
            xml_set(xml_add(query, iq_arena(iq), NULL, "feature"), iq_arena(iq), "var",
                    str_from(*feature));
    }
}

static void add_item(struct iq *iq, struct xml *query, struct str jid)
{
    xml_set(xml_add(query, iq_arena(iq), NULL, "item"), iq_arena(iq), "jid", jid);
}

static bool has_node(const struct iq *iq)
{
    return xml_attr(iq->child, "node").n > 0;
}

/* --- the server ------------------------------------------------------------------------------- */

static enum stanza_error on_server_info(struct iq *iq)
{
    struct xml *query = xml_new(iq_arena(iq), NS_DISCO_INFO, "query");

    if (has_node(iq))
        return STANZA_ITEM_NOT_FOUND;
    add_identity(query, iq_arena(iq), "server", "im", "Sallyport");
    add_features(iq, query, false);
    for (const struct ext *const *e = ext_list; *e; e++)
        if ((*e)->extend_info && ext_is_enabled(iq->sm, *e))
            (*e)->extend_info(iq, query);
    iq_reply(iq, query);
    return STANZA_OK;
}

static enum stanza_error on_server_items(struct iq *iq)
{
    struct xml *query = xml_new(iq_arena(iq), NS_DISCO_ITEMS, "query");
    struct str *names;
    size_t count;

    if (has_node(iq))
        return STANZA_ITEM_NOT_FOUND;
    count = ext_components(iq->sm, iq_arena(iq), &names);
    for (size_t i = 0; i < count; i++)
        add_item(iq, query, names[i]);
    for (const struct ext *const *e = ext_list; *e; e++)
        if ((*e)->extend_items && ext_is_enabled(iq->sm, *e))
            (*e)->extend_items(iq, query);
    iq_reply(iq, query);
    return STANZA_OK;
}

/* --- accounts --------------------------------------------------------------------------------- */

static void reply_account_info(struct iq *iq)
{
    struct xml *query = xml_new(iq_arena(iq), NS_DISCO_INFO, "query");

    add_identity(query, iq_arena(iq), "account", "registered", NULL);
    add_features(iq, query, true);
    iq_reply(iq, query);
}

static void reply_account_items(struct iq *iq)
{
    struct xml *query = xml_new(iq_arena(iq), NS_DISCO_ITEMS, "query");
    struct jid *resources;
    size_t count = ext_resources(iq->sm, iq_account(iq).bare, iq_arena(iq), &resources);

    for (size_t i = 0; i < count; i++)
        add_item(iq, query, resources[i].full);
    iq_reply(iq, query);
}

/* §8 would have an empty list of items for strangers, but RFC 6121 §8.5.1 demands
 * <service-unavailable/> for an account that does not exist: only the same answer for both hides
 * which is which. */
static void on_found(struct iq *iq, enum err e, const struct ext_account *account,
                     void (*reply)(struct iq *iq))
{
    if (e != ERR_OK)
        iq_error(iq, ext_stanza_error(e), NULL);
    else if (!account->may_see)
        iq_error(iq, STANZA_SERVICE_UNAVAILABLE, NULL);
    else if (has_node(iq))
        iq_error(iq, STANZA_ITEM_NOT_FOUND, NULL);
    else
        reply(iq);
}

static void on_info(struct iq *iq, enum err e, struct ext_account account)
{
    on_found(iq, e, &account, reply_account_info);
}

static void on_items(struct iq *iq, enum err e, struct ext_account account)
{
    on_found(iq, e, &account, reply_account_items);
}

static enum stanza_error on_account_info(struct iq *iq)
{
    ext_account(iq, on_info);
    return STANZA_OK;
}

static enum stanza_error on_account_items(struct iq *iq)
{
    ext_account(iq, on_items);
    return STANZA_OK;
}

static const char *const features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_DISCO_INFO, "query", TO_SERVER, on_server_info },
    { IQ_GET, NS_DISCO_ITEMS, "query", TO_SERVER, on_server_items },
    { IQ_GET, NS_DISCO_INFO, "query", TO_ACCOUNT, on_account_info },
    { IQ_GET, NS_DISCO_ITEMS, "query", TO_ACCOUNT, on_account_items },
    { 0 },
};

const struct ext xep0030_disco = {
    .name = "disco",
    .doc = "XEP-0030: Service Discovery.",
    .features = features,
    .account_features = features,
    .iqs = iqs,
};
