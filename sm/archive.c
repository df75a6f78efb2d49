/* Messages on their way into archives: which, under which id, as what bytes, and the row. */
#include "sm/archive.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/datetime.h"
#include "proto/ns.h"
#include "sm/deliver.h"
#include "sm/metrics.h"
#include "sm/roster.h"
#include "sm/session.h"
#include "sm/store/store.h"

/* --- which ------------------------------------------------------------------------------------ */

static bool has_hint(const struct stanza *message, const char *name)
{
    return xml_child(message->el, NS_HINTS, name) != NULL;
}

bool archive_forbids_store(const struct stanza *message)
{
    return message->type != TYPE_ERROR && has_hint(message, "no-store");
}

bool archive_is_worth(const struct stanza *message)
{
    if (message->kind != STANZA_MESSAGE ||
        (message->type != TYPE_NORMAL && message->type != TYPE_CHAT))
        return false;
    if (has_hint(message, "no-store") || has_hint(message, "no-permanent-store"))
        return false;
    return xml_child(message->el, NS_CLIENT, "body") || has_hint(message, "store");
}

bool archive_is_on(const struct account *a)
{
    return a->host && a->host->has_archive;
}

bool archive_wants(const struct account *a, const struct jid *who)
{
    const struct roster_item *contact;

    if (!archive_is_on(a))
        return false;
    contact = roster_find(a->roster, who->bare);
    return archive_wishes_keep(&a->wishes, who, contact && contact->is_listed);
}

/* --- ids -------------------------------------------------------------------------------------- */

/* What no frame started, or what cannot come a second time, gets one at random. */
static void make_id(const struct sm *sm, const struct origin *o, struct str written,
                    uint8_t out_id[ARCHIVE_ID_BYTES])
{
    struct buf said = { 0 };

    if (!o || o->count == 0) {
        sm_random(out_id, ARCHIVE_ID_BYTES);
        return;
    }
    buf_add(&said, STR("\1archive")); /* nothing else that is hashed under this key begins so */
    buf_add(&said, str_of(o->session, sizeof o->session));
    buf_add(&said, str_of(&o->count, sizeof o->count));
    buf_add(&said, written);
    for (size_t i = 0; i < 2; i++) {
        uint64_t half;

        said.p[0] = (char)(i + 1);
        half = table_siphash(sm->slot_key, buf_str(&said));
        memcpy(out_id + 8 * i, &half, sizeof half);
    }
    buf_fini(&said);
}

void archive_id_text(const uint8_t id[ARCHIVE_ID_BYTES], char out_text[ARCHIVE_ID_TEXT + 1])
{
    struct buf hex = { 0 };

    buf_add_hex(&hex, str_of(id, ARCHIVE_ID_BYTES));
    memcpy(out_text, hex.p, ARCHIVE_ID_TEXT);
    out_text[ARCHIVE_ID_TEXT] = '\0';
    buf_fini(&hex);
}

bool archive_id_read(struct str text, uint8_t out_id[ARCHIVE_ID_BYTES])
{
    struct buf id = { 0 };
    char same[ARCHIVE_ID_TEXT + 1];
    bool is_good = text.n == ARCHIVE_ID_TEXT && buf_add_hex_decoded(&id, text) == ERR_OK &&
                   id.n == ARCHIVE_ID_BYTES;

    if (is_good) {
        memcpy(out_id, id.p, ARCHIVE_ID_BYTES);
        archive_id_text(out_id, same);
        is_good = str_is(text, same); /* one form only */
    }
    buf_fini(&id);
    return is_good;
}

/* --- <stanza-id/> ----------------------------------------------------------------------------- */

/* Addresses are compared as they are meant (XEP-0359 §3 (7)). */
static bool is_by(const struct xml *id, struct str bare)
{
    struct str by = xml_attr(id, "by");
    struct arena arena = { 0 };
    struct jid jid;
    bool is = str_is_set(by) &&
              (str_eq(by, bare) ||
               (jid_parse(by, &arena, &jid) == ERR_OK && str_eq(jid.full, bare)));

    arena_fini(&arena);
    return is;
}

