/* PRECIS classes, contextual rules and the Bidi Rule: RFC 8264 §8 and §9, RFC 5892 §2.6 and
 * Appendix A, RFC 5893 §2. The properties of code points are libunistring's. */
#include "proto/precis_class.h"

#include "proto/precis.h"

#include <unictype.h>
#include <uninorm.h>

struct range {
    uint32_t first, last;
    enum precis_class class;
};

/* RFC 5892 §2.6, taken over by RFC 8264 §9.6. */
static const struct range exceptions[] = {
    { 0x00b7, 0x00b7, PRECIS_CONTEXTO },   { 0x00df, 0x00df, PRECIS_PVALID },
    { 0x0375, 0x0375, PRECIS_CONTEXTO },   { 0x03c2, 0x03c2, PRECIS_PVALID },
    { 0x05f3, 0x05f4, PRECIS_CONTEXTO },   { 0x0640, 0x0640, PRECIS_DISALLOWED },
    { 0x0660, 0x0669, PRECIS_CONTEXTO },   { 0x06f0, 0x06f9, PRECIS_CONTEXTO },
    { 0x06fd, 0x06fe, PRECIS_PVALID },     { 0x07fa, 0x07fa, PRECIS_DISALLOWED },
    { 0x0f0b, 0x0f0b, PRECIS_PVALID },     { 0x3007, 0x3007, PRECIS_PVALID },
    { 0x302e, 0x302f, PRECIS_DISALLOWED }, { 0x3031, 0x3035, PRECIS_DISALLOWED },
    { 0x303b, 0x303b, PRECIS_DISALLOWED }, { 0x30fb, 0x30fb, PRECIS_CONTEXTO },
};

/* Hangul_Syllable_Type L, V, T: RFC 5892 §2.9. */
static const struct range old_hangul[] = {
    { 0x1100, 0x11ff, PRECIS_DISALLOWED },
    { 0xa960, 0xa97c, PRECIS_DISALLOWED },
    { 0xd7b0, 0xd7c6, PRECIS_DISALLOWED },
    { 0xd7cb, 0xd7fb, PRECIS_DISALLOWED },
};

static const struct range *find_range(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return &ranges[i];
    return NULL;
}

static bool is_category(uint32_t code, uint32_t mask)
{
    return uc_is_general_category_withtable(code, mask);
}

/* RFC 8264 §9.17 */
static bool has_compat(uint32_t code)
{
    uint32_t out[UC_DECOMPOSITION_MAX_LENGTH];
    size_t n = ARRAY_LEN(out);

    return u32_normalize(UNINORM_NFKC, &code, 1, out, &n) != out || n != 1 || out[0] != code;
}

/* In the order of RFC 8264 §8; BackwardCompatible is empty. */
enum precis_class precis_class_of(uint32_t code)
{
    const struct range *r = find_range(exceptions, ARRAY_LEN(exceptions), code);

    if (r)
        return r->class;
    if (is_category(code, UC_CATEGORY_MASK_Cn) && !uc_is_property_not_a_character(code))
        return PRECIS_UNASSIGNED;
    if (code >= 0x21 && code <= 0x7e)
        return PRECIS_PVALID;
    if (code == 0x200c || code == 0x200d)
        return PRECIS_CONTEXTJ;
    if (find_range(old_hangul, ARRAY_LEN(old_hangul), code) ||
        uc_is_property_default_ignorable_code_point(code) || uc_is_property_not_a_character(code) ||
        is_category(code, UC_CATEGORY_MASK_Cc))
        return PRECIS_DISALLOWED;
    if (has_compat(code))
        return PRECIS_FREE_PVAL;
    if (is_category(code, UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo |
                              UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn |
                              UC_CATEGORY_MASK_Mc))
        return PRECIS_PVALID;
    if (is_category(code, UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No |
                              UC_CATEGORY_MASK_Me | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S |
                              UC_CATEGORY_MASK_P))
        return PRECIS_FREE_PVAL;
    return PRECIS_DISALLOWED;
}

/* --- contextual rules: RFC 5892 Appendix A ------------------------------------------------- */

static bool is_script(uint32_t code, const char *name)
{
    const uc_script_t *script = uc_script(code);

    return script && str_is(str_from(script->name), name);
}

static bool is_behind_virama(const uint32_t *codes, size_t at)
{
    return at > 0 && uc_combining_class(codes[at - 1]) == UC_CCC_VR;
}

