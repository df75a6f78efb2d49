/* What a client says after it is authenticated: its new stream, the binding of a resource, stanzas, its end (RFC 6120 §4, §7, §8). One after
 * another: while the binding is being committed the rest waits. */
#include "sm/session_parts.h"

#include "common/bytes.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/ext.h"
#include "sm/features.h"
#include "sm/metrics.h"
#include "sm/wire.h"

/* --- the stream -------------------------------------------------------------------------------------------------- */

/* RFC 6120 §7.4 (bind is mandatory to negotiate), RFC 3921 §3 (old clients want a session), RFC 6121 §2.6.1 and §3.4. */
static void add_features(struct session *s, struct xml *features, struct arena *arena)
{
    xml_add(xml_add(features, arena, NS_BIND, "bind"), arena, NULL, "required");
    xml_add(xml_add(features, arena, NS_SESSION, "session"), arena, NULL, "optional");
    xml_add(features, arena, NS_ROSTER_VER, "ver");
    xml_add(features, arena, NS_PRE_APPROVAL, "sub");
    features_extend(s->sm, str_from(s->host->name), true, features, arena);
}

static void on_restart(struct session *s, const struct xml *el, struct origin *origin)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct str host, lang, from;
    struct xml *features;

    if (control_read_restart(el, &host, &lang, &from) != ERR_OK || !str_is(host, s->host->name)) {
        session_end(s, STREAM_HOST_UNKNOWN, STR("the stream must be to the host of the account"));
        return;
    }
    features = xml_new(&arena, NS_STREAM, "features");
    add_features(s, features, &arena);
    features_write(&out, features);
    session_send(s, buf_str(&out), origin);
    buf_fini(&out);
    arena_fini(&arena);
}

static void on_end(struct session *s, const struct xml *el, struct origin *origin)
{
    static const char *const names[] = { "closed", "lost", "error", "timeout" };
    struct control_end end = { .why = CONTROL_END_LOST };

    if (control_read_end(el, &end) != ERR_OK)
        log_warn("end is malformed", kv_text("session", s->id_text));
    if (s->state != SESSION_ENDING) /* else session-ended said it */
        audit_info("logout", kv_str("account", s->jid.bare), kv_text("session", s->id_text), kv_text("why", names[end.why]),
                   kv_text("condition", end.error != STREAM_OK ? stream_error_name(end.error) : "none"));
    s->is_by_frame = true;
    session_over(s, origin);
}

/* --- stanzas ----------------------------------------------------------------------------------------------------- */

static void count_in(enum stanza_kind kind)
{
    struct metric *const metrics[] = { &sm_metric_messages_in, &sm_metric_presences_in, &sm_metric_iqs_in };

    metric_inc(metrics[kind]);
}

static bool is_bind(const struct stanza *stanza)
{
    return stanza->kind == STANZA_IQ && stanza->type == TYPE_SET && xml_child(stanza->el, NS_BIND, "bind");
}

/* §8.1.2.1: the client's from may be there only as its own address. */
static bool is_from_own(const struct session *s, const struct stanza *stanza)
{
    struct arena arena = { 0 };
    struct str text = xml_attr(stanza->el, "from");
    struct jid from;
    bool is_own;

    if (!str_is_set(text) || str_eq(text, s->jid.full) || str_eq(text, s->jid.bare))
        return true;
    is_own = jid_parse(text, &arena, &from) == ERR_OK && (jid_eq(&from, &s->jid) || str_eq(from.full, s->jid.bare));
    arena_fini(&arena);
    return is_own;
}

static void on_stanza(struct session *s, struct stanza *stanza, struct origin *origin)
{
    enum stanza_error e;

    if (!is_from_own(s, stanza)) {
        audit_warning("policy-violation", kv_str("account", s->jid.bare), kv_text("session", s->id_text), kv_text("what", "from of another"));
        session_end(s, STREAM_INVALID_FROM, STR_NONE);
        return;
    }
    e = stanza_read(stanza);
    count_in(stanza->kind);
    if (e == STANZA_OK && is_bind(stanza)) {
        session_bind(s, stanza, origin);
        return;
    }
    if (s->state == SESSION_BINDING) { /* §7.1, §4.9.3.12 */
        session_end(s, STREAM_NOT_AUTHORIZED, STR("bind a resource first"));
        return;
    }
    if (e == STANZA_OK) {
        deliver_from_session(s, stanza, origin);
        return;
    }
    stanza_set_from(stanza, &s->jid);
    deliver_error(s->sm, stanza, e, STR_NONE, origin);
}

