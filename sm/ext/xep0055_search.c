/* XEP-0055 Jabber Search: people of a host's directory, at an address of its own (search.HOST), where
 * clients look for such services: among disco#items of the server. Only for accounts of the host. */
#include "proto/form.h"
#include "sm/ext/list.h"

#include <string.h>

static const struct {
    const char *var, *label;
    bool is_legacy; /* §2.1: fields without a form */
} known[] = {
    { "first", "Given name", true },
    { "last", "Family name", true },
    { "nick", "Nickname", true },
    { "email", "Mail", true },
    { "jid", "Address", false },
    { "name", "Name", false },
};

static bool is_legacy(struct str var)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(var, known[i].var))
            return known[i].is_legacy;
    return false;
}

static void set_label(struct xml *field, struct arena *arena, struct str var)
{
    xml_set(field, arena, "label", var);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(var, known[i].var))
            xml_set(field, arena, "label", str_from(known[i].label));
}

static void add_text(struct xml *parent, struct arena *arena, const char *name, struct str text)
{
    xml_add_text(xml_add(parent, arena, NULL, name), arena, text);
}

/* --- what it is ------------------------------------------------------------------------------- */

static enum stanza_error on_info(struct iq *iq)
{
    static const char *const vars[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NS_SEARCH };
    struct arena *arena = iq_arena(iq);
    struct xml *query = xml_new(arena, NS_DISCO_INFO, "query"), *identity;

    if (xml_attr(iq->child, "node").n > 0)
        return STANZA_ITEM_NOT_FOUND;
    identity = xml_add(query, arena, NULL, "identity");
    xml_set(identity, arena, "category", STR("directory"));
    xml_set(identity, arena, "type", STR("user"));
    xml_set(identity, arena, "name", STR("People"));
    for (size_t i = 0; i < ARRAY_LEN(vars); i++)
        xml_set(xml_add(query, arena, NULL, "feature"), arena, "var", str_from(vars[i]));
    iq_reply(iq, query);
    return STANZA_OK;
}

static enum stanza_error on_items(struct iq *iq)
{
    iq_reply(iq, xml_new(iq_arena(iq), NS_DISCO_ITEMS, "query"));
    return STANZA_OK;
}

static void extend_items(struct iq *iq, struct xml *query)
{
    const char *domain = ext_search_domain(iq);
    struct xml *item;

    if (!domain)
        return;
    item = xml_add(query, iq_arena(iq), NULL, "item");
    xml_set(item, iq_arena(iq), "jid", str_from(domain));
    xml_set(item, iq_arena(iq), "name", STR("People"));
}

/* --- fields (§2.1, §3) ------------------------------------------------------------------------ */

static const char instructions[] = "Fill in the beginning of one or more of these.";

static enum stanza_error on_get(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *query = xml_new(arena, NS_SEARCH, "query"), *x, *field;
    struct str *vars;
    size_t n = ext_search_fields(iq, &vars);

    add_text(query, arena, "instructions", str_from(instructions));
    for (size_t i = 0; i < n; i++)
        if (is_legacy(vars[i]))
            xml_add(query, arena, NULL, arena_str(arena, vars[i]).p);
    x = form_new(arena, NS_SEARCH);
    add_text(x, arena, "title", STR("People"));
    add_text(x, arena, "instructions", str_from(instructions));
    for (size_t i = 0; i < n; i++) {
        field = form_add(x, arena, arena_str(arena, vars[i]).p, "text-single");
        set_label(field, arena, vars[i]);
    }
    xml_append(query, x);
    iq_reply(iq, query);
    return STANZA_OK;
}

/* --- results ---------------------------------------------------------------------------------- */

static void add_legacy(struct iq *iq, struct xml *query, const struct str *vars, size_t n,
                       const struct ext_people *found)
{
    struct arena *arena = iq_arena(iq);

    for (size_t i = 0; i < found->count; i++) {
        struct xml *item = xml_add(query, arena, NULL, "item");

        xml_set(item, arena, "jid", found->people[i].jid);
        for (size_t k = 0; k < n; k++)
            if (is_legacy(vars[k]))
                add_text(item, arena, arena_str(arena, vars[k]).p,
                         str_is_set(found->people[i].values[k]) ? found->people[i].values[k]
                                                                : STR(""));
    }
}

static void add_reported(struct xml *reported, struct arena *arena, struct str var,
                         const char *type)
{
    struct xml *field = xml_add(reported, arena, NULL, "field");

    xml_set(field, arena, "var", var);
    xml_set(field, arena, "type", str_from(type));
    set_label(field, arena, var);
}