/* A.1: between letters that join over it. */
static bool is_non_joiner_ok(const uint32_t *codes, size_t n, size_t at)
{
    size_t before = at, after = at + 1;
    int left, right;

    if (is_behind_virama(codes, at))
        return true;
    while (before > 0 && uc_joining_type(codes[before - 1]) == UC_JOINING_TYPE_T)
        before--;
    while (after < n && uc_joining_type(codes[after]) == UC_JOINING_TYPE_T)
        after++;
    if (before == 0 || after == n)
        return false;
    left = uc_joining_type(codes[before - 1]);
    right = uc_joining_type(codes[after]);
    return (left == UC_JOINING_TYPE_L || left == UC_JOINING_TYPE_D) &&
           (right == UC_JOINING_TYPE_R || right == UC_JOINING_TYPE_D);
}

static bool has_any(const uint32_t *codes, size_t n, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < n; i++)
        if (codes[i] >= first && codes[i] <= last)
            return true;
    return false;
}

/* A.7 */
static bool has_japanese(const uint32_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_script(codes[i], "Hiragana") || is_script(codes[i], "Katakana") ||
            is_script(codes[i], "Han"))
            return true;
    return false;
}

static bool is_context_ok(const uint32_t *codes, size_t n, size_t at)
{
    switch (codes[at]) {
    case 0x200c: /* A.1 */
        return is_non_joiner_ok(codes, n, at);
    case 0x200d: /* A.2 */
        return is_behind_virama(codes, at);
    case 0x00b7: /* A.3 */
        return at > 0 && at + 1 < n && codes[at - 1] == 'l' && codes[at + 1] == 'l';
    case 0x0375: /* A.4 */
        return at + 1 < n && is_script(codes[at + 1], "Greek");
    case 0x05f3: /* A.5 */
    case 0x05f4: /* A.6 */
        return at > 0 && is_script(codes[at - 1], "Hebrew");
    case 0x30fb:
        return has_japanese(codes, n);
    default: /* A.8, A.9: not both kinds of Arabic digits */
        if (codes[at] >= 0x660 && codes[at] <= 0x669)
            return !has_any(codes, n, 0x6f0, 0x6f9);
        return !has_any(codes, n, 0x660, 0x669);
    }
}

bool precis_is_in_class(const uint32_t *codes, size_t n, bool is_identifier)
{
    for (size_t i = 0; i < n; i++) {
        enum precis_class class = precis_class_of(codes[i]);

        if (class == PRECIS_PVALID || (class == PRECIS_FREE_PVAL && !is_identifier))
            continue;
        if ((class != PRECIS_CONTEXTJ && class != PRECIS_CONTEXTO) || !is_context_ok(codes, n, i))
            return false;
    }
    return true;
}

/* --- the Bidi Rule ------------------------------------------------------------------------- */

#define BIDI(name) (1u << UC_BIDI_##name)

enum {
    RIGHT_TO_LEFT = BIDI(R) | BIDI(AL) | BIDI(AN),
    EVERYWHERE = BIDI(EN) | BIDI(ES) | BIDI(CS) | BIDI(ET) | BIDI(ON) | BIDI(BN) | BIDI(NSM),
};

bool precis_is_bidi_ok(const uint32_t *codes, size_t n)
{
    uint32_t seen = 0, first, last;

    for (size_t i = 0; i < n; i++)
        seen |= 1u << uc_bidi_category(codes[i]);
    if (!(seen & RIGHT_TO_LEFT))
        return true;
    first = 1u << uc_bidi_category(codes[0]);
    if (!(first &
          (BIDI(R) |
           BIDI(AL)))) /* rule 1; what begins with L must not hold right-to-left at all: rule 5 */
        return false;
    if (seen & ~(uint32_t)(RIGHT_TO_LEFT | EVERYWHERE)) /* rule 2 */
        return false;
    if ((seen & BIDI(EN)) && (seen & BIDI(AN))) /* rule 4 */
        return false;
    while (uc_bidi_category(codes[n - 1]) ==
           UC_BIDI_NSM) /* rule 3; the first one is not of these */
        n--;
    last = 1u << uc_bidi_category(codes[n - 1]);
    return (last & (BIDI(R) | BIDI(AL) | BIDI(EN) | BIDI(AN))) != 0;
}
