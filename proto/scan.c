/* The boundary scanner (scan.h): where does a top-level element end? It knows tags, quotes and
 * CDATA sections, and leaves names, entities, encoding and namespaces to xml.h. For every text that
 * is well-formed the two agree about the end; what is not, one of them refuses. RFC 6120 §11.1. */
#include "proto/scan.h"

#include <string.h>

enum state {
    CONTENT,     /* between tags; at depth 0 the gap between elements */
    LESS,        /* behind "<" */
    BANG,        /* behind "<!" and as much of "[CDATA[" as scan.quote says */
    START,       /* in a start tag, outside quotes */
    SLASH,       /* behind "/" in a start tag */
    VALUE,       /* in a quoted value of a start tag */
    END,         /* in an end tag */
    CDATA,       /* in a CDATA section, with scan.quote closing brackets just seen (at most 2) */
    DECLARATION, /* behind "<?" and as much of "xml" as scan.quote says, then up to "?>" */
    ASKED,       /* behind a "?" of a declaration */
};

/* a step's answer: go on; otherwise an enum scan_found */
enum { PARTIAL = -1 };

/* Where a walk over one call's bytes stands. */
struct walk {
    const char *p, *end;
    const struct scan_limits *limits;
    bool in_stream;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_name_start(char c)
{
    unsigned char u = (unsigned char)c, lower = u | 0x20;

    return (lower >= 'a' && lower <= 'z') || u == '_' || u == ':' || u >= 0x80;
}

static int step_content(struct scan *s, struct walk *w)
{
    if (s->depth == 0) {
        if (*w->p != '<')
            return SCAN_BAD;
    } else {
        const char *less = memchr(w->p, '<', (size_t)(w->end - w->p));

        if (!less) {
            w->p = w->end;
            return PARTIAL;
        }
        w->p = less;
    }
    w->p++;
    s->state = LESS;
    return PARTIAL;
}

static int step_less(struct scan *s, struct walk *w)
{
    char c = *w->p;

    if (is_name_start(c)) {
        if (s->depth >= w->limits->max_depth)
            return SCAN_TOO_LARGE;
        s->state = START;
        s->attributes = 0;
    } else if (c == '/') {
        if (s->depth == 0 && !w->in_stream)
            return SCAN_BAD;
        s->state = END;
    } else if (c == '!') {
        s->state = BANG;
        s->quote = 0;
    } else if (c == '?') {
        if (s->depth > 0)
            return SCAN_RESTRICTED;
        s->state = DECLARATION;
        s->quote = 0;
    } else {
        return SCAN_BAD;
    }
    w->p++;
    return PARTIAL;
}

/* Only a CDATA section may follow, and only inside an element. */
static int step_bang(struct scan *s, struct walk *w)
{
    static const char opening[] = "[CDATA[";

    if (s->depth == 0 || *w->p != opening[s->quote])
        return SCAN_RESTRICTED;
    w->p++;
    if (++s->quote == sizeof opening - 1) {
        s->state = CDATA;
        s->quote = 0;
    }
    return PARTIAL;
}

static int step_cdata(struct scan *s, struct walk *w)
{
    if (s->quote == 0) {
        const char *bracket = memchr(w->p, ']', (size_t)(w->end - w->p));

        w->p = bracket ? bracket + 1 : w->end;
        s->quote = bracket != NULL;
        return PARTIAL;
    }
    if (*w->p == '>' && s->quote == 2) {
        s->state = CONTENT;
        s->quote = 0;
    } else if (*w->p == ']') {
        s->quote = 2; /* "]]]>" ends as well */
    } else {
        s->quote = 0;
    }
    w->p++;
    return PARTIAL;
}

static int start_ended(struct scan *s, const struct walk *w)
{
    s->state = CONTENT;
    if (s->depth == 0 && !w->in_stream)
        return SCAN_STREAM_OPEN;
    s->depth++;
    return PARTIAL;
}

/* The rest of a value; most are short, and a call costs more than a loop. */
static bool skip_value(struct scan *s, struct walk *w)
{
    const char *p = w->p, *end = w->end;
    char quote = (char)s->quote;

    while (p < end && *p != quote)
        p++;
    w->p = p;
    if (p == end)
        return false;
    w->p++;
    s->state = START;
    return true;
}

static int step_value(struct scan *s, struct walk *w)
{
    (void)skip_value(s, w);
    return PARTIAL;
}

static int step_start(struct scan *s, struct walk *w)
{
    while (w->p < w->end) {
        char c = *w->p++;

        switch (c) {
        case '>':
            return start_ended(s, w);
        case '/':
            s->state = SLASH;
            return PARTIAL;
        case '<':
            return SCAN_BAD;
        case '"':
        case '\'':
            s->state = VALUE;
            s->quote = (uint8_t)c;
            if (!skip_value(s, w))
                return PARTIAL;
            break;
        case '=':
            if (++s->attributes > w->limits->max_attributes)
                return SCAN_TOO_LARGE;
            break;
        default:
            break;
        }
    }
    return PARTIAL;
}

static int step_slash(struct scan *s, struct walk *w)
{
    if (*w->p++ != '>')
        return SCAN_BAD;
    s->state = CONTENT;
    return s->depth == 0 ? SCAN_ELEMENT : PARTIAL;
}

static int step_end(struct scan *s, struct walk *w)
{
    while (w->p < w->end) {
        char c = *w->p++;

        if (c == '<')
            return SCAN_BAD;
        if (c != '>')
            continue;
        s->state = CONTENT;
        if (s->depth == 0)
            return SCAN_STREAM_CLOSE;
        return --s->depth == 0 ? SCAN_ELEMENT : PARTIAL;
    }
    return PARTIAL;
}

/* Any target but "xml" makes it a processing instruction. */
static int step_declaration(struct scan *s, struct walk *w)
{
    static const char target[] = "xml";
    char c = *w->p++;

    if (s->quote < sizeof target - 1) {
        if (c != target[s->quote++])
            return SCAN_RESTRICTED;
    } else if (s->quote == sizeof target - 1) {
        if (!is_space(c))
            return SCAN_RESTRICTED;
        s->quote++;
    } else if (c == '?') {
        s->state = ASKED;
    } else if (c == '<') {
        return SCAN_BAD;
    }
    return PARTIAL;
}

static int step_asked(struct scan *s, struct walk *w)
{
    if (*w->p++ != '>')
        return SCAN_BAD;
    s->state = CONTENT;
    return SCAN_DECLARATION;
}

static int step(struct scan *s, struct walk *w)
{
    switch ((enum state)s->state) {
    case CONTENT:
        return step_content(s, w);
    case LESS:
        return step_less(s, w);
    case BANG:
        return step_bang(s, w);
    case START:
        return step_start(s, w);
    case SLASH:
        return step_slash(s, w);
    case VALUE:
        return step_value(s, w);
    case END:
        return step_end(s, w);
    case CDATA:
        return step_cdata(s, w);
    case DECLARATION:
        return step_declaration(s, w);
    case ASKED:
        return step_asked(s, w);
    }
    return SCAN_BAD;
}

enum scan_found scan_next(struct scan *s, struct str bytes, bool in_stream,
                          const struct scan_limits *limits, size_t *out_used)
{
    struct walk w = { bytes.p, bytes.p + bytes.n, limits, in_stream };
    size_t room = s->size < limits->max_bytes ? limits->max_bytes - s->size : 0;
    bool is_cut = bytes.n > room;
    int found = PARTIAL;

    if (s->size == 0) {
        while (w.p < w.end && is_space(*w.p))
            w.p++;
        *out_used = (size_t)(w.p - bytes.p);
        if (*out_used > 0)
            return SCAN_SPACE;
    }
    if (is_cut)
        w.end = bytes.p + room; /* what goes on beyond the limit is not even looked at */
    while (found == PARTIAL && w.p < w.end)
        found = step(s, &w);
    *out_used = (size_t)(w.p - bytes.p);
    if (found != PARTIAL) {
        s->size = 0;
        return (enum scan_found)found;
    }
    s->size += (uint32_t)*out_used;
    return is_cut ? SCAN_TOO_LARGE : SCAN_MORE;
}
