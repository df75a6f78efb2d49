/* What the readers and writers of control.h are made of: attributes, each by its type. For
 * control*.c alone. */
#ifndef PROTO_CONTROL_PART_H
#define PROTO_CONTROL_PART_H

#include "proto/xml.h"

/* A row of an element whose attributes are the fields of a struct. */
struct control_attr {
    const char *name;
    size_t at;            /* offsetof the field */
    bool is_needed;
};

/* " name='value'", escaped; nothing when value is absent. */
void control_put(struct buf *out, const char *name, struct str value);
void control_put_u64(struct buf *out, const char *name, uint64_t value);
void control_put_hex(struct buf *out, const char *name, struct str bytes);
void control_put_base64(struct buf *out, const char *name, struct str bytes); /* absent: nothing */

/* All struct str fields of a struct, in the order of the table. */
void control_put_texts(struct buf *out, const struct control_attr *attrs, size_t count,
                       const void *from);

/* Texts stay where they are, in x; a needed one may not be empty. ERR_MALFORMED leaves to unchanged
 * or partly filled: it is the reader's local struct. */
NODISCARD enum err control_get_texts(const struct xml *x, const struct control_attr *attrs,
                                     size_t count, void *to);
/* Decimal; must be there. */
NODISCARD enum err control_get_u64(const struct xml *x, const char *name, uint64_t *out_value);
/* '1' or '0'; absent is false. */
NODISCARD enum err control_get_flag(const struct xml *x, const char *name, bool *out_value);
/* Exactly n bytes in hexadecimal. */
NODISCARD enum err control_get_hex(const struct xml *x, const char *name, uint8_t *out_bytes,
                                   size_t n);
/* The index in names, which end in NULL. */
NODISCARD enum err control_get_word(const struct xml *x, const char *name, const char *const *names,
                                    unsigned *out_index);
/* Into the arena; an empty text gives present and empty bytes. */
NODISCARD enum err control_base64(struct str text, struct arena *arena, struct str *out_bytes);

bool control_is_hex(struct str text, size_t digits); /* lower case */
bool control_is_conn(struct str text);               /* INSTANCE-CONN */

/* The children of that name, those of others are not counted. ERR_LIMIT above CONTROL_MAX_ENTRIES.
 */
NODISCARD enum err control_count(const struct xml *x, const char *name, size_t *out_count);

#endif
