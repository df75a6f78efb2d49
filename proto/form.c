/* Data forms: form.h. XEP-0004 §3, XEP-0068. */
#include "proto/form.h"

#include "proto/ns.h"

static struct form_field *find(const struct form *form, struct str var)
{
    for (size_t i = 0; i < form->count; i++)
        if (str_eq(form->fields[i].var, var))
            return (struct form_field *)&form->fields[i];
    return NULL;
}

static void read_values(const struct xml *el, struct arena *arena, struct form_field *field)
{
    const struct xml *value = xml_child(el, NS_DATA_FORMS, "value");

    field->values = arena_alloc(arena, (xml_child_count(el) + 1) * sizeof *field->values);
    for (; value; value = xml_next(value, NS_DATA_FORMS, "value"))
        field->values[field->count++] = xml_text(value, arena);
}

static enum err read_field(const struct xml *el, struct arena *arena, struct form *form)
{
    struct form_field field = { .var = xml_attr(el, "var") };

    if (!str_is_set(field.var)) /* text for humans (§3.3) */
        return str_is(xml_attr(el, "type"), "fixed") ? ERR_OK : ERR_MALFORMED;
    read_values(el, arena, &field);
    if (str_is(field.var, "FORM_TYPE")) {
        if (str_is_set(form->type))
            return ERR_MALFORMED;
        return form_one(&field, &form->type);
    }
    if (form->count == FORM_MAX_FIELDS || find(form, field.var))
        return ERR_MALFORMED;
    form->fields[form->count++] = field;
    return ERR_OK;
}

enum err form_read(const struct xml *x, struct arena *arena, struct form *out_form)
{
    const struct xml *el = xml_child(x, NS_DATA_FORMS, "field");
    enum err e = str_is(xml_attr(x, "type"), "submit") ? ERR_OK : ERR_MALFORMED;

    *out_form = (struct form){ .count = 0 };
    for (; e == ERR_OK && el; el = xml_next(el, NS_DATA_FORMS, "field"))
        e = read_field(el, arena, out_form);
    return e;
}

const struct form_field *form_get(const struct form *form, const char *var)
{
    return find(form, str_from(var));
}

enum err form_one(const struct form_field *field, struct str *out_value)
{
    if (field->count != 1)
        return ERR_MALFORMED;
    *out_value = field->values[0];
    return ERR_OK;
}

enum err form_bool(const struct form_field *field, bool *out_value)
{
    struct str value;
    enum err e = form_one(field, &value);

    if (e != ERR_OK)
        return e;
    *out_value = str_is(value, "true") || str_is(value, "1");
    return *out_value || str_is(value, "false") || str_is(value, "0") ? ERR_OK : ERR_MALFORMED;
}

struct xml *form_new(struct arena *arena, const char *form_type)
{
    struct xml *x = xml_new(arena, NS_DATA_FORMS, "x");

    xml_set(x, arena, "type", STR("form"));
    xml_add_text(xml_add(form_add(x, arena, "FORM_TYPE", "hidden"), arena, NULL, "value"), arena,
                 str_from(form_type));
    return x;
}

struct xml *form_add(struct xml *x, struct arena *arena, const char *var, const char *type)
{
    struct xml *field = xml_add(x, arena, NULL, "field");

    xml_set(field, arena, "var", str_from(var));
    xml_set(field, arena, "type", str_from(type));
    return field;
}
