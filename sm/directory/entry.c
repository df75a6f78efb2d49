/* See entry.h. */
#include "sm/directory/entry.h"

#include "sm/directory/filter.h"

#include <ldap.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

#include <stdlib.h>

/* --- looking -----------------------------------------------------------------------------------
 */

static const struct str *copy_values(const struct directory_attribute *a, struct arena *arena)
{
    struct str *values = arena_alloc(arena, a->count * sizeof *values);

    for (size_t i = 0; i < a->count; i++)
        values[i] = arena_str(arena, a->values[i]);
    return values;
}

const struct directory_entry *directory_entry_copy(const struct directory_entry *e,
                                                   struct arena *arena)
{
    struct directory_entry *copy = arena_new(arena, struct directory_entry);
    struct directory_attribute *attributes = arena_alloc(arena, e->count * sizeof *attributes);

    for (size_t i = 0; i < e->count; i++)
        attributes[i] = (struct directory_attribute){
            .name = arena_str(arena, e->attributes[i].name),
            .count = e->attributes[i].count,
            .values = copy_values(&e->attributes[i], arena),
        };
    *copy = (struct directory_entry){ arena_str(arena, e->dn), e->count, attributes };
    return copy;
}

const struct directory_attribute *directory_entry_find(const struct directory_entry *e,
                                                       const char *name)
{
    for (size_t i = 0; e && i < e->count; i++)
        if (str_eq_nocase(e->attributes[i].name, str_from(name)))
            return &e->attributes[i];
    return NULL;
}

struct str directory_entry_text(const struct directory_entry *e, const char *name)
{
    const struct directory_attribute *a = directory_entry_find(e, name);

    return a && a->count > 0 ? a->values[0] : STR_NONE;
}

const char *const *directory_names_copy(const char *const *names, struct arena *arena)
{
    const char **copy;
    size_t n = 0;

    if (!names)
        return NULL;
    while (names[n])
        n++;
    copy = arena_alloc(arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_str(arena, str_from(names[i])).p;
    return copy;
}

/* --- keys --------------------------------------------------------------------------------------
 */

enum { GUID_BYTES = 16, MAX_KEY_BYTES = 255 };

static bool is_text(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] > '~')
            return false;
    return value.n > 0;
}

/* entryUUID is text; objectGUID is 16 bytes, which may look like text: then they are no UUID. */
void directory_entry_add_key(const struct directory_entry *e, const char *key_attribute,
                             struct buf *out)
{
    const struct directory_attribute *a = directory_entry_find(e, key_attribute);
    struct str value = a && a->count == 1 ? a->values[0] : STR("");

    if (value.n == 0 || value.n > MAX_KEY_BYTES)
        return;
    if (value.n != GUID_BYTES && is_text(value))
        buf_add(out, value);
    else
        buf_add_hex(out, value);
}

static void add_equal(struct buf *out, const char *attribute, struct str value)
{
    buf_printf(out, "(%s=", attribute);
    directory_filter_add_value(out, value);
    buf_add_char(out, ')');
}

/* Hexadecimal digits may be the text itself, or stand for bytes. */
void directory_filter_add_key(struct buf *out, const char *key_attribute, struct str key)
{
    struct buf bytes = { 0 };

    if (buf_add_hex_decoded(&bytes, key) == ERR_OK && bytes.n > 0) {
        buf_add(out, STR("(|"));
        add_equal(out, key_attribute, key);
        add_equal(out, key_attribute, buf_str(&bytes));
        buf_add_char(out, ')');
    } else {
        add_equal(out, key_attribute, key);
    }
    buf_fini(&bytes);
}

/* --- names of entries --------------------------------------------------------------------------
 */

/* Case folded and normalised where it is text; spaces inside count once. */
static void add_folded(struct buf *out, struct str value)
{
    size_t n = 0;
    uint8_t *folded = u8_casefold((const uint8_t *)value.p, value.n, NULL, UNINORM_NFKC, NULL, &n);
    struct str text = folded ? str_trim(str_of(folded, n)) : value;
    bool was_space = false;

    for (size_t i = 0; i < text.n; i++) {
        bool is_space = text.p[i] == ' ';

        if (text.p[i] == '\\' || text.p[i] == ',' || text.p[i] == '+' || text.p[i] == '=')
            buf_add_char(out, '\\');
        if (!is_space || !was_space)
            buf_add_char(out, text.p[i]);
        was_space = is_space;
    }
    free(folded);
}

static void add_lower(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        buf_add_char(out,
                     text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i]);
}

enum err directory_dn_fold(struct str dn, struct buf *out)
{
    struct berval value = { .bv_len = dn.n, .bv_val = (char *)(uintptr_t)dn.p };
    LDAPDN parts = NULL;

    if (ldap_bv2dn(&value, &parts, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return ERR_MALFORMED;
    for (size_t i = 0; parts && parts[i]; i++)
        for (size_t j = 0; parts[i][j]; j++) {
            const LDAPAVA *ava = parts[i][j];

            if (i > 0 || j > 0)
                buf_add_char(out, j > 0 ? '+' : ',');
            add_lower(out, str_of(ava->la_attr.bv_val, ava->la_attr.bv_len));
            buf_add_char(out, '=');
            add_folded(out, str_of(ava->la_value.bv_val, ava->la_value.bv_len));
        }
    ldap_dnfree(parts);
    return ERR_OK;
}

/* --- ranges ------------------------------------------------------------------------------------
 */

static bool read_number(struct str text, uint32_t *out)
{
    uint64_t value;

    if (str_to_u64(text, &value) != ERR_OK || value >= UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool directory_range_read(struct str name, struct str *out_base, uint32_t *out_first,
                          uint32_t *out_last)
{
    struct str rest = name, base = str_cut(&rest, ';'), first;

    if (!str_is_set(rest) || rest.n < strlen("range=") ||
        !str_eq_nocase(str_of(rest.p, strlen("range=")), STR("range=")))
        return false;
    rest = str_of(rest.p + strlen("range="), rest.n - strlen("range="));
    first = str_cut(&rest, '-');
    if (!str_is_set(rest) || !read_number(first, out_first))
        return false;
    *out_last = UINT32_MAX;
    if (!str_is(rest, "*") && (!read_number(rest, out_last) || *out_last < *out_first))
        return false;
    *out_base = base;
    return true;
}
