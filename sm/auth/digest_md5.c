/* The parser of DIGEST-MD5's response; see the header. The grammar is HTTP's list of directives,
 * name=token or name="text" between commas, with white space around them (§7). */
#include "sm/auth/digest_md5.h"

enum directive {
    USERNAME, REALM, NONCE, CNONCE, NC, QOP, DIGEST_URI, RESPONSE, MAXBUF, CHARSET, CIPHER, AUTHZID,
    DIRECTIVES
};

enum form { QUOTED, TOKEN, EITHER };

static const struct {
    const char *name;
    enum form form; /* clients quote qop as well, against the grammar: libsasl2 takes both */
    bool is_needed;
} directives[DIRECTIVES] = {
    [USERNAME] = { "username", QUOTED, true },
    [REALM] = { "realm", QUOTED, false },
    [NONCE] = { "nonce", QUOTED, true },
    [CNONCE] = { "cnonce", QUOTED, true },
    [NC] = { "nc", TOKEN, true },
    [QOP] = { "qop", EITHER, false },
    [DIGEST_URI] = { "digest-uri", QUOTED, true },
    [RESPONSE] = { "response", TOKEN, true },
    [MAXBUF] = { "maxbuf", TOKEN, false },
    [CHARSET] = { "charset", EITHER, false },
    [CIPHER] = { "cipher", EITHER, false },
    [AUTHZID] = { "authzid", QUOTED, false },
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* token: no control characters, none of HTTP's separators */
static bool is_token_char(char c)
{
    static const struct str separators = STR("()<>@,;:\\\"/[]?={}");

    return c > ' ' && c < 0x7f && str_find(separators, c) == separators.n;
}

struct reader {
    struct str rest;
    char *texts; /* where the next text without its quotes goes: there is room for all of them */
};

static void drop(struct reader *r, size_t n)
{
    r->rest = str_of(r->rest.p + n, r->rest.n - n);
}

static bool is_at(const struct reader *r, char c)
{
    return r->rest.n > 0 && r->rest.p[0] == c;
}

static void skip_space(struct reader *r)
{
    while (r->rest.n > 0 && is_space(r->rest.p[0]))
        drop(r, 1);
}

static bool take_token(struct reader *r, struct str *out)
{
    size_t n = 0;

    while (n < r->rest.n && is_token_char(r->rest.p[n]))
        n++;
    *out = str_of(r->rest.p, n);
    drop(r, n);
    return n > 0;
}

/* What stands behind the opening quote; a backslash makes any character of ASCII itself. */
static bool take_quoted(struct reader *r, struct str *out)
{
    size_t n = 0;

    for (size_t i = 0; i < r->rest.n; i++) {
        char c = r->rest.p[i];

        if (c == '"') {
            *out = str_of(r->texts, n);
            r->texts += n;
            drop(r, i + 1);
            return true;
        }
        if (c == '\\') {
            if (++i == r->rest.n)
                return false;
            c = r->rest.p[i];
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return false;
        r->texts[n++] = c;
    }
    return false;
}

static bool take_value(struct reader *r, struct str *out, bool *is_quoted)
{
    *is_quoted = is_at(r, '"');
    if (!*is_quoted)
        return take_token(r, out);
    drop(r, 1);
    return take_quoted(r, out);
}

static enum directive find(struct str name)
{
    size_t i = 0;

    while (i < DIRECTIVES && !str_eq_nocase(name, str_from(directives[i].name)))
        i++;
    return (enum directive)i;
}

static bool keep(struct str name, struct str value, bool is_quoted, struct str found[DIRECTIVES])
{
    enum directive d = find(name);

    if (d == DIRECTIVES)
        return true;
    if (str_is_set(found[d]))
        return false;
    found[d] = value;
    return directives[d].form == EITHER || (directives[d].form == QUOTED) == is_quoted;
}

/* A list may have empty elements (RFC 2616 §2.1, #rule). */
static bool read_list(struct reader *r, struct str found[DIRECTIVES])
{
    struct str name, value = STR_NONE;
    bool is_quoted;

    for (;;) {
        skip_space(r);
        if (r->rest.n == 0)
            return true;
        if (is_at(r, ',')) {
            drop(r, 1);
            continue;
        }
        if (!take_token(r, &name))
            return false;
        skip_space(r);
        if (!is_at(r, '='))
            return false;
        drop(r, 1);
        skip_space(r);
        if (!take_value(r, &value, &is_quoted) || !keep(name, value, is_quoted, found))
            return false;
        skip_space(r);
        if (r->rest.n > 0 && !is_at(r, ','))
            return false;
    }
}

/* n digits of hexadecimal, in lower case (§2.1.2: LHEX). */
static bool is_hex(struct str s, size_t n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == n;
}

static uint32_t read_count(struct str s)
{
    uint32_t value = 0;

    for (size_t i = 0; i < s.n; i++)
        value = value << 4 | (uint32_t)(s.p[i] <= '9' ? s.p[i] - '0' : s.p[i] - 'a' + 10);
    return value;
}

/* Without the charset a name is ISO 8859-1 (§2.1.1): the ASCII of it is the same in both. */
static bool is_name(struct str s, bool is_utf8)
{
    for (size_t i = 0; i < s.n && !is_utf8; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return s.n > 0 && str_is_utf8(s);
}

static bool is_whole(const struct str found[DIRECTIVES])
{
    bool is_utf8 = str_is_set(found[CHARSET]);

    for (size_t i = 0; i < DIRECTIVES; i++)
        if (directives[i].is_needed && !str_is_set(found[i]))
            return false;
    if (is_utf8 && !str_eq_nocase(found[CHARSET], STR("utf-8")))
        return false;
    return is_hex(found[NC], 8) && is_hex(found[RESPONSE], 32) && found[NONCE].n > 0 &&
           found[CNONCE].n > 0 && is_name(found[USERNAME], is_utf8) &&
           (!str_is_set(found[REALM]) || str_is_utf8(found[REALM])) &&
           (!str_is_set(found[AUTHZID]) || is_name(found[AUTHZID], is_utf8));
}

enum err digest_md5_read(struct str message, struct arena *arena, struct digest_md5 *out)
{
    struct str found[DIRECTIVES];
    struct reader r;

    for (size_t i = 0; i < DIRECTIVES; i++)
        found[i] = STR_NONE;
    if (message.n > DIGEST_MD5_MAX_BYTES)
        return ERR_LIMIT;
    r = (struct reader){ arena_str(arena, message), arena_alloc(arena, message.n + 1) };
    if (!read_list(&r, found) || !is_whole(found))
        return ERR_MALFORMED;
    *out = (struct digest_md5){ .username = found[USERNAME],
                                .realm = found[REALM],
                                .nonce = found[NONCE],
                                .digest_uri = found[DIGEST_URI],
                                .authzid = found[AUTHZID],
                                .count = read_count(found[NC]),
                                .is_auth = !str_is_set(found[QOP]) ||
                                           str_eq_nocase(found[QOP], STR("auth")) };
    return ERR_OK;
}

bool digest_md5_is_for(const struct digest_md5 *d, struct str host)
{
    struct str rest = d->digest_uri;
    struct str service = str_cut(&rest, '/');

    return str_eq_nocase(service, STR("xmpp")) && str_is_set(rest) && str_eq_nocase(rest, host);
}
