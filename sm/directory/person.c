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

void directory_person_add_primary_group(const struct directory_entry *e, struct buf *out)
{
    enum { MIN_SID_BYTES = 12, MAX_SID_BYTES = 68, LAST_BYTES = 4 };
    struct str sid = directory_entry_text(e, "objectSid");
    uint64_t rid;

    if (!str_is_set(sid) || sid.n < MIN_SID_BYTES || sid.n > MAX_SID_BYTES ||
        str_to_u64(directory_entry_text(e, "primaryGroupID"), &rid) != ERR_OK || rid > UINT32_MAX)
        return;
    buf_add(out, str_of(sid.p, sid.n - LAST_BYTES));
    for (int shift = 0; shift < 32; shift += 8)
        buf_add_char(out, (char)(rid >> shift & 0xff));
}
