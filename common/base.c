#include "common/base.h"

#include <stdio.h>
#include <stdlib.h>

const char *err_text(enum err e)
{
    static const char *const texts[] = {
        [ERR_OK] = "ok",
        [ERR_AGAIN] = "not yet",
        [ERR_MALFORMED] = "malformed",
        [ERR_LIMIT] = "over a limit",
        [ERR_NOT_FOUND] = "not found",
        [ERR_EXISTS] = "exists already",
        [ERR_DENIED] = "refused",
        [ERR_CLOSED] = "closed",
        [ERR_TIMEOUT] = "timed out",
        [ERR_UNSUPPORTED] = "not supported",
        [ERR_IO] = "input/output error",
    };

    if ((size_t)e >= ARRAY_LEN(texts))
        return "unknown error";
    return texts[e];
}

void base_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "<2>assertion failed at=%s:%d what=\"%s\"\n", file, line, what);
    abort();
}
