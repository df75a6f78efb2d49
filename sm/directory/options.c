/* Options as a directory keeps them: one table says how each field is copied, freed and compared.
 */
#include "sm/directory/parts.h"

#include "common/mem.h"

#include <string.h>

enum kind { TEXT, SECRET, VALUE };

struct field {
    enum kind kind;
    size_t at, bytes; /* bytes: of a VALUE */
};

#define AT(field) offsetof(struct directory_options, field)
#define VALUE_OF(field)                                                                            \
    {                                                                                              \
        VALUE, AT(field), sizeof((struct directory_options *)0)->field                             \
    }

static const struct field fields[] = {
    { TEXT, AT(name), 0 },
    { TEXT, AT(srv), 0 },
    VALUE_OF(srv_certificate),
    VALUE_OF(srv_ports),
    VALUE_OF(srv_ms),
    VALUE_OF(is_start_tls),
    { TEXT, AT(ca_file), 0 },
    { TEXT, AT(cert_file), 0 },
    { TEXT, AT(key_file), 0 },
    VALUE_OF(bind),
    { TEXT, AT(bind_dn), 0 },
    { SECRET, AT(bind_password), 0 },
    { TEXT, AT(keytab), 0 },
    { TEXT, AT(principal), 0 },
    { TEXT, AT(base), 0 },
    VALUE_OF(scope),
    { TEXT, AT(filter), 0 },
    { TEXT, AT(key_attribute), 0 },
    { TEXT, AT(group_base), 0 },
    { TEXT, AT(group_filter), 0 },
    { TEXT, AT(group_name), 0 },
    { TEXT, AT(group_member), 0 },
    VALUE_OF(group_nesting),
    VALUE_OF(has_primary_group),
    VALUE_OF(watch),
    VALUE_OF(lockout_ms),
    VALUE_OF(connect_ms),
    VALUE_OF(search_ms),
    VALUE_OF(bind_ms),
    VALUE_OF(query_ms),
    VALUE_OF(answer_ms),
    VALUE_OF(refuse_ms),
    VALUE_OF(probe_ms),
    VALUE_OF(failback_ms),
    VALUE_OF(retry_ms),
    VALUE_OF(keepalive_ms),
    VALUE_OF(unacked_ms),
    VALUE_OF(search_connections),
    VALUE_OF(bind_connections),
    VALUE_OF(max_waiting),
};

static char **text_at(const struct directory_options *o, const struct field *f)
{
    return (char **)((char *)(uintptr_t)o + f->at);
}

static struct str *secret_at(const struct directory_options *o, const struct field *f)
{
    return (struct str *)((char *)(uintptr_t)o + f->at);
}

static const void *value_at(const struct directory_options *o, const struct field *f)
{
    return (const char *)o + f->at;
}

void dir_options_copy(struct directory_options *out, const struct directory_options *o)
{
    char **uris = mem_alloc(o->uri_count * sizeof *uris);

    *out = *o;
    for (size_t i = 0; i < o->uri_count; i++)
        uris[i] = mem_strdup(o->uris[i]);
    out->uris = uris;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (f->kind == TEXT && *text_at(o, f))
            *text_at(out, f) = mem_strdup(*text_at(o, f));
        else if (f->kind == SECRET)
            *secret_at(out, f) = str_of(str_dup(*secret_at(o, f)), secret_at(o, f)->n);
    }
}

void dir_options_fini(struct directory_options *o)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (f->kind == TEXT) {
            mem_free(*text_at(o, f));
        } else if (f->kind == SECRET) {
            struct str *s = secret_at(o, f);

            mem_wipe((char *)(uintptr_t)s->p, s->n);
            mem_free((char *)(uintptr_t)s->p);
        }
    }
    for (size_t i = 0; i < o->uri_count; i++)
        mem_free(o->uris[i]);
    mem_free((char **)(uintptr_t)o->uris);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_field(const struct directory_options *a, const struct directory_options *b,
                          const struct field *f)
{
    switch (f->kind) {
    case TEXT:
        return is_same_text(*text_at(a, f), *text_at(b, f));
    case SECRET:
        return str_eq(*secret_at(a, f), *secret_at(b, f));
    case VALUE:
        return memcmp(value_at(a, f), value_at(b, f), f->bytes) == 0;
    }
    return false;
}

bool dir_options_are_same(const struct directory_options *a, const struct directory_options *b)
{
    if (a->uri_count != b->uri_count)
        return false;
    for (size_t i = 0; i < a->uri_count; i++)
        if (strcmp(a->uris[i], b->uris[i]) != 0)
            return false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (!is_same_field(a, b, &fields[i]))
            return false;
    return true;
}
