/* See filter.h. */
#include "sm/directory/filter.h"

#include "proto/jid_escape.h"

#include <string.h>

static bool is_tame(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.@ ", c));
}

void directory_filter_add_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (is_tame(value.p[i])) {
            buf_add_char(out, value.p[i]);
        } else {
            buf_add_char(out, '\\');
            buf_add_hex(out, str_of(value.p + i, 1));
        }
}

void directory_filter_write(struct buf *out, const char *text, struct str user, struct str host,
                            struct str jid)
{
    struct buf name = { 0 };

    jid_unescape(&name, user);
    for (; *text; text++) {
        if (*text != '%') {
            buf_add_char(out, *text);
            continue;
        }
        text++;
        if (*text == '%')
            buf_add_char(out, '%');
        else
            directory_filter_add_value(out, *text == 'u' ? buf_str(&name) : *text == 'd' ? host : jid);
    }
    buf_fini(&name);
}

enum err directory_filter_check_plain(const char *text, struct buf *why)
{
    int depth = 0;

    for (const char *p = text; *p; p++) {
        depth += *p == '(';
        depth -= *p == ')';
        if (depth < 0 || (depth == 0 && p[1] != '\0')) {
            depth = -1;
            break;
        }
    }
    if (depth == 0 && text[0] == '(')
        return ERR_OK;
    buf_printf(why, "expected one filter in parentheses that match");
    return ERR_MALFORMED;
}

enum err directory_filter_check(const char *text, struct buf *why)
{
    bool has_name = false;

    if (directory_filter_check_plain(text, why) != ERR_OK)
        return ERR_MALFORMED;
    for (const char *p = text; *p; p++) {
        if (*p != '%')
            continue;
        if (p[1] == '\0' || !strchr("uda%", p[1])) {
            buf_printf(why, "a percent sign is followed by u, d, a or another one");
            return ERR_MALFORMED;
        }
        p++;
        has_name |= *p == 'u' || *p == 'a';
    }
    if (!has_name)
        buf_printf(why, "it must hold %%u or %%a: without it everybody is the same entry");
    return has_name ? ERR_OK : ERR_MALFORMED;
}

/* A placeholder's item is "(attribute=value": neither ">=", "~=" nor a rule take a "*". */
static bool is_behind_equal(const char *text, const char *at)
{
    const char *open = at, *equal;

    while (open > text && *open != '(')
        open--;
    equal = memchr(open, '=', (size_t)(at - open));
    return equal && equal > open + 1 && !strchr("<>~:", equal[-1]);
}

enum err directory_filter_check_everybody(const char *text, struct buf *why)
{
    for (const char *p = strchr(text, '%'); p; p = strchr(p + 2, '%'))
        if ((p[1] == 'u' || p[1] == 'a') && !is_behind_equal(text, p)) {
            buf_printf(why, "everybody cannot be searched by it: %%%c is not behind a simple =",
                       p[1]);
            return ERR_UNSUPPORTED;
        }
    return ERR_OK;
}

void directory_filter_write_everybody(struct buf *out, const char *text, struct str host)
{
    for (; *text; text++) {
        if (*text != '%') {
            buf_add_char(out, *text);
            continue;
        }
        text++;
        if (*text == '%')
            buf_add_char(out, '%');
        if (*text == 'u' || *text == 'a')
            buf_add_char(out, '*');
        if (*text == 'a')
            buf_add_char(out, '@');
        if (*text == 'a' || *text == 'd')
            directory_filter_add_value(out, host);
    }
}
