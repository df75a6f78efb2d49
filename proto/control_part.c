#include "proto/control_part.h"

#include "common/mem.h"
#include "proto/control.h"
#include "proto/ns.h"

void control_put(struct buf *out, const char *name, struct str value)
{
    if (!str_is_set(value))
        return;
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    xml_escape(out, value);
    buf_add_char(out, '\'');
}

void control_put_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    buf_add_u64(out, value);
    buf_add_char(out, '\'');
}

void control_put_hex(struct buf *out, const char *name, struct str bytes)
{
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    buf_add_hex(out, bytes);
    buf_add_char(out, '\'');
}

void control_put_base64(struct buf *out, const char *name, struct str bytes)
{
    if (!str_is_set(bytes))
        return;
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    buf_add_base64(out, bytes);
    buf_add_char(out, '\'');
}

void control_put_texts(struct buf *out, const struct control_attr *attrs, size_t count,
                       const void *from)
{
    for (size_t i = 0; i < count; i++) {
        struct str value;

        memcpy(&value, (const char *)from + attrs[i].at, sizeof value);
        control_put(out, attrs[i].name, value);
    }
}

enum err control_get_texts(const struct xml *x, const struct control_attr *attrs, size_t count,
                           void *to)
{
    for (size_t i = 0; i < count; i++) {
        struct str value = xml_attr(x, attrs[i].name);

        if (attrs[i].is_needed && value.n == 0)
            return ERR_MALFORMED;
        memcpy((char *)to + attrs[i].at, &value, sizeof value);
    }
    return ERR_OK;
}

enum err control_get_u64(const struct xml *x, const char *name, uint64_t *out_value)
{
    return str_to_u64(xml_attr(x, name), out_value);
}

enum err control_get_flag(const struct xml *x, const char *name, bool *out_value)
{
    struct str value = xml_attr(x, name);

    if (str_is_set(value) && !str_is(value, "1") && !str_is(value, "0"))
        return ERR_MALFORMED;
    *out_value = str_is(value, "1");
    return ERR_OK;
}

enum err control_get_hex(const struct xml *x, const char *name, uint8_t *out_bytes, size_t n)
{
    struct str value = xml_attr(x, name);
    struct buf bytes = { 0 };
    enum err e = ERR_MALFORMED;

    if (value.n == 2 * n)
        e = buf_add_hex_decoded(&bytes, value);
    if (e == ERR_OK)
        memcpy(out_bytes, bytes.p, n);
    buf_fini(&bytes);
    return e;
}

enum err control_get_word(const struct xml *x, const char *name, const char *const *names,
                          unsigned *out_index)
{
    struct str value = xml_attr(x, name);

    for (unsigned i = 0; names[i]; i++)
        if (str_is(value, names[i])) {
            *out_index = i;
            return ERR_OK;
        }
    return ERR_MALFORMED;
}

enum err control_base64(struct str text, struct arena *arena, struct str *out_bytes)
{
    struct buf bytes = { 0 };
    enum err e = buf_add_base64_decoded(&bytes, text);

    if (e == ERR_OK)
        *out_bytes = arena_str(arena, bytes.n > 0 ? buf_str(&bytes) : STR(""));
    if (bytes.n > 0)
        mem_wipe(bytes.p, bytes.n);
    buf_fini(&bytes);
    return e;
}

bool control_is_hex(struct str text, size_t digits)
{
    if (text.n != digits)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!((text.p[i] >= '0' && text.p[i] <= '9') || (text.p[i] >= 'a' && text.p[i] <= 'f')))
            return false;
    return true;
}

bool control_is_conn(struct str text)
{
    uint64_t number;

    return text.n > 17 && control_is_hex(str_of(text.p, 16), 16) && text.p[16] == '-' &&
           str_to_u64(str_of(text.p + 17, text.n - 17), &number) == ERR_OK;
}

enum err control_count(const struct xml *x, const char *name, size_t *out_count)
{
    size_t n = 0;

    for (const struct xml *c = xml_child(x, NS_LINK, name); c; c = xml_next(c, NS_LINK, name))
        if (++n > CONTROL_MAX_ENTRIES)
            return ERR_LIMIT;
    *out_count = n;
    return ERR_OK;
}
