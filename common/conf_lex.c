/* Words of a configuration file. See conf_lex.h. */
#include "common/conf_lex.h"

static void skip(struct conf_lex *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x->line += x->rest.p[i] == '\n';
    x->rest = str_of(x->rest.p + n, x->rest.n - n);
}

static void skip_blank(struct conf_lex *x)
{
    while (x->rest.n > 0) {
        char c = x->rest.p[0];

        if (c == '#')
            skip(x, str_find(x->rest, '\n'));
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            skip(x, 1);
        else
            return;
    }
}

static void fail(struct conf_lex *x, const char *expected)
{
    x->token = CONF_TOKEN_BAD;
    x->bad = expected;
    x->rest = STR_NONE;
}

static void take(struct conf_lex *x, enum conf_token token, size_t n)
{
    x->token = token;
    x->text = str_of(x->rest.p, n);
    skip(x, n);
}

/* "${NAME:-default}": n bytes in all, or 0 when it does not end on its line. */
static size_t variable_length(struct str s)
{
    for (size_t i = 2; i < s.n; i++) {
        if (s.p[i] == '}')
            return i + 1;
        if (s.p[i] == '\n' || s.p[i] == '"' || s.p[i] == '\'' || s.p[i] == '{')
            return 0;
    }
    return 0;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The bytes of an escape in double quotes, or 0 when libconfuse would not take it. */
static size_t escape_length(struct str s)
{
    size_t n = 1;

    if (s.n < 2 || s.p[1] == '\0')
        return 0;
    if (s.p[1] < '0' || s.p[1] > '9')
        return 2;
    while (n < s.n && n < 4 && is_octal(s.p[n]))
        n++;
    if (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        return 0;
    return n == 4 && s.p[1] > '3' ? 0 : n;
}

static void take_double_quoted(struct conf_lex *x)
{
    struct str s = x->rest;
    size_t i = 1, n = 1;

    for (; i < s.n && s.p[i] != '"'; i += n) {
        struct str here = str_of(s.p + i, s.n - i);

        n = 1;
        if (s.p[i] == '\\')
            n = escape_length(here);
        else if (here.n > 1 && s.p[i] == '$' && s.p[i + 1] == '{')
            n = variable_length(here);
        if (n == 0) {
            fail(x,
                 s.p[i] == '\\'
                     ? "expected an escape such as \\n, \\\\, \\x41 or \\101 behind the backslash"
                     : "expected a variable as ${NAME} or ${NAME:-default} on one line");
            return;
        }
    }
    if (i >= s.n)
        fail(x, "expected a closing \" of the text that begins here");
    else
        take(x, CONF_TOKEN_STRING, i + 1);
}

static void take_single_quoted(struct conf_lex *x)
{
    struct str s = x->rest;
    size_t i = 1;

    while (i < s.n && s.p[i] != '\'')
        i += s.p[i] == '\\' ? 2 : 1;
    if (i >= s.n)
        fail(x, "expected a closing ' of the text that begins here");
    else
        take(x, CONF_TOKEN_STRING, i + 1);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_-.:/@%[]", c);
}

static void take_word(struct conf_lex *x)
{
    size_t n = 0;

    while (n < x->rest.n && x->rest.p[n] != '\0' && is_word_byte(x->rest.p[n]))
        n++;
    if (n == 0)
        fail(x, "expected quotes around a text with this character, or # before a comment");
    else if (n > 1 && x->rest.p[0] == '/' && x->rest.p[1] == '/')
        fail(x, "expected # before a comment, or quotes around the text");
    else
        take(x, CONF_TOKEN_WORD, n);
}

void conf_lex_next(struct conf_lex *x)
{
    char c;

    if (x->token == CONF_TOKEN_BAD)
        return;
    skip_blank(x);
    x->text_line = x->line;
    if (x->rest.n == 0) {
        x->token = CONF_TOKEN_END;
        x->text = STR_NONE;
        return;
    }
    c = x->rest.p[0];
    if (c == '"')
        take_double_quoted(x);
    else if (c == '\'')
        take_single_quoted(x);
    else if (c == '$' && x->rest.n > 1 && x->rest.p[1] == '{' && variable_length(x->rest) > 0)
        take(x, CONF_TOKEN_STRING, variable_length(x->rest));
    else if (c == '+' && x->rest.n > 1 && x->rest.p[1] == '=')
        take(x, CONF_TOKEN_MARK, 2);
    else if (c != '\0' && strchr("{}(),=", c))
        take(x, CONF_TOKEN_MARK, 1);
    else
        take_word(x);
}
