/* Elements made to stand alone (alone.h). What comes in was parsed before, so it is well-formed;
 * this only looks at the start tag. */
#include "c2s/alone.h"

#include "proto/ns.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t name_end(struct str bytes)
{
    size_t at = 1;

    while (at < bytes.n && !is_space(bytes.p[at]) && bytes.p[at] != '/' && bytes.p[at] != '>')
        at++;
    return at;
}

/* The index of the '>' of the start tag. */
static size_t tag_end(struct str bytes)
{
    char quote = 0;

    for (size_t at = 0; at < bytes.n; at++) {
        char c = bytes.p[at];

        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return at;
    }
    return bytes.n;
}

/* Whether the start tag has a default namespace of its own: an attribute "xmlns", not one that only
 * begins so. */
static bool declares_default(struct str tag)
{
    static const char word[] = "xmlns";
    const size_t n = sizeof(word) - 1;
    char quote = 0;

    for (size_t at = 0; at + n < tag.n; at++) {
        char c = tag.p[at];

        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (is_space(c) && at + 1 + n < tag.n && memcmp(tag.p + at + 1, word, n) == 0 &&
                 (tag.p[at + 1 + n] == '=' || is_space(tag.p[at + 1 + n])))
            return true;
    }
    return false;
}

struct str alone_element(struct str bytes, struct xml *root, struct buf *scratch)
{
    size_t end = name_end(bytes);

    /* Prefixes that the stream binds are not bound in a frame. Such elements are rare and legal:
     * written anew. */
    if (memchr(bytes.p, ':', end) || memmem(bytes.p, bytes.n, "stream:", 7)) {
        buf_clear(scratch);
        root->inner = STR_NONE;
        xml_write(scratch, root, STR_NONE);
        return buf_str(scratch);
    }
    if (declares_default(str_of(bytes.p, tag_end(bytes))))
        return bytes;
    buf_clear(scratch);
    buf_add(scratch, str_of(bytes.p, end));
    buf_add(scratch, STR(" xmlns='" NS_CLIENT "'"));
    buf_add(scratch, str_of(bytes.p + end, bytes.n - end));
    return buf_str(scratch);
}

void alone_add_feature(struct str features, struct str feature, struct buf *out)
{
    size_t end = tag_end(features);

    if (features.p[end - 1] == '/') { /* <stream:features …/> */
        buf_add(out, str_of(features.p, end - 1));
        buf_add_char(out, '>');
        buf_add(out, feature);
        buf_add(out, STR("</"));
        buf_add(out, str_of(features.p + 1, name_end(features) - 1));
        buf_add_char(out, '>');
        return;
    }
    buf_add(out, str_of(features.p, end + 1));
    buf_add(out, feature);
    buf_add(out, str_of(features.p + end + 1, features.n - end - 1));
}
