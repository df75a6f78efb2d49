/* Client State Indication: what waits, for how long. XEP-0352. */
#include "sm/csi.h"

#include "common/bytes.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/carbons.h"
#include "sm/presence.h"
#include "sm/queue.h"
#include "sm/session.h"

enum { MAX_HELD_BYTES = 4096 }; /* of one: what is larger is not looked into, and goes down */

struct held {
    struct list at;
    char *key;
    struct bytes *payload;
};

static struct str key_of(const void *item)
{
    return str_from(((const struct held *)item)->key);
}

void csi_init(struct csi *c)
{
    *c = (struct csi){ 0 };
    list_init(&c->held);
    table_init(&c->keys, key_of);
}

static void drop(struct csi *c, struct held *h)
{
    table_remove(&c->keys, key_of(h));
    list_remove(&h->at);
    c->bytes -= (uint32_t)h->payload->n;
    bytes_unref(h->payload);
    mem_free(h->key);
    mem_free(h);
}

static struct held *first_of(struct csi *c)
{
    return CONTAINER_OF(list_first(&c->held), struct held, at);
}

void csi_clear(struct csi *c)
{
    while (!list_is_empty(&c->held))
        drop(c, first_of(c));
}

void csi_fini(struct csi *c)
{
    csi_clear(c);
    table_fini(&c->keys);
}

/* --- which ------------------------------------------------------------------------------------ */

/* What says nothing by itself. */
static bool is_beside(const struct xml *x)
{
    return str_is(x->ns, NS_HINTS) || str_is(x->ns, NS_DELAY) || str_is(x->ns, NS_MUC_USER) ||
           xml_is(x, NS_CLIENT, "thread");
}

static bool is_chat_state(const struct xml *message)
{
    bool has_state = false;

    for (const struct xml *x = xml_child(message, NULL, NULL); x; x = xml_next(x, NULL, NULL)) {
        if (str_is(x->ns, NS_CHAT_STATES))
            has_state = true;
        else if (!is_beside(x))
            return false;
    }
    return has_state && !str_is(xml_attr(message, "type"), "error");
}

static const struct xml *wrapped(const struct stanza *copy)
{
    const struct xml *x = xml_child(copy->el, NS_CARBONS, NULL);

    x = x ? xml_child(x, NS_FORWARD, "forwarded") : NULL;
    return x ? xml_child(x, NS_CLIENT, "message") : NULL;
}

static bool can_message_wait(const struct stanza *message, struct buf *out_key)
{
    const struct xml *el = carbons_is_copy(message) ? wrapped(message) : message->el;

    if (!el || !is_chat_state(el))
        return false;
    buf_add(out_key, STR("message\n"));
    buf_add(out_key, xml_attr(el, "from"));
    buf_add_char(out_key, '\n');
    buf_add(out_key, xml_attr(el, "to"));
    return true;
}

/* XEP-0045 §7.1, §7.14: status 110 marks the occupant's own presence. */
static bool is_own_in_room(const struct xml *presence)
{
    const struct xml *x = xml_child(presence, NS_MUC_USER, "x");
    const struct xml *status = x ? xml_child(x, NS_MUC_USER, "status") : NULL;

    for (; status; status = xml_next(status, NS_MUC_USER, "status")) {
        if (str_is(xml_attr(status, "code"), "110"))
            return true;
    }
    return false;
}

static bool can_presence_wait(const struct stanza *presence, const struct jid *own,
                              struct buf *out_key)
{
    bool is_shown = presence->type == TYPE_NONE || presence->type == TYPE_UNAVAILABLE;

    if (!is_shown || jid_eq(&presence->from, own) || is_own_in_room(presence->el))
        return false;
    buf_add(out_key, STR("presence\n"));
    buf_add(out_key, presence->from.full);
    return true;
}

bool csi_can_wait(const struct stanza *stanza, const struct jid *own, struct buf *out_key)
{
    if (stanza->kind == STANZA_MESSAGE)
        return can_message_wait(stanza, out_key);
    return stanza->kind == STANZA_PRESENCE && can_presence_wait(stanza, own, out_key);
}

/* --- holding ---------------------------------------------------------------------------------- */

static bool can_wait(struct session *s, const struct bytes *payload, struct buf *out_key)
{
    struct stanza *st;
    bool can;

    if (payload->n > MAX_HELD_BYTES)
        return false;
    st = stanza_new(STANZA_MESSAGE, TYPE_NONE);
    can = xml_parse(s->sm->parser, XML_ALONE, &xml_default_limits, bytes_str(payload), &st->arena,
                    &st->el) == XML_OK &&
          stanza_read(st) == STANZA_OK && csi_can_wait(st, &s->jid, out_key);
    stanza_unref(st);
    return can;
}

static void hold(struct csi *c, struct str key, struct bytes *payload)
{
    struct held *old = table_get(&c->keys, key), *h = mem_new(struct held);

    if (old)
        drop(c, old);
    h->key = str_dup(key);
    h->payload = bytes_ref(payload);
    c->bytes += (uint32_t)payload->n;
    list_push_back(&c->held, &h->at);
    table_put(&c->keys, h);
}

bool csi_hold(struct session *s, struct bytes *payload)
{
    struct csi *c = &s->csi;
    struct buf key = { 0 };
    bool is_held;

    if (!c->is_inactive)
        return false;
    is_held = s->sm->conf->csi_hold > 0 && can_wait(s, payload, &key);
    if (is_held)
        hold(c, buf_str(&key), payload);
    buf_fini(&key);
    if (!is_held || (int64_t)c->keys.count > s->sm->conf->csi_hold ||
        c->bytes > s->sm->conf->csi_hold_bytes)
        csi_flush(s);
    return is_held;
}

/* Numbers are given here, in this order (proto/channel.h). */
void csi_flush(struct session *s)
{
    while (!list_is_empty(&s->csi.held)) {
        struct held *h = first_of(&s->csi);
        struct queue_item *item = queue_item_new(h->payload, NULL, NULL);

        drop(&s->csi, h);
        queue_add(s, item);
    }
}

void csi_set(struct session *s, bool is_inactive, struct origin *origin)
{
    if (s->csi.is_inactive == is_inactive)
        return;
    s->csi.is_inactive = is_inactive;
    session_save(s, origin);
    if (is_inactive)
        return;
    csi_flush(s);
    if (s->csi.is_incomplete && session_is_available(s))
        presence_refresh(s, origin);
    s->csi.is_incomplete = false;
}
