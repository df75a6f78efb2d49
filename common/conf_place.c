/* Sentences about a configuration that were made without its file at hand get the place that they
 * speak of. Whoever checks what the table cannot say knows keys and titles; where these stand is
 * looked up here, in the one case where it matters. */
#include "common/conf_scan.h"

/* What a sentence begins with: KEY, or SECTION "TITLE", or SECTION "TITLE": KEY. */
struct subject {
    struct str name, title, key;
};

static struct str behind(struct str s, size_t n)
{
    return str_of(s.p + n, s.n - n);
}

static struct str take_word(struct str *rest)
{
    size_t n = 0;
    struct str word;

    while (n < rest->n && ((rest->p[n] >= 'a' && rest->p[n] <= 'z') || rest->p[n] == '_'))
        n++;
    word = str_of(rest->p, n);
    *rest = behind(*rest, n);
    return word;
}

static struct subject subject_of(struct str sentence)
{
    struct subject s = { .name = take_word(&sentence), .title = STR_NONE, .key = STR_NONE };

    if (!str_starts_with(sentence, STR(" \"")))
        return s;
    sentence = behind(sentence, 2);
    s.title = str_cut(&sentence, '"');
    if (!str_starts_with(sentence, STR(": ")))
        return s;
    sentence = behind(sentence, 2);
    s.key = take_word(&sentence);
    if (!str_starts_with(sentence, STR(":")))
        s.key = STR_NONE;
    return s;
}

static bool is_heading_of(const struct conf_found *f, const struct subject *s)
{
    return !f->key && f->section->name && str_is(s->name, f->section->name) &&
           (!str_is_set(s->title) || str_eq(f->title, s->title));
}

/* A key of the top level, or of a section when within is its heading. */
static const struct conf_found *find_key(const struct conf_scan *scan, struct str key,
                                         const struct conf_found *within)
{
    for (const struct conf_found *f = scan->found; f; f = f->next) {
        if (!f->key || !str_is(key, f->key->name))
            continue;
        if (within ? f->section == within->section && f->index == within->index : !f->section->name)
            return f;
    }
    return NULL;
}

static const struct conf_found *find(const struct conf_scan *scan, const struct subject *s)
{
    const struct conf_found *key;

    for (const struct conf_found *f = scan->found; f; f = f->next) {
        if (!is_heading_of(f, s))
            continue;
        key = str_is_set(s->key) ? find_key(scan, s->key, f) : NULL;
        return key ? key : f;
    }
    return find_key(scan, s->name, NULL);
}

void conf_add_places(const struct conf_spec *spec, const char *path, struct str sentences,
                     struct buf *out)
{
    struct conf_scan scan;
    struct buf unused = { 0 };

    if (conf_scan(&scan, spec, path, &unused) != ERR_OK)
        buf_clear(&unused); /* it was read a moment ago; then there are no places */
    while (sentences.n > 0) {
        struct str sentence = str_cut(&sentences, '\n');
        struct subject s = subject_of(sentence);
        const struct conf_found *f = find(&scan, &s);

        if (sentence.n > 0)
            buf_printf(out, "%s:%d: %.*s\n", f ? f->place.file : path, f ? f->place.line : 1,
                       STR_ARG(sentence));
    }
    conf_scan_fini(&scan);
    buf_fini(&unused);
}
