/* XEP-0313 Message Archive Management, and its preferences (XEP-0441): what a client asks of its
 * account's archive. What is kept is delivery's (sm/archive.h), reading is archive_query.c's. */
#include "proto/datetime.h"
#include "proto/form.h"
#include "sm/ext/list.h"

/* --- queries ---------------------------------------------------------------------------------- */

static enum stanza_error read_with(struct str value, struct arena *arena,
                                   struct ext_archive_query *q)
{
    return jid_parse(value, arena, &q->with) == ERR_OK ? STANZA_OK : STANZA_BAD_REQUEST;
}

static enum stanza_error read_start(struct str value, struct arena *arena,
                                    struct ext_archive_query *q)
{
    (void)arena;
    return datetime_read(value, &q->start_us) == ERR_OK ? STANZA_OK : STANZA_BAD_REQUEST;
}

static enum stanza_error read_end(struct str value, struct arena *arena,
                                  struct ext_archive_query *q)
{
    (void)arena;
    return datetime_read(value, &q->end_us) == ERR_OK ? STANZA_OK : STANZA_BAD_REQUEST;
}

static enum stanza_error read_after(struct str value, struct arena *arena,
                                    struct ext_archive_query *q)
{
    (void)arena;
    q->after_id = value;
    return STANZA_OK;
}

static enum stanza_error read_before(struct str value, struct arena *arena,
                                     struct ext_archive_query *q)
{
    (void)arena;
    q->before_id = value;
    return STANZA_OK;
}

/* §4.1: fields of one value, in the order of the form of §4.1.5. */
static const struct field {
    const char *var, *type;
    enum stanza_error (*read)(struct str value, struct arena *arena, struct ext_archive_query *q);
} fields[] = {
    { "with", "jid-single", read_with },        { "start", "text-single", read_start },
    { "end", "text-single", read_end },         { "after-id", "text-single", read_after },
    { "before-id", "text-single", read_before },
};

static enum stanza_error read_ids(const struct form_field *f, struct ext_archive_query *q)
{
    if (f->count == 0)
        return STANZA_BAD_REQUEST;
    if (f->count > EXT_ARCHIVE_MAX_IDS)
        return STANZA_POLICY_VIOLATION;
    q->ids = f->values;
    q->id_count = f->count;
    return STANZA_OK;
}

/* There are no messages of rooms in these archives, whatever is asked for (§4.1.4). */
static enum stanza_error read_groupchat(const struct form_field *f)
{
    bool is_wanted;

    return form_bool(f, &is_wanted) == ERR_OK ? STANZA_OK : STANZA_BAD_REQUEST;
}

/* One that was left empty is as one that is not there. */
static enum stanza_error read_field(const struct form_field *f, struct arena *arena,
                                    struct ext_archive_query *q)
{
    struct str value;

    if (str_is(f->var, "ids"))
        return read_ids(f, q);
    if (str_is(f->var, "include-groupchat"))
        return read_groupchat(f);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!str_is(f->var, fields[i].var))
            continue;
        if (f->count == 0)
            return STANZA_OK;
        return form_one(f, &value) == ERR_OK ? fields[i].read(value, arena, q)
                                             : STANZA_BAD_REQUEST;
    }
    return STANZA_FEATURE_NOT_IMPLEMENTED; /* §4.1.5 */
}

static enum stanza_error read_form(const struct xml *query, struct arena *arena,
                                   struct ext_archive_query *q)
{
    const struct xml *x = xml_child(query, NS_DATA_FORMS, "x");
    struct form *form = arena_new(arena, struct form);
    enum stanza_error e = STANZA_OK;

    if (!x)
        return STANZA_OK;
    if (xml_next(x, NS_DATA_FORMS, "x") || form_read(x, arena, form) != ERR_OK ||
        !str_is(form->type, NS_MAM))
        return STANZA_BAD_REQUEST;
    for (size_t i = 0; i < form->count && e == STANZA_OK; i++)
        e = read_field(&form->fields[i], arena, q);
    return e;
}

static enum stanza_error read_query(struct iq *iq, struct ext_archive_query *q)
{
    *q = (struct ext_archive_query){ .start_us = INT64_MIN, .end_us = INT64_MAX };
    q->queryid = xml_attr(iq->child, "queryid");
    q->is_flipped = xml_child(iq->child, NS_MAM, "flip-page") != NULL;
    if (q->queryid.n > EXT_ARCHIVE_MAX_QUERYID ||
        rsm_read(iq->child, iq_arena(iq), &q->page) != ERR_OK)
        return STANZA_BAD_REQUEST;
    return read_form(iq->child, iq_arena(iq), q);
}

