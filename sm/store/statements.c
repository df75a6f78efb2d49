/* The texts of the statements, and how many parameters each has. */
#include "sm/store/statements.h"

#define STORE_TEXT(name, sql) sql,
const char *const store_statement_texts[STORE_STATEMENT_COUNT] = { STORE_STATEMENTS(STORE_TEXT) };
#undef STORE_TEXT

#define STORE_TEXT_NAME(name, sql) #name,
const char *const store_statement_names[STORE_STATEMENT_COUNT] = { STORE_STATEMENTS(
    STORE_TEXT_NAME) };
#undef STORE_TEXT_NAME
