/* XEP-0077 In-Band Registration: a new account before login (off by default), a new password and
 * the end of an account after it. Passwords come in clear: no error sends them back (§3.3), and
 * none is logged. */
#include "sm/ext/list.h"

static enum stanza_error refuse(struct iq *iq, enum stanza_error e)
{
    xml_remove(iq->child);
    return e;
}

static void on_done(struct iq *iq, enum err e)
{
    if (e == ERR_OK) {
        iq_reply(iq, NULL);
        return;
    }
    xml_remove(iq->child);
    iq_error(iq, ext_stanza_error(e), NULL);
}

static struct str field(struct iq *iq, const char *name)
{
    const struct xml *el = xml_child(iq->child, NS_REGISTER, name);

    return el ? xml_text(el, iq_arena(iq)) : STR_NONE;
}

static bool is_offered(const struct sm *sm, struct str host)
{
    return ext_may_register(sm, host) || ext_may_change_password(sm, host);
}

/* --- before login (§3.1) ---------------------------------------------------------------------- */

static enum stanza_error on_form(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *query = xml_new(arena, NS_REGISTER, "query");

    if (!ext_may_register(iq->sm, iq_host(iq)))
        return STANZA_SERVICE_UNAVAILABLE;
    xml_add_text(xml_add(query, arena, NULL, "instructions"), arena,
                 STR("Choose a username and password for use with this service."));
    xml_add(query, arena, NULL, "username");
    xml_add(query, arena, NULL, "password");
    iq_reply(iq, query);
    return STANZA_OK;
}

static enum stanza_error on_new_account(struct iq *iq)
{
    struct str username = field(iq, "username"), password = field(iq, "password"), local;
    struct jid account;

    if (!ext_may_register(iq->sm, iq_host(iq)))
        return refuse(iq, STANZA_SERVICE_UNAVAILABLE);
    if (xml_child(iq->child, NS_REGISTER, "remove"))
        return refuse(iq, STANZA_UNEXPECTED_REQUEST);
    if (!username.n || !password.n || jid_prepare_local(username, iq_arena(iq), &local) != ERR_OK)
        return refuse(iq, STANZA_NOT_ACCEPTABLE);
    jid_make(local, iq_host(iq), STR_NONE, iq_arena(iq), &account);
    ext_register(iq, account.bare, password, true, on_done);
    return STANZA_OK;
}

/* --- after login ------------------------------------------------------------------------------ */

/* The sender's account at the host that is asked; false: it has none there. */
static bool is_registered_here(const struct iq *iq)
{
    return str_is_set(iq->stanza->from.local) && str_eq(iq->stanza->from.domain, iq_host(iq));
}

static enum stanza_error on_get(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *query = xml_new(arena, NS_REGISTER, "query");

    if (!is_offered(iq->sm, iq_host(iq)) || !is_registered_here(iq))
        return STANZA_SERVICE_UNAVAILABLE;
    xml_add(query, arena, NULL, "registered");
    xml_add_text(xml_add(query, arena, NULL, "username"), arena, iq->stanza->from.local);
    xml_add(query, arena, NULL, "password");
    iq_reply(iq, query);
    return STANZA_OK;
}

/* §3.2 and its table 1. */
static enum stanza_error cancel(struct iq *iq)
{
    if (xml_child_count(iq->child) != 1)
        return STANZA_BAD_REQUEST;
    if (!ext_may_register(iq->sm, iq_host(iq)))
        return STANZA_NOT_ALLOWED;
    ext_unregister(iq, iq->stanza->from.bare);
    return STANZA_OK;
}

/* The username is the sender's own, as a localpart or, as some clients write it, as a bare JID. */
static bool names_sender(struct iq *iq, struct str username)
{
    struct str local;
    struct jid jid;

    if (jid_prepare_local(username, iq_arena(iq), &local) == ERR_OK)
        return str_eq(local, iq->stanza->from.local);
    return jid_parse(username, iq_arena(iq), &jid) == ERR_OK &&
           str_eq(jid.full, iq->stanza->from.bare);
}

/* §3.3 and its table 2. */
static enum stanza_error change_password(struct iq *iq)
{
    struct str username = field(iq, "username"), password = field(iq, "password");

    if (!ext_may_change_password(iq->sm, iq_host(iq)))
        return refuse(iq, STANZA_NOT_ALLOWED);
    if (!username.n || !password.n)
        return refuse(iq, STANZA_BAD_REQUEST);
    if (!names_sender(iq, username))
        return refuse(iq, STANZA_FORBIDDEN);
    ext_register(iq, iq->stanza->from.bare, password, false, on_done);
    return STANZA_OK;
}

static enum stanza_error on_set(struct iq *iq)
{
    bool is_remove = xml_child(iq->child, NS_REGISTER, "remove") != NULL;

    if (!is_offered(iq->sm, iq_host(iq)))
        return refuse(iq, STANZA_SERVICE_UNAVAILABLE);
    if (str_is_set(iq->stanza->to.local) && !iq->is_own)
        return refuse(iq, STANZA_FORBIDDEN);
    if (!is_registered_here(iq))
        return refuse(iq, is_remove ? STANZA_REGISTRATION_REQUIRED : STANZA_FORBIDDEN);
    return is_remove ? cancel(iq) : change_password(iq);
}

static void stream_features(struct sm *sm, struct str host, bool is_authenticated, struct xml *to,
                            struct arena *arena)
{
    if (!is_authenticated && ext_may_register(sm, host))
        xml_add(to, arena, NS_REGISTER_FEATURE, "register");
}

static const char *const features[] = { NS_REGISTER, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_REGISTER, "query", TO_LOGIN, on_form },
    { IQ_SET, NS_REGISTER, "query", TO_LOGIN, on_new_account },
    { IQ_GET, NS_REGISTER, "query", TO_SERVER | TO_ACCOUNT, on_get },
    { IQ_SET, NS_REGISTER, "query", TO_SERVER | TO_ACCOUNT, on_set },
    { 0 },
};

const struct ext xep0077_register = {
    .name = "register",
    .doc = "XEP-0077: In-Band Registration; what of it is allowed each host says.",
    .features = features,
    .iqs = iqs,
    .stream_features = stream_features,
    .is_offered = is_offered,
};
