/* Shape, names and places of a configuration file. See conf_scan.h. */
#include "common/conf_scan.h"

#include "common/conf_lex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_QUOTED = 60 }; /* bytes of the file's own in an error */

struct reader {
    struct conf_scan *s;
    struct conf_lex lex;
    const char *file;
    int depth;
    const struct conf_section *section; /* the one we are in; NULL at the top level */
    size_t index;
    int section_line;
};

/* What is quoted from a file may hold anything; an error stays one line. */
void conf_scan_fail(struct conf_scan *s, struct conf_place place, const char *format, ...)
{
    va_list args;
    size_t at;

    if (s->why->n > 0)
        buf_add_char(s->why, '\n');
    at = s->why->n;
    buf_printf(s->why, "%s:%d: ", place.file, place.line);
    va_start(args, format);
    buf_vprintf(s->why, format, args);
    va_end(args);
    for (; at < s->why->n; at++)
        if ((unsigned char)s->why->p[at] < ' ' || s->why->p[at] == 0x7f)
            s->why->p[at] = '?';
    s->has_failed = true;
}

static struct conf_place here(const struct reader *r)
{
    return (struct conf_place){ r->file, r->lex.text_line };
}

static int quoted(const struct reader *r)
{
    return r->lex.text.n < MAX_QUOTED ? (int)r->lex.text.n : MAX_QUOTED;
}

/* The end of this file's reading: what follows a wrong shape would only give misleading errors. */
static void give_up(struct reader *r, const char *expected)
{
    if (r->lex.token == CONF_TOKEN_BAD)
        conf_scan_fail(r->s, here(r), "%s", r->lex.bad);
    else if (r->lex.token == CONF_TOKEN_END)
        conf_scan_fail(r->s, here(r), "%s, not the end of the file", expected);
    else
        conf_scan_fail(r->s, here(r), "%s, not %.*s", expected, quoted(r), r->lex.text.p);
    r->lex.token = CONF_TOKEN_BAD;
    r->lex.bad = NULL;
    r->lex.rest = STR_NONE;
}

static bool is_over(const struct reader *r)
{
    return r->lex.token == CONF_TOKEN_BAD;
}

static const struct conf_section *find_section(const struct conf_spec *spec, struct str name)
{
    for (const struct conf_section *section = spec->sections; !section->is_end; section++)
        if (section->name && str_is(name, section->name))
            return section;
    return NULL;
}

/* A key of the section, or (section NULL) of any row of the top level. out_section: its row. */
static const struct conf_key *find_key(const struct reader *r, struct str name,
                                       const struct conf_section **out_section)
{
    for (const struct conf_section *section = r->s->spec->sections; !section->is_end; section++) {
        if (section != r->section && (r->section || section->name))
            continue;
        for (const struct conf_key *key = section->keys; key->name; key++) {
            if (!str_is(name, key->name))
                continue;
            *out_section = section;
            return key;
        }
    }
    return NULL;
}

static const struct conf_found *find_found(const struct conf_scan *s,
                                           const struct conf_section *section, size_t index,
                                           const struct conf_key *key)
{
    const struct conf_found *f = s->found;

    while (f && !(f->section == section && f->index == index && f->key == key))
        f = f->next;
    return f;
}

static void add_found(struct reader *r, struct conf_found found)
{
    struct conf_found *f = arena_new(&r->s->arena, struct conf_found);

    *f = found;
    f->place = here(r);
    f->next = r->s->found;
    r->s->found = f;
}

/* Words are quoted for libconfuse, so that none of its own rules for bare ones matters. */
static void copy_value(struct reader *r)
{
    struct buf *clean = &r->s->clean;
    bool is_quoted = r->lex.text.p[0] == '"' || r->lex.text.p[0] == '\'';

    if (!is_quoted)
        buf_add_char(clean, '"');
    buf_add(clean, r->lex.text);
    if (!is_quoted)
        buf_add_char(clean, '"');
}

