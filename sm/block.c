/* The list of blocked JIDs in memory, and its rules. XEP-0191 §6. */
#include "sm/block.h"

#include "common/mem.h"
#include "sm/store/store.h"

struct entry {
    struct jid jid; /* texts owned */
};

static struct str key_of(const void *item)
{
    return ((const struct entry *)item)->jid.full;
}

static void entry_free(struct entry *e)
{
    mem_free((char *)e->jid.full.p);
    mem_free(e);
}

void block_init(struct table *blocked)
{
    table_init(blocked, key_of);
}

void block_clear(struct table *blocked)
{
    struct entry *e;

    for (size_t at = 0; (e = table_next(blocked, &at));)
        entry_free(e);
    table_fini(blocked);
    table_init(blocked, key_of);
}

void block_load(struct table *blocked, struct store_rows *rows)
{
    while (store_next(rows)) {
        struct jid jid;

        jid_split(store_text(rows, 0), &jid);
        block_add(blocked, &jid);
    }
}

bool block_add(struct table *blocked, const struct jid *jid)
{
    struct entry *e;

    if (table_get(blocked, jid->full))
        return false;
    e = mem_new(struct entry);
    jid_split(str_of(str_dup(jid->full), jid->full.n), &e->jid);
    table_put(blocked, e);
    return true;
}

bool block_remove(struct table *blocked, const struct jid *jid)
{
    struct entry *e = table_remove(blocked, jid->full);

    if (!e)
        return false;
    entry_free(e);
    return true;
}

bool block_covers(const struct jid *entry, const struct jid *who)
{
    return str_eq(entry->full, who->full) || str_eq(entry->full, who->bare) ||
           str_eq(entry->full, who->domain);
}

static bool is_never_blocked(const struct account *a, const struct jid *who)
{
    bool is_own_server = !str_is_set(who->local) && str_eq(who->domain, a->jid.domain);

    return is_own_server || jid_eq_bare(who, &a->jid);
}

/* The three texts that an entry which covers who can have (block_covers). */
bool block_is_blocked(const struct account *a, const struct jid *who)
{
    const struct table *t = &a->blocked;

    if (t->count == 0 || !jid_is_set(who) || is_never_blocked(a, who))
        return false;
    return table_get(t, who->full) || table_get(t, who->bare) || table_get(t, who->domain);
}

const struct jid *block_next(const struct table *blocked, size_t *at)
{
    const struct entry *e = table_next(blocked, at);

    return e ? &e->jid : NULL;
}

size_t block_bytes(const struct table *blocked)
{
    const struct jid *jid;
    size_t n = 0;

    for (size_t at = 0; (jid = block_next(blocked, &at));)
        n += jid->full.n + 32;
    return n;
}
