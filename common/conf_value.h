/* From the text of a key to its target and back: units, ranges, choices. For the other conf_*.c. */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include "common/conf.h"

/* Sets the target from text; for lists it is called once an item. folder: what relative paths are
 * relative to. ERR_MALFORMED when the text is not what the key takes: the target is as it was. */
NODISCARD enum err conf_value_set(const struct conf_key *key, void *target, struct str text,
                                  const char *folder);

/* Sets the target from the key's fallback, which must be good. */
void conf_value_set_fallback(const struct conf_key *key, void *target, const char *folder);

/* Frees what the target owns. */
void conf_value_free(const struct conf_key *key, void *target);

bool conf_value_is_equal(const struct conf_key *key, const void *a, const void *b);

/* "a duration from 100ms to 1h": for errors and for the reference page. */
void conf_value_describe(const struct conf_key *key, struct buf *out);

#endif