static bool is_stanza_name(const struct xml *el)
{
    return xml_is(el, NS_CLIENT, "message") || xml_is(el, NS_CLIENT, "presence") || xml_is(el, NS_CLIENT, "iq");
}

/* Of an extension: neither a stanza nor the stream's own. */
static const struct ext_element *find_element(const struct session *s, const struct xml *el)
{
    for (const struct ext *const *e = ext_list; *e; e++) {
        const struct ext_element *row = ext_is_enabled(s->sm, *e) ? (*e)->elements : NULL;

        for (; row && row->run; row++) {
            if (xml_is(el, row->ns, row->name))
                return row;
        }
    }
    return NULL;
}

static void dispatch(struct session *s, struct stanza *stanza, struct origin *origin)
{
    const struct xml *el = stanza->el;
    const struct ext_element *element;

    if (xml_is(el, NS_LINK, "end"))
        on_end(s, el, origin);
    else if (s->state == SESSION_ENDING)
        metric_inc(&sm_metric_frames_dropped);
    else if (is_stanza_name(el))
        on_stanza(s, stanza, origin);
    else if (xml_is(el, NS_LINK, "restart"))
        on_restart(s, el, origin);
    else if ((element = find_element(s, el)) != NULL)
        element->run(s, origin);
    else
        session_end(s, STREAM_UNSUPPORTED_STANZA_TYPE, STR_NONE); /* §4.9.3.24 */
}

static void hold(struct session *s, struct str payload, struct origin *origin)
{
    struct bytes *b = bytes_new(payload);
    struct queue_item *item = queue_item_new(b, NULL, origin);

    bytes_unref(b);
    list_push_back(&s->held, &item->at);
}

enum { SPLICED_BYTES = 64 }; /* c2s declares the namespace */

/* c2s keeps its clients to the limit; a c2s that does not is no way around it. */
static bool is_over_limit(const struct session *s, struct str payload)
{
    return s->host && payload.n > (size_t)s->host->max_stanza + SPLICED_BYTES;
}

static void refuse_payload(struct session *s, enum stream_error e, const char *what)
{
    metric_inc(&sm_metric_violations);
    audit_warning("frame-refused", kv_text("from", s->c2s), kv_text("session", s->id_text), kv_text("what", what));
    session_end(s, e, STR_NONE);
}

/* How much may be held is bounded by c2s's window: what is held is not taken over. */
void session_take(struct session *s, struct str payload, struct origin *origin)
{
    struct stanza *stanza;
    enum xml_error e;

    if (s->is_holding) {
        hold(s, payload, origin);
        return;
    }
    stanza = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    e = xml_parse(s->sm->parser, XML_ALONE, &xml_default_limits, payload, &stanza->arena, &stanza->el);
    if (e != XML_OK) {
        refuse_payload(s, stream_error_from_xml(e), "a payload that is no element");
    } else if (is_over_limit(s, payload)) {
        refuse_payload(s, STREAM_POLICY_VIOLATION, "a stanza that is too large");
    } else if (!wire_fits(s->sm, stanza->el, payload.n)) {
        metric_inc(&sm_metric_too_large);
        session_end(s, STREAM_POLICY_VIOLATION, STR("the stanza is too large"));
    } else {
        dispatch(s, stanza, origin);
    }
    stanza_unref(stanza);
}

void session_take_held(struct session *s)
{
    uint8_t id[FRAME_SESSION_BYTES];
    struct sm *sm = s->sm;

    memcpy(id, s->id, sizeof id);
    s->is_holding = false;
    while (s && !s->is_holding && !list_is_empty(&s->held)) {
        struct queue_item *item = CONTAINER_OF(list_first(&s->held), struct queue_item, at);

        list_remove(&item->at);
        session_take(s, bytes_str(item->payload), item->origin);
        queue_item_free(item);
        s = table_get(&sm->sessions, str_of(id, sizeof id));
    }
}
