/* The hosts of the configuration: "name", "name:port", "[address]:port", "/folder". Pure. */
#include "sm/store/postgres.h"

bool pg_host_parse(const char *host, struct str *out_name, struct str *out_port)
{
    struct str text = str_from(host);
    const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
    uint64_t port;

    *out_port = STR("5432");
    if (colon && (!bracket || colon > bracket)) {
        *out_port = str_from(colon + 1);
        text.n = (size_t)(colon - host);
        if (str_to_u64(*out_port, &port) != ERR_OK || port < 1 || port > 65535)
            return false;
    }
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_of(text.p + 1, text.n - 2);
    else if (str_find(text, ':') < text.n) /* an IPv6 address needs its brackets */
        return false;
    *out_name = text;
    return text.n > 0 && str_find(text, ',') == text.n;
}

bool store_is_host(const char *host)
{
    struct str name, port;

    return pg_host_parse(host, &name, &port);
}

void store_host_address(const char *host, struct buf *out)
{
    struct str name = STR("/"), port;

    if (!pg_host_parse(host, &name, &port))
        name = STR("/"); /* which the check of the configuration has said */
    if (name.p[0] == '/')
        buf_printf(out, "unix:%.*s", STR_ARG(name));
    else if (str_find(name, ':') < name.n)
        buf_printf(out, "[%.*s]:%.*s", STR_ARG(name), STR_ARG(port));
    else
        buf_printf(out, "%.*s:%.*s", STR_ARG(name), STR_ARG(port));
    buf_add_char(out, '\0');
}
