/* What a refresh has changed is told: account by account, some milliseconds at a time. First the
 * pushes, then presence, as after any change of a subscription (RFC 6121 §3.1.6, §3.2.3). Only the
 * last push has the version that stands for all of them. */
#include "common/mem.h"
#include "sm/block.h"
#include "sm/metrics.h"
#include "sm/presence.h"
#include "sm/roster_parts.h"
#include "sm/roster_walk.h"
#include "sm/shared_parts.h"

enum { SLICE_NS = 5 * 1000 * 1000 };

struct untold {
    struct list at;
    char *account; /* bare JID */
    bool is_full;  /* the changes alone do not say what it does not know */
};

/* What one account is to be told. */
struct telling {
    struct account *account;
    const struct directory_index *was, *is;
    struct arena arena;
    struct list contacts; /* struct contact: those that are pushed, or whose presence */
    uint32_t pushes;
};
struct contact {
    struct list at;
    struct jid jid;
    bool is_pushed, is_gained, is_lost;
};

/* --- one account --------------------------------------------------------------------------------- */

static bool is_written_alike(const struct telling *t, const struct jid *jid,
                             const struct roster_look *was, const struct roster_look *is)
{
    struct buf a = { 0 }, b = { 0 };
    bool is_same = was->is_shown == is->is_shown;

    if (is_same && is->is_shown) {
        roster_write_item(&a, t->was, jid, was);
        roster_write_item(&b, t->is, jid, is);
        is_same = str_eq(buf_str(&a), buf_str(&b));
    }
    buf_fini(&a);
    buf_fini(&b);
    return is_same;
}

static void compare(struct telling *t, const struct jid *jid)
{
    struct roster_look was, is;
    struct contact *c;
    bool is_same;

    if (jid_eq_bare(jid, &t->account->jid))
        return;
    was = roster_look(t->account, t->was, jid);
    is = roster_look(t->account, t->is, jid);
    is_same = is_written_alike(t, jid, &was, &is);
    if (is_same && was.shared == is.shared)
        return;
    c = arena_new(&t->arena, struct contact);
    jid_split(arena_str(&t->arena, jid->full), &c->jid);
    c->is_pushed = !is_same;
    c->is_gained = is.shared & ~was.shared & ROSTER_TO;
    c->is_lost = was.shared & ~is.shared & ROSTER_TO;
    t->pushes += c->is_pushed;
    list_push_back(&t->contacts, &c->at);
}

/* One of the index; those with an own item may have come as that. */
static void compare_person(struct telling *t, const struct directory_index *x, uint32_t person,
                           bool is_own_done)
{
    struct buf text = { 0 };
    struct jid jid;

    buf_add(&text, directory_index_local(x, person));
    buf_add_char(&text, '@');
    buf_add(&text, t->account->jid.domain);
    jid_split(buf_str(&text), &jid);
    if (!is_own_done || !roster_find(t->account->roster, jid.full))
        compare(t, &jid);
    buf_fini(&text);
}

/* Whom groups showed it, whom they show it now, and its own items. */
static void compare_all(struct telling *t)
{
    uint32_t self_was = shared_self(t->account, t->was), self_is = shared_self(t->account, t->is);
    const struct roster_item *item;
    uint32_t *people;
    size_t n = directory_index_contacts(t->was, self_was, &people);

    for (size_t at = 0; (item = table_next(&t->account->roster->items, &at));)
        compare(t, &item->jid);
    for (size_t i = 0; i < n; i++) {
        struct str local = directory_index_local(t->was, people[i]);

        if (!directory_index_sees(t->is, self_is, directory_index_find(t->is, local)))
            compare_person(t, t->was, people[i], true);
    }
    mem_free(people);
    n = directory_index_contacts(t->is, self_is, &people);
    for (size_t i = 0; i < n; i++)
        compare_person(t, t->is, people[i], true);
    mem_free(people);
}

static bool is_changed(const struct shared_host *h, const struct account *a)
{
    uint32_t was = shared_self(a, h->was), is = shared_self(a, h->index);

    for (size_t i = 0; i < h->change_count; i++)
        if ((was != DIRECTORY_NOBODY && h->changes[i].was == was) ||
            (is != DIRECTORY_NOBODY && h->changes[i].is == is))
            return true;
    return false;
}

static void compare_changes(struct telling *t, const struct shared_host *h)
{
    for (size_t i = 0; i < h->change_count; i++)
        if (h->changes[i].is != DIRECTORY_NOBODY)
            compare_person(t, h->index, h->changes[i].is, false);
        else
            compare_person(t, h->was, h->changes[i].was, false);
}

