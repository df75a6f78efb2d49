/* See uri.h. */
#include "sm/directory/uri.h"

static const struct {
    struct str prefix;
    uint16_t port;
} schemes[] = {
    [DIRECTORY_LDAP] = { STR("ldap://"), 389 },
    [DIRECTORY_LDAPS] = { STR("ldaps://"), 636 },
    [DIRECTORY_LDAPI] = { STR("ldapi://"), 0 },
};

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-'))
            return false;
    }
    return host.n > 0 && host.n <= 253;
}

static bool is_path(struct str path)
{
    return str_starts_with(path, STR("%2F")) || str_starts_with(path, STR("%2f"));
}

static bool is_loopback(struct str host)
{
    return str_starts_with(host, STR("127.")) || str_is(host, "[::1]") || str_is(host, "localhost");
}

/* "[::1]:636", "host:636", "host" */
static enum err read_authority(struct str text, struct directory_uri *u)
{
    bool is_six = text.n > 0 && text.p[0] == '[';
    size_t n = is_six ? str_find(text, ']') + 1 : str_find(text, ':');
    uint64_t port = u->port;
    struct str rest;

    if (n > text.n)
        return ERR_MALFORMED;
    u->host = str_of(text.p, n);
    rest = str_of(text.p + n, text.n - n);
    if (is_six ? n < sizeof "[::]" - 1 : !is_host(u->host))
        return ERR_MALFORMED;
    if (rest.n > 0 && (rest.p[0] != ':' ||
                       str_to_u64(str_of(rest.p + 1, rest.n - 1), &port) != ERR_OK ||
                       port == 0 || port > UINT16_MAX))
        return ERR_MALFORMED;
    u->port = (uint16_t)port;
    u->is_loopback = is_loopback(u->host);
    return ERR_OK;
}

enum err directory_uri_read(const char *text, struct directory_uri *out)
{
    struct str whole = str_from(text);

    *out = (struct directory_uri){ 0 };
    if (whole.n > 0 && whole.p[whole.n - 1] == '/' && !str_ends_with(whole, STR("//")))
        whole.n--;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = schemes[i].prefix.n;

        if (!str_starts_with(whole, schemes[i].prefix))
            continue;
        out->scheme = (enum directory_scheme)i;
        out->port = schemes[i].port;
        out->host = str_of(whole.p + n, whole.n - n);
        if (out->scheme == DIRECTORY_LDAPI)
            return is_path(out->host) ? ERR_OK : ERR_MALFORMED;
        return read_authority(out->host, out);
    }
    return ERR_MALFORMED;
}

static void add_unescaped(struct buf *out, struct str text)
{
    while (text.n > 0) {
        size_t n = text.p[0] == '%' && text.n >= 3 ? 3 : 1;

        if (n == 1 || buf_add_hex_decoded(out, str_of(text.p + 1, 2)) != ERR_OK)
            buf_add(out, str_of(text.p, n));
        text = str_of(text.p + n, text.n - n);
    }
}

void directory_uri_add_address(struct buf *out, const struct directory_uri *u)
{
    if (u->scheme == DIRECTORY_LDAPI) {
        buf_add(out, STR("unix:"));
        add_unescaped(out, u->host);
    } else {
        buf_printf(out, "%.*s:%u", STR_ARG(u->host), u->port);
    }
}
