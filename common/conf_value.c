/* Values of configuration keys, type by type. See conf_value.h. */
#include "common/conf_value.h"

#include "common/mem.h"

#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* The largest first: how a value is written is found from the top. */
static const struct unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 }
};
static const struct unit size_units[] = {
    { "G", 1 << 30 }, { "M", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { NULL, 0 }
};

static enum err parse_units(struct str text, const struct unit *units, int64_t bare_factor,
                            int64_t *out_value)
{
    struct str digits = text, suffix;
    int64_t value, factor = 0;

    while (digits.n > 0 && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
        digits.n--;
    suffix = str_of(text.p + digits.n, text.n - digits.n);
    for (; units->name && factor == 0; units++)
        if (suffix.n > 0 && str_eq_nocase(suffix, str_from(units->name)))
            factor = units->factor;
    if (suffix.n == 0)
        factor = bare_factor;
    if (factor == 0 || str_to_i64(digits, &value) != ERR_OK ||
        __builtin_mul_overflow(value, factor, out_value))
        return ERR_MALFORMED;
    return ERR_OK;
}

static bool has_range(const struct conf_key *key)
{
    return key->min != 0 || key->max != 0;
}

static bool is_in_range(const struct conf_key *key, int64_t value)
{
    return !has_range(key) || (value >= key->min && value <= key->max);
}

static enum err set_number(const struct conf_key *key, int64_t *target, struct str text)
{
    int64_t value = 0;
    enum err e;

    if (key->type == CONF_DURATION)
        e = parse_units(text, duration_units, 1000, &value);
    else if (key->type == CONF_SIZE)
        e = parse_units(text, size_units, 1, &value);
    else
        e = str_to_i64(text, &value);
    if (e != ERR_OK || !is_in_range(key, value) || (key->type != CONF_INT && value < 0))
        return ERR_MALFORMED;
    *target = value;
    return ERR_OK;
}

static enum err set_bool(bool *target, struct str text)
{
    static const char *const on[] = { "yes", "true", "on" }, *const off[] = { "no", "false",
                                                                              "off" };

    for (size_t i = 0; i < ARRAY_LEN(on); i++) {
        if (str_eq_nocase(text, str_from(on[i])) || str_eq_nocase(text, str_from(off[i]))) {
            *target = str_eq_nocase(text, str_from(on[i]));
            return ERR_OK;
        }
    }
    return ERR_MALFORMED;
}

static enum err set_choice(const struct conf_key *key, int *target, struct str text)
{
    for (int i = 0; key->choices[i]; i++) {
        if (str_is(text, key->choices[i])) {
            *target = i;
            return ERR_OK;
        }
    }
    return ERR_MALFORMED;
}

static void replace_text(char **target, char *text)
{
    mem_free(*target);
    *target = text;
}

/* An empty text means what an absent key means, so that "${NAME:-}" may leave a key out. */
static enum err set_text(const struct conf_key *key, char **target, struct str text,
                         const char *folder)
{
    struct buf path = { 0 };

    if (text.n == 0) {
        replace_text(target, NULL);
        return key->fallback ? ERR_OK : ERR_MALFORMED;
    }
    if (!str_is_utf8(text))
        return ERR_MALFORMED;
    if (key->type == CONF_PATH && text.p[0] != '/')
        buf_printf(&path, "%s/", folder);
    buf_add(&path, text);
    replace_text(target, str_dup(buf_str(&path)));
    buf_fini(&path);
    return ERR_OK;
}

static void add_item(struct conf_list *list, struct str text)
{
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = str_dup(text);
}

enum err conf_value_set(const struct conf_key *key, void *target, struct str text,
                        const char *folder)
{
    switch (key->type) {
    case CONF_TEXT:
    case CONF_PATH:
        return set_text(key, target, text, folder);
    case CONF_INT:
    case CONF_DURATION:
    case CONF_SIZE:
        return set_number(key, target, text);
    case CONF_BOOL:
        return set_bool(target, text);
    case CONF_CHOICE:
        return set_choice(key, target, text);
    case CONF_LIST:
        if (text.n == 0 || !str_is_utf8(text))
            return ERR_MALFORMED;
        add_item(target, text);
        return ERR_OK;
    }
    return ERR_MALFORMED;
}

/* {"a", "b"} or a, b */
static void set_list_fallback(const struct conf_key *key, struct conf_list *list)
{
    struct str rest = str_trim(str_from(key->fallback));

    if (str_starts_with(rest, STR("{")) && str_ends_with(rest, STR("}")))
        rest = str_trim(str_of(rest.p + 1, rest.n - 2));
    while (rest.n > 0) {
        struct str item = str_trim(str_cut(&rest, ','));

        if (item.n > 1 && item.p[0] == '"')
            item = str_of(item.p + 1, item.n - 2);
        add_item(list, item);
    }
}

void conf_value_set_fallback(const struct conf_key *key, void *target, const char *folder)
{
    if (!key->fallback || key->fallback[0] == '\0')
        return;
    if (key->type == CONF_LIST)
        set_list_fallback(key, target);
    else
        ASSERT(conf_value_set(key, target, str_from(key->fallback), folder) == ERR_OK);
}

static void free_list(struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mem_free(list->items[i]);
    mem_free(list->items);
    *list = (struct conf_list){ 0 };
}

void conf_value_free(const struct conf_key *key, void *target)
{
    if (key->type == CONF_LIST)
        free_list(target);
    else if (key->type == CONF_TEXT || key->type == CONF_PATH)
        replace_text(target, NULL);
}

static bool is_equal_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_equal_list(const struct conf_list *a, const struct conf_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_equal_text(a->items[i], b->items[i]))
            return false;
    return true;
}

bool conf_value_is_equal(const struct conf_key *key, const void *a, const void *b)
{
    switch (key->type) {
    case CONF_TEXT:
    case CONF_PATH:
        return is_equal_text(*(char *const *)a, *(char *const *)b);
    case CONF_INT:
    case CONF_DURATION:
    case CONF_SIZE:
        return *(const int64_t *)a == *(const int64_t *)b;
    case CONF_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CONF_CHOICE:
        return *(const int *)a == *(const int *)b;
    case CONF_LIST:
        return is_equal_list(a, b);
    }
    return true;
}

static void write_number(const struct conf_key *key, int64_t value, struct buf *out)
{
    const struct unit *unit = key->type == CONF_DURATION ? duration_units : size_units;

    if (key->type == CONF_INT || value == 0) {
        buf_printf(out, "%lld", (long long)value);
        return;
    }
    while (value % unit->factor != 0)
        unit++;
    buf_printf(out, "%lld%s", (long long)(value / unit->factor), unit->name);
}

static void describe_choices(const struct conf_key *key, struct buf *out)
{
    buf_add(out, STR("one of "));
    for (int i = 0; key->choices[i]; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", key->choices[i]);
}

void conf_value_describe(const struct conf_key *key, struct buf *out)
{
    static const char *const names[] = {
        [CONF_TEXT] = "a text",
        [CONF_PATH] = "a path",
        [CONF_INT] = "a whole number",
        [CONF_BOOL] = "yes or no",
        [CONF_DURATION] = "a duration as 500ms, 2s, 5m, 1h or 7d",
        [CONF_SIZE] = "a size as 512, 64k, 16M or 1G",
        [CONF_LIST] = "a list of texts",
    };

    if (key->type == CONF_CHOICE) {
        describe_choices(key, out);
        return;
    }
    buf_add(out, str_from(names[key->type]));
    if (!has_range(key))
        return;
    buf_add(out, key->type == CONF_LIST ? STR(", their number from ") : STR(", from "));
    write_number(key, key->min, out);
    buf_add(out, STR(" to "));
    write_number(key, key->max, out);
}
