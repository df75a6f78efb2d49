/* XEP-0012 Last Activity: the server's uptime (§5); for an account, how long ago its last resource
 * went away, and what it said then (§3). Queries to full JIDs are delivered to the resource by the
 * core (§4). */
#include "sm/ext/list.h"

static const char KIND[] =
    "last"; /* kept as <query xmlns='jabber:iq:last' at='MICROSECONDS'>STATUS</query> */

static struct xml *answer(struct iq *iq, int64_t seconds)
{
    struct xml *query = xml_new(iq_arena(iq), NS_LAST, "query");

    xml_set(query, iq_arena(iq), "seconds",
            arena_printf(iq_arena(iq), "%lld", (long long)(seconds < 0 ? 0 : seconds)));
    return query;
}

static enum stanza_error on_server(struct iq *iq)
{
    iq_reply(iq, answer(iq, ext_uptime_seconds(iq->sm)));
    return STANZA_OK;
}

static void on_note(struct iq *iq, enum err e, struct str text)
{
    struct xml *note = e == ERR_OK && str_is_set(text) ? ext_parse(iq, text) : NULL;
    struct str status;
    struct xml *query;
    int64_t at;

    if (e != ERR_OK) {
        iq_error(iq, ext_stanza_error(e), NULL);
        return;
    }
    if (!note || str_to_i64(xml_attr(note, "at"), &at) != ERR_OK) {
        iq_error(iq, STANZA_ITEM_NOT_FOUND, "never logged in");
        return;
    }
    query = answer(iq, (ext_time_us() - at) / 1000000);
    status = xml_text(note, iq_arena(iq));
    if (status.n)
        xml_add_text(query, iq_arena(iq), status);
    iq_reply(iq, query);
}

static void on_found(struct iq *iq, enum err e, struct ext_account account)
{
    if (e != ERR_OK)
        iq_error(iq, ext_stanza_error(e), NULL);
    else if (!account.may_see) /* also where there is no such account: the two must not differ */
        iq_error(iq, STANZA_FORBIDDEN, NULL);
    else if (account.is_connected)
        iq_reply(iq, answer(iq, 0));
    else
        ext_data_get(iq, iq_account(iq).bare, KIND, STR(""), on_note);
}

static enum stanza_error on_account(struct iq *iq)
{
    ext_account(iq, on_found);
    return STANZA_OK;
}

static void on_unavailable(struct sm *sm, const struct jid *full, struct str status)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *note = xml_new(&arena, NS_LAST, "query");

    xml_set(note, &arena, "at", arena_printf(&arena, "%lld", (long long)ext_time_us()));
    if (status.n)
        xml_add_text(note, &arena, status);
    xml_write(&out, note, STR_NONE);
    ext_data_note(sm, full->bare, KIND, STR(""), buf_str(&out));
    buf_fini(&out);
    arena_fini(&arena);
}

static const char *const features[] = { NS_LAST, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_LAST, "query", TO_SERVER, on_server },
    { IQ_GET, NS_LAST, "query", TO_ACCOUNT, on_account },
    { 0 },
};

const struct ext xep0012_last = {
    .name = "last",
    .doc = "XEP-0012: Last Activity.",
    .features = features,
    .account_features = features,
    .iqs = iqs,
    .on_unavailable = on_unavailable,
};