/* §8.1: of another's account forbidden; where nothing is archived it is as if this were not here. */
static enum stanza_error check(const struct iq *iq)
{
    if (!ext_archive_is_on(iq->sm, iq_host(iq)))
        return STANZA_SERVICE_UNAVAILABLE;
    if (!iq->is_own)
        return STANZA_FORBIDDEN;
    return str_is_set(xml_attr(iq->child, "node")) ? STANZA_FEATURE_NOT_IMPLEMENTED /* XEP-0442 */
                                                   : STANZA_OK;
}

static enum stanza_error on_query(struct iq *iq)
{
    struct ext_archive_query q;
    enum stanza_error e = check(iq);

    if (e == STANZA_OK)
        e = read_query(iq, &q);
    return e == STANZA_OK ? ext_archive_query(iq, &q) : e;
}

static enum stanza_error on_metadata(struct iq *iq)
{
    enum stanza_error e = check(iq);

    return e == STANZA_OK ? ext_archive_metadata(iq) : e;
}

/* --- the form (§4.1.5) ------------------------------------------------------------------------ */

static enum stanza_error on_form(struct iq *iq)
{
    struct arena *arena = iq_arena(iq);
    struct xml *query, *x, *validate;
    enum stanza_error e = check(iq);

    if (e != STANZA_OK)
        return e;
    query = xml_new(arena, NS_MAM, "query");
    x = form_new(arena, NS_MAM);
    xml_append(query, x);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        form_add(x, arena, fields[i].var, fields[i].type);
    validate = xml_add(form_add(x, arena, "ids", "list-multi"), arena, NS_VALIDATE, "validate");
    xml_set(validate, arena, "datatype", STR("xs:string"));
    xml_add(validate, arena, NULL, "open");
    form_add(x, arena, "include-groupchat", "boolean");
    iq_reply(iq, query);
    return STANZA_OK;
}

/* --- preferences (XEP-0441) ------------------------------------------------------------------- */

static enum stanza_error on_get_prefs(struct iq *iq)
{
    enum stanza_error e = check(iq);

    return e == STANZA_OK ? ext_archive_get_prefs(iq) : e;
}

static enum stanza_error read_list(struct iq *iq, const char *name, const struct jid **out_jids,
                                   size_t *out_count)
{
    const struct xml *list = xml_child(iq->child, NS_MAM, name), *x;
    struct jid *jids;
    size_t n = 0;

    *out_jids = NULL;
    *out_count = 0;
    if (!list)
        return STANZA_OK;
    jids = arena_alloc(iq_arena(iq), (xml_child_count(list) + 1) * sizeof *jids);
    for (x = xml_child(list, NS_MAM, "jid"); x; x = xml_next(x, NS_MAM, "jid")) {
        struct str text = str_trim(xml_text(x, iq_arena(iq)));

        if (jid_parse(text, iq_arena(iq), &jids[n++]) != ERR_OK)
            return STANZA_JID_MALFORMED;
    }
    *out_jids = jids;
    *out_count = n;
    return xml_next(list, NS_MAM, name) ? STANZA_BAD_REQUEST : STANZA_OK;
}

static enum stanza_error on_set_prefs(struct iq *iq)
{
    struct ext_archive_prefs p = { .by_default = xml_attr(iq->child, "default") };
    enum stanza_error e = check(iq);

    if (e == STANZA_OK)
        e = read_list(iq, "always", &p.always, &p.always_count);
    if (e == STANZA_OK)
        e = read_list(iq, "never", &p.never, &p.never_count);
    return e == STANZA_OK ? ext_archive_set_prefs(iq, &p) : e;
}

/* Archives are accounts', so the server itself announces nothing (§7). */
static const char *const features[] = { NS_MAM, NS_MAM_EXTENDED, NS_MAM_GROUPCHAT_FIELD, NS_SID,
                                        NULL };
static const struct ext_iq iqs[] = {
    { IQ_SET, NS_MAM, "query", TO_ACCOUNT, on_query },
    { IQ_GET, NS_MAM, "query", TO_ACCOUNT, on_form },
    { IQ_GET, NS_MAM, "metadata", TO_ACCOUNT, on_metadata },
    { IQ_GET, NS_MAM, "prefs", TO_ACCOUNT, on_get_prefs },
    { IQ_SET, NS_MAM, "prefs", TO_ACCOUNT, on_set_prefs },
    { 0 },
};

const struct ext xep0313_mam = {
    .name = "mam",
    .doc = "XEP-0313: Message Archive Management, with XEP-0441 and XEP-0359. Turned off, messages "
           "are archived all the same (see archive), but nobody can ask for them.",
    .account_features = features,
    .iqs = iqs,
    .is_offered = ext_archive_is_on,
};
