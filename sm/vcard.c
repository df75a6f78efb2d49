/* See vcard.h. */
#include "sm/vcard.h"

#include "proto/ns.h"

#include <string.h>

enum { MAX_TEXT = 1024, MAX_VALUES = 8 };

/* XEP-0054 §4: the elements that can be mapped, in the order in which they are written. */
struct vcard_field {
    const char *path; /* as the administrator writes it */
    const char *element, *inner; /* inner NULL: the text stands in the element itself */
    const char *flags[2];        /* empty elements in front of the text */
    bool is_repeated;            /* one element a value */
};

static const struct vcard_field fields[] = {
    { "FN", "FN", NULL, { NULL }, false },
    { "N/FAMILY", "N", "FAMILY", { NULL }, false },
    { "N/GIVEN", "N", "GIVEN", { NULL }, false },
    { "N/MIDDLE", "N", "MIDDLE", { NULL }, false },
    { "N/PREFIX", "N", "PREFIX", { NULL }, false },
    { "N/SUFFIX", "N", "SUFFIX", { NULL }, false },
    { "NICKNAME", "NICKNAME", NULL, { NULL }, false },
    { "BDAY", "BDAY", NULL, { NULL }, false },
    { "ADR/POBOX", "ADR", "POBOX", { "WORK" }, false },
    { "ADR/EXTADD", "ADR", "EXTADD", { "WORK" }, false },
    { "ADR/STREET", "ADR", "STREET", { "WORK" }, false },
    { "ADR/LOCALITY", "ADR", "LOCALITY", { "WORK" }, false },
    { "ADR/REGION", "ADR", "REGION", { "WORK" }, false },
    { "ADR/PCODE", "ADR", "PCODE", { "WORK" }, false },
    { "ADR/CTRY", "ADR", "CTRY", { "WORK" }, false },
    { "TEL/NUMBER", "TEL", "NUMBER", { "WORK", "VOICE" }, true },
    { "TEL/CELL", "TEL", "NUMBER", { "WORK", "CELL" }, true },
    { "TEL/FAX", "TEL", "NUMBER", { "WORK", "FAX" }, true },
    { "TEL/PAGER", "TEL", "NUMBER", { "WORK", "PAGER" }, true },
    { "TEL/HOME", "TEL", "NUMBER", { "HOME", "VOICE" }, true },
    { "EMAIL/USERID", "EMAIL", "USERID", { "WORK", "INTERNET" }, true },
    { "TZ", "TZ", NULL, { NULL }, false },
    { "TITLE", "TITLE", NULL, { NULL }, false },
    { "ROLE", "ROLE", NULL, { NULL }, false },
    { "ORG/ORGNAME", "ORG", "ORGNAME", { NULL }, false },
    { "ORG/ORGUNIT", "ORG", "ORGUNIT", { NULL }, false },
    { "NOTE", "NOTE", NULL, { NULL }, false },
    { "UID", "UID", NULL, { NULL }, false },
    { "URL", "URL", NULL, { NULL }, false },
    { "DESC", "DESC", NULL, { NULL }, false },
    { "PHOTO/BINVAL", "PHOTO", "BINVAL", { NULL }, false },
};

static const char *const standard[] = {
    "FN=displayName",          "FN=cn",
    "N/GIVEN=givenName",       "N/FAMILY=sn",
    "EMAIL/USERID=mail",       "TEL/NUMBER=telephoneNumber",
    "ORG/ORGNAME=o",           "ORG/ORGNAME=company",
    "ORG/ORGUNIT=ou",          "ORG/ORGUNIT=department",
    "TITLE=title",             "PHOTO/BINVAL=thumbnailPhoto",
    "PHOTO/BINVAL=jpegPhoto",
};

/* --- the mapping ------------------------------------------------------------------------------ */

static bool is_attribute(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

    return n > 0 && text[n] == '\0';
}

static bool add_row(struct vcard_map *map, const char *item)
{
    struct str rest = str_from(item), path = str_cut(&rest, '=');

    if (map->count == VCARD_MAX_ROWS || !str_is_set(rest) || !is_attribute(rest.p))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (str_is(path, fields[i].path)) {
            map->rows[map->count++] = (struct vcard_row){ &fields[i], rest.p };
            return true;
        }
    return false;
}

enum err vcard_map_read(const struct conf_list *list, struct vcard_map *out, struct buf *why)
{
    out->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool is_good = true;

        if (strcmp(list->items[i], "standard") == 0)
            for (size_t k = 0; k < ARRAY_LEN(standard) && is_good; k++)
                is_good = add_row(out, standard[k]);
        else
            is_good = add_row(out, list->items[i]);
        if (!is_good) {
            buf_printf(why, "expected FIELD=attribute with a field of vCards, or standard, not \"%s\"",
                       list->items[i]);
            return ERR_MALFORMED;
        }
    }
    return ERR_OK;
}

const char *const *vcard_map_attributes(const struct vcard_map *map, struct arena *arena)
{
    const char **names = arena_alloc(arena, (map->count + 1) * sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < map->count; i++) {
        bool is_there = false;

        for (size_t k = 0; k < n; k++)
            is_there |= strcasecmp(map->rows[i].attribute, names[k]) == 0;
        if (!is_there) /* an attribute twice in one request is an error to some servers */
            names[n++] = map->rows[i].attribute;
    }
    names[n] = NULL;
    return names;
}

/* --- an entry --------------------------------------------------------------------------------- */

const char *vcard_photo_type(struct str bytes)
{
    if (str_starts_with(bytes, STR("\xff\xd8\xff")))
        return "image/jpeg";
    if (str_starts_with(bytes, STR("\x89PNG\r\n\x1a\n")))
        return "image/png";
    return NULL;
}