static void add_value(struct xml *item, struct arena *arena, struct str var, struct str value)
{
    struct xml *field;

    if (!str_is_set(value))
        return;
    field = xml_add(item, arena, NULL, "field");
    xml_set(field, arena, "var", var);
    add_text(field, arena, "value", value);
}

static void add_form(struct iq *iq, struct xml *query, const struct str *vars, size_t n,
                     const struct ext_people *found)
{
    struct arena *arena = iq_arena(iq);
    struct xml *x = form_new(arena, NS_SEARCH), *reported, *item;

    xml_set(x, arena, "type", STR("result"));
    if (found->is_cut)
        add_text(x, arena, "instructions", STR("There are more: say more of whom you look for."));
    reported = xml_add(x, arena, NULL, "reported");
    add_reported(reported, arena, STR("jid"), "jid-single");
    add_reported(reported, arena, STR("name"), "text-single");
    for (size_t i = 0; i < n; i++)
        add_reported(reported, arena, vars[i], "text-single");
    for (size_t i = 0; i < found->count; i++) {
        item = xml_add(x, arena, NULL, "item");
        add_value(item, arena, STR("jid"), found->people[i].jid);
        add_value(item, arena, STR("name"), found->people[i].name);
        for (size_t k = 0; k < n; k++)
            add_value(item, arena, vars[k], found->people[i].values[k]);
    }
    xml_append(query, x);
}

static void on_found(struct iq *iq, enum stanza_error e, const struct ext_people *found)
{
    struct xml *query = xml_new(iq_arena(iq), NS_SEARCH, "query");
    struct str *vars;
    size_t n = ext_search_fields(iq, &vars);

    if (e == STANZA_OK && n != found->fields) /* the configuration is another now */
        e = STANZA_RESOURCE_CONSTRAINT;
    if (e != STANZA_OK) {
        iq_error(iq, e, NULL);
        return;
    }
    if (xml_child(iq->child, NS_DATA_FORMS, "x"))
        add_form(iq, query, vars, n, found);
    else
        add_legacy(iq, query, vars, n, found);
    iq_reply(iq, query);
}

/* --- a search --------------------------------------------------------------------------------- */

static enum stanza_error read_form(struct iq *iq, const struct xml *x, const struct str *vars,
                                   size_t n, struct str *terms)
{
    struct form *form = arena_new(iq_arena(iq), struct form);

    if (form_read(x, iq_arena(iq), form) != ERR_OK)
        return STANZA_BAD_REQUEST;
    for (size_t i = 0; i < n; i++) {
        const struct form_field *field = form_get(form, arena_str(iq_arena(iq), vars[i]).p);

        if (field && field->count > 0 && form_one(field, &terms[i]) != ERR_OK)
            return STANZA_BAD_REQUEST;
    }
    return STANZA_OK;
}

static void read_legacy(struct iq *iq, const struct str *vars, size_t n, struct str *terms)
{
    for (size_t i = 0; i < n; i++) {
        const struct xml *x = is_legacy(vars[i])
                                  ? xml_child(iq->child, NS_SEARCH, arena_str(iq_arena(iq), vars[i]).p)
                                  : NULL;

        if (x)
            terms[i] = xml_text(x, iq_arena(iq));
    }
}

static enum stanza_error on_set(struct iq *iq)
{
    const struct xml *x = xml_child(iq->child, NS_DATA_FORMS, "x");
    struct str *vars, *terms;
    size_t n = ext_search_fields(iq, &vars);
    enum stanza_error e = STANZA_OK;

    terms = arena_alloc(iq_arena(iq), (n + 1) * sizeof *terms);
    if (x)
        e = read_form(iq, x, vars, n, terms);
    else
        read_legacy(iq, vars, n, terms);
    return e == STANZA_OK ? ext_search(iq, terms, on_found) : e;
}

static const struct ext_iq iqs[] = {
    { IQ_GET, NS_DISCO_INFO, "query", TO_SEARCH, on_info },
    { IQ_GET, NS_DISCO_ITEMS, "query", TO_SEARCH, on_items },
    { IQ_GET, NS_SEARCH, "query", TO_SEARCH, on_get },
    { IQ_SET, NS_SEARCH, "query", TO_SEARCH, on_set },
    { 0 },
};

const struct ext xep0055_search = {
    .name = "search",
    .doc = "XEP-0055: Jabber Search, of people in a directory.",
    .iqs = iqs,
    .extend_items = extend_items,
};
