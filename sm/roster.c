/* Rosters in memory: items by JID, versions, loading. Leaves stanzas to roster_iq.c and
 * roster_subscribe.c, the store to roster_commit.c. RFC 6121 §2. */
#include "sm/roster.h"

#include "common/mem.h"
#include "sm/roster_parts.h"
#include "sm/shared.h"
#include "sm/store/store.h"

static const char GROUP_SEPARATOR = '\x1f'; /* no XML text can hold it */

static struct str key_of(const void *item)
{
    return ((const struct roster_item *)item)->jid.full;
}

static void clear_groups(struct roster_item *item)
{
    for (size_t i = 0; i < item->groups.count; i++)
        mem_free(item->groups.items[i]);
    mem_free(item->groups.items);
    item->groups = (struct conf_list){ 0 };
}

static void item_free(struct roster_item *item)
{
    clear_groups(item);
    bytes_unref(item->request);
    mem_free(item->name);
    mem_free((char *)item->jid.full.p);
    mem_free(item);
}

struct roster *roster_new(void)
{
    struct roster *r = mem_new(struct roster);

    table_init(&r->items, key_of);
    return r;
}

void roster_free(struct roster *r)
{
    struct roster_item *item;

    if (!r)
        return;
    for (size_t at = 0; (item = table_next(&r->items, &at));)
        item_free(item);
    table_fini(&r->items);
    mem_free(r);
}

struct roster_item *roster_find(const struct roster *r, struct str jid)
{
    return table_get(&r->items, jid);
}

bool roster_may_see(const struct account *a, const struct jid *who)
{
    const struct roster_item *item;

    if (str_eq(a->jid.bare, who->bare))
        return true;
    item = roster_find(a->roster, who->bare);
    return (item && (item->state & ROSTER_FROM)) || shared_may_see(a, who);
}

struct roster_item *roster_add(struct roster *r, const struct jid *jid)
{
    struct roster_item *item = mem_new(struct roster_item);

    jid_split(str_of(str_dup(jid->full), jid->full.n), &item->jid);
    ASSERT(!table_put(&r->items, item));
    return item;
}

void roster_drop(struct roster *r, struct roster_item *item)
{
    ASSERT(table_remove(&r->items, item->jid.full) == item);
    item_free(item);
}

void roster_item_set_request(struct roster_item *item, struct str request)
{
    bytes_unref(item->request);
    item->request = str_is_set(request) ? bytes_new(request) : NULL;
}

void roster_item_set_name(struct roster_item *item, struct str name, const struct conf_list *groups)
{
    mem_free(item->name);
    item->name = name.n ? str_dup(name) : NULL;
    clear_groups(item);
    if (!groups->count)
        return;
    item->groups.items = mem_alloc(groups->count * sizeof(char *));
    item->groups.count = groups->count;
    for (size_t i = 0; i < groups->count; i++)
        item->groups.items[i] = mem_strdup(groups->items[i]);
}

bool roster_item_is_named(const struct roster_item *item, struct str name,
                          const struct conf_list *groups)
{
    if (!str_eq(str_from(item->name), name) || item->groups.count != groups->count)
        return false;
    for (size_t i = 0; i < groups->count; i++)
        if (!str_is(str_from(item->groups.items[i]), groups->items[i]))
            return false;
    return true;
}

void roster_touch(struct roster *r, struct roster_item *item)
{
    /* Begun with the time: an account that is registered anew never repeats a version that a client
     * may have cached. */
    r->version = r->version ? r->version + 1 : (uint64_t)sm_time_us();
    if (item)
        item->version = r->version;
}

size_t roster_count(const struct roster *r, bool is_listed)
{
    const struct roster_item *item;
    size_t n = 0;

    for (size_t at = 0; (item = table_next(&r->items, &at));)
        n += item->is_listed == is_listed;
    return n;
}

size_t roster_bytes(const struct roster *r)
{
    const struct roster_item *item;
    size_t n = 0;

    for (size_t at = 0; (item = table_next(&r->items, &at));) {
        n += item->jid.full.n + (item->name ? strlen(item->name) : 0) + 64;
        for (size_t i = 0; i < item->groups.count; i++)
            n += strlen(item->groups.items[i]) + 15;
    }
    return n;
}

/* --- the store's form ------------------------------------------------------------------------- */

void roster_write_groups(struct buf *out, const struct conf_list *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (i)
            buf_add_char(out, GROUP_SEPARATOR);
        buf_add(out, str_from(groups->items[i]));
    }
}

void roster_read_groups(struct str text, struct arena *arena, struct conf_list *out_groups)
{
    size_t max = 1;

    *out_groups = (struct conf_list){ 0 };
    if (!text.n)
        return;
    for (size_t i = 0; i < text.n; i++)
        max += text.p[i] == GROUP_SEPARATOR;
    out_groups->items = arena_alloc(arena, max * sizeof(char *));
    while (str_is_set(text)) {
        struct str group = str_cut(&text, GROUP_SEPARATOR);

        out_groups->items[out_groups->count++] = (char *)arena_str(arena, group).p;
    }
}

/* STORE_ROSTER_LOAD: contact, name, groups, state, listed, request, version */
void roster_load(struct roster *r, struct store_rows *rows)
{
    struct arena arena = { 0 };

    while (store_next(rows)) {
        struct str request = store_text(rows, 5);
        struct conf_list groups;
        struct roster_item *item;
        struct jid jid;

        jid_split(store_text(rows, 0), &jid);
        item = roster_add(r, &jid);
        roster_read_groups(store_text(rows, 2), &arena, &groups);
        roster_item_set_name(item, store_text(rows, 1), &groups);
        item->state = (uint8_t)store_int(rows, 3);
        item->is_listed = store_int(rows, 4) != 0;
        roster_item_set_request(item, request.n ? request : STR_NONE);
        item->version = (uint64_t)store_int(rows, 6);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}
