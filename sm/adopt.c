/* <adopt/>: made here after SASL, checked here before a session is opened. With the embedded store one session manager owns all slots, and
 * what it says to itself takes the same way as what another would say. */
#include "sm/adopt.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/login.h"
#include "sm/metrics.h"
#include "sm/session_parts.h"
#include "sm/store/store.h"

#include <time.h>

enum { VALID_S = 30, MAX_NONCES = 100000 };

struct nonce {
    struct list at; /* in the order of arrival, which is nearly that of expiry */
    uint8_t bytes[16];
    int64_t expires;
};

struct adopter {
    struct table nonces;
    struct list order;
};

static struct str key_of(const void *item)
{
    return str_of(((const struct nonce *)item)->bytes, sizeof((const struct nonce *)item)->bytes);
}

struct adopter *adopt_new(void)
{
    struct adopter *a = mem_new(struct adopter);

    table_init(&a->nonces, key_of);
    list_init(&a->order);
    return a;
}

static void drop(struct adopter *a, struct nonce *n)
{
    table_remove(&a->nonces, key_of(n));
    list_remove(&n->at);
    mem_free(n);
}

void adopt_free(struct adopter *a)
{
    if (!a)
        return;
    while (!list_is_empty(&a->order))
        drop(a, CONTAINER_OF(list_first(&a->order), struct nonce, at));
    table_fini(&a->nonces);
    mem_free(a);
}

/* Once; what has expired would be refused for that, and need not be remembered. */
static bool use_nonce(struct adopter *a, const struct control_adopt *adopt, int64_t now)
{
    struct nonce *n;

    while (!list_is_empty(&a->order) && CONTAINER_OF(list_first(&a->order), struct nonce, at)->expires < now)
        drop(a, CONTAINER_OF(list_first(&a->order), struct nonce, at));
    if (a->nonces.count >= MAX_NONCES || table_get(&a->nonces, str_of(adopt->nonce, sizeof adopt->nonce)))
        return false;
    n = mem_new(struct nonce);
    memcpy(n->bytes, adopt->nonce, sizeof n->bytes);
    n->expires = adopt->expires;
    list_push_back(&a->order, &n->at);
    table_put(&a->nonces, n);
    return true;
}

void adopt_send(struct sm *sm, struct link *via, struct control_adopt *adopt)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct xml *el;

    adopt->slot_epoch = sm->epoch;
    adopt->expires = (int64_t)time(NULL) + VALID_S;
    sm_random(adopt->nonce, sizeof adopt->nonce);
    control_write_adopt(&out, adopt, str_of(sm->adopt_key, sizeof sm->adopt_key));
    if (xml_parse(sm->parser, XML_ALONE, &control_xml_limits, buf_str(&out), &arena, &el) == XML_OK)
        adopt_on_control(sm, via, el);
    else
        log_error("adopt cannot be read by ourselves", kv_str("account", adopt->account));
    buf_fini(&out);
    arena_fini(&arena);
}

/* --- the owner --------------------------------------------------------------------------------------------------- */

/* One whose account is being loaded. */
struct job {
    struct sm *sm;
    struct arena arena;
    struct control_adopt adopt;
    struct buf address;
    char *router; /* the link may be gone by then: its name finds it */
};

static void on_account(void *owner, struct account *a, enum err e)
{
    struct job *j = owner;

    if (a && a->host) {
        account_set_outside(a, !str_is(j->adopt.outside, "0"));
        account_refresh_key(a);
        session_open(j->sm, a, &j->adopt, links_find(j->sm->links, str_from(j->router)));
    } else if (e != ERR_CLOSED) {
        login_failed(j->sm, buf_str(&j->address), e == ERR_NOT_FOUND ? AUTH_NOT_AUTHORIZED : AUTH_TEMPORARY_AUTH_FAILURE);
    }
    arena_fini(&j->arena);
    buf_fini(&j->address);
    mem_free(j->router);
    mem_free(j);
}

static bool is_good(struct sm *sm, const struct control_adopt *adopt)
{
    int64_t now = (int64_t)time(NULL);

    return adopt->expires >= now && adopt->expires <= now + 2 * VALID_S && adopt->slot_epoch == sm->epoch &&
           use_nonce(sm->adopter, adopt, now);
}

void adopt_on_control(struct sm *sm, struct link *via, const struct xml *el)
{
    struct job *j = mem_new(struct job);
    struct jid account;

    j->sm = sm;
    if (control_read_adopt(xml_copy(el, &j->arena), str_of(sm->adopt_key, sizeof sm->adopt_key), &j->arena, &j->adopt) != ERR_OK ||
        !is_good(sm, &j->adopt)) {
        metric_inc(&sm_metric_adopt_refused);
        audit_warning("policy-violation", kv_str("peer", link_name(via)), kv_str("account", j->adopt.account),
                      kv_text("what", "an adopt that is forged, late or used twice"));
        arena_fini(&j->arena);
        mem_free(j);
        return;
    }
    buf_printf(&j->address, "%.*s/%.*s", STR_ARG(j->adopt.c2s), STR_ARG(j->adopt.conn));
    j->router = str_dup(link_name(via));
    if (store_is_busy(sm->store)) {
        on_account(j, NULL, ERR_AGAIN);
        return;
    }
    jid_split(j->adopt.account, &account);
    account_with(sm, &account, on_account, j);
}
