/* What an account wants archived, in memory: XEP-0441. How it is asked and changed is
 * archive_prefs.c's. */
#include "sm/archive.h"

#include "common/mem.h"
#include "sm/store/store.h"

static struct str key_of(const void *item)
{
    return ((const struct archive_wish *)item)->jid.full;
}

static void wish_free(struct archive_wish *w)
{
    if (!w)
        return;
    mem_free((char *)w->jid.full.p);
    mem_free(w);
}

void archive_wishes_init(struct archive_wishes *w)
{
    w->by_default = ARCHIVE_ALWAYS;
    table_init(&w->jids, key_of);
}

void archive_wishes_clear(struct archive_wishes *w)
{
    struct archive_wish *wish;

    for (size_t at = 0; (wish = table_next(&w->jids, &at));)
        wish_free(wish);
    table_fini(&w->jids);
    archive_wishes_init(w);
}

void archive_wishes_add(struct archive_wishes *w, const struct jid *jid, bool is_never)
{
    struct archive_wish *wish = mem_new(struct archive_wish);

    jid_split(str_of(str_dup(jid->full), jid->full.n), &wish->jid);
    wish->is_never = is_never;
    wish_free(table_put(&w->jids, wish));
}

void archive_wishes_load(struct archive_wishes *w, struct store_rows *rows)
{
    while (store_next(rows)) {
        struct str text = store_text(rows, 0);
        int64_t wish = store_int(rows, 1);
        struct jid jid;

        if (text.n == 0) {
            w->by_default = (enum archive_default)wish;
            continue;
        }
        jid_split(text, &jid);
        archive_wishes_add(w, &jid, wish == ARCHIVE_NEVER);
    }
}

/* An entry with a resource means that one only, and is asked first. */
bool archive_wishes_keep(const struct archive_wishes *w, const struct jid *who, bool is_contact)
{
    const struct archive_wish *wish = NULL;

    if (w->jids.count > 0 && (wish = table_get(&w->jids, who->full)) == NULL)
        wish = table_get(&w->jids, who->bare);
    if (wish)
        return !wish->is_never;
    return w->by_default == ARCHIVE_ALWAYS || (w->by_default == ARCHIVE_ROSTER && is_contact);
}

const struct archive_wish *archive_wishes_next(const struct archive_wishes *w, size_t *at)
{
    return table_next(&w->jids, at);
}