static void push(struct telling *t, const struct contact *c)
{
    struct account *a = t->account;
    struct buf query = { 0 };

    a->shared_left--;
    roster_write_push(&query, a, &c->jid);
    roster_push(a, buf_str(&query), (uint64_t)sm_stamp_us(a->sm), NULL);
    metric_inc(&sm_metric_shared_pushes);
    buf_fini(&query);
}

/* Unless they are subscribed to each other besides: then nothing has changed. */
static void tell_presence(struct telling *t, const struct contact *c)
{
    struct account *a = t->account, *other = account_in_memory(a->sm, c->jid.bare);
    const struct roster_item *item = other ? roster_find(other->roster, a->jid.bare) : NULL;

    if (!other || (item && (item->state & ROSTER_FROM)) || block_is_blocked(other, &a->jid))
        return;
    if (c->is_gained)
        presence_send_current(other, &a->jid, NULL);
    if (c->is_lost)
        presence_send_unavailable(other, &a->jid, NULL);
}

static void tell(struct shared_host *h, struct account *a, bool is_full)
{
    struct telling t = { .account = a, .was = a->shared_was, .is = h->index };

    list_init(&t.contacts);
    if (is_full || is_changed(h, a))
        compare_all(&t);
    else
        compare_changes(&t, h);
    a->shared_left = t.pushes;
    account_pin(a);
    LIST_FOR_EACH(at, &t.contacts)
    {
        const struct contact *c = CONTAINER_OF(at, struct contact, at);

        if (c->is_pushed)
            push(&t, c);
    }
    LIST_FOR_EACH(at, &t.contacts)
    tell_presence(&t, CONTAINER_OF(at, struct contact, at));
    shared_forget(a);
    account_unpin(a);
    arena_fini(&t.arena);
}

/* --- all of them --------------------------------------------------------------------------------- */

static void drop(struct untold *u)
{
    list_remove(&u->at);
    mem_free(u->account);
    mem_free(u);
}

void shared_apply_stop(struct shared_host *h)
{
    while (!list_is_empty(&h->untold))
        drop(CONTAINER_OF(list_first(&h->untold), struct untold, at));
    timer_stop(&h->apply);
    directory_index_unref(h->was);
    mem_free(h->changes);
    h->was = NULL;
    h->changes = NULL;
    h->change_count = 0;
    h->is_applying = false;
}

/* One that is being loaded waits until it is. */
static void tell_next(struct shared_host *h)
{
    struct untold *u = CONTAINER_OF(list_first(&h->untold), struct untold, at);
    struct account *a = table_get(&h->sm->accounts, str_from(u->account));

    if (a && a->shared_left > 0 && !a->is_loaded) {
        list_remove(&u->at);
        list_push_back(&h->untold, &u->at);
        return;
    }
    if (a && a->shared_left > 0)
        tell(h, a, u->is_full);
    drop(u);
}

static void on_apply(struct timer *t)
{
    struct shared_host *h = CONTAINER_OF(t, struct shared_host, apply);
    uint64_t end = uv_hrtime() + SLICE_NS;

    while (!list_is_empty(&h->untold) && uv_hrtime() < end)
        tell_next(h);
    if (!list_is_empty(&h->untold)) {
        timer_set(h->sm->service->timers, &h->apply, 0);
        return;
    }
    shared_apply_stop(h);
    shared_applied(h);
}

void shared_apply_init(struct shared_host *h)
{
    list_init(&h->untold);
    timer_init(&h->apply, on_apply);
}

/* Whoever logs in from now on is given the new one at once. */
static void add(struct shared_host *h, struct account *a)
{
    struct untold *u;

    if (shared_self(a, h->was) == DIRECTORY_NOBODY &&
        shared_self(a, h->index) == DIRECTORY_NOBODY && a->shared_left == 0)
        return;
    u = mem_new(struct untold);
    u->account = str_dup(a->jid.bare);
    u->is_full = a->shared_left > 0; /* it does not know the one before, either */
    if (!u->is_full)
        a->shared_was = directory_index_ref(h->was);
    a->shared_left = 1;
    list_push_back(&h->untold, &u->at);
}

void shared_apply(struct shared_host *h, struct directory_index *take_was,
                  struct directory_index_change *take_changes, size_t count)
{
    struct account *a;

    h->was = take_was;
    h->changes = take_changes;
    h->change_count = count;
    h->is_applying = true;
    for (size_t at = 0; (a = table_next(&h->sm->accounts, &at));)
        if (!list_is_empty(&a->sessions) && str_is(a->jid.domain, h->name))
            add(h, a);
    timer_set(h->sm->service->timers, &h->apply, 0);
}

void shared_forget(struct account *a)
{
    directory_index_unref(a->shared_was);
    a->shared_was = NULL;
    a->shared_left = 0;
}
