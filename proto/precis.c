/* The profiles of RFC 8265 and their mappings (precis.h). Which code points a class admits:
 * precis_class.c. */
#include "proto/precis.h"

#include "proto/precis_class.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* RFC 8264 §7: a string that does not settle is refused */
enum { MAX_ROUNDS = 4 };

/* Code points under way, in an arena. */
struct codes {
    uint32_t *p;
    size_t n;
};

struct profile {
    bool maps_width;  /* to the decomposition, RFC 8265 §3.3.1 rule 1 */
    bool maps_spaces; /* every Zs to U+0020, §4.2.1 rule 2 */
    bool maps_case;
    bool is_identifier; /* IdentifierClass, with the Bidi Rule; else FreeformClass */
};

static const struct profile username = { .maps_width = true,
                                         .maps_case = true,
                                         .is_identifier = true };
static const struct profile opaque = { .maps_spaces = true };

static enum err decode(struct str text, struct arena *arena, struct codes *out)
{
    uint32_t code;

    out->p = arena_alloc(arena, (text.n + 1) * sizeof *out->p);
    out->n = 0;
    while (text.n > 0) {
        size_t n = str_utf8_next(text, &code);

        if (n == 0)
            return ERR_MALFORMED;
        out->p[out->n++] = code;
        text = str_of(text.p + n, text.n - n);
    }
    return ERR_OK;
}

static struct str encode(struct codes codes, struct arena *arena)
{
    uint8_t *p = arena_alloc(arena, codes.n * 4 + 1);
    size_t n = 0;

    for (size_t i = 0; i < codes.n; i++) {
        int bytes = u8_uctomb(p + n, codes.p[i], 4);

        ASSERT(bytes > 0);
        n += (size_t)bytes;
    }
    return str_of(p, n);
}

static struct codes map_width(struct codes from, struct arena *arena)
{
    struct codes to = { arena_alloc(arena, from.n * sizeof *from.p * 2), 0 };

    for (size_t i = 0; i < from.n; i++) {
        ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
        int tag = 0, count = uc_decomposition(from.p[i], &tag, parts);

        /* All of these have one part, a syllable's halfwidth letter as well. */
        to.p[to.n++] =
            count == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW) ? parts[0] : from.p[i];
    }
    return to;
}

static void map_spaces(struct codes codes)
{
    for (size_t i = 0; i < codes.n; i++)
        if (codes.p[i] >= 0x80 && uc_is_general_category(codes.p[i], UC_SPACE_SEPARATOR))
            codes.p[i] = ' ';
}

/* toLowerCase without the context of a final sigma: RFC 7622 §3.5 wants capital sigma to become
 * U+03C3 everywhere. U+0130 alone becomes two code points (SpecialCasing.txt). */
static struct codes map_case(struct codes from, struct arena *arena)
{
    struct codes to = { arena_alloc(arena, from.n * sizeof *from.p * 2), 0 };

    for (size_t i = 0; i < from.n; i++) {
        if (from.p[i] == 0x130) {
            to.p[to.n++] = 'i';
            to.p[to.n++] = 0x307;
        } else {
            to.p[to.n++] = uc_tolower(from.p[i]);
        }
    }
    return to;
}

static enum err normalise(struct codes from, struct arena *arena, struct codes *out)
{
    size_t n;
    uint32_t *p = u32_normalize(UNINORM_NFC, from.p, from.n, NULL, &n);

    if (!p)
        return ERR_MALFORMED;
    out->p = arena_alloc(arena, (n + 1) * sizeof *p);
    memcpy(out->p, p, n * sizeof *p);
    out->n = n;
    free(p);
    return ERR_OK;
}

/* One application of all rules in the order of RFC 8264 §7. */
static enum err apply(const struct profile *profile, struct codes codes, struct arena *arena,
                      struct codes *out)
{
    enum err e;

    if (profile->maps_width)
        codes = map_width(codes, arena);
    if (!precis_is_in_class(codes.p, codes.n, profile->is_identifier))
        return ERR_MALFORMED;
    if (profile->maps_spaces)
        map_spaces(codes);
    if (profile->maps_case)
        codes = map_case(codes, arena);
    if ((e = normalise(codes, arena, out)) != ERR_OK)
        return e;
    return profile->is_identifier && !precis_is_bidi_ok(out->p, out->n) ? ERR_MALFORMED : ERR_OK;
}

static enum err enforce(const struct profile *profile, struct str text, struct arena *arena,
                        struct str *out_text)
{
    struct str now = text, next;
    struct codes codes;

    for (int round = 0; round < MAX_ROUNDS; round++, now = next) {
        enum err e;

        if (now.n == 0)
            return ERR_MALFORMED;
        if ((e = decode(now, arena, &codes)) != ERR_OK ||
            (e = apply(profile, codes, arena, &codes)) != ERR_OK)
            return e;
        next = encode(codes, arena);
        if (str_eq(next, now) && round > 0) {
            *out_text = next;
            return ERR_OK;
        }
    }
    return ERR_MALFORMED;
}

enum err precis_username(struct str text, struct arena *arena, struct str *out_text)
{
    return enforce(&username, text, arena, out_text);
}

enum err precis_opaque(struct str text, struct arena *arena, struct str *out_text)
{
    return enforce(&opaque, text, arena, out_text);
}

enum err precis_map_domain(struct str text, struct arena *arena, struct str *out_text)
{
    struct codes codes;
    enum err e;

    if ((e = decode(text, arena, &codes)) != ERR_OK)
        return e;
    codes = map_width(map_case(codes, arena), arena);
    if ((e = normalise(codes, arena, &codes)) != ERR_OK)
        return e;
    for (size_t i = 0; i < codes.n; i++)
        if (codes.p[i] == 0x3002)
            codes.p[i] = '.';
    *out_text = encode(codes, arena);
    return ERR_OK;
}
