/* The boundary scanner: a stream in pieces gives what it gives in one; and what libxml2 takes as
 * one element, the scanner ends at the same byte. The first byte chooses where the stream is cut.
 */
#include "proto/scan.h"
#include "proto/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_EVENTS = 4096 };

struct events {
    size_t count;
    struct {
        enum scan_found found;
        size_t end; /* where in the stream */
    } at[MAX_EVENTS];
};

static const struct scan_limits limits = { .max_bytes = 2000,
                                           .max_depth = 20,
                                           .max_attributes = 20 };

static bool is_end(enum scan_found found)
{
    return found == SCAN_TOO_LARGE || found == SCAN_RESTRICTED || found == SCAN_BAD;
}

/* In pieces of at most step bytes. White space and unfinished things are no events. */
static void scan_all(struct str stream, size_t step, struct events *out)
{
    struct scan scan = { 0 };
    bool in_stream = false;
    size_t at = 0;

    out->count = 0;
    while (at < stream.n && out->count < MAX_EVENTS) {
        size_t piece = step < stream.n - at ? step : stream.n - at, used;
        enum scan_found found =
            scan_next(&scan, str_of(stream.p + at, piece), in_stream, &limits, &used);

        ASSERT(used <= piece && (used > 0 || is_end(found)));
        ASSERT(found != SCAN_MORE || used == piece);
        ASSERT(scan.size <= limits.max_bytes);
        at += used;
        if (found == SCAN_MORE || found == SCAN_SPACE)
            continue;
        in_stream |= found == SCAN_STREAM_OPEN;
        out->at[out->count].found = found;
        out->at[out->count++].end = is_end(found) ? 0 : at; /* how far one looked may differ */
        if (is_end(found))
            return;
    }
}

static void check_pieces(struct str stream, size_t step)
{
    static struct events whole, pieces;

    scan_all(stream, stream.n, &whole);
    scan_all(stream, step, &pieces);
    ASSERT(whole.count == pieces.count);
    for (size_t i = 0; i < whole.count; i++)
        ASSERT(whole.at[i].found == pieces.at[i].found && whole.at[i].end == pieces.at[i].end);
}

static void check_against_parser(struct str element)
{
    static const struct scan_limits wide = { .max_bytes = 1 << 20,
                                             .max_depth = 1000,
                                             .max_attributes = 1000 };
    static struct xml_parser *parser;
    struct arena arena = { 0 };
    struct scan scan = { 0 };
    struct xml *x;
    size_t used;

    if (!parser)
        parser = xml_parser_new();
    if (xml_parse(parser, XML_IN_CLIENT_STREAM, &xml_default_limits, element, &arena, &x) == XML_OK)
        ASSERT(scan_next(&scan, element, true, &wide, &used) == SCAN_ELEMENT && used == element.n);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str stream;

    if (size < 2)
        return 0;
    stream = str_of(data + 1, size - 1);
    check_pieces(stream, 1 + data[0] % 32);
    check_against_parser(stream);
    return 0;
}
