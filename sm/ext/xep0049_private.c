/* XEP-0049 Private XML Storage: elements of an account's own, each under its name and namespace,
 * which only the account itself reads and writes. */
#include "sm/ext/list.h"

static const char KIND[] = "private";
enum { MAX_ELEMENTS = 64 }; /* of one set */

/* "{namespace}name"; absent for an element that has no namespace of its own (§2.3). */
static struct str key_of(const struct xml *el, struct arena *arena)
{
    if (!el->ns.n || str_is(el->ns, NS_PRIVATE) || str_is(el->ns, NS_CLIENT))
        return STR_NONE;
    return arena_printf(arena, "{%.*s}%.*s", STR_ARG(el->ns), STR_ARG(el->name));
}

/* --- get -------------------------------------------------------------------------------------- */

static void on_got(struct iq *iq, enum err e, struct str text)
{
    struct xml *query = xml_new(iq_arena(iq), NS_PRIVATE, "query");
    struct xml *asked = xml_child(iq->child, NULL, NULL);
    struct xml *stored = e == ERR_OK && str_is_set(text) ? ext_parse(iq, text) : NULL;

    if (e != ERR_OK) {
        iq_error(iq, ext_stanza_error(e), NULL);
        return;
    }
    /* nothing stored: the empty element comes back */
    xml_append(query, stored ? stored : xml_copy(asked, iq_arena(iq)));
    iq_reply(iq, query);
}

static enum stanza_error on_get(struct iq *iq)
{
    const struct xml *el = xml_child(iq->child, NULL, NULL);
    struct str key;

    if (!iq->is_own)
        return STANZA_FORBIDDEN;
    if (xml_child_count(iq->child) != 1)
        return STANZA_BAD_REQUEST;
    key = key_of(el, iq_arena(iq));
    if (!str_is_set(key))
        return STANZA_NOT_ACCEPTABLE;
    ext_data_get(iq, iq_account(iq).bare, KIND, key, on_got);
    return STANZA_OK;
}

/* --- set -------------------------------------------------------------------------------------- */

static void on_put(struct iq *iq, enum err e)
{
    if (e == ERR_OK)
        iq_reply(iq, NULL);
    else
        iq_error(iq, ext_stanza_error(e), NULL);
}

static bool has_key(const struct ext_data *items, size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(items[i].key, key))
            return true;
    return false;
}

static struct str written(const struct xml *el, struct arena *arena)
{
    struct buf out = { 0 };
    struct str text;

    xml_write(&out, el, STR_NONE);
    text = arena_str(arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static enum stanza_error read_items(struct iq *iq, struct ext_data *items, size_t *out_count)
{
    size_t n = 0;

    for (const struct xml *el = xml_child(iq->child, NULL, NULL); el;
         el = xml_next(el, NULL, NULL)) {
        struct str key = key_of(el, iq_arena(iq));

        if (!str_is_set(key) || n == MAX_ELEMENTS)
            return STANZA_NOT_ACCEPTABLE;
        if (has_key(items, n, key))
            return STANZA_BAD_REQUEST;
        items[n++] = (struct ext_data){ .key = key, .xml = written(el, iq_arena(iq)) };
    }
    *out_count = n;
    return n ? STANZA_OK : STANZA_NOT_ACCEPTABLE;
}

static enum stanza_error on_set(struct iq *iq)
{
    struct ext_data items[MAX_ELEMENTS];
    enum stanza_error e;
    size_t count;

    if (!iq->is_own)
        return STANZA_FORBIDDEN;
    e = read_items(iq, items, &count);
    if (e == STANZA_OK)
        ext_data_put(iq, iq_account(iq).bare, KIND, items, count, on_put);
    return e;
}

static const char *const features[] = { NS_PRIVATE, NULL };
static const struct ext_iq iqs[] = {
    { IQ_GET, NS_PRIVATE, "query", TO_ACCOUNT, on_get },
    { IQ_SET, NS_PRIVATE, "query", TO_ACCOUNT, on_set },
    { 0 },
};

const struct ext xep0049_private = {
    .name = "private",
    .doc = "XEP-0049: Private XML Storage.",
    .features = features,
    .iqs = iqs,
};
