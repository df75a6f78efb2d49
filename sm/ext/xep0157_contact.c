/* XEP-0157 Contact Addresses: the administrators of a host, as a form in its disco#info (XEP-0128).
 */
#include "sm/ext/list.h"

static const char FORM_TYPE[] = "http://jabber.org/network/serverinfo";

static struct xml *add_field(struct xml *form, struct arena *arena, const char *var,
                             const char *type)
{
    struct xml *field = xml_add(form, arena, NULL, "field");

    xml_set(field, arena, "var", str_from(var));
    xml_set(field, arena, "type", str_from(type));
    return field;
}

static void extend_info(struct iq *iq, struct xml *query)
{
    struct arena *arena = iq_arena(iq);
    struct xml *form, *field;
    struct str *admins;
    size_t count = ext_admins(iq->sm, iq_host(iq), arena, &admins);

    if (!count)
        return;
    form = xml_add(query, arena, NS_DATA_FORMS, "x");
    xml_set(form, arena, "type", STR("result"));
    field = add_field(form, arena, "FORM_TYPE", "hidden");
    xml_add_text(xml_add(field, arena, NULL, "value"), arena, str_from(FORM_TYPE));
    field = add_field(form, arena, "admin-addresses", "list-multi");
    for (size_t i = 0; i < count; i++)
        xml_add_text(xml_add(field, arena, NULL, "value"), arena,
                     arena_printf(arena, "xmpp:%.*s", STR_ARG(admins[i])));
}

const struct ext xep0157_contact = {
    .name = "contact",
    .doc = "XEP-0157: Contact Addresses for XMPP Services.",
    .extend_info = extend_info,
};
