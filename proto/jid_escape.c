/* See jid_escape.h. */
#include "proto/jid_escape.h"

#include <string.h>

/* Tables 1 and 2. */
static const struct {
    char c;
    char escaped[4];
} rows[] = {
    { ' ', "\\20" }, { '"', "\\22" }, { '&', "\\26" }, { '\'', "\\27" }, { '/', "\\2f" },
    { ':', "\\3a" }, { '<', "\\3c" }, { '>', "\\3e" }, { '@', "\\40" },  { '\\', "\\5c" },
};

enum { ESCAPE_BYTES = 3 };

static const char *escape_of(char c)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].c == c)
            return rows[i].escaped;
    return NULL;
}

/* What the text begins with, when that is an escape; '\0': it is none. */
static char escaped_at(struct str text)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (text.n >= ESCAPE_BYTES && memcmp(text.p, rows[i].escaped, ESCAPE_BYTES) == 0)
            return rows[i].c;
    return '\0';
}

/* A backslash only where it would be taken for an escape (§4.1 rule 6). */
static bool is_escaped(struct str name, size_t at)
{
    char c = name.p[at];

    if (c == '\\')
        return escaped_at(str_of(name.p + at, name.n - at)) != '\0';
    return escape_of(c) && !(c == ' ' && (at == 0 || at + 1 == name.n));
}

void jid_escape(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (is_escaped(name, i))
            buf_add(out, str_from(escape_of(name.p[i])));
        else
            buf_add_char(out, name.p[i]);
}

void jid_unescape(struct buf *out, struct str local)
{
    for (size_t i = 0; i < local.n;) {
        char c = escaped_at(str_of(local.p + i, local.n - i));
        bool is_at_end = i == 0 || i + ESCAPE_BYTES == local.n;

        if (c == '\0' || (c == ' ' && is_at_end)) {
            buf_add_char(out, local.p[i++]);
        } else {
            buf_add_char(out, c);
            i += ESCAPE_BYTES;
        }
    }
}
