/* Reads a roster set and finds what is wrong with it. Pure: changes nothing. RFC 6121 §2.1.5,
 * §2.3.3. */
#include "proto/ns.h"
#include "sm/roster_parts.h"

/* Two groups are one when they are the same resourcepart (§2.3.3); what cannot be one is compared
 * as it is. */
static struct str comparable(struct str group, struct arena *arena)
{
    struct str prepared;

    return jid_prepare_resource(group, arena, &prepared) == ERR_OK ? prepared : group;
}

static bool is_duplicate(const struct str *keys, size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(keys[i], key))
            return true;
    return false;
}

static enum stanza_error read_groups(const struct xml *item, struct arena *arena,
                                     struct conf_list *out)
{
    struct str keys[ROSTER_MAX_GROUPS];

    *out = (struct conf_list){ .items = arena_alloc(arena, ROSTER_MAX_GROUPS * sizeof(char *)) };
    for (struct xml *g = xml_child(item, NS_ROSTER, "group"); g;
         g = xml_next(g, NS_ROSTER, "group")) {
        struct str text = xml_text(g, arena);

        if (!text.n || text.n > ROSTER_MAX_GROUP || out->count == ROSTER_MAX_GROUPS)
            return STANZA_NOT_ACCEPTABLE;
        keys[out->count] = comparable(text, arena);
        if (is_duplicate(keys, out->count, keys[out->count]))
            return STANZA_BAD_REQUEST;
        out->items[out->count++] = (char *)arena_str(arena, text).p;
    }
    return STANZA_OK;
}

enum stanza_error roster_set_read(const struct xml *query, struct str own, struct arena *arena,
                                  struct roster_set *out_set)
{
    const struct xml *item = xml_child(query, NS_ROSTER, "item");
    struct str jid;

    *out_set = (struct roster_set){ 0 };
    if (!item || xml_child_count(query) != 1)
        return STANZA_BAD_REQUEST;
    jid = xml_attr(item, "jid");
    if (!jid.n)
        return STANZA_BAD_REQUEST;
    if (jid_parse(jid, arena, &out_set->jid) != ERR_OK)
        return STANZA_JID_MALFORMED;
    out_set->is_remove =
        str_is(xml_attr(item, "subscription"), "remove"); /* §2.1.5: others are ignored */
    if (out_set->is_remove)
        return STANZA_OK;
    if (str_eq(out_set->jid.full, own)) /* §2.3.3, interoperability note */
        return STANZA_NOT_ALLOWED;
    out_set->name = xml_attr(item, "name");
    if (out_set->name.n > ROSTER_MAX_NAME)
        return STANZA_NOT_ACCEPTABLE;
    if (!out_set->name.n)
        out_set->name = STR_NONE;
    return read_groups(item, arena, &out_set->groups);
}
