/* IQs that the server answers: finds the handler in one table of the core's and in the extensions'
 * tables. Leaves what they mean to them. RFC 6120 §8.2.3, §10.3; RFC 6121 §8.5.2.1.3. */
#include "sm/iq.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/search.h"

static void iq_free(struct iq *iq)
{
    stanza_unref(iq->stanza);
    origin_unref(iq->origin);
    mem_free(iq->answer_key);
    mem_free(iq);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void send_answer(struct iq *iq, struct stanza *answer)
{
    if (!answer)
        return;
    if (iq->is_before_login) {
        iq->answer(iq->sm, str_from(iq->answer_key), answer);
    } else {
        struct jid account = iq_account(iq);

        /* to was absent: the account itself was asked (RFC 6120 §10.3.3) */
        if (!jid_is_set(&answer->from))
            stanza_set_from(answer, &account);
        deliver(iq->sm, answer, iq->origin);
    }
    stanza_unref(answer);
}

void iq_reply(struct iq *iq, struct xml *child)
{
    struct stanza *answer = stanza_reply(iq->stanza, TYPE_RESULT);

    if (child)
        xml_append(answer->el, xml_copy(child, &answer->arena));
    send_answer(iq, answer);
    iq_free(iq);
}

void iq_error(struct iq *iq, enum stanza_error e, const char *text_or_null)
{
    send_answer(iq, stanza_error_reply(iq->stanza, e, str_from(text_or_null)));
    iq_free(iq);
}

struct arena *iq_arena(struct iq *iq)
{
    return &iq->stanza->arena;
}

/* --- the core's own --------------------------------------------------------------------------- */

/* A session's own roster is deliver_session.c's to hand to roster_iq: who comes here asks for
 * another's (RFC 6121 §2.3.3). */
static enum stanza_error on_roster_of_another(struct iq *iq)
{
    (void)iq;
    return STANZA_FORBIDDEN;
}

static const struct ext_iq core[] = {
    { IQ_GET | IQ_SET, NS_ROSTER, "query", TO_ACCOUNT, on_roster_of_another },
    { 0 },
};

/* --- dispatch --------------------------------------------------------------------------------- */

static const struct ext_iq *find_in(const struct ext_iq *rows, const struct xml *child, int kind,
                                    int target)
{
    for (; rows && rows->run; rows++)
        if ((rows->kinds & kind) && (rows->targets & target) && xml_is(child, rows->ns, rows->name))
            return rows;
    return NULL;
}

static const struct ext_iq *find(const struct sm *sm, const struct xml *child, int kind, int target)
{
    const struct ext_iq *row = find_in(core, child, kind, target);

    for (const struct ext *const *e = ext_list; !row && *e; e++)
        if (ext_is_enabled(sm, *e))
            row = find_in((*e)->iqs, child, kind, target);
    return row;
}

static struct iq *iq_new(struct sm *sm, struct stanza *stanza, struct origin *origin)
{
    struct iq *iq = mem_new(struct iq);

    iq->sm = sm;
    iq->stanza = stanza_ref(stanza);
    iq->child = xml_child(stanza->el, NULL, NULL);
    iq->origin = origin_ref(origin);
    return iq;
}

static void run(struct iq *iq, int target)
{
    int kind = iq->stanza->type == TYPE_SET ? IQ_SET : IQ_GET;
    const struct ext_iq *row = iq->child ? find(iq->sm, iq->child, kind, target) : NULL;
    enum stanza_error e = row ? row->run(iq) : STANZA_SERVICE_UNAVAILABLE;

    if (e != STANZA_OK)
        iq_error(iq, e, NULL);
}

void iq_let_go(struct iq *iq)
{
    iq->session = NULL;
    origin_unref(iq->origin);
    iq->origin = NULL;
}

static int target_of(const struct sm *sm, const struct stanza *stanza)
{
    if (!jid_is_set(&stanza->to))
        return TO_ACCOUNT;
    if (!jid_is_bare(&stanza->to))
        return 0; /* a resource of a domain: nobody is there */
    if (!sm_is_hosted(sm, stanza->to.domain)) /* search_host: nobody has an account there */
        return str_is_set(stanza->to.local) ? 0 : TO_SEARCH;
    return str_is_set(stanza->to.local) ? TO_ACCOUNT : TO_SERVER;
}

void iq_handle(struct sm *sm, struct stanza *stanza, struct session *session, struct origin *origin)
{
    struct iq *iq;
    int target;

    if (stanza->type != TYPE_GET && stanza->type != TYPE_SET)
        return; /* an answer to what the server did not ask (RFC 6120 §8.2.3 (4)), or to a push */
    iq = iq_new(sm, stanza, origin);
    iq->session = session;
    iq->is_own = !jid_is_set(&stanza->to) || jid_eq_bare(&stanza->to, &stanza->from);
    iq->host = jid_is_set(&stanza->to) ? stanza->to.domain : stanza->from.domain;
    target = target_of(sm, stanza);
    if (target == TO_SEARCH) /* the answer may be given after a reload */
        iq->host = arena_str(iq_arena(iq), str_from(search_host(sm, stanza->to.domain)->name));
    run(iq, target);
}

void iq_before_login(struct sm *sm, struct str host, struct stanza *stanza, iq_answer_fn *answer,
                     struct str key)
{
    struct iq *iq;

    if (stanza->type != TYPE_GET && stanza->type != TYPE_SET)
        return;
    iq = iq_new(sm, stanza, NULL);
    iq->is_before_login = true;
    iq->host = arena_str(&stanza->arena, host);
    iq->answer = answer;
    iq->answer_key = str_dup(key);
    run(iq, TO_LOGIN);
}

/* --- which are on ----------------------------------------------------------------------------- */

bool ext_is_enabled(const struct sm *sm, const struct ext *e)
{
    const struct conf_list *disabled = &sm->conf->disabled;

    for (size_t i = 0; i < disabled->count; i++)
        if (str_is(str_from(disabled->items[i]), e->name))
            return false;
    return true;
}

static bool is_known(const char *name)
{
    for (const struct ext *const *e = ext_list; *e; e++)
        if (str_is(str_from(name), (*e)->name))
            return true;
    return false;
}

void iq_init(struct sm *sm)
{
    const struct conf_list *disabled = &sm->conf->disabled;

    for (size_t i = 0; i < disabled->count; i++)
        if (!is_known(disabled->items[i]))
            log_warn("the key disabled names an extension that does not exist",
                     kv_text("name", disabled->items[i]));
}