static bool is_text(struct str value)
{
    if (value.n == 0 || value.n > MAX_TEXT || !str_is_utf8(value))
        return false;
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' && !strchr("\t\r\n", value.p[i]))
            return false;
    return str_trim(value).n > 0;
}

static void add_inner(struct xml *at, const struct vcard_field *f, struct str value,
                      struct arena *arena)
{
    xml_add_text(f->inner ? xml_add(at, arena, NULL, f->inner) : at, arena, value);
}

static struct xml *add_element(struct xml *card, const struct vcard_field *f, struct arena *arena)
{
    struct xml *x = xml_add(card, arena, NULL, f->element);

    for (size_t i = 0; i < ARRAY_LEN(f->flags) && f->flags[i]; i++)
        xml_add(x, arena, NULL, f->flags[i]);
    return x;
}

static bool add_photo(struct xml *card, const struct vcard_field *f, struct str bytes, size_t most,
                      struct arena *arena)
{
    const char *type = vcard_photo_type(bytes);
    struct buf text = { 0 };
    struct xml *photo;

    if (!type || bytes.n > most)
        return false;
    photo = xml_add(card, arena, NULL, f->element);
    xml_add_text(xml_add(photo, arena, NULL, "TYPE"), arena, str_from(type));
    buf_add_base64(&text, bytes); /* without line feeds: XEP-0153 §3.1, RFC 4648 §3.1 */
    add_inner(photo, f, buf_str(&text), arena);
    buf_fini(&text);
    return true;
}

/* Whether the row had a value that could be shown. */
static bool add_values(struct xml *card, const struct vcard_field *f,
                       const struct directory_attribute *a, size_t max_photo, struct arena *arena)
{
    bool is_photo = strcmp(f->element, "PHOTO") == 0;
    size_t n = 0;

    for (size_t i = 0; i < a->count && n < MAX_VALUES; i++) {
        struct xml *x = f->is_repeated ? NULL : xml_child(card, NULL, f->element);

        if (is_photo && add_photo(card, f, a->values[i], max_photo, arena))
            return true;
        if (is_photo || !is_text(a->values[i]))
            continue;
        add_inner(x ? x : add_element(card, f, arena), f, a->values[i], arena);
        n++;
        if (!f->is_repeated)
            break;
    }
    return n > 0;
}

struct xml *vcard_of_entry(const struct vcard_map *map, const struct directory_entry *e,
                           size_t max_photo, struct arena *arena)
{
    struct xml *card = xml_new(arena, NS_VCARD, "vCard");

    for (size_t f = 0; f < ARRAY_LEN(fields); f++)
        for (size_t i = 0; i < map->count; i++) {
            const struct vcard_row *row = &map->rows[i];
            const struct directory_attribute *a;

            if (row->field != &fields[f])
                continue;
            a = directory_entry_find(e, row->attribute);
            if (a && add_values(card, &fields[f], a, max_photo, arena) && !fields[f].is_repeated)
                break;
        }
    return card->first ? card : NULL;
}

/* --- two vCards ------------------------------------------------------------------------------- */

static size_t size_of(const struct xml *x)
{
    struct buf out = { 0 };
    size_t n;

    xml_write(&out, x, STR(NS_VCARD));
    n = out.n;
    buf_fini(&out);
    return n;
}

static const struct xml *counterpart(const struct xml *card, const struct xml *x)
{
    for (const struct xml *at = card ? xml_child(card, NULL, NULL) : NULL; at;
         at = xml_next(at, NULL, NULL))
        if (str_eq(at->name, x->name))
            return at;
    return NULL;
}

struct xml *vcard_merge(const struct xml *first, const struct xml *second, size_t max_bytes,
                        struct arena *arena)
{
    const struct xml *both[] = { first, second };
    struct xml *card = xml_new(arena, NS_VCARD, "vCard");
    size_t bytes = size_of(card);

    if (!first && !second)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        for (const struct xml *x = both[i] ? xml_child(both[i], NULL, NULL) : NULL; x;
             x = xml_next(x, NULL, NULL)) {
            size_t n = size_of(x);

            if ((i > 0 && counterpart(first, x)) || bytes + n > max_bytes)
                continue;
            bytes += n;
            xml_append(card, xml_copy(x, arena));
        }
    return card;
}

static bool is_same_photo(const struct xml *a, const struct xml *b, struct arena *arena)
{
    const struct xml *values[] = { xml_child(a, NULL, "BINVAL"), xml_child(b, NULL, "BINVAL") };
    struct buf bytes[2] = { { 0 }, { 0 } };
    bool is_same = true;

    for (size_t i = 0; i < 2; i++) {
        struct str text = values[i] ? xml_text(values[i], arena) : STR("");
        struct buf dense = { 0 };

        for (size_t k = 0; k < text.n; k++)
            if (!strchr(" \t\r\n", text.p[k]))
                buf_add_char(&dense, text.p[k]);
        is_same &= buf_add_base64_decoded(&bytes[i], buf_str(&dense)) == ERR_OK;
        buf_fini(&dense);
    }
    is_same &= str_eq(buf_str(&bytes[0]), buf_str(&bytes[1]));
    buf_fini(&bytes[0]);
    buf_fini(&bytes[1]);
    return is_same;
}

bool vcard_strip(struct xml *own, const struct xml *first, struct arena *arena)
{
    struct xml *x = xml_child(own, NULL, NULL), *following;
    bool is_other = false;

    for (; x; x = following) {
        const struct xml *held = counterpart(first, x);

        following = xml_next(x, NULL, NULL);
        if (!held)
            continue;
        is_other |= str_is(x->name, "PHOTO") && !is_same_photo(x, held, arena);
        xml_remove(x);
    }
    return is_other;
}
