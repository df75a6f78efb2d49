/* The pass over a configuration file that stands in front of libconfuse. libconfuse takes the last
 * of two equal keys and a section that never ends, keeps its lexer's state after an error, and
 * reports no position afterwards. So this pass checks names and shape against the table, follows
 * include(), remembers where each key stands, and hands on one clean text in which libconfuse finds
 * nothing to complain about; what the values are is libconfuse's to say. For conf.c alone. */
#ifndef COMMON_CONF_SCAN_H
#define COMMON_CONF_SCAN_H

#include "common/arena.h"
#include "common/conf.h"

enum {
    CONF_MAX_FILE_BYTES = 4 << 20,
    CONF_MAX_INCLUDES = 64, /* files in all */
    CONF_MAX_DEPTH = 8      /* of includes */
};

struct conf_place {
    const char *file; /* in the arena */
    int line;
};

/* One key or section heading that was found. */
struct conf_found {
    const struct conf_section *section; /* of the key; for a heading the section itself */
    size_t index;                       /* which of the sections of that name, from 0 */
    const struct conf_key *key;         /* NULL: the heading */
    struct str title;                   /* of a heading, as written; absent when there is none */
    struct conf_place place;
    struct conf_found *next;
};

struct conf_scan {
    const struct conf_spec *spec;
    struct arena arena;
    struct buf clean;           /* for libconfuse; ends in NUL that n does not count */
    struct conf_found *found;   /* newest first */
    struct buf *why;            /* borrowed: the lines of errors */
    const char *path;           /* of the first file */
    const char *folder;         /* of the first file: includes are relative to it */
    size_t file_count;
    bool has_failed;
};

/* Reads path and what it includes. Returns ERR_OK, ERR_IO (path cannot be read) or ERR_MALFORMED;
 * why has the reasons. s is zeroed by the callee; conf_scan_fini in every case. */
NODISCARD enum err conf_scan(struct conf_scan *s, const struct conf_spec *spec, const char *path,
                             struct buf *why);
void conf_scan_fini(struct conf_scan *s);

/* Where a key stands, or its section when it is not given, or the file's first line. */
struct conf_place conf_scan_place(const struct conf_scan *s, const struct conf_section *section,
                                  size_t index, const struct conf_key *key);

/* Whether the key was given there. */
bool conf_scan_has(const struct conf_scan *s, const struct conf_section *section, size_t index,
                   const struct conf_key *key);

/* One line "FILE:LINE: key: what" into why. */
void conf_scan_fail(struct conf_scan *s, struct conf_place place, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
