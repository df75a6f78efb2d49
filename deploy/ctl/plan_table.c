/* Tables as text, CSV (RFC 4180) and JSON (RFC 8259). See plan_table.h. */
#include "deploy/ctl/plan_table.h"

static struct str cell(const struct plan_table *t, size_t row, size_t column)
{
    return t->cells[row * t->column_count + column];
}

/* A spreadsheet must not take a cell for a formula; none of ours begins with one of these signs on
 * its own account. */
static void add_csv(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    if (text.n > 0 && strchr("=+-@", text.p[0]) && text.n > 1)
        buf_add_char(out, '\'');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '"');
}

static void print_csv(const struct plan_table *t, struct buf *out)
{
    for (size_t c = 0; c < t->column_count; c++)
        buf_printf(out, "%s%s", c ? "," : "", t->columns[c].name);
    buf_add(out, STR("\r\n"));
    for (size_t r = 0; r < t->row_count; r++) {
        for (size_t c = 0; c < t->column_count; c++) {
            if (c)
                buf_add_char(out, ',');
            add_csv(out, cell(t, r, c));
        }
        buf_add(out, STR("\r\n"));
    }
}

static void add_json(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char b = (unsigned char)text.p[i];

        if (b == '"' || b == '\\')
            buf_printf(out, "\\%c", b);
        else if (b < 0x20)
            buf_printf(out, "\\u%04x", b);
        else
            buf_add_char(out, (char)b);
    }
    buf_add_char(out, '"');
}

static void print_json(const struct plan_table *t, struct buf *out)
{
    buf_add(out, STR("["));
    for (size_t r = 0; r < t->row_count; r++) {
        buf_add(out, r ? STR(",\n {") : STR("\n {"));
        for (size_t c = 0; c < t->column_count; c++) {
            buf_printf(out, "%s\"%s\": ", c ? ", " : "", t->columns[c].name);
            add_json(out, cell(t, r, c));
        }
        buf_add_char(out, '}');
    }
    buf_add(out, STR("\n]\n"));
}

static size_t width_of(const struct plan_table *t, size_t column)
{
    size_t width = strlen(t->columns[column].name);

    for (size_t r = 0; r < t->row_count; r++)
        if (cell(t, r, column).n > width)
            width = cell(t, r, column).n;
    return width;
}

static void pad(struct buf *out, struct str text, size_t width)
{
    buf_add(out, text);
    for (size_t i = text.n; i < width + 2; i++)
        buf_add_char(out, ' ');
}

static void end_line(struct buf *out)
{
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
    buf_add_char(out, '\n');
}

static void print_narrow(const struct plan_table *t, size_t row, bool is_header, struct buf *out)
{
    for (size_t c = 0; c < t->column_count; c++)
        if (!t->columns[c].is_wide)
            pad(out, is_header ? str_from(t->columns[c].name) : cell(t, row, c), width_of(t, c));
    end_line(out);
}

static void print_text(const struct plan_table *t, struct buf *out)
{
    print_narrow(t, 0, true, out);
    for (size_t r = 0; r < t->row_count; r++) {
        print_narrow(t, r, false, out);
        for (size_t c = 0; c < t->column_count; c++)
            if (t->columns[c].is_wide && cell(t, r, c).n > 0)
                buf_printf(out, "    %s: %.*s\n", t->columns[c].name, STR_ARG(cell(t, r, c)));
    }
}

void plan_table_print(const struct plan_table *t, enum plan_format format, struct buf *out)
{
    if (format == PLAN_CSV)
        print_csv(t, out);
    else if (format == PLAN_JSON)
        print_json(t, out);
    else
        print_text(t, out);
}
