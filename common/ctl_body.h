/* What a control command answers, collected and then written as text for people or as JSON for
 * programs. No sockets. For ctl.c. */
#ifndef COMMON_CTL_BODY_H
#define COMMON_CTL_BODY_H

#include "common/arena.h"
#include "common/buf.h"

/* One cell or fact; absent text is shown as "-" and null. */
struct ctl_value {
    struct str text;
    bool is_number;
};

struct ctl_body {
    struct arena arena;
    const char **columns; /* NULL: there is no table */
    size_t column_count;
    struct ctl_value *cells; /* row after row */
    size_t cell_count, cell_cap;
    const char **names; /* of the facts */
    struct ctl_value *values;
    size_t field_count, field_cap;
    struct buf sentences; /* a line each, without the last LF */
};

void ctl_body_fini(struct ctl_body *b);
void ctl_body_columns(struct ctl_body *b, const char *const *names);
void ctl_body_row(struct ctl_body *b, const struct str *cells);
void ctl_body_field(struct ctl_body *b, const char *name, struct str text, bool is_number);
void ctl_body_say(struct ctl_body *b, struct str sentence);

/* People: facts as "name: value", then the table, then the sentences. What strangers chose is
 * escaped. */
void ctl_body_write_text(const struct ctl_body *b, struct buf *out);

/* Programs: a table alone is a list of objects; all else one object with the facts, "rows" and
 * "message". */
void ctl_body_write_json(const struct ctl_body *b, struct buf *out);

#endif
