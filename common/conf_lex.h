/* The words of a configuration file, as libconfuse reads them, but strict: what its lexer would
 * skip or misread is an error. */
#ifndef COMMON_CONF_LEX_H
#define COMMON_CONF_LEX_H

#include "common/str.h"

enum conf_token {
    CONF_TOKEN_END,
    CONF_TOKEN_WORD,
    CONF_TOKEN_STRING,
    CONF_TOKEN_MARK,
    CONF_TOKEN_BAD
};

struct conf_lex {
    struct str rest;
    int line;
    /* of the last word */
    enum conf_token token;
    struct str text;  /* as written, with its quotes; borrowed from the input */
    int text_line;    /* where it began */
    const char *bad;  /* of CONF_TOKEN_BAD: what was expected */
};

/* Goes on to the next word. After CONF_TOKEN_END and CONF_TOKEN_BAD it stays there. */
void conf_lex_next(struct conf_lex *x);

/* Whether the word is this mark: one of { } ( ) , = and + for "+=". */
static inline bool conf_lex_is(const struct conf_lex *x, char mark)
{
    return x->token == CONF_TOKEN_MARK && x->text.p[0] == mark;
}

#endif
