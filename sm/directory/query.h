/* Searches of a directory: any filter, many entries, attributes with all their values. In pages
 * (RFC 2696) where there may be many; values that Active Directory gives in ranges are fetched to
 * the end. Referrals are not followed. Nothing blocks. */
#ifndef SM_DIRECTORY_QUERY_H
#define SM_DIRECTORY_QUERY_H

#include "sm/directory/directory.h"
#include "sm/directory/entry.h"
#include "sm/directory/filter.h" /* values in filters are written by directory_filter_add_value */

/* Copied by directory_query_start. */
struct directory_query {
    const char *base; /* the name of an entry; NULL: the directory's base */
    int scope;        /* enum directory_scope */
    const char *filter;
    const char *const *attributes; /* NULL-terminated; NULL: none */
    uint32_t max_entries;          /* 0: all; beyond it the search ends, is_cut */
    bool is_bulk; /* many: in pages, on a connection of its own, so that logins do not wait for it;
                     one after the other in a directory */
};

struct directory_end {
    enum directory_verdict verdict; /* _OK, also when nothing was found or there is no base; _BUSY,
                                       _UNAVAILABLE: not all came, it may be tried again; _FAILED */
    bool is_cut;                    /* there are more, by max_entries or by the server's limit */
    uint32_t entries;
    const char *uri;    /* of the server; NULL: none was asked */
    const char *answer; /* its own words, when it had any; NULL */
};

struct directory_search;

/* e is gone afterwards. directory_query_cancel may be called. */
typedef void directory_entry_fn(void *owner, const struct directory_entry *e);
/* Once, the last that is heard of it, never from inside directory_query_start except by
 * directories_close and directories_set. */
typedef void directory_end_fn(void *owner, const struct directory_end *end);

struct directory_search *directory_query_start(struct directory *d, const struct directory_query *q,
                                               directory_entry_fn *entry, directory_end_fn *end,
                                               void *owner);
/* Before its end was told: nothing is called any more. NULL is fine. */
void directory_query_cancel(struct directory_search *s);

#endif
