/* Addresses and passwords: what is normalised once stays as it is, and keeps what jid.h promises.
 */
#include "proto/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_part(struct str part)
{
    return part.n > 0 && part.n <= JID_PART_MAX_BYTES && str_is_utf8(part) &&
           str_find(part, '\0') == part.n;
}

static void check_jid(struct str text, struct arena *arena)
{
    struct jid jid, again, split;

    if (jid_parse(text, arena, &jid) != ERR_OK)
        return;
    ASSERT(is_part(jid.domain) && (!str_is_set(jid.local) || is_part(jid.local)) &&
           (jid_is_bare(&jid) || is_part(jid.resource)));
    ASSERT(jid.full.n <= JID_MAX_BYTES);
    ASSERT(jid_parse(jid.full, arena, &again) == ERR_OK && jid_eq(&jid, &again));
    jid_split(jid.full, &split);
    ASSERT(str_eq(split.local, jid.local) && str_eq(split.domain, jid.domain) &&
           str_eq(split.resource, jid.resource));
    ASSERT(str_is_set(split.local) == str_is_set(jid.local) &&
           jid_is_bare(&split) == jid_is_bare(&jid));
    jid_make(jid.local, jid.domain, jid.resource, arena, &again);
    ASSERT(jid_eq(&jid, &again) && jid_eq_bare(&jid, &again));
}

typedef enum err prepare_fn(struct str text, struct arena *arena, struct str *out_text);

static void check_part(prepare_fn *prepare, struct str text, struct arena *arena)
{
    struct str once, twice;

    if (prepare(text, arena, &once) != ERR_OK)
        return;
    ASSERT(once.n > 0 && str_is_utf8(once));
    ASSERT(prepare(once, arena, &twice) == ERR_OK && str_eq(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct arena arena = { 0 };

    check_jid(text, &arena);
    check_part(jid_prepare_local, text, &arena);
    check_part(jid_prepare_domain, text, &arena);
    check_part(jid_prepare_resource, text, &arena);
    check_part(jid_prepare_password, text, &arena);
    arena_fini(&arena);
    return 0;
}