void archive_strip(struct stanza *message, struct str bare)
{
    struct xml *id = xml_child(message->el, NS_SID, "stanza-id"), *following;

    for (; id; id = following) {
        following = xml_next(id, NS_SID, "stanza-id");
        if (is_by(id, bare))
            xml_remove(id);
    }
}

bool archive_id_of(const struct stanza *message, struct str bare, uint8_t out_id[ARCHIVE_ID_BYTES])
{
    const struct xml *id = xml_child(message->el, NS_SID, "stanza-id");

    for (; id; id = xml_next(id, NS_SID, "stanza-id")) {
        if (str_eq(xml_attr(id, "by"), bare))
            return archive_id_read(xml_attr(id, "id"), out_id);
    }
    return false;
}

static void add_id(struct stanza *message, const struct archive_item *item, struct str bare)
{
    struct xml *id = xml_new(&message->arena, NS_SID, "stanza-id");

    xml_set(id, &message->arena, "by", bare);
    xml_set(id, &message->arena, "id", str_of(item->id_text, ARCHIVE_ID_TEXT));
    xml_append_whole(message->el, &message->arena, id);
}

void archive_write(struct buf *out, struct str written, struct str id_text, struct str bare,
                   struct str host, int64_t stamp_us)
{
    static const struct str end = STR("</message>");

    if (!str_ends_with(written, end)) { /* it has a child, or it would not be worth keeping */
        buf_add(out, written);
        return;
    }
    buf_add(out, str_of(written.p, written.n - end.n));
    if (stamp_us > 0) {
        buf_add(out, STR("<delay xmlns='" NS_DELAY "' from='"));
        xml_escape_attr(out, host);
        buf_add(out, STR("' stamp='"));
        datetime_write(out, stamp_us);
        buf_add(out, STR("'/>"));
    }
    if (id_text.n > 0) {
        buf_add(out, STR("<stanza-id xmlns='" NS_SID "' by='"));
        xml_escape_attr(out, bare);
        buf_add(out, STR("' id='"));
        buf_add(out, id_text);
        buf_add(out, STR("'/>"));
    }
    buf_add(out, end);
}

void archive_write_result(struct buf *out, const struct archive_row *row, struct str queryid,
                          const struct jid *full)
{
    buf_add(out, STR("<message xmlns='" NS_CLIENT "' from='"));
    xml_escape_attr(out, full->bare);
    buf_add(out, STR("' to='"));
    xml_escape_attr(out, full->full);
    buf_add(out, STR("'><result xmlns='" NS_MAM "'"));
    if (str_is_set(queryid)) {
        buf_add(out, STR(" queryid='"));
        xml_escape_attr(out, queryid);
        buf_add_char(out, '\'');
    }
    buf_printf(out, " id='%s'><forwarded xmlns='" NS_FORWARD "'><delay xmlns='" NS_DELAY "' stamp='",
               row->id_text);
    datetime_write(out, row->stamp_us);
    buf_add(out, STR("'/>"));
    archive_write(out, bytes_str(row->written), str_from(row->id_text), full->bare, STR_NONE, 0);
    buf_add(out, STR("</forwarded></result></message>"));
}

int64_t archive_floor(const struct account *a)
{
    int64_t keep_us = a->host ? a->host->archive_keep_ms * 1000 : 0;
    int64_t oldest = keep_us > 0 ? sm_time_us() - keep_us : 0;

    return oldest > a->created_us ? oldest : a->created_us;
}

bool archive_is_result(const struct stanza *stanza)
{
    return stanza->kind == STANZA_MESSAGE && jid_is_bare(&stanza->from) &&
           str_is_set(stanza->to.resource) && jid_eq_bare(&stanza->from, &stanza->to) &&
           xml_child(stanza->el, NS_MAM, "result");
}

/* --- items ------------------------------------------------------------------------------------ */

