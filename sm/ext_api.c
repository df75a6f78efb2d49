/* What ext.h lets extensions ask of accounts, sessions and configuration. Storing is ext_data.c's,
 * answering iq.c's. */
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/account.h"
#include "sm/csi.h"
#include "sm/auth/auth.h"
#include "sm/ext.h"
#include "sm/incident.h"
#include "sm/peers.h"
#include "sm/roster.h"
#include "sm/session.h"

struct jid iq_account(const struct iq *iq)
{
    const struct jid *named = jid_is_set(&iq->stanza->to) ? &iq->stanza->to : &iq->stanza->from;
    struct jid bare;

    jid_split(named->bare, &bare);
    return bare;
}

struct str iq_host(const struct iq *iq)
{
    return iq->host;
}

/* --- accounts --------------------------------------------------------------------------------- */

struct wait {
    struct iq *iq;
    void (*found)(struct iq *iq, enum err e, struct ext_account account);
    void (*done)(struct iq *iq, enum err e);
    struct str account; /* of a new password: whose, and the c2s that saw it */
    struct str password; /* … that is set */
    char *c2s;
    bool is_new;
};

static struct wait *wait_new(struct iq *iq)
{
    struct wait *w = mem_new(struct wait);

    w->iq = iq;
    iq->session = NULL; /* may be gone when the answer comes */
    return w;
}

static void on_account(void *owner, struct account *a, enum err e)
{
    struct wait *w = owner;
    struct ext_account found = { 0 };

    if (a) {
        found.exists = true;
        found.is_connected = !list_is_empty(&a->sessions);
        found.may_see = roster_may_see(a, &w->iq->stanza->from);
    }
    w->found(w->iq, e == ERR_NOT_FOUND ? ERR_OK : e, found);
    mem_free(w);
}

void ext_account(struct iq *iq,
                 void (*found)(struct iq *iq, enum err e, struct ext_account account))
{
    struct jid account = iq_account(iq);
    struct wait *w = wait_new(iq);

    w->found = found;
    account_with(iq->sm, &account, on_account, w);
}

size_t ext_resources(struct sm *sm, struct str account, struct arena *arena, struct jid **out_jids)
{
    const struct account *a = account_in_memory(sm, account);
    size_t n = 0;

    *out_jids = NULL;
    if (!a)
        return 0;
    LIST_FOR_EACH(at, &a->sessions)
    n++;
    *out_jids = arena_alloc(arena, n * sizeof(struct jid));
    n = 0;
    LIST_FOR_EACH(at, &a->sessions)
    {
        const struct session *s = CONTAINER_OF(at, struct session, account_at);

        if (session_is_available(s))
            jid_split(arena_str(arena, s->jid.full), &(*out_jids)[n++]);
    }
    return n;
}

static void on_registered(void *owner, enum err e)
{
    struct wait *w = owner;

    if (e == ERR_OK && w->is_new)
        audit("account-added", kv_str("account", w->account), kv_text("by", "registration"));
    else if (e == ERR_OK)
        audit("password-changed", kv_str("account", w->account), kv_text("by", "user"));
    if (e == ERR_OK && w->c2s)
        incident_note_password(w->iq->sm, w->account, str_from(w->c2s));
    mem_free(w->c2s);
    w->done(w->iq, e);
    mem_free(w);
}

/* On hosts that have both: the directory's people change theirs there. */
static void on_home(void *owner, const struct auth_home *home)
{
    struct wait *w = owner;

    if (home->e == ERR_OK && !home->is_directorys)
        auth_set_password(w->iq->sm->auth, w->account, w->password, false, on_registered, w);
    else
        on_registered(w, home->e == ERR_OK ? ERR_UNSUPPORTED : home->e);
}

void ext_register(struct iq *iq, struct str account, struct str password, bool is_new,
                  void (*done)(struct iq *iq, enum err e))
{
    struct str c2s = iq->is_before_login ? frame_address_name(str_from(iq->answer_key))
                     : iq->session       ? str_from(iq->session->c2s)
                                         : STR_NONE;
    const struct sm_host_conf *h = sm_host(iq->sm, iq_host(iq));
    struct wait *w = wait_new(iq);

    w->done = done;
    w->is_new = is_new;
    w->account = arena_str(iq_arena(iq), account);
    w->c2s = str_is_set(c2s) ? str_dup(c2s) : NULL;
    w->password = is_new ? STR_NONE : arena_str(iq_arena(iq), password);
    if (!is_new && sm_conf_is_directory(h))
        auth_find_home(iq->sm->auth, account, sm_conf_auth_order(h), on_home, w);
    else
        auth_set_password(iq->sm->auth, account, password, is_new, on_registered, w);
}

static void on_deleted(void *owner, enum err e)
{
    if (e != ERR_OK)
        log_error("account not deleted", kv_err(e));
    origin_unref(
        owner); /* until here the request is not taken over: after a crash it is handled again */
}

void ext_unregister(struct iq *iq, struct str account)
{
    struct sm *sm = iq->sm;
    struct origin *origin = origin_ref(iq->origin);
    struct arena arena = { 0 };
    struct jid bare;

    jid_split(arena_str(&arena, account), &bare);
    iq_reply(iq, NULL); /* first: deleting ends the session that would hear it */
    account_delete(sm, &bare, "user", on_deleted, origin);
    arena_fini(&arena);
}

bool ext_may_register(const struct sm *sm, struct str host)
{
    const struct sm_host_conf *conf = sm_host(sm, host);

    return conf && conf->may_register;
}

bool ext_may_change_password(const struct sm *sm, struct str host)
{
    const struct sm_host_conf *conf = sm_host(sm, host);

    return conf && conf->may_change_password;
}

/* --- sessions --------------------------------------------------------------------------------- */

enum stanza_error ext_set_carbons(struct iq *iq, bool is_on)
{
    struct session *s = iq->session;

    if (!s)
        return STANZA_NOT_ALLOWED;
    if (s->has_carbons != is_on) {
        s->has_carbons = is_on;
        session_save(s, iq->origin);
    }
    iq_reply(iq, NULL);
    return STANZA_OK;
}

void ext_set_inactive(struct session *s, bool is_inactive, struct origin *origin)
{
    csi_set(s, is_inactive, origin);
}

/* --- the cluster ------------------------------------------------------------------------------ */

size_t ext_components(struct sm *sm, struct arena *arena, struct str **out_names)
{
    const struct peer *p;
    size_t n = 0;

    *out_names = arena_alloc(arena, sm->peers.count * sizeof(struct str));
    for (size_t at = 0; (p = table_next(&sm->peers, &at));)
        if (peers_is_role(p, "component") && p->path_count)
            (*out_names)[n++] = arena_str(arena, str_from(p->name));
    return n;
}

const char *ext_software_os(const struct sm *sm)
{
    return sm->conf->software_os;
}

int64_t ext_uptime_seconds(const struct sm *sm)
{
    return (int64_t)((sm_now_ms(sm) - sm->service->started_ms) / 1000);
}

int64_t ext_time_us(void)
{
    return sm_time_us();
}

size_t ext_admins(const struct sm *sm, struct str host, struct arena *arena, struct str **out_jids)
{
    const struct sm_host_conf *conf = sm_host(sm, host);

    *out_jids = NULL;
    if (!conf)
        return 0;
    *out_jids = arena_alloc(arena, conf->admins.count * sizeof(struct str));
    for (size_t i = 0; i < conf->admins.count; i++)
        (*out_jids)[i] = arena_str(arena, str_from(conf->admins.items[i]));
    return conf->admins.count;
}