static bool is_value(const struct reader *r)
{
    return r->lex.token == CONF_TOKEN_WORD || r->lex.token == CONF_TOKEN_STRING;
}

static void read_list(struct reader *r, const char *name)
{
    bool is_first = true;

    buf_add_char(&r->s->clean, '{');
    conf_lex_next(&r->lex);
    while (!is_over(r) && !conf_lex_is(&r->lex, '}')) {
        if (!is_first && conf_lex_is(&r->lex, ',')) {
            buf_add_char(&r->s->clean, ',');
            conf_lex_next(&r->lex);
            if (conf_lex_is(&r->lex, '}')) {
                conf_scan_fail(r->s, here(r), "%s: expected a text behind the last comma", name);
                return;
            }
        } else if (!is_first) {
            give_up(r, "expected , or } in the list");
            return;
        }
        if (!is_value(r)) {
            give_up(r, "expected a text in the list");
            return;
        }
        copy_value(r);
        is_first = false;
        conf_lex_next(&r->lex);
    }
    buf_add_char(&r->s->clean, '}');
}

static void read_value(struct reader *r, const struct conf_key *key, const char *name)
{
    bool is_list = key && key->type == CONF_LIST;

    buf_printf(&r->s->clean, "%s = ", name);
    conf_lex_next(&r->lex);
    if (is_list && is_value(r)) { /* a list of one needs no braces */
        buf_add_char(&r->s->clean, '{');
        copy_value(r);
        buf_add_char(&r->s->clean, '}');
    } else if (is_value(r)) {
        copy_value(r);
    } else if (conf_lex_is(&r->lex, '{')) {
        if (key && !is_list)
            conf_scan_fail(r->s, here(r), "%s: expected one value, not a list", name);
        read_list(r, name);
    } else {
        give_up(r, "expected a value");
        return;
    }
    if (is_over(r) && r->lex.bad)
        give_up(r, "");
    buf_add_char(&r->s->clean, '\n');
    conf_lex_next(&r->lex);
}

static void refuse_unknown(struct reader *r, struct str name, const char *what)
{
    struct buf known = { 0 };

    for (const struct conf_section *section = r->s->spec->sections; !section->is_end; section++) {
        if (section != r->section && (r->section || section->name))
            continue;
        for (const struct conf_key *key = section->keys; key->name; key++)
            buf_printf(&known, "%s%s", known.n > 0 ? ", " : "", key->name);
    }
    for (const struct conf_section *section = r->s->spec->sections; !r->section && !section->is_end;
         section++)
        if (section->name)
            buf_printf(&known, "%ssection %s", known.n > 0 ? ", " : "", section->name);
    conf_scan_fail(r->s, here(r), "%.*s: unknown %s, expected one of: %.*s", STR_ARG(name), what,
                   (int)known.n, known.n > 0 ? known.p : "");
    buf_fini(&known);
}

static void read_key(struct reader *r, struct str name, struct conf_place place)
{
    const struct conf_section *section = NULL;
    const struct conf_key *key = find_key(r, name, &section);
    const struct conf_found *before = key ? find_found(r->s, section, r->index, key) : NULL;
    char text[128];

    snprintf(text, sizeof text, "%.*s", STR_ARG(name));
    if (!key)
        refuse_unknown(r, name, "key");
    else if (before)
        conf_scan_fail(r->s, place, "%s: expected once, it was given at %s:%d already", text,
                       before->place.file, before->place.line);
    else
        add_found(r, (struct conf_found){ .section = section, .index = r->index, .key = key });
    read_value(r, key, text);
}

static void read_items(struct reader *r);

/* The number of sections of this name so far; says so when the title is taken. */
static size_t count_sections(struct reader *r, const struct conf_section *section, struct str title)
{
    size_t n = 0;

    for (const struct conf_found *f = r->s->found; f; f = f->next) {
        if (f->section != section || f->key)
            continue;
        n++;
        if (!section->is_titled || str_eq(f->title, title))
            conf_scan_fail(r->s, here(r), "%s: expected %s, it was given at %s:%d already",
                           section->name, section->is_titled ? "another title" : "once",
                           f->place.file, f->place.line);
    }
    return n;
}

