/* The pure parts of search.h: which fields there are, and what a term asks for. */
#include "sm/search.h"

#include "sm/directory/filter.h"

#include <string.h>

static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", text.p[i]))
            return false;
    return text.n > 0 && text.n <= 64;
}

static bool add_field(struct search_map *map, const char *item)
{
    struct str rest = str_from(item), var = str_cut(&rest, '=');

    if (map->count == SEARCH_MAX_FIELDS || !is_word(var) || !is_word(rest) || str_is(var, "jid") ||
        str_is(var, "name"))
        return false;
    for (size_t i = 0; i < map->count; i++)
        if (str_eq(map->fields[i].var, var))
            return false;
    map->fields[map->count++] = (struct search_field){ var, rest.p };
    return true;
}

enum err search_map_read(const struct conf_list *list, struct search_map *out, struct buf *why)
{
    static const char *const standard[] = { "first=givenName", "last=sn", "nick=displayName",
                                            "email=mail" };

    out->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool is_good = true;

        if (strcmp(list->items[i], "standard") == 0)
            for (size_t k = 0; k < ARRAY_LEN(standard) && is_good; k++)
                is_good = add_field(out, standard[k]);
        else
            is_good = add_field(out, list->items[i]);
        if (!is_good) {
            buf_printf(why, "expected field=attribute, each field once, or standard, not \"%s\"",
                       list->items[i]);
            return ERR_MALFORMED;
        }
    }
    return ERR_OK;
}

static int64_t letters_of(struct str text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80; /* UTF-8 */
    return n;
}

bool search_add_term(struct buf *filter, const char *attribute, struct str term, int64_t min)
{
    term = str_trim(term);
    while (term.n > 0 && term.p[term.n - 1] == '*')
        term.n--;
    if (term.n == 0)
        return false;
    buf_printf(filter, "(%s=", attribute);
    directory_filter_add_value(filter, term);
    buf_add(filter, letters_of(term) < min ? STR(")") : STR("*)"));
    return true;
}
