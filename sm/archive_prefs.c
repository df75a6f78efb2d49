/* An account's wishes as its client asks for them and changes them: the part of ext.h for XEP-0441.
 * In memory they are archive_wish.c's. */
#include "common/log.h"
#include "common/mem.h"
#include "sm/archive.h"
#include "sm/ext.h"
#include "sm/session.h"
#include "sm/store/store.h"

static const char *const defaults[] = { "always", "never", "roster" }; /* enum archive_default */

static void add_list(struct iq *iq, struct xml *prefs, const struct account *a, bool is_never)
{
    struct arena *arena = iq_arena(iq);
    struct xml *list = xml_add(prefs, arena, NULL, is_never ? "never" : "always");
    const struct archive_wish *wish;

    for (size_t at = 0; (wish = archive_wishes_next(&a->wishes, &at));) {
        if (wish->is_never == is_never)
            xml_add_text(xml_add(list, arena, NULL, "jid"), arena, wish->jid.full);
    }
}

static struct xml *prefs_of(struct iq *iq, const struct account *a)
{
    struct xml *prefs = xml_new(iq_arena(iq), NS_MAM, "prefs");

    xml_set(prefs, iq_arena(iq), "default", str_from(defaults[a->wishes.by_default]));
    add_list(iq, prefs, a, false);
    add_list(iq, prefs, a, true);
    return prefs;
}

enum stanza_error ext_archive_get_prefs(struct iq *iq)
{
    const struct account *a = iq->session ? iq->session->account : NULL;

    if (!a)
        return STANZA_FORBIDDEN;
    iq_reply(iq, prefs_of(iq, a));
    return STANZA_OK;
}

struct change {
    struct iq *iq;
    struct account *account; /* pinned */
};

static void on_stored(void *owner, enum err e, int64_t changes)
{
    struct change *c = owner;

    (void)changes;
    if (e == ERR_OK) {
        iq_reply(c->iq, prefs_of(c->iq, c->account));
    } else {
        log_error("archiving preferences not stored", kv_str("account", c->account->jid.bare),
                  kv_err(e));
        account_reload(c->account);
        iq_error(c->iq, STANZA_RESOURCE_CONSTRAINT, NULL);
    }
    account_unpin(c->account);
    mem_free(c);
}

static void add_wish(struct store_tx *tx, const struct account *a, struct str jid,
                     enum archive_default wish)
{
    store_add(tx, STORE_WISH_PUT);
    store_bind_int(tx, sm_slot_of(a->sm, a->jid.bare));
    store_bind_text(tx, a->jid.bare);
    store_bind_text(tx, jid);
    store_bind_int(tx, wish);
}

static void submit(struct change *c)
{
    const struct account *a = c->account;
    struct store_tx *tx = store_begin(a->sm->store);
    const struct archive_wish *wish;

    store_add(tx, STORE_WISH_CLEAR);
    store_bind_text(tx, a->jid.bare);
    add_wish(tx, a, STR(""), a->wishes.by_default);
    for (size_t at = 0; (wish = archive_wishes_next(&a->wishes, &at));)
        add_wish(tx, a, wish->jid.full, wish->is_never ? ARCHIVE_NEVER : ARCHIVE_ALWAYS);
    store_submit(tx, on_stored, c);
}

static bool read_default(struct str text, enum archive_default *out_default)
{
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        if (str_is(text, defaults[i])) {
            *out_default = (enum archive_default)i;
            return true;
        }
    }
    return false;
}

/* It must fit into one answer, however much escaping makes of it. */
static bool has_room(const struct sm *sm, const struct ext_archive_prefs *p)
{
    size_t bytes = 0;

    for (size_t i = 0; i < p->always_count; i++)
        bytes += p->always[i].full.n + 32;
    for (size_t i = 0; i < p->never_count; i++)
        bytes += p->never[i].full.n + 32;
    return p->always_count + p->never_count <= ARCHIVE_MAX_WISHES &&
           bytes <= (size_t)sm->conf->link.max_payload / 8;
}

/* A JID in both lists is not to be archived: what is kept cannot be taken back. */
enum stanza_error ext_archive_set_prefs(struct iq *iq, const struct ext_archive_prefs *prefs)
{
    struct account *a = iq->session ? iq->session->account : NULL;
    enum archive_default by_default;
    struct change *c;

    if (!a)
        return STANZA_FORBIDDEN;
    if (!read_default(prefs->by_default, &by_default))
        return STANZA_BAD_REQUEST;
    if (!a->is_loaded || store_is_busy(a->sm->store) || !has_room(a->sm, prefs))
        return STANZA_RESOURCE_CONSTRAINT;
    archive_wishes_clear(&a->wishes);
    a->wishes.by_default = by_default;
    for (size_t i = 0; i < prefs->always_count; i++)
        archive_wishes_add(&a->wishes, &prefs->always[i], false);
    for (size_t i = 0; i < prefs->never_count; i++)
        archive_wishes_add(&a->wishes, &prefs->never[i], true);
    c = mem_new(struct change);
    *c = (struct change){ .iq = iq, .account = a };
    account_pin(a);
    iq->session = NULL; /* may be gone when the answer comes */
    submit(c);
    return STANZA_OK;
}
