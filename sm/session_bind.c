/* Binding a resource: RFC 6120 §7. */
#include "sm/session_parts.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/metrics.h"

/* --- its place among the account's resources --------------------------------------------------------------------- */

static void set_jid(struct session *s, struct str resource)
{
    struct arena arena = { 0 };
    struct jid full;
    char *old = (char *)s->jid.full.p;

    jid_make(s->home->jid.local, s->home->jid.domain, resource, &arena, &full);
    jid_split(str_from(str_dup(full.full)), &s->jid);
    mem_free(old);
    arena_fini(&arena);
}

void session_attach(struct session *s, struct str resource)
{
    set_jid(s, resource);
    s->account = s->home;
    list_push_back(&s->account->sessions, &s->account_at);
    table_put(&s->sm->bound, s);
    metric_inc(&sm_metric_bound);
}

void session_detach(struct session *s)
{
    if (!s->account)
        return;
    if (table_get(&s->sm->bound, s->jid.full) == s)
        table_remove(&s->sm->bound, s->jid.full);
    list_remove(&s->account_at);
    s->account = NULL;
    metric_dec(&sm_metric_bound);
}

/* --- choosing ---------------------------------------------------------------------------------------------------- */

/* §7.6.1: made of the session's id, so that a repeated frame gets the same, and hard to guess for others (§7.7.1). */
static struct str generate(const struct session *s, struct arena *arena)
{
    uint64_t hash = table_siphash(s->sm->slot_key, str_of(s->id, sizeof s->id));

    return arena_printf(arena, "%016llx", (unsigned long long)hash);
}

static enum stanza_error requested(const struct session *s, const struct stanza *iq, struct arena *arena, struct str *out_resource)
{
    const struct xml *bind = xml_child(iq->el, NS_BIND, "bind");
    const struct xml *wish = xml_child(bind, NS_BIND, "resource");
    struct str text = wish ? xml_text(wish, arena) : STR_NONE;

    if (text.n == 0) {
        *out_resource = generate(s, arena);
        return STANZA_OK;
    }
    return jid_prepare_resource(text, arena, out_resource) == ERR_OK ? STANZA_OK : STANZA_BAD_REQUEST; /* §7.7.2.1 */
}

/* §7.7.2.2. */
static enum stanza_error resolve_conflict(struct session *s, struct arena *arena, struct str *resource)
{
    struct session *old = account_session(s->home, *resource);

    if (!old)
        return STANZA_OK;
    switch ((enum sm_bind_conflict)s->sm->conf->bind_conflict) {
    case SM_BIND_REFUSE_NEW:
        return STANZA_CONFLICT;
    case SM_BIND_RENAME_NEW:
        *resource = arena_printf(arena, "%.*s.%.*s", STR_ARG(*resource), STR_ARG(generate(s, arena)));
        return resource->n <= JID_PART_MAX_BYTES ? STANZA_OK : STANZA_BAD_REQUEST;
    case SM_BIND_REPLACE_OLD:
        break;
    }
    session_end(old, STREAM_CONFLICT, STR("another client took this resource"));
    return STANZA_OK;
}

static int64_t count_resources(const struct account *a)
{
    int64_t count = 0;

    LIST_FOR_EACH (at, &a->sessions)
        count++;
    return count;
}

static enum stanza_error choose(struct session *s, const struct stanza *iq, struct arena *arena, struct str *out_resource)
{
    enum stanza_error e;

    if (s->state != SESSION_BINDING)
        return STANZA_NOT_ALLOWED; /* bound already: one resource a stream (§7.1) */
    e = requested(s, iq, arena, out_resource);
    if (e == STANZA_OK)
        e = resolve_conflict(s, arena, out_resource);
    if (e == STANZA_OK && count_resources(s->home) >= s->sm->conf->max_resources)
        e = STANZA_RESOURCE_CONSTRAINT; /* §7.6.2.1 */
    return e;
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

struct binding {
    struct sm *sm;
    uint8_t id[FRAME_SESSION_BYTES];
    struct stanza *iq;
    struct origin *origin;
};

static void answer(struct session *s, const struct stanza *iq, struct origin *origin)
{
    struct stanza *result = stanza_reply(iq, TYPE_RESULT);
    struct xml *bind = xml_add(result->el, &result->arena, NS_BIND, "bind");

    stanza_set_to(result, &(struct jid){ 0 });
    stanza_set_from(result, &(struct jid){ 0 });
    xml_add_text(xml_add(bind, &result->arena, NULL, "jid"), &result->arena, s->jid.full);
    session_send_stanza(s, result, origin);
    stanza_unref(result);
}

/* To the client directly: while it has no resource, nothing can be delivered to it. */
static void refuse(struct session *s, struct stanza *iq, enum stanza_error e, struct origin *origin)
{
    struct stanza *error = stanza_error_reply(iq, e, STR_NONE);

    if (!error)
        return;
    stanza_set_to(error, &(struct jid){ 0 });
    stanza_set_from(error, &(struct jid){ 0 });
    if (e == STANZA_CONFLICT) /* §7.7.2.2: another resource would do */
        xml_set(xml_child(error->el, NULL, "error"), &error->arena, "type", STR("modify"));
    session_send_stanza(s, error, origin);
    stanza_unref(error);
}

static void on_committed(void *owner, enum err e, int64_t changes)
{
    struct binding *b = owner;
    struct session *s = table_get(&b->sm->sessions, str_of(b->id, sizeof b->id));

    (void)changes;
    if (s && s->state == SESSION_ACTIVE && e == ERR_OK) {
        answer(s, b->iq, b->origin);
    } else if (s && s->state == SESSION_ACTIVE) {
        log_error("binding not stored", kv_err(e), kv_text("session", s->id_text));
        session_detach(s);
        session_set_state(s, SESSION_BINDING);
        refuse(s, b->iq, STANZA_INTERNAL_SERVER_ERROR, b->origin);
    }
    if (s)
        session_take_held(s);
    origin_unref(b->origin);
    stanza_unref(b->iq);
    mem_free(b);
}

void session_bind(struct session *s, struct stanza *iq, struct origin *origin)
{
    struct binding *b;
    struct str resource = STR_NONE;
    enum stanza_error e = choose(s, iq, &iq->arena, &resource);

    if (e != STANZA_OK) {
        refuse(s, iq, e, origin);
        return;
    }
    session_attach(s, resource);
    session_set_state(s, SESSION_ACTIVE);
    s->is_holding = true;
    b = mem_new(struct binding);
    b->sm = s->sm;
    memcpy(b->id, s->id, sizeof b->id);
    b->iq = stanza_ref(iq);
    b->origin = origin_ref(origin);
    session_row_bind(s, resource, on_committed, b);
}
