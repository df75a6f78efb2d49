/* Configuration files: each key is one row of a table, which is also the source of the reference
 * page. The grammar is libconfuse's: key = value, key = {"a", "b"}, section "title" { ... }, #
 * comments, include(). Unknown keys, bad values, values out of range, duplicate keys and titles and
 * unterminated sections are errors that name file, line, key and what was expected. */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/buf.h"

enum conf_type {
    CONF_TEXT,     /* char *            */
    CONF_PATH,     /* char *, made absolute relative to the file's folder */
    CONF_INT,      /* int64_t           */
    CONF_BOOL,     /* bool; yes/no/true/false/on/off */
    CONF_DURATION, /* int64_t milliseconds; "500ms" "2s" "5m" "1h" "7d", a bare number is seconds */
    CONF_SIZE,     /* int64_t bytes; "64k" "16M" "1G" (powers of 1024) */
    CONF_CHOICE,   /* int: the index into choices */
    CONF_LIST,     /* struct conf_list of texts */
};

enum conf_when { CONF_AT_START, CONF_AT_RELOAD }; /* when a change takes effect */

struct conf_list {
    char **items;
    size_t count;
};

struct conf_key {
    const char *name;        /* NULL ends the table */
    enum conf_type type;
    size_t offset;           /* of the target in the section's struct */
    const char *fallback;    /* as it would be written in a file; NULL: must be given; "": absent
                                (NULL/0/empty) is fine */
    int64_t min, max; /* of INT, DURATION and SIZE; of the count of a LIST; both 0: no check */
    const char *const *choices; /* NULL-terminated */
    enum conf_when when;
    const char *doc;         /* one or two sentences for the reference page */
};

/* Sections with titles may come any number of times: offset is then that of a struct conf_items,
 * and each item's struct begins with a char *title. A section without name holds the keys of the
 * top level. */
struct conf_section {
    const char *name;
    const struct conf_key *keys;
    bool is_titled;
    size_t offset;      /* in the whole configuration's struct */
    size_t item_bytes;  /* of a titled section's struct */
    const char *doc;
    bool is_end;        /* true in the row that ends the table */
};

struct conf_items {
    void *items; /* an array of item_bytes each */
    size_t count;
};

struct conf_spec {
    size_t bytes; /* of the whole configuration's struct */
    const struct conf_section *sections;
};

/* Reads a file.
 * out_conf   the struct that spec describes, to be freed with conf_free; written only on success.
 * why        on failure one or more lines "FILE:LINE: key: what was expected".
 * Returns ERR_OK, ERR_IO (cannot be read), ERR_MALFORMED. */
NODISCARD enum err conf_load(const struct conf_spec *spec, const char *path, void **out_conf,
                             struct buf *why);
void conf_free(const struct conf_spec *spec, void *conf);

/* For checks that the table cannot express: each line of sentences into out, with "FILE:LINE: " of
 * the key or section in front that it begins with ("key: …", "section \"TITLE\": …", "section
 * \"TITLE\": key: …"); the file's first line when that is not in it. */
void conf_add_places(const struct conf_spec *spec, const char *path, struct str sentences,
                     struct buf *out);

/* The names of keys whose value differs and that take effect only at start, "a, b"; empty when
 * none. */
void conf_diff_at_start(const struct conf_spec *spec, const void *old_conf, const void *new_conf,
                        struct buf *out);

/* The reference page of all keys, as a mdoc(7) fragment or as Markdown. */
enum conf_format { CONF_FORMAT_MDOC, CONF_FORMAT_MARKDOWN };
void conf_write_reference(const struct conf_spec *spec, enum conf_format format, struct buf *out);

/* Reads a secret from a file: its first line, at most 4 KiB. The file must not be readable by
 * others (mode & 077 == 0 unless owned by another user, or by root, who let a group read: 040 is
 * accepted).
 * Returns ERR_OK, ERR_IO, ERR_DENIED (mode), ERR_MALFORMED (empty); why gets one sentence. */
NODISCARD enum err conf_read_secret(const char *path, struct buf *out_secret, struct buf *why);

#endif
