/* See person.h. */
#include "sm/directory/person.h"

#include "proto/jid.h"
#include "proto/jid_escape.h"

static struct str local_of(struct str value, struct str host, struct arena *arena)
{
    struct str rest = value, name = str_cut(&rest, '@'), domain, prepared;
    struct buf escaped = { 0 };
    struct arena scratch = { 0 };
    struct str result = STR_NONE;

    jid_escape(&escaped, name);
    if (jid_prepare_local(buf_str(&escaped), &scratch, &prepared) == ERR_OK &&
        (!str_is_set(rest) ||
         (jid_prepare_domain(rest, &scratch, &domain) == ERR_OK && str_eq(domain, host))))
        result = arena_str(arena, prepared);
    arena_fini(&scratch);
    buf_fini(&escaped);
    return result;
}

struct str directory_person_local(const struct directory_entry *e, const char *user_attribute,
                                  struct str host, struct arena *arena)
{
    const struct directory_attribute *a = directory_entry_find(e, user_attribute);

    for (size_t i = 0; a && i < a->count; i++) {
        struct str local = local_of(a->values[i], host, arena);

        if (str_is_set(local))
            return local;
    }
    return STR_NONE;
}
