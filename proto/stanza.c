/* Stanzas (stanza.h): their kinds, types, addresses and errors. Where they go is the session
 * manager's question. RFC 6120 §8. */
#include "proto/stanza.h"

#include "common/mem.h"
#include "proto/ns.h"

/* what of the original goes back with an error (RFC 6120 §8.3.1 rule 6) */
enum { MAX_ERROR_PAYLOAD = 4096 };

/* RFC 6120 §8.3.3, each with the type that its section recommends. */
static const struct {
    const char *name, *type;
} errors[STANZA_ERROR_COUNT] = {
    [STANZA_OK] = { "", "" },
    [STANZA_BAD_REQUEST] = { "bad-request", "modify" },
    [STANZA_CONFLICT] = { "conflict", "cancel" },
    [STANZA_FEATURE_NOT_IMPLEMENTED] = { "feature-not-implemented", "cancel" },
    [STANZA_FORBIDDEN] = { "forbidden", "auth" },
    [STANZA_GONE] = { "gone", "cancel" },
    [STANZA_INTERNAL_SERVER_ERROR] = { "internal-server-error", "cancel" },
    [STANZA_ITEM_NOT_FOUND] = { "item-not-found", "cancel" },
    [STANZA_JID_MALFORMED] = { "jid-malformed", "modify" },
    [STANZA_NOT_ACCEPTABLE] = { "not-acceptable", "modify" },
    [STANZA_NOT_ALLOWED] = { "not-allowed", "cancel" },
    [STANZA_NOT_AUTHORIZED] = { "not-authorized", "auth" },
    [STANZA_POLICY_VIOLATION] = { "policy-violation", "modify" },
    [STANZA_RECIPIENT_UNAVAILABLE] = { "recipient-unavailable", "wait" },
    [STANZA_REDIRECT] = { "redirect", "modify" },
    [STANZA_REGISTRATION_REQUIRED] = { "registration-required", "auth" },
    [STANZA_REMOTE_SERVER_NOT_FOUND] = { "remote-server-not-found", "cancel" },
    [STANZA_REMOTE_SERVER_TIMEOUT] = { "remote-server-timeout", "wait" },
    [STANZA_RESOURCE_CONSTRAINT] = { "resource-constraint", "wait" },
    [STANZA_SERVICE_UNAVAILABLE] = { "service-unavailable", "cancel" },
    [STANZA_SUBSCRIPTION_REQUIRED] = { "subscription-required", "auth" },
    [STANZA_UNDEFINED_CONDITION] = { "undefined-condition", "cancel" },
    [STANZA_UNEXPECTED_REQUEST] = { "unexpected-request", "wait" },
};

static const char *const kinds[] = {
    [STANZA_MESSAGE] = "message",
    [STANZA_PRESENCE] = "presence",
    [STANZA_IQ] = "iq",
};

#define OF(kind) (1u << STANZA_##kind)

static const struct {
    const char *name;
    unsigned of; /* the kinds that know the word */
} types[] = {
    [TYPE_NONE] = { NULL, 0 },
    [TYPE_NORMAL] = { "normal", OF(MESSAGE) },
    [TYPE_CHAT] = { "chat", OF(MESSAGE) },
    [TYPE_GROUPCHAT] = { "groupchat", OF(MESSAGE) },
    [TYPE_HEADLINE] = { "headline", OF(MESSAGE) },
    [TYPE_UNAVAILABLE] = { "unavailable", OF(PRESENCE) },
    [TYPE_SUBSCRIBE] = { "subscribe", OF(PRESENCE) },
    [TYPE_SUBSCRIBED] = { "subscribed", OF(PRESENCE) },
    [TYPE_UNSUBSCRIBE] = { "unsubscribe", OF(PRESENCE) },
    [TYPE_UNSUBSCRIBED] = { "unsubscribed", OF(PRESENCE) },
    [TYPE_PROBE] = { "probe", OF(PRESENCE) },
    [TYPE_GET] = { "get", OF(IQ) },
    [TYPE_SET] = { "set", OF(IQ) },
    [TYPE_RESULT] = { "result", OF(IQ) },
    [TYPE_ERROR] = { "error", OF(MESSAGE) | OF(PRESENCE) | OF(IQ) },
    [TYPE_UNKNOWN] = { NULL, 0 },
};

const char *stanza_error_name(enum stanza_error e)
{
    ASSERT(e > STANZA_OK && e < STANZA_ERROR_COUNT);
    return errors[e].name;
}

const char *stanza_error_type(enum stanza_error e)
{
    ASSERT(e > STANZA_OK && e < STANZA_ERROR_COUNT);
    return errors[e].type;
}

const char *stanza_kind_name(enum stanza_kind kind)
{
    return kinds[kind];
}

const char *stanza_type_name(enum stanza_type type)
{
    return types[type].name;
}

struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type)
{
    struct stanza *s = mem_new(struct stanza);

    s->refs = 1;
    s->kind = kind;
    s->el = xml_new(&s->arena, NS_CLIENT, kinds[kind]);
    stanza_set_type(s, type);
    return s;
}

struct stanza *stanza_ref(struct stanza *s)
{
    s->refs++;
    return s;
}

void stanza_unref(struct stanza *s)
{
    if (!s || --s->refs > 0)
        return;
    arena_fini(&s->arena);
    mem_free(s);
}

/* --- reading ------------------------------------------------------------------------------- */

