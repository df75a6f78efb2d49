/* See roster_walk.h. */
#include "sm/roster_walk.h"

#include "common/mem.h"
#include "sm/roster_parts.h"
#include "sm/shared.h"
#include "sm/subscribe.h"

#include <stdlib.h>

enum { MAX_SHARED_GROUPS = 64 };

/* --- one contact --------------------------------------------------------------------------------- */

static struct roster_look look_at(const struct account *a, const struct directory_index *x,
                                  const struct jid *contact, uint32_t self)
{
    struct roster_look l = { .item = roster_find(a->roster, contact->full),
                             .self = self,
                             .other = DIRECTORY_NOBODY };

    if (l.item)
        l.own = l.item->state;
    if (self != DIRECTORY_NOBODY && str_is_set(contact->local) && jid_is_bare(contact) &&
        str_eq(contact->domain, a->jid.domain)) {
        l.other = directory_index_find(x, contact->local);
        if (directory_index_sees(x, self, l.other))
            l.shared |= ROSTER_TO;
        if (directory_index_sees(x, l.other, self))
            l.shared |= ROSTER_FROM;
    }
    l.is_shown = (l.item && l.item->is_listed) || (l.shared & ROSTER_TO);
    return l;
}

struct roster_look roster_look(const struct account *a, const struct directory_index *x,
                               const struct jid *contact)
{
    return look_at(a, x, contact, x ? shared_self(a, x) : DIRECTORY_NOBODY);
}

static void write_attr(struct buf *out, const char *name, struct str value)
{
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    xml_escape(out, value);
    buf_add_char(out, '\'');
}

static void write_group(struct buf *out, struct str name)
{
    buf_add(out, STR("<group>"));
    xml_escape(out, name);
    buf_add(out, STR("</group>"));
}

static bool has_group(const struct roster_item *item, struct str name)
{
    for (size_t i = 0; item && i < item->groups.count; i++)
        if (str_is(name, item->groups.items[i]))
            return true;
    return false;
}

void roster_write_item(struct buf *out, const struct directory_index *x, const struct jid *contact,
                       const struct roster_look *l)
{
    uint8_t state = roster_look_state(l);
    struct str name = str_from(l->item ? l->item->name : NULL), shared[MAX_SHARED_GROUPS];
    size_t count = 0, own = l->item ? l->item->groups.count : 0;

    if (l->shared & ROSTER_TO) {
        count = directory_index_groups_of(x, l->self, l->other, shared, MAX_SHARED_GROUPS);
        if (!str_is_set(name))
            name = directory_index_name(x, l->other);
    }
    buf_add(out, STR("<item"));
    write_attr(out, "jid", contact->full);
    if (str_is_set(name))
        write_attr(out, "name", name);
    write_attr(out, "subscription", str_from(subscribe_name(state)));
    if ((state & ROSTER_PENDING_OUT) && !(state & ROSTER_TO))
        buf_add(out, STR(" ask='subscribe'"));
    if (state & ROSTER_APPROVED)
        buf_add(out, STR(" approved='true'"));
    if (own + count == 0) {
        buf_add(out, STR("/>"));
        return;
    }
    buf_add_char(out, '>');
    for (size_t i = 0; i < own; i++)
        write_group(out, str_from(l->item->groups.items[i]));
    for (size_t i = 0; i < count; i++)
        if (!has_group(l->item, shared[i]))
            write_group(out, shared[i]);
    buf_add(out, STR("</item>"));
}

/* --- all of them --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void add_people(struct roster_walk *w, uint32_t *take_people, size_t n)
{
    size_t count = w->count;

    if (count > 0 && n > 0) {
        w->people = mem_realloc(w->people, (count + n) * sizeof *w->people);
        memcpy(w->people + count, take_people, n * sizeof *w->people);
        mem_free(take_people);
        qsort(w->people, count + n, sizeof *w->people, compare);
        w->count = 0;
        for (size_t i = 0; i < count + n; i++)
            if (i == 0 || w->people[i] != w->people[w->count - 1])
                w->people[w->count++] = w->people[i];
    } else if (n > 0) {
        mem_free(w->people);
        w->people = take_people;
        w->count = n;
    } else {
        mem_free(take_people);
    }
}

/* People of the host that have sessions. */
static void add_present(struct roster_walk *w, uint32_t self)
{
    const struct account *a = w->account, *other;
    struct buf ids = { 0 };

    for (size_t at = 0; (other = table_next(&a->sm->accounts, &at));) {
        uint32_t id;

        if (other == a || list_is_empty(&other->sessions) ||
            !str_eq(other->jid.domain, a->jid.domain))
            continue;
        id = directory_index_find(w->x, other->jid.local);
        if (id != DIRECTORY_NOBODY && id != self)
            buf_add(&ids, str_of(&id, sizeof id));
    }
    if (ids.n > 0)
        qsort(ids.p, ids.n / sizeof(uint32_t), sizeof(uint32_t), compare);
    add_people(w, (uint32_t *)(void *)ids.p, ids.n / sizeof(uint32_t));
}

void roster_walk_begin(struct roster_walk *w, const struct account *a, uint8_t want)
{
    uint32_t self, *people;
    bool is_all = false;
    size_t n;

    *w = (struct roster_walk){ .account = a, .x = directory_index_ref(shared_index(a)) };
    self = w->x ? shared_self(a, w->x) : DIRECTORY_NOBODY;
    w->look.self = self;
    if (self == DIRECTORY_NOBODY)
        return;
    if (want & ROSTER_TO) {
        n = directory_index_contacts(w->x, self, &people);
        add_people(w, people, n);
    }
    if (want & ROSTER_FROM) {
        n = directory_index_viewers(w->x, self, &people, &is_all);
        add_people(w, people, n);
        if (is_all)
            add_present(w, self);
    }
}

static void set_person(struct roster_walk *w, uint32_t person)
{
    buf_clear(&w->text);
    buf_add(&w->text, directory_index_local(w->x, person));
    buf_add_char(&w->text, '@');
    buf_add(&w->text, w->account->jid.domain);
    jid_split(buf_str(&w->text), &w->jid);
}

bool roster_walk_next(struct roster_walk *w)
{
    const struct roster_item *item;
    uint32_t self = w->look.self;

    if (!w->is_own_done && (item = table_next(&w->account->roster->items, &w->own_at))) {
        w->jid = item->jid;
        w->look = look_at(w->account, w->x, &w->jid, self);
        return true;
    }
    w->is_own_done = true;
    while (w->shared_at < w->count) {
        set_person(w, w->people[w->shared_at++]);
        if (roster_find(w->account->roster, w->jid.full))
            continue; /* has come as an own one */
        w->look = look_at(w->account, w->x, &w->jid, self);
        return true;
    }
    return false;
}

void roster_walk_end(struct roster_walk *w)
{
    directory_index_unref(w->x);
    mem_free(w->people);
    buf_fini(&w->text);
}
