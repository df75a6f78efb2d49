/* Decoders of SASL's first messages; see the header. Attributes come in a fixed order, so each is
 * cut from the front. */
#include "sm/auth/first_message.h"

static bool is_name(struct str s)
{
    return s.n > 0 && str_find(s, '\0') == s.n && str_is_utf8(s);
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D"); a comma has been cut off already. */
static enum err decode_name(struct str s, struct arena *arena, struct str *out_name)
{
    char *p;
    size_t n = 0;

    if (!is_name(s))
        return ERR_MALFORMED;
    p = arena_alloc(arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        struct str rest = str_of(s.p + i, s.n - i);

        if (s.p[i] != '=') {
            p[n++] = s.p[i];
            continue;
        }
        if (!str_starts_with(rest, STR("=2C")) && !str_starts_with(rest, STR("=3D")))
            return ERR_MALFORMED;
        p[n++] = s.p[i + 1] == '2' ? ',' : '=';
        i += 2;
    }
    *out_name = str_of(p, n);
    return ERR_OK;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool is_binding_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return false;
    }
    return s.n > 0;
}

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ',')
            return false;
    return s.n > 0;
}

/* Takes "K=value" off the front of rest; false when what comes first is something else. */
static bool cut_attribute(struct str *rest, char key, struct str *out_value)
{
    struct str field;

    if (!str_is_set(*rest) || rest->n < 2 || rest->p[0] != key || rest->p[1] != '=')
        return false;
    field = str_cut(rest, ',');
    *out_value = str_of(field.p + 2, field.n - 2);
    return true;
}

/* gs2-header = ("p=" cb-name / "n" / "y") "," [ "a=" saslname ] "," */
static enum err read_gs2_header(struct str *rest, struct arena *arena, struct first_message *out)
{
    struct str value, field;

    if (cut_attribute(rest, 'p', &value)) {
        out->binding_flag = 'p';
        out->binding_name = arena_str(arena, value);
        if (!is_binding_name(value))
            return ERR_MALFORMED;
    } else {
        field = str_cut(rest, ',');
        if (!str_is(field, "n") && !str_is(field, "y"))
            return ERR_MALFORMED;
        out->binding_flag = field.p[0];
    }
    if (!str_is_set(*rest))
        return ERR_MALFORMED;
    if (cut_attribute(rest, 'a', &value))
        return decode_name(value, arena, &out->authzid);
    field = str_cut(rest, ',');
    return field.n == 0 && str_is_set(*rest) ? ERR_OK : ERR_MALFORMED;
}

/* Extensions (m=) that a server must understand are malformed here: we know none, and n= must come
 * first. */
enum err first_message_read_scram(struct str message, struct arena *arena,
                                  struct first_message *out)
{
    struct str rest = message, value;
    enum err e;

    *out = (struct first_message){ 0 };
    if (message.n > FIRST_MESSAGE_MAX_BYTES)
        return ERR_LIMIT;
    if ((e = read_gs2_header(&rest, arena, out)) != ERR_OK)
        return e;
    out->gs2_header = str_of(message.p, message.n - rest.n);
    if (!cut_attribute(&rest, 'n', &value))
        return ERR_MALFORMED;
    if ((e = decode_name(value, arena, &out->user)) != ERR_OK)
        return e;
    if (!cut_attribute(&rest, 'r', &value) || !is_nonce(value))
        return ERR_MALFORMED;
    return str_is_utf8(rest) && str_find(rest, '\0') == rest.n ? ERR_OK : ERR_MALFORMED;
}

/* message = [authzid] NUL authcid NUL passwd */
enum err first_message_read_plain(struct str message, struct arena *arena,
                                  struct first_message *out)
{
    struct str rest = message, authzid, user;

    *out = (struct first_message){ 0 };
    if (message.n > FIRST_MESSAGE_MAX_BYTES)
        return ERR_LIMIT;
    authzid = str_cut(&rest, '\0');
    if (!str_is_set(rest) || (authzid.n > 0 && !is_name(authzid)))
        return ERR_MALFORMED;
    user = str_cut(&rest, '\0');
    if (!is_name(user) || !is_name(rest))
        return ERR_MALFORMED;
    out->authzid = authzid.n > 0 ? arena_str(arena, authzid) : STR_NONE;
    out->user = arena_str(arena, user);
    out->password = rest;
    return ERR_OK;
}

static bool is_base64(struct str s)
{
    size_t padding = 0;

    while (s.n > 0 && padding < 2 && s.p[s.n - 1] == '=') {
        s.n--;
        padding++;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && c != '+' && c != '/')
            return false;
    }
    return s.n > 0 && (s.n + padding) % 4 == 0;
}

bool first_message_is_scram_final(struct str message, struct str *out_binding)
{
    struct str rest = message, value;

    if (message.n > FIRST_MESSAGE_MAX_BYTES || !str_is_utf8(message))
        return false;
    if (!cut_attribute(&rest, 'c', out_binding) || !is_base64(*out_binding))
        return false;
    if (!cut_attribute(&rest, 'r', &value) || !is_nonce(value))
        return false;
    while (!cut_attribute(&rest, 'p', &value))
        if (str_cut(&rest, ',').n == 0)
            return false;
    return is_base64(value) && !str_is_set(rest);
}
