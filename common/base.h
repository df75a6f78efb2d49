/* What every file may rely on: assertions, attributes, the kinds of failure. Nothing else belongs
 * here. */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(format_arg, first_arg) __attribute__((format(printf, format_arg, first_arg)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* The world failed. What a peer did wrong is no failure and has types of its own, above. */
enum err {
    ERR_OK,
    ERR_AGAIN,       /* not yet: more input, or later */
    ERR_MALFORMED,   /* does not follow its grammar */
    ERR_LIMIT,       /* larger, deeper or more than a configured limit */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_DENIED,      /* a policy or a check of identity refused it */
    ERR_CLOSED,      /* the other side ended it in order */
    ERR_TIMEOUT,
    ERR_UNSUPPORTED,
    ERR_IO,          /* the operating system or a library failed; the log has the cause */
};

/* One lower-case phrase for logs. Never NULL. */
const char *err_text(enum err e);

/* Ends the process: the program is wrong and must not go on. Kept in release builds. */
NORETURN void base_panic(const char *file, int line, const char *what);

#define ASSERT(condition) \
    ((condition) ? (void)0 : base_panic(__FILE__, __LINE__, #condition))

#endif
