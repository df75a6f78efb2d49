/* Stream headers and stream errors (stream.h). What is sent when, is the programs' business. RFC
 * 6120 §4. */
#include "proto/stream.h"

#include "proto/ns.h"

const struct str stream_close_tag = { "</stream:stream>", sizeof "</stream:stream>" - 1 };

/* RFC 6120 §4.9.3 */
static const char *const names[STREAM_ERROR_COUNT] = {
    [STREAM_OK] = "",
    [STREAM_BAD_FORMAT] = "bad-format",
    [STREAM_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
    [STREAM_CONFLICT] = "conflict",
    [STREAM_CONNECTION_TIMEOUT] = "connection-timeout",
    [STREAM_HOST_GONE] = "host-gone",
    [STREAM_HOST_UNKNOWN] = "host-unknown",
    [STREAM_IMPROPER_ADDRESSING] = "improper-addressing",
    [STREAM_INTERNAL_SERVER_ERROR] = "internal-server-error",
    [STREAM_INVALID_FROM] = "invalid-from",
    [STREAM_INVALID_NAMESPACE] = "invalid-namespace",
    [STREAM_INVALID_XML] = "invalid-xml",
    [STREAM_NOT_AUTHORIZED] = "not-authorized",
    [STREAM_NOT_WELL_FORMED] = "not-well-formed",
    [STREAM_POLICY_VIOLATION] = "policy-violation",
    [STREAM_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
    [STREAM_RESET] = "reset",
    [STREAM_RESOURCE_CONSTRAINT] = "resource-constraint",
    [STREAM_RESTRICTED_XML] = "restricted-xml",
    [STREAM_SEE_OTHER_HOST] = "see-other-host",
    [STREAM_SYSTEM_SHUTDOWN] = "system-shutdown",
    [STREAM_UNDEFINED_CONDITION] = "undefined-condition",
    [STREAM_UNSUPPORTED_ENCODING] = "unsupported-encoding",
    [STREAM_UNSUPPORTED_FEATURE] = "unsupported-feature",
    [STREAM_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
    [STREAM_UNSUPPORTED_VERSION] = "unsupported-version",
};

const char *stream_error_name(enum stream_error e)
{
    ASSERT(e > STREAM_OK && e < STREAM_ERROR_COUNT);
    return names[e];
}

enum stream_error stream_error_from_name(struct str name)
{
    for (int e = STREAM_OK + 1; e < STREAM_ERROR_COUNT; e++)
        if (str_is(name, names[e]))
            return (enum stream_error)e;
    return STREAM_OK;
}

enum stream_error stream_error_from_xml(enum xml_error e)
{
    static const enum stream_error errors[] = {
        [XML_OK] = STREAM_OK,
        [XML_NOT_WELL_FORMED] = STREAM_NOT_WELL_FORMED,
        [XML_RESTRICTED] = STREAM_RESTRICTED_XML,
        [XML_BAD_NAMESPACE_PREFIX] = STREAM_BAD_NAMESPACE_PREFIX,
        [XML_UNSUPPORTED_ENCODING] = STREAM_UNSUPPORTED_ENCODING,
        [XML_TOO_LARGE] = STREAM_POLICY_VIOLATION,
    };

    ASSERT((size_t)e < ARRAY_LEN(errors));
    return errors[e];
}

void stream_write_error(struct buf *out, enum stream_error e, struct str text)
{
    buf_printf(out, "<stream:error><%s xmlns='" NS_STREAM_ERRORS "'/>", stream_error_name(e));
    if (str_is_set(text)) {
        buf_add(out, STR("<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>"));
        xml_escape(out, text);
        buf_add(out, STR("</text>"));
    }
    buf_add(out, STR("</stream:error>"));
}

/* RFC 6120 §4.8.5: the header declares the content namespace, the stream's and, between servers,
 * dialback's; extended content declares its own. That makes the meaning of every prefix a constant.
 */
static enum stream_error check_prefix(const struct xml_attr *prefix)
{
    if (prefix->name.n == 0)
        return STREAM_OK;
    if (str_is(prefix->value, NS_STREAM))
        return str_is(prefix->name, "stream") ? STREAM_OK : STREAM_BAD_NAMESPACE_PREFIX;
    if (str_is(prefix->name, "db") && str_is(prefix->value, NS_DIALBACK))
        return STREAM_OK;
    return STREAM_INVALID_NAMESPACE;
}

enum stream_error stream_read_header(const struct xml *root, const char *expected_ns,
                                     struct stream_header *out_header)
{
    struct stream_header h = { 0 };
    enum stream_error e;

    if (!str_is(root->ns, NS_STREAM))
        return STREAM_INVALID_NAMESPACE;
    for (const struct xml_attr *p = root->prefixes; p; p = p->next) {
        if ((e = check_prefix(p)) != STREAM_OK)
            return e;
        if (p->name.n == 0)
            h.default_ns = p->value;
    }
    if (!str_is(h.default_ns, expected_ns))
        return STREAM_INVALID_NAMESPACE;
    if (!str_is(root->name, "stream"))
        return STREAM_BAD_FORMAT;
    h.to = xml_attr(root, "to");
    h.from = xml_attr(root, "from");
    h.id = xml_attr(root, "id");
    h.lang = xml_lang(root);
    h.version = xml_attr(root, "version");
    *out_header = h;
    return STREAM_OK;
}

static void write_field(struct buf *out, const char *name, struct str value)
{
    if (!str_is_set(value))
        return;
    buf_add_char(out, ' ');
    buf_add(out, str_from(name));
    buf_add(out, STR("='"));
    xml_escape_attr(out, value);
    buf_add_char(out, '\'');
}

void stream_write_header(struct buf *out, const char *default_ns,
                         const struct stream_header *header)
{
    struct str ns = str_from(default_ns);

    buf_add(out, STR("<?xml version='1.0'?><stream:stream xmlns:stream='" NS_STREAM "'"));
    write_field(out, "xmlns", ns);
    if (str_is(ns, NS_CLIENT) || str_is(ns, NS_SERVER))
        write_field(out, "version",
                    STR("1.0")); /* XEP-0114 has none: its streams are those of 0.9 */
    if (str_is(ns, NS_SERVER))
        write_field(out, "xmlns:db", STR(NS_DIALBACK));
    write_field(out, "from", header->from);
    write_field(out, "to", header->to);
    write_field(out, "id", header->id);
    write_field(out, "xml:lang", header->lang);
    buf_add_char(out, '>');
}

bool stream_version_is_1_0(struct str version)
{
    struct str rest = version, major = str_cut(&rest, '.');
    uint64_t number, minor;

    return str_to_u64(major, &number) == ERR_OK && str_to_u64(rest, &minor) == ERR_OK &&
           number >= 1;
}

bool stream_is_close_tag(struct str bytes)
{
    return str_starts_with(bytes, STR("</stream:stream")) && str_ends_with(bytes, STR(">")) &&
           str_trim(str_of(bytes.p + 15, bytes.n - 16)).n == 0;
}
