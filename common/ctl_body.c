/* The two forms of an answer. See ctl_body.h. */
#include "common/ctl_body.h"

#include "common/mem.h"

void ctl_body_fini(struct ctl_body *b)
{
    arena_fini(&b->arena);
    mem_free(b->columns);
    mem_free(b->cells);
    mem_free(b->names);
    mem_free(b->values);
    buf_fini(&b->sentences);
    *b = (struct ctl_body){ 0 };
}

void ctl_body_columns(struct ctl_body *b, const char *const *names)
{
    size_t n = 0;

    ASSERT(!b->columns);
    while (names[n])
        n++;
    ASSERT(n > 0);
    b->columns = mem_alloc(n * sizeof *b->columns);
    for (size_t i = 0; i < n; i++)
        b->columns[i] = arena_str(&b->arena, str_from(names[i])).p;
    b->column_count = n;
}

void ctl_body_row(struct ctl_body *b, const struct str *cells)
{
    size_t n = b->column_count;

    ASSERT(n > 0);
    if (b->cell_count + n > b->cell_cap) {
        b->cell_cap = (b->cell_cap + n) * 2;
        b->cells = mem_realloc(b->cells, b->cell_cap * sizeof *b->cells);
    }
    for (size_t i = 0; i < n; i++)
        b->cells[b->cell_count++] = (struct ctl_value){ .text = arena_str(&b->arena, cells[i]) };
}

void ctl_body_field(struct ctl_body *b, const char *name, struct str text, bool is_number)
{
    if (b->field_count == b->field_cap) {
        b->field_cap = b->field_cap > 0 ? b->field_cap * 2 : 16;
        b->names = mem_realloc(b->names, b->field_cap * sizeof *b->names);
        b->values = mem_realloc(b->values, b->field_cap * sizeof *b->values);
    }
    b->names[b->field_count] = arena_str(&b->arena, str_from(name)).p;
    b->values[b->field_count++] = (struct ctl_value){ arena_str(&b->arena, text), is_number };
}

void ctl_body_say(struct ctl_body *b, struct str sentence)
{
    if (b->sentences.n > 0)
        buf_add_char(&b->sentences, '\n');
    buf_add(&b->sentences, sentence);
}

/* --- text ------------------------------------------------------------------------------------- */

/* A stranger's text must not drive the administrator's terminal. LF stays in sentences only. */
static void add_visible(struct buf *out, struct str s, bool keep_lines)
{
    while (s.n > 0) {
        uint32_t code = 0;
        size_t n = str_utf8_next(s, &code);
        bool is_bad = n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
                      (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);

        if (is_bad && keep_lines && code == '\n')
            is_bad = false;
        n = n > 0 ? n : 1;
        if (is_bad)
            for (size_t i = 0; i < n; i++)
                buf_printf(out, "\\x%02x", (unsigned)(unsigned char)s.p[i]);
        else
            buf_add(out, str_of(s.p, n));
        s = str_of(s.p + n, s.n - n);
    }
}

static struct str shown(const struct ctl_value *v)
{
    return v->text.n > 0 ? v->text : STR("-");
}

/* Code points: good enough where no terminal is known. */
static size_t width_of(struct str s)
{
    struct buf text = { 0 };
    size_t width = 0;

    add_visible(&text, s, false);
    for (size_t i = 0; i < text.n; i++)
        width += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    buf_fini(&text);
    return width;
}

static void add_padded(struct buf *out, struct str s, size_t width)
{
    size_t used = width_of(s);

    add_visible(out, s, false);
    for (; used < width; used++)
        buf_add_char(out, ' ');
}

static void write_row(const struct ctl_body *b, const struct ctl_value *cells, const size_t *widths,
                      struct buf *out)
{
    for (size_t i = 0; i < b->column_count; i++) {
        struct str text = cells ? shown(&cells[i]) : str_from(b->columns[i]);

        if (i > 0)
            buf_add(out, STR("  "));
        add_padded(out, text, i + 1 < b->column_count ? widths[i] : 0);
    }
    buf_add_char(out, '\n');
}

static void write_table(const struct ctl_body *b, struct buf *out)
{
    size_t n = b->column_count, *widths = mem_alloc(n * sizeof *widths);

    for (size_t i = 0; i < n; i++)
        widths[i] = width_of(str_from(b->columns[i]));
    for (size_t i = 0; i < b->cell_count; i++) {
        size_t width = width_of(shown(&b->cells[i]));

        widths[i % n] = width > widths[i % n] ? width : widths[i % n];
    }
    write_row(b, NULL, widths, out);
    for (size_t i = 0; i < b->cell_count; i += n)
        write_row(b, &b->cells[i], widths, out);
    mem_free(widths);
}

void ctl_body_write_text(const struct ctl_body *b, struct buf *out)
{
    for (size_t i = 0; i < b->field_count; i++) {
        buf_printf(out, "%s: ", b->names[i]);
        add_visible(out, shown(&b->values[i]), false);
        buf_add_char(out, '\n');
    }
    if (b->columns)
        write_table(b, out);
    if (b->sentences.n > 0) {
        add_visible(out, buf_str(&b->sentences), true);
        buf_add_char(out, '\n');
    }
}

/* --- JSON (RFC 8259) -------------------------------------------------------------------------- */

static void add_json_text(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    while (s.n > 0) {
        uint32_t code = 0;
        size_t n = str_utf8_next(s, &code);

        if (n == 0)
            buf_add(out, STR("\xef\xbf\xbd"));
        else if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (int)code);
        else if (code == '\n')
            buf_add(out, STR("\\n"));
        else if (code < 0x20 || code == 0x7f)
            buf_printf(out, "\\u%04x", (unsigned)code);
        else
            buf_add(out, str_of(s.p, n));
        n = n > 0 ? n : 1;
        s = str_of(s.p + n, s.n - n);
    }
    buf_add_char(out, '"');
}

static void add_json_member(struct buf *out, bool is_first, const char *name,
                            const struct ctl_value *v)
{
    if (!is_first)
        buf_add_char(out, ',');
    add_json_text(out, str_from(name));
    buf_add_char(out, ':');
    if (!str_is_set(v->text))
        buf_add(out, STR("null"));
    else if (v->is_number)
        buf_add(out, v->text);
    else
        add_json_text(out, v->text);
}

static void add_json_rows(const struct ctl_body *b, struct buf *out)
{
    size_t n = b->column_count;

    buf_add_char(out, '[');
    for (size_t i = 0; i < b->cell_count; i++) {
        if (i % n == 0)
            buf_add(out, i > 0 ? STR(",{") : STR("{"));
        add_json_member(out, i % n == 0, b->columns[i % n], &b->cells[i]);
        if (i % n == n - 1)
            buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

void ctl_body_write_json(const struct ctl_body *b, struct buf *out)
{
    bool is_list = b->columns && b->field_count == 0 && b->sentences.n == 0;

    if (is_list) {
        add_json_rows(b, out);
        buf_add_char(out, '\n');
        return;
    }
    buf_add_char(out, '{');
    for (size_t i = 0; i < b->field_count; i++)
        add_json_member(out, i == 0, b->names[i], &b->values[i]);
    if (b->columns) {
        buf_add(out, b->field_count > 0 ? STR(",\"rows\":") : STR("\"rows\":"));
        add_json_rows(b, out);
    }
    if (b->sentences.n > 0)
        add_json_member(out, b->field_count == 0 && !b->columns, "message",
                        &(struct ctl_value){ .text = buf_str(&b->sentences) });
    buf_add(out, STR("}\n"));
}
