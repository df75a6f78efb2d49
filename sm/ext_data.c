/* XML of extensions, kept in the store for an account under (kind, key): the part of ext.h that
 * writes and reads it. */
#include "common/log.h"
#include "common/mem.h"
#include "sm/ext.h"
#include "sm/sm.h"
#include "sm/store/store.h"

/* A call of the store that an IQ waits for. */
struct wait {
    struct iq *iq;
    void (*found)(struct iq *iq, enum err e, struct str xml);
    void (*done)(struct iq *iq, enum err e);
    struct str account; /* of a put; this and what follows in the IQ's arena */
    const char *kind;
    struct ext_data *items;
    size_t count;
};

static struct wait *wait_new(struct iq *iq)
{
    struct wait *w = mem_new(struct wait);

    w->iq = iq;
    iq->session = NULL; /* may be gone when the answer comes */
    return w;
}

/* --- get -------------------------------------------------------------------------------------- */

static void on_rows(void *owner, enum err e, struct store_rows *rows)
{
    struct wait *w = owner;

    w->found(w->iq, e, e == ERR_OK && store_next(rows) ? store_text(rows, 0) : STR_NONE);
    mem_free(w);
}

void ext_data_get(struct iq *iq, struct str account, const char *kind, struct str key,
                  void (*found)(struct iq *iq, enum err e, struct str xml))
{
    struct store_tx *tx = store_begin(iq->sm->store);
    struct wait *w = wait_new(iq);

    w->found = found;
    store_add(tx, STORE_DATA_GET);
    store_bind_text(tx, account);
    store_bind_text(tx, str_from(kind));
    store_bind_text(tx, key);
    store_query(tx, on_rows, w);
}

/* --- put -------------------------------------------------------------------------------------- */

static void add_item(struct store_tx *tx, const struct sm *sm, struct str account, const char *kind,
                     const struct ext_data *item)
{
    if (!str_is_set(item->xml)) {
        store_add(tx, STORE_DATA_DELETE);
        store_bind_text(tx, account);
        store_bind_text(tx, str_from(kind));
        store_bind_text(tx, item->key);
        return;
    }
    store_add(tx, STORE_DATA_PUT);
    store_bind_int(tx, sm_slot_of(sm, account));
    store_bind_text(tx, account);
    store_bind_text(tx, str_from(kind));
    store_bind_text(tx, item->key);
    store_bind_blob(tx, item->xml);
}

static void on_put(void *owner, enum err e, int64_t changes)
{
    struct wait *w = owner;

    (void)changes;
    w->done(w->iq, e);
    mem_free(w);
}

static void submit(struct wait *w)
{
    struct store_tx *tx = store_begin(w->iq->sm->store);

    for (size_t i = 0; i < w->count; i++)
        add_item(tx, w->iq->sm, w->account, w->kind, &w->items[i]);
    store_submit(tx, on_put, w);
}

/* How much there is already. What is replaced counts as well: the limit is one against flooding,
 * not a measure. */
static void on_total(void *owner, enum err e, struct store_rows *rows)
{
    struct wait *w = owner;
    int64_t total = e == ERR_OK && store_next(rows) ? store_int(rows, 0) : 0;
    bool is_more = false;

    for (size_t i = 0; i < w->count; i++) {
        total += (int64_t)w->items[i].xml.n;
        is_more |= w->items[i].xml.n > 0;
    }
    if (e == ERR_OK && is_more && total > w->iq->sm->conf->max_data_bytes)
        e = ERR_LIMIT;
    if (e == ERR_OK) {
        submit(w);
        return;
    }
    w->done(w->iq, e);
    mem_free(w);
}

static void copy_items(struct wait *w, const struct ext_data *items, size_t count)
{
    struct arena *arena = iq_arena(w->iq);

    w->items = arena_alloc(arena, count * sizeof(*items));
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->items[i].key = arena_str(arena, items[i].key);
        w->items[i].xml = arena_str(arena, items[i].xml);
    }
}

void ext_data_put(struct iq *iq, struct str account, const char *kind, const struct ext_data *items,
                  size_t count, void (*done)(struct iq *iq, enum err e))
{
    struct store_tx *total;
    struct wait *w;

    if (store_is_busy(iq->sm->store)) {
        done(iq, ERR_AGAIN);
        return;
    }
    w = wait_new(iq);
    w->done = done;
    w->account = arena_str(iq_arena(iq), account);
    w->kind = kind;
    copy_items(w, items, count);
    total = store_begin(iq->sm->store);
    store_add(total, STORE_DATA_BYTES);
    store_bind_text(total, account);
    store_query(total, on_total, w);
}

void ext_data_note(struct sm *sm, struct str account, const char *kind, struct str key,
                   struct str xml)
{
    struct ext_data item = { .key = key, .xml = xml };
    struct store_tx *tx;

    if (store_is_busy(sm->store))
        return; /* a note is the first thing to go */
    tx = store_begin(sm->store);
    add_item(tx, sm, account, kind, &item);
    store_submit(tx, NULL, NULL);
}

struct xml *ext_parse(struct iq *iq, struct str xml)
{
    struct xml *root;

    if (xml_parse(iq->sm->parser, XML_ALONE, &xml_default_limits, xml, iq_arena(iq), &root) !=
        XML_OK) {
        log_error("stored XML is broken", kv_str("account", iq_account(iq).bare));
        return NULL;
    }
    return root;
}

enum stanza_error ext_stanza_error(enum err e)
{
    switch (e) {
    case ERR_OK:
        return STANZA_OK;
    case ERR_NOT_FOUND:
        return STANZA_ITEM_NOT_FOUND;
    case ERR_EXISTS:
        return STANZA_CONFLICT;
    case ERR_DENIED:
        return STANZA_FORBIDDEN;
    case ERR_MALFORMED:
        return STANZA_NOT_ACCEPTABLE;
    case ERR_UNSUPPORTED:
        return STANZA_NOT_ALLOWED;
    default:
        return STANZA_RESOURCE_CONSTRAINT; /* type wait: try again */
    }
}
