/* Result Set Management: rsm.h. */
#include "proto/rsm.h"

#include "proto/ns.h"

/* Absent when it is not there. */
static enum err read_text(const struct xml *set, const char *name, struct arena *arena,
                          struct str *out_text)
{
    const struct xml *x = xml_child(set, NS_RSM, name);

    *out_text = STR_NONE;
    if (!x)
        return ERR_OK;
    *out_text = xml_text(x, arena);
    return xml_next(x, NS_RSM, name) ? ERR_MALFORMED : ERR_OK;
}

static enum err read_number(const struct xml *set, const char *name, struct arena *arena,
                            bool *out_has, uint64_t *out_value)
{
    struct str text;
    enum err e = read_text(set, name, arena, &text);

    *out_has = str_is_set(text);
    if (e != ERR_OK || !*out_has)
        return e;
    return str_to_u64(str_trim(text), out_value) == ERR_OK ? ERR_OK : ERR_MALFORMED;
}

enum err rsm_read(const struct xml *request, struct arena *arena, struct rsm *out_rsm)
{
    const struct xml *set = xml_child(request, NS_RSM, "set");
    struct rsm r = { .max = 0 };
    enum err e = ERR_OK;

    if (set && xml_next(set, NS_RSM, "set"))
        return ERR_MALFORMED;
    if (set && (e = read_number(set, "max", arena, &r.has_max, &r.max)) == ERR_OK &&
        (e = read_number(set, "index", arena, &r.has_index, &r.index)) == ERR_OK &&
        (e = read_text(set, "after", arena, &r.after)) == ERR_OK)
        e = read_text(set, "before", arena, &r.before);
    if (e == ERR_OK && str_is_set(r.after) && r.after.n == 0)
        e = ERR_MALFORMED;
    *out_rsm = r;
    return e;
}

static void add_number(struct xml *parent, struct arena *arena, const char *name, int64_t value)
{
    xml_add_text(xml_add(parent, arena, NULL, name), arena,
                 arena_printf(arena, "%lld", (long long)value));
}

void rsm_write(struct xml *answer, struct arena *arena, const struct rsm_page *page)
{
    struct xml *set = xml_add(answer, arena, NS_RSM, "set"), *first;

    if (str_is_set(page->first)) {
        first = xml_add(set, arena, NULL, "first");
        if (page->index >= 0)
            xml_set(first, arena, "index",
                    arena_printf(arena, "%lld", (long long)page->index));
        xml_add_text(first, arena, page->first);
        xml_add_text(xml_add(set, arena, NULL, "last"), arena, page->last);
    }
    if (page->count >= 0)
        add_number(set, arena, "count", page->count);
}
