/* Reading of manifests, and what follows from changed files. See install_manifest.h. */
#include "deploy/ctl/install_manifest.h"

#include "common/mem.h"

#define UNITS "/systemd/system/"
#define KEY "/link.key"

static bool is_octal_mode(struct str s, unsigned *out_mode)
{
    if (s.n != 4 || s.p[0] != '0')
        return false;
    *out_mode = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '7')
            return false;
        *out_mode = *out_mode * 8 + (unsigned)(s.p[i] - '0');
    }
    return (*out_mode & ~0755u) == 0;
}

static bool is_made_of(struct str s, const char *letters)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(letters, s.p[i]) || s.p[i] == '\0')
            return false;
    return s.n > 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* What it may hold cannot be mistaken by a shell either. */
static bool is_path(struct str s)
{
    return is_made_of(s, LOWER UPPER DIGITS "/._-@+:,") && s.p[0] == '/' &&
           !memmem(s.p, s.n, "/../", 4) && !memmem(s.p, s.n, "//", 2) &&
           !str_ends_with(s, STR("/..")) && !str_ends_with(s, STR("/"));
}

static bool read_line(struct str line, struct manifest_file *out)
{
    struct str mode = str_cut(&line, ' '), owner = str_cut(&line, ' ');

    out->owner = str_cut(&owner, ':');
    out->group = owner;
    out->digest = str_cut(&line, ' ');
    out->path = line;
    return is_octal_mode(mode, &out->mode) && is_made_of(out->owner, LOWER DIGITS "_-") &&
           is_made_of(out->group, LOWER DIGITS "_-") && out->digest.n == 64 &&
           is_made_of(out->digest, DIGITS "abcdef") && is_path(out->path);
}

enum err manifest_read(struct str text, struct manifest *out, struct buf *why)
{
    *out = (struct manifest){ 0 };
    while (text.n > 0) {
        struct str line = str_cut(&text, '\n');
        struct manifest_file file;

        if (!read_line(line, &file)) {
            buf_printf(why, "line %zu of the manifest is not MODE OWNER:GROUP SHA-256 PATH",
                       out->count + 1);
            return ERR_MALFORMED;
        }
        if (manifest_find(out, file.path)) {
            buf_printf(why, "%.*s is in the manifest twice", STR_ARG(file.path));
            return ERR_MALFORMED;
        }
        if (out->count == MANIFEST_MAX_FILES) {
            buf_printf(why, "more than %d files", MANIFEST_MAX_FILES);
            return ERR_LIMIT;
        }
        out->files = mem_realloc(out->files, (out->count + 1) * sizeof *out->files);
        out->files[out->count++] = file;
    }
    if (out->count == 0) {
        buf_printf(why, "the manifest is empty");
        return ERR_MALFORMED;
    }
    return ERR_OK;
}

void manifest_fini(struct manifest *m)
{
    mem_free(m->files);
    *m = (struct manifest){ 0 };
}

const struct manifest_file *manifest_find(const struct manifest *m, struct str path)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->files[i].path, path))
            return &m->files[i];
    return NULL;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void add_word(struct buf *words, struct str word)
{
    struct buf with_space = { 0 };

    buf_printf(&with_space, " %.*s", STR_ARG(word));
    if (words->n == 0 || !memmem(words->p, words->n, with_space.p, with_space.n))
        buf_add(words, buf_str(&with_space));
    buf_fini(&with_space);
}

/* What a template changes changes all that are made of it. */
static void add_restart(struct manifest_steps *s, struct str unit)
{
    struct buf word = { 0 };
    struct str rest = unit, before = str_cut(&rest, '@');

    if (str_is(rest, ".service"))
        buf_printf(&word, "'%.*s@*'", STR_ARG(before));
    else
        buf_add(&word, unit);
    add_word(&s->restart, buf_str(&word));
    buf_fini(&word);
}

/* name: "sallyport-c2s@c2s-1.service", or of a drop-in "sallyport-c2s@c2s-1.service.d/plan.conf".
 */
static void add_unit(struct manifest_steps *s, struct str name, enum manifest_change change)
{
    size_t slash = str_find(name, '/');
    bool is_template = memmem(name.p, name.n, "@.", 2) != NULL, is_drop_in = slash < name.n;

    if (is_drop_in)
        name.n = slash > 2 ? slash - 2 : 0;
    s->has_units = true;
    if (change == FILE_REMOVED && !is_template)
        add_word(&s->stop, name);
    else if (change == FILE_NEW)
        s->has_new_units = true;
    else if (change == FILE_CHANGED && str_ends_with(name, STR(".socket")))
        s->has_new_sockets = true;
    else if (change == FILE_CHANGED && !str_ends_with(name, STR(".target")))
        add_restart(s, name);
}

/* The service manager copies a key when the process starts. */
static void add_key(struct manifest_steps *s, struct str folder)
{
    struct buf unit = { 0 };

    while (str_find(folder, '/') < folder.n)
        str_cut(&folder, '/');
    buf_printf(&unit, "'sallyport-*@%.*s.service'", STR_ARG(folder));
    add_word(&s->restart, buf_str(&unit));
    buf_fini(&unit);
}

void manifest_steps_add(struct manifest_steps *s, struct str path, enum manifest_change change)
{
    const char *units = memmem(path.p, path.n, UNITS, strlen(UNITS));

    if (units) {
        units += strlen(UNITS);
        add_unit(s, str_of(units, (size_t)(path.p + path.n - units)), change);
    } else if (str_ends_with(path, STR(".nft"))) {
        s->has_firewall = true;
    } else if (str_ends_with(path, STR(KEY)) && change == FILE_CHANGED) {
        add_key(s, str_of(path.p, path.n - strlen(KEY)));
    } else {
        s->has_others = true;
    }
}

void manifest_steps_fini(struct manifest_steps *s)
{
    buf_fini(&s->restart);
    buf_fini(&s->stop);
}

void manifest_steps_print(const struct manifest_steps *s, bool is_first, struct buf *out)
{
    if (s->stop.n > 0)
        buf_printf(out, "systemctl stop%.*s\n", STR_ARG(buf_str(&s->stop)));
    if (s->has_units)
        buf_printf(out, "systemctl daemon-reload\n");
    if (is_first) {
        buf_printf(out, "systemctl enable --now sallyport.target\n");
        return;
    }
    if (s->has_firewall)
        buf_printf(out, "systemctl reload sallyport-firewall.service\n");
    if (s->has_others)
        buf_printf(out, "systemctl reload 'sallyport-*@*'\n");
    if (s->has_new_sockets)
        buf_printf(out, "systemctl restart sallyport.target\n");
    else if (s->restart.n > 0)
        buf_printf(out, "systemctl restart%.*s\n", STR_ARG(buf_str(&s->restart)));
    if (s->has_new_units && !s->has_new_sockets)
        buf_printf(out, "systemctl start sallyport.target\n");
}
