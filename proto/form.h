/* Data forms (XEP-0004): reading what was submitted, building what is to be filled in. Pure. */
#ifndef PROTO_FORM_H
#define PROTO_FORM_H

#include "proto/xml.h"

enum { FORM_MAX_FIELDS = 64 };

struct form_field {
    struct str var;
    struct str *values;
    size_t count;
};

struct form {
    struct str type; /* of FORM_TYPE (XEP-0068); absent without one */
    struct form_field fields[FORM_MAX_FIELDS]; /* without FORM_TYPE */
    size_t count;
};

/* x: an <x xmlns='jabber:x:data'/>. Texts live in the arena.
 * Returns ERR_OK, or ERR_MALFORMED: not of type submit, a field without var or there twice, more
 * than FORM_MAX_FIELDS. */
NODISCARD enum err form_read(const struct xml *x, struct arena *arena, struct form *out_form);

/* NULL when it was not submitted. */
const struct form_field *form_get(const struct form *form, const char *var);
/* Its only value: ERR_MALFORMED when it has none or several. */
NODISCARD enum err form_one(const struct form_field *field, struct str *out_value);
/* "true", "1", "false", "0" (XEP-0004 §3.3). */
NODISCARD enum err form_bool(const struct form_field *field, bool *out_value);

/* An empty form of type "form" with its FORM_TYPE; and one more field, which is returned. */
struct xml *form_new(struct arena *arena, const char *form_type);
struct xml *form_add(struct xml *x, struct arena *arena, const char *var, const char *type);

#endif
