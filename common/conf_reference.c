/* What is made from the tables alone: the reference page, and the names of keys that a reload
 * cannot change. */
#include "common/conf.h"
#include "common/conf_value.h"

static const void *at_offset(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

/* --- what needs a restart --------------------------------------------------------------------- */

static void add_name(struct buf *out, const struct conf_section *section, const char *title,
                     const char *key)
{
    if (out->n > 0)
        buf_add(out, STR(", "));
    if (section->name)
        buf_printf(out, "%s ", section->name);
    if (title)
        buf_printf(out, "\"%s\" ", title);
    if (key)
        buf_add(out, str_from(key));
    else
        out->n--; /* the space */
}

static void diff_keys(const struct conf_section *section, const char *title, const void *a,
                      const void *b, struct buf *out)
{
    for (const struct conf_key *key = section->keys; key->name; key++)
        if (key->when == CONF_AT_START &&
            !conf_value_is_equal(key, at_offset(a, key->offset), at_offset(b, key->offset)))
            add_name(out, section, title, key->name);
}

static const void *find_item(const struct conf_section *section, const struct conf_items *items,
                             const char *title)
{
    for (size_t i = 0; i < items->count; i++) {
        const void *item = at_offset(items->items, i * section->item_bytes);

        if (strcmp(*(char *const *)item, title) == 0)
            return item;
    }
    return NULL;
}

static bool has_start_key(const struct conf_section *section)
{
    for (const struct conf_key *key = section->keys; key->name; key++)
        if (key->when == CONF_AT_START)
            return true;
    return false;
}

/* Items of a that differ in b, and (only_missing) those that b lacks. */
static void diff_items(const struct conf_section *section, const struct conf_items *a,
                       const struct conf_items *b, bool only_missing, struct buf *out)
{
    for (size_t i = 0; i < a->count; i++) {
        const void *item = at_offset(a->items, i * section->item_bytes);
        const char *title = *(char *const *)item;
        const void *other = find_item(section, b, title);

        if (other && !only_missing)
            diff_keys(section, title, item, other, out);
        else if (!other && has_start_key(section))
            add_name(out, section, title, NULL);
    }
}

void conf_diff_at_start(const struct conf_spec *spec, const void *old_conf, const void *new_conf,
                        struct buf *out)
{
    for (const struct conf_section *section = spec->sections; !section->is_end; section++) {
        const void *a = at_offset(old_conf, section->offset),
                   *b = at_offset(new_conf, section->offset);

        if (section->is_titled) {
            diff_items(section, a, b, false, out);
            diff_items(section, b, a, true, out);
        } else {
            diff_keys(section, NULL, a, b, out);
        }
    }
}

/* --- the reference page ----------------------------------------------------------------------- */

/* mdoc(7): a backslash begins an escape, a dot or quote at the start of a line a macro. */
static void add_mdoc_text(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_add(out, STR("\\&"));
    for (; *text; text++) {
        if (*text == '\\')
            buf_add(out, STR("\\e"));
        else
            buf_add_char(out, *text);
        /* A sentence ends its line, so that the formatter may space it. */
        if (*text == '.' && text[1] == ' ' && text[2] >= 'A' && text[2] <= 'Z') {
            buf_add_char(out, '\n');
            text++;
        }
    }
    buf_add_char(out, '\n');
}

static void add_facts(struct buf *out, const struct conf_key *key)
{
    conf_value_describe(key, out);
    if (!key->fallback)
        buf_add(out, STR("; must be given"));
    else if (key->fallback[0] != '\0')
        buf_printf(out, "; default %s", key->fallback);
    buf_add(out, key->when == CONF_AT_RELOAD ? STR("; taken by reload") : STR("; needs a restart"));
}

static void write_mdoc_key(struct buf *out, const struct conf_key *key)
{
    struct buf facts = { 0 };

    add_facts(&facts, key);
    buf_add_char(&facts, '\0');
    buf_printf(out, ".It Ic %s\n", key->name);
    add_mdoc_text(out, key->doc);
    buf_add(out, STR(".br\nTakes "));
    add_mdoc_text(out, facts.p);
    out->n--;
    buf_add(out, STR(".\n"));
    buf_fini(&facts);
}

static void write_mdoc_section(struct buf *out, const struct conf_section *section)
{
    if (!section->name)
        buf_add(out, STR(".Ss Top level\n"));
    else
        buf_printf(out, ".Ss Section %s%s\n", section->name,
                   section->is_titled ? " \\(dqTITLE\\(dq" : "");
    if (section->doc)
        add_mdoc_text(out, section->doc);
    buf_add(out, STR(".Bl -tag -width Ds\n"));
    for (const struct conf_key *key = section->keys; key->name; key++)
        write_mdoc_key(out, key);
    buf_add(out, STR(".El\n"));
}

static void write_markdown_section(struct buf *out, const struct conf_section *section)
{
    if (!section->name)
        buf_add(out, STR("## Top level\n\n"));
    else
        buf_printf(out, "## Section `%s%s`\n\n", section->name,
                   section->is_titled ? " \"TITLE\"" : "");
    if (section->doc)
        buf_printf(out, "%s\n\n", section->doc);
    for (const struct conf_key *key = section->keys; key->name; key++) {
        buf_printf(out, "- `%s`: %s\n  *Takes ", key->name, key->doc);
        add_facts(out, key);
        buf_add(out, STR(".*\n"));
    }
    buf_add_char(out, '\n');
}

void conf_write_reference(const struct conf_spec *spec, enum conf_format format, struct buf *out)
{
    for (const struct conf_section *section = spec->sections; !section->is_end; section++) {
        if (format == CONF_FORMAT_MDOC)
            write_mdoc_section(out, section);
        else
            write_markdown_section(out, section);
    }
}
