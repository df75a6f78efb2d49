/* A table of texts, printed for people and for programs. */
#ifndef DEPLOY_CTL_PLAN_TABLE_H
#define DEPLOY_CTL_PLAN_TABLE_H

#include "common/buf.h"

struct plan_column {
    const char *name; /* "from_host": the header of CSV and the member of JSON */
    bool is_wide;     /* as text it stands below its row */
};

enum plan_format { PLAN_TEXT, PLAN_CSV, PLAN_JSON };

/* cells: row by row, column_count each. */
struct plan_table {
    const struct plan_column *columns;
    size_t column_count;
    struct str *cells;
    size_t row_count;
};

/* CSV is that of RFC 4180, JSON an array of objects of strings. */
void plan_table_print(const struct plan_table *t, enum plan_format format, struct buf *out);

#endif