/* The word is the title or the opening brace. */
static void read_section(struct reader *r, struct str name)
{
    const struct conf_section *section = find_section(r->s->spec, name);
    struct str title = STR_NONE;
    bool has_title = is_value(r);

    if (!section || r->section) {
        refuse_unknown(r, name, "section");
        r->lex.token = CONF_TOKEN_BAD;
        return;
    }
    if (has_title != section->is_titled) {
        conf_scan_fail(r->s, here(r), "%s: expected %s title", section->name,
                       section->is_titled ? "a" : "no");
        r->lex.token = CONF_TOKEN_BAD;
        return;
    }
    buf_printf(&r->s->clean, "%s ", section->name);
    if (has_title) {
        title = r->lex.text;
        if (title.p[0] == '"' || title.p[0] == '\'')
            title = str_of(title.p + 1, title.n - 2);
        title = arena_str(&r->s->arena, title);
    }
    r->index = count_sections(r, section, title);
    add_found(r, (struct conf_found){ .section = section, .index = r->index, .title = title });
    r->section_line = r->lex.text_line;
    if (has_title) {
        copy_value(r);
        conf_lex_next(&r->lex);
    }
    if (!conf_lex_is(&r->lex, '{')) {
        give_up(r, "expected { behind the section's name");
        return;
    }
    buf_add(&r->s->clean, STR(" {\n"));
    r->section = section;
    conf_lex_next(&r->lex);
    read_items(r);
}

static void end_section(struct reader *r)
{
    buf_add(&r->s->clean, STR("}\n"));
    r->section = NULL;
    r->index = 0;
    conf_lex_next(&r->lex);
}

static enum err read_file(struct conf_scan *s, const char *path, int depth,
                          struct conf_place asked_at);

static void read_include(struct reader *r)
{
    struct conf_place place = here(r);
    struct str name;
    const char *path;

    conf_lex_next(&r->lex);
    if (r->lex.token != CONF_TOKEN_STRING || r->section) {
        give_up(r, r->section ? "expected include at the top level only"
                              : "expected include(\"FILE\")");
        return;
    }
    name = str_of(r->lex.text.p + 1, r->lex.text.n - 2);
    path = name.n > 0 && name.p[0] == '/'
               ? arena_str(&r->s->arena, name).p
               : arena_printf(&r->s->arena, "%s/%.*s", r->s->folder, STR_ARG(name)).p;
    conf_lex_next(&r->lex);
    if (!conf_lex_is(&r->lex, ')')) {
        give_up(r, "expected ) behind the included file's name");
        return;
    }
    if (read_file(r->s, path, r->depth + 1, place) != ERR_OK)
        r->s->has_failed = true;
    conf_lex_next(&r->lex);
}

static void read_item(struct reader *r)
{
    struct str name = r->lex.text;
    struct conf_place place = here(r);

    conf_lex_next(&r->lex);
    if (conf_lex_is(&r->lex, '='))
        read_key(r, name, place);
    else if (conf_lex_is(&r->lex, '+'))
        give_up(r, "expected =");
    else if (conf_lex_is(&r->lex, '(') && str_is(name, "include"))
        read_include(r);
    else if (conf_lex_is(&r->lex, '{') || is_value(r))
        read_section(r, name);
    else
        give_up(r, "expected = or a section");
}

/* Ends at the end of the file, or of the section when we are in one. */
static void read_items(struct reader *r)
{
    const struct conf_section *section = r->section;

    while (r->lex.token == CONF_TOKEN_WORD)
        read_item(r);
    if (is_over(r)) {
        if (r->lex.bad)
            give_up(r, "");
    } else if (section && conf_lex_is(&r->lex, '}')) {
        end_section(r);
    } else if (section && r->lex.token == CONF_TOKEN_END) {
        conf_scan_fail(r->s, (struct conf_place){ r->file, r->section_line },
                       "%s: expected } at the end of the section that begins here", section->name);
        r->lex.token = CONF_TOKEN_BAD;
        r->lex.bad = NULL;
    } else if (r->lex.token != CONF_TOKEN_END) {
        give_up(r, "expected a key or a section");
    }
}

