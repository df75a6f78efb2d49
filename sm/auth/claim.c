/* First messages against their connection; see the header. */
#include "sm/auth/claim.h"

#include "proto/jid.h"

/* The binding that the client names, out of those that the connection has. */
static bool choose_binding(const struct auth_facts *facts, struct claim *c)
{
    const struct {
        const char *name;
        struct str bytes;
    } bindings[] = {
        { "tls-exporter", facts->cb_exporter },          /* RFC 9266 */
        { "tls-server-end-point", facts->cb_end_point }, /* RFC 5929 §4 */
        { "tls-unique", facts->cb_unique },              /* RFC 5929 §3, below TLS 1.3 */
    };

    for (size_t i = 0; i < ARRAY_LEN(bindings); i++) {
        if (bindings[i].bytes.n == 0 || !str_is(c->first.binding_name, bindings[i].name))
            continue;
        c->binding_name = bindings[i].name;
        c->binding = bindings[i].bytes;
        return true;
    }
    return false;
}

static enum auth_failure misbound(struct claim *c, const char *why)
{
    c->misbound = why;
    return AUTH_NOT_AUTHORIZED;
}

/* RFC 5802 §6: the flag belongs to the mechanism; 'y' (the client could, and believes that we
 * cannot) where we offered -PLUS means that somebody took it out of our list. */
static enum auth_failure check_binding(const struct auth_mechanism *m,
                                       const struct auth_facts *facts, struct claim *c)
{
    bool is_bound = c->first.binding_flag == 'p';

    if (m->is_plain)
        return AUTH_OK;
    if (is_bound != m->is_plus)
        return AUTH_MALFORMED_REQUEST;
    if (c->first.binding_flag == 'y' && auth_has_binding(facts))
        return misbound(c, "the client believes that no channel binding was offered");
    if (is_bound && !choose_binding(facts, c))
        return misbound(c, "a channel binding that this connection does not have");
    return AUTH_OK;
}

/* Absent, or the client's own bare JID. */
static enum auth_failure check_authzid(const struct claim *c, struct arena *arena)
{
    struct jid jid;

    if (!str_is_set(c->first.authzid))
        return AUTH_OK;
    if (!c->is_account || jid_parse(c->first.authzid, arena, &jid) != ERR_OK || !jid_is_bare(&jid))
        return AUTH_INVALID_AUTHZID;
    return str_eq(jid.full, c->account) ? AUTH_OK : AUTH_INVALID_AUTHZID;
}

/* A name that cannot be prepared is nobody's, and is looked up like any other. */
static void name_account(const struct auth_facts *facts, struct arena *arena, struct claim *c)
{
    struct str local = c->first.user;

    c->is_account = jid_prepare_local(c->first.user, arena, &local) == ERR_OK;
    c->account = arena_printf(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(facts->host));
}

/* The message of EXTERNAL is the authorization identity (RFC 4422 App. A), or empty. Whether it is
 * the client's, its certificate says. */
static enum auth_failure read_external(struct str message, struct arena *arena, struct claim *out)
{
    struct jid jid;

    out->first.user = message;
    if (message.n == 0)
        return AUTH_OK;
    if (!str_is_utf8(message) || memchr(message.p, '\0', message.n))
        return AUTH_MALFORMED_REQUEST;
    out->first.authzid = message;
    if (jid_parse(message, arena, &jid) != ERR_OK || !jid_is_bare(&jid) || !str_is_set(jid.local))
        return AUTH_INVALID_AUTHZID;
    out->account = jid.bare;
    return AUTH_OK;
}

enum auth_failure claim_read(const struct auth_mechanism *m, const struct auth_facts *facts,
                             struct str message, struct arena *arena, struct claim *out)
{
    enum auth_failure failure;
    enum err e;

    *out = (struct claim){ 0 };
    if (m->is_external)
        return read_external(message, arena, out);
    e = m->is_plain ? first_message_read_plain(message, arena, &out->first)
                    : first_message_read_scram(message, arena, &out->first);
    if (e != ERR_OK)
        return AUTH_MALFORMED_REQUEST;
    name_account(facts, arena, out);
    if ((failure = check_binding(m, facts, out)) != AUTH_OK)
        return failure;
    return check_authzid(out, arena);
}

enum auth_failure claim_make(const struct auth_facts *facts, struct str name, struct str authzid,
                             struct arena *arena, struct claim *out)
{
    *out = (struct claim){ .first.user = name, .first.authzid = authzid };
    name_account(facts, arena, out);
    return check_authzid(out, arena);
}

bool claim_is_bound(struct claim *c, struct str binding)
{
    struct buf bytes = { 0 }, text = { 0 };
    bool is_equal;

    buf_add(&bytes, c->first.gs2_header);
    buf_add(&bytes, c->binding);
    buf_add_base64(&text, buf_str(&bytes));
    is_equal = str_eq(buf_str(&text), binding);
    buf_fini(&text);
    buf_fini(&bytes);
    if (!is_equal)
        c->misbound = "another channel";
    return is_equal;
}