static struct archive_item *item_new(const struct sm *sm, struct stanza *message,
                                     const struct origin *origin)
{
    struct archive_item *item = mem_new(struct archive_item);
    struct buf out = { 0 };

    item->refs = 1;
    item->stanza = stanza_ref(message);
    xml_write(&out, message->el, STR_NONE);
    item->written = bytes_new(buf_str(&out));
    buf_fini(&out);
    make_id(sm, origin, bytes_str(item->written), item->id);
    archive_id_text(item->id, item->id_text);
    return item;
}

struct archive_item *archive_item_ref(struct archive_item *item)
{
    if (item)
        item->refs++;
    return item;
}

void archive_item_unref(struct archive_item *item)
{
    if (!item || --item->refs > 0)
        return;
    bytes_unref(item->written);
    stanza_unref(item->stanza);
    mem_free(item);
}

struct archive_item *archive_sent(const struct session *s, struct stanza *message,
                                  struct origin *origin)
{
    struct archive_item *item;

    archive_strip(message, s->jid.bare);
    if (!s->account || !archive_is_worth(message) || !archive_wants(s->account, &message->to))
        return NULL;
    if (sm_is_hosted(s->sm, message->to.domain)) /* one row will serve both */
        archive_strip(message, message->to.bare);
    item = item_new(s->sm, message, origin);
    item->is_sender_owner = true;
    return item;
}

struct archive_item *archive_received(struct account *a, struct stanza *message,
                                      struct archive_item *item, struct origin *origin)
{
    archive_strip(message, a->jid.bare);
    if (!archive_is_worth(message) || !archive_wants(a, &message->from))
        return archive_item_ref(item);
    item = item ? archive_item_ref(item) : item_new(a->sm, message, origin);
    item->is_recipient_owner = true;
    add_id(message, item, a->jid.bare);
    return item;
}

/* --- rows ------------------------------------------------------------------------------------- */

struct put {
    struct sm *sm;
    struct archive_item *item;
    struct origin *origin;
};

static void on_put(void *owner, enum err e, int64_t changes)
{
    struct put *p = owner;
    struct stanza *message = p->item->stanza;

    if (e == ERR_OK && changes > 0)
        metric_inc(&sm_metric_archive_stored);
    if (e != ERR_OK) {
        metric_inc(&sm_metric_archive_failed);
        log_error("a message is not archived", kv_err(e));
        archive_strip(message, message->to.bare);
        deliver_error(p->sm, message, STANZA_RESOURCE_CONSTRAINT, STR("it could not be archived"),
                      p->origin);
    }
    origin_unref(p->origin);
    archive_item_unref(p->item);
    mem_free(p);
}

static void bind_side(struct store_tx *tx, const struct jid *jid, bool is_owner)
{
    store_bind_text(tx, jid->bare);
    store_bind_text(tx, str_is_set(jid->resource) ? jid->resource : STR(""));
    store_bind_int(tx, is_owner);
}

/* Of a message to oneself there is one owner. */
static void bind_row(struct store_tx *tx, struct sm *sm, const struct archive_item *item)
{
    const struct stanza *message = item->stanza;
    bool is_own = jid_eq_bare(&message->from, &message->to);
    const struct jid *a = item->is_recipient_owner || is_own ? &message->to : &message->from;
    const struct jid *b = a == &message->to ? &message->from : &message->to;

    store_bind_int(tx, sm_slot_of(sm, a->bare));
    store_bind_blob(tx, str_of(item->id, sizeof item->id));
    store_bind_int(tx, sm_stamp_us(sm));
    bind_side(tx, a, true);
    bind_side(tx, b, item->is_sender_owner && item->is_recipient_owner && !is_own);
    store_bind_blob(tx, bytes_str(item->written));
}

void archive_put(struct sm *sm, struct archive_item *item, struct origin *origin)
{
    struct store_tx *tx;
    struct put *p;

    if (!item)
        return;
    p = mem_new(struct put);
    *p = (struct put){ .sm = sm, .item = archive_item_ref(item), .origin = origin_ref(origin) };
    tx = store_begin(sm->store);
    store_add(tx, STORE_ARCHIVE_PUT);
    bind_row(tx, sm, item);
    store_submit(tx, on_put, p);
}
