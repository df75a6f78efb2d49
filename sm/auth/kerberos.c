/* The outside of tokens, and names of principals; see the header. */
#include "sm/auth/kerberos.h"

#include <string.h>

/* --- tokens ----------------------------------------------------------------------------------- */

/* RFC 4121 §4.1: TOK_ID */
#define AP_REQ STR("\x01\x00")
#define AP_REP STR("\x02\x00")

/* 1.2.840.113554.1.2.2, with its tag and length (RFC 1964 §1) */
static const struct str kerberos_oid = STR("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");

/* A length of DER (X.690 §8.1.3) off the front; at most three bytes of it are of use. */
static bool cut_length(struct str *rest, size_t *out_n)
{
    const uint8_t *p = (const uint8_t *)rest->p;
    size_t count, n = 0;

    if (rest->n == 0)
        return false;
    count = p[0] < 0x80 ? 0 : p[0] & 0x7f;
    if ((p[0] >= 0x80 && count == 0) || count > 3 || rest->n < 1 + count)
        return false;
    for (size_t i = 0; i < count; i++)
        n = n << 8 | p[1 + i];
    *out_n = count > 0 ? n : p[0];
    *rest = str_of(rest->p + 1 + count, rest->n - 1 - count);
    return true;
}

/* [APPLICATION 0] { the mechanism, and what is its own }, to the last byte: RFC 2743 §3.1 */
static bool is_token(struct str token, struct str id)
{
    struct str rest = token;
    size_t n;

    if (token.n < 2 || token.p[0] != '\x60')
        return false;
    rest = str_of(token.p + 1, token.n - 1);
    if (!cut_length(&rest, &n) || n != rest.n || !str_starts_with(rest, kerberos_oid))
        return false;
    return str_starts_with(str_of(rest.p + kerberos_oid.n, rest.n - kerberos_oid.n), id);
}

bool kerberos_is_request(struct str token)
{
    return token.n <= KERBEROS_TOKEN_MAX_BYTES && is_token(token, AP_REQ);
}

bool kerberos_is_answer(struct str token)
{
    return is_token(token, AP_REP);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_listed(struct str realm, const char *const *realms)
{
    for (; realms && *realms; realms++)
        if (str_is(realm, *realms))
            return true;
    return false;
}

/* A backslash stands before what else would be a separator. No local part needs one. */
const char *kerberos_read_person(struct str text, const char *default_realm,
                                 const char *const *realms, struct str *out_name)
{
    struct str rest = text, name = str_cut(&rest, '@');
    struct str realm = str_is_set(rest) ? rest : str_from(default_realm);

    if (str_find(text, '\\') < text.n || str_find(realm, '@') < realm.n || !str_is_utf8(text))
        return "a principal with characters that no account has";
    if (!is_listed(realm, realms))
        return "a principal of a realm that is not this host's";
    if (str_find(name, '/') < name.n)
        return "a principal that is a service or an instance, not a person";
    if (str_ends_with(name, STR("$")))
        return "a principal that is a machine, not a person";
    if (name.n == 0)
        return "a principal without a name";
    *out_name = name;
    return NULL;
}