static bool read_kind(struct stanza *s)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_is(s->el->name, kinds[i])) {
            s->kind = (enum stanza_kind)i;
            return str_is(s->el->ns, NS_CLIENT);
        }
    return false;
}

static enum stanza_type read_type(enum stanza_kind kind, struct str word)
{
    if (!str_is_set(word))
        return kind == STANZA_MESSAGE ? TYPE_NORMAL : TYPE_NONE;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if ((types[i].of & 1u << kind) && str_is(word, types[i].name))
            return (enum stanza_type)i;
    return kind == STANZA_MESSAGE ? TYPE_NORMAL : TYPE_UNKNOWN; /* RFC 6121 §5.2.2 */
}

static bool read_address(struct stanza *s, const char *name, struct jid *out)
{
    struct str text = xml_attr(s->el, name);

    return !str_is_set(text) || jid_parse(text, &s->arena, out) == ERR_OK;
}

/* RFC 6120 §8.2.3 */
static bool is_iq_ok(const struct stanza *s)
{
    if (!str_is_set(s->id))
        return false;
    switch (s->type) {
    case TYPE_GET:
    case TYPE_SET:
        return xml_child_count(s->el) == 1;
    case TYPE_RESULT:
    case TYPE_ERROR:
        return true; /* nobody could be told */
    default:
        return false;
    }
}

enum stanza_error stanza_read(struct stanza *s)
{
    bool from_ok, to_ok;

    s->from = s->to = (struct jid){ 0 };
    s->type = TYPE_NONE;
    if (!read_kind(s))
        return STANZA_BAD_REQUEST;
    s->type = read_type(s->kind, xml_attr(s->el, "type"));
    s->id = xml_attr(s->el, "id");
    s->lang = xml_lang(s->el);
    from_ok = read_address(s, "from", &s->from);
    to_ok = read_address(s, "to", &s->to);
    if (!from_ok || !to_ok)
        return STANZA_JID_MALFORMED;
    if (s->type == TYPE_UNKNOWN || (s->kind == STANZA_IQ && !is_iq_ok(s)))
        return STANZA_BAD_REQUEST;
    return STANZA_OK;
}

/* --- writing ------------------------------------------------------------------------------- */

static void set_address(struct stanza *s, const char *name, struct jid *at, const struct jid *from)
{
    struct jid j = { 0 };

    if (jid_is_set(from))
        jid_split(arena_str(&s->arena, from->full), &j);
    *at = j;
    xml_set(s->el, &s->arena, name, j.full);
}

void stanza_set_from(struct stanza *s, const struct jid *from)
{
    set_address(s, "from", &s->from, from);
}

void stanza_set_to(struct stanza *s, const struct jid *to)
{
    set_address(s, "to", &s->to, to);
}

/* A message without type is a normal one: no need to say so. */
void stanza_set_type(struct stanza *s, enum stanza_type type)
{
    s->type = type == TYPE_NONE && s->kind == STANZA_MESSAGE ? TYPE_NORMAL : type;
    xml_set(s->el, &s->arena, "type",
            s->type == TYPE_NORMAL ? STR_NONE : str_from(types[s->type].name));
}

struct stanza *stanza_reply(const struct stanza *s, enum stanza_type type)
{
    struct stanza *reply = stanza_new(s->kind, type);

    stanza_set_from(reply, &s->to);
    stanza_set_to(reply, &s->from);
    if (str_is_set(s->id)) {
        reply->id = arena_str(&reply->arena, s->id);
        xml_set(reply->el, &reply->arena, "id", reply->id);
    }
    return reply;
}

/* RFC 6120 §8.3.1 rule 8; and nobody waits for an answer to presence that was sent to all. */
static bool may_answer(const struct stanza *s)
{
    if (s->type == TYPE_ERROR || s->type == TYPE_RESULT)
        return false;
    if (s->kind != STANZA_PRESENCE)
        return true;
    switch (s->type) {
    case TYPE_SUBSCRIBE:
    case TYPE_SUBSCRIBED:
    case TYPE_UNSUBSCRIBE:
    case TYPE_UNSUBSCRIBED:
        return true;
    case TYPE_NONE:
    case TYPE_UNKNOWN:
        return str_is_set(xml_attr(s->el, "to")); /* directed */
    default:
        return false;
    }
}

static bool is_small(const struct xml *el)
{
    struct buf b = { 0 };
    bool small;

    if (str_is_set(el->inner))
        return el->inner.n <= MAX_ERROR_PAYLOAD;
    xml_write(&b, el, el->ns);
    small = b.n <= MAX_ERROR_PAYLOAD;
    buf_fini(&b);
    return small;
}

struct stanza *stanza_error_reply(const struct stanza *s, enum stanza_error e, struct str text)
{
    struct stanza *reply;
    struct xml *error, *t;

    if (!may_answer(s))
        return NULL;
    reply = stanza_reply(s, TYPE_ERROR);
    if (is_small(s->el))
        for (const struct xml *c = s->el->first; c; c = c->next)
            xml_append(reply->el, xml_copy(c, &reply->arena));
    error = xml_add(reply->el, &reply->arena, NS_CLIENT, "error");
    xml_set(error, &reply->arena, "type", str_from(stanza_error_type(e)));
    xml_add(error, &reply->arena, NS_STANZA_ERRORS, stanza_error_name(e));
    if (str_is_set(text)) {
        t = xml_add(error, &reply->arena, NS_STANZA_ERRORS, "text");
        xml_set_lang(t, &reply->arena, STR("en"));
        xml_add_text(t, &reply->arena, text);
    }
    return reply;
}