static enum err slurp(const char *path, struct buf *out, struct buf *reason)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &st) != 0) {
        buf_printf(reason, "cannot be read: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > CONF_MAX_FILE_BYTES) {
        buf_printf(reason, "cannot be read: expected a regular file of at most %d bytes",
                   CONF_MAX_FILE_BYTES);
        close(fd);
        return ERR_IO;
    }
    buf_reserve(out, (size_t)st.st_size + 1);
    while (out->n <= (size_t)st.st_size &&
           (n = read(fd, out->p + out->n, (size_t)st.st_size + 1 - out->n)) > 0)
        out->n += (size_t)n;
    close(fd);
    if (n < 0)
        buf_printf(reason, "cannot be read: %s", strerror(errno));
    else if (str_find(buf_str(out), '\0') < out->n)
        buf_add(reason, STR("cannot be read: expected text, not bytes of value 0"));
    return reason->n > 0 ? ERR_IO : ERR_OK;
}

static enum err read_file(struct conf_scan *s, const char *path, int depth,
                          struct conf_place asked_at)
{
    struct reader r = { .s = s, .lex = { .line = 1 }, .depth = depth };
    struct buf text = { 0 }, reason = { 0 };
    enum err e;

    if (depth > CONF_MAX_DEPTH || ++s->file_count > CONF_MAX_INCLUDES) {
        conf_scan_fail(s, asked_at, "include: expected at most %d files, %d deep",
                       CONF_MAX_INCLUDES, CONF_MAX_DEPTH);
        return ERR_LIMIT;
    }
    r.file = arena_str(&s->arena, str_from(path)).p;
    e = slurp(path, &text, &reason);
    if (e != ERR_OK && asked_at.file)
        conf_scan_fail(s, asked_at, "include: %s %.*s", path, (int)reason.n, reason.p);
    else if (e != ERR_OK)
        buf_printf(s->why, "%s: %.*s", path, (int)reason.n, reason.p);
    r.lex.rest = buf_str(&text);
    if (e == ERR_OK) {
        conf_lex_next(&r.lex);
        read_items(&r);
    }
    buf_fini(&text);
    buf_fini(&reason);
    return e;
}

static const char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return arena_str(arena, slash == path ? STR("/") : str_of(path, (size_t)(slash - path))).p;
}

enum err conf_scan(struct conf_scan *s, const struct conf_spec *spec, const char *path,
                   struct buf *why)
{
    enum err e;

    *s = (struct conf_scan){ .spec = spec, .why = why };
    s->path = arena_str(&s->arena, str_from(path)).p;
    s->folder = folder_of(&s->arena, path);
    e = read_file(s, path, 0, (struct conf_place){ NULL, 0 });
    buf_reserve(&s->clean, 1);
    s->clean.p[s->clean.n] = '\0';
    if (e != ERR_OK)
        return ERR_IO;
    return s->has_failed ? ERR_MALFORMED : ERR_OK;
}

void conf_scan_fini(struct conf_scan *s)
{
    arena_fini(&s->arena);
    buf_fini(&s->clean);
}

struct conf_place conf_scan_place(const struct conf_scan *s, const struct conf_section *section,
                                  size_t index, const struct conf_key *key)
{
    const struct conf_found *f = find_found(s, section, index, key);

    if (!f && section->name)
        f = find_found(s, section, index, NULL);
    return f ? f->place : (struct conf_place){ s->path, 1 };
}

bool conf_scan_has(const struct conf_scan *s, const struct conf_section *section, size_t index,
                   const struct conf_key *key)
{
    return find_found(s, section, index, key) != NULL;
}
