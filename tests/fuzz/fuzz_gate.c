/* What c2s does with a client's bytes besides scanning: the PROXY header in front of a connection, and elements made to stand alone (LINK.md §4). */
#include "c2s/alone.h"
#include "c2s/proxy.h"
#include "proto/ns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xml_parser *parser;

/* Whatever the header says, it is found at the same place however much is behind it, and asks for more while it is cut. */
static void check_proxy(struct str bytes)
{
    struct proxy_source source, again;
    size_t used, used_again;

    if (proxy_read(bytes, &source, &used) != ERR_OK)
        return;
    ASSERT(used >= 16 && used <= bytes.n && used <= PROXY_MAX_HEADER);
    ASSERT(!source.is_known || source.ip_bytes == 4 || source.ip_bytes == 16);
    for (size_t n = 0; n < used; n++)
        ASSERT(proxy_read(str_of(bytes.p, n), &again, &used_again) == ERR_AGAIN);
    ASSERT(proxy_read(str_of(bytes.p, used), &again, &used_again) == ERR_OK && used_again == used);
}

/* Alone it is one element of the same name and namespace. */
static void check_alone(struct str bytes)
{
    struct xml_limits limits = xml_default_limits;
    struct arena arena = { 0 };
    struct buf scratch = { 0 };
    struct xml *in_stream, *alone;
    struct str name, ns, whole;

    if (xml_parse(parser, XML_IN_CLIENT_STREAM, &limits, bytes, &arena, &in_stream) == XML_OK) {
        name = in_stream->name;
        ns = in_stream->ns;
        whole = alone_element(bytes, in_stream, &scratch);
        limits.max_attributes *= 3; /* namespaces may have been declared anew */
        ASSERT(xml_parse(parser, XML_ALONE, &limits, whole, &arena, &alone) == XML_OK);
        ASSERT(str_eq(alone->name, name) && str_eq(alone->ns, ns));
    }
    buf_fini(&scratch);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!parser)
        parser = xml_parser_new();
    check_proxy(str_of(data, size));
    check_alone(str_of(data, size));
    return 0;
}
