/* Loading of configuration files: conf_scan.c checks names and shape, libconfuse reads the values,
 * conf_value.c converts them. What the values mean together is left to each program's check. */
#include "common/conf.h"

#include "common/conf_scan.h"
#include "common/conf_value.h"
#include "common/mem.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct loader {
    const struct conf_spec *spec;
    struct conf_scan scan;
    char *folder; /* absolute */
    void *conf;
};

/* libconfuse hands its error function nothing of ours. Set during cfg_parse_buf only. */
static struct conf_scan *failing_scan;

static void on_confuse_error(cfg_t *cfg, const char *format, va_list args)
{
    struct buf text = { 0 };

    (void)cfg;
    buf_vprintf(&text, format, args);
    conf_scan_fail(failing_scan, (struct conf_place){ failing_scan->path, 1 }, "%.*s", (int)text.n,
                   text.p);
    buf_fini(&text);
}

static void *at_offset(void *base, size_t offset)
{
    return (char *)base + offset;
}

static size_t count_keys(const struct conf_section *section)
{
    size_t n = 0;

    while (section->keys[n].name)
        n++;
    return n;
}

/* Everything is a text to libconfuse; zeroed memory is the row that ends a table. */
static cfg_opt_t key_option(const struct conf_key *key)
{
    return (cfg_opt_t){ .name = key->name,
                        .type = CFGT_STR,
                        .flags =
                            CFGF_NODEFAULT | (key->type == CONF_LIST ? CFGF_LIST : CFGF_NONE) };
}

static void add_options(cfg_opt_t *options, size_t *n, const struct conf_section *section)
{
    for (const struct conf_key *key = section->keys; key->name; key++)
        options[(*n)++] = key_option(key);
}

static cfg_opt_t section_option(const struct conf_section *section)
{
    size_t n = 0;
    cfg_opt_t *options = mem_alloc((count_keys(section) + 1) * sizeof *options);

    add_options(options, &n, section);
    return (cfg_opt_t){ .name = section->name,
                        .type = CFGT_SEC,
                        .flags = section->is_titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
                                                    : CFGF_NODEFAULT,
                        .subopts = options };
}

static cfg_opt_t *make_options(const struct conf_spec *spec)
{
    size_t n = 0, most = 1;
    cfg_opt_t *options;

    for (const struct conf_section *section = spec->sections; !section->is_end; section++)
        most += section->name ? 1 : count_keys(section);
    options = mem_alloc(most * sizeof *options);
    for (const struct conf_section *section = spec->sections; !section->is_end; section++) {
        if (section->name)
            options[n++] = section_option(section);
        else
            add_options(options, &n, section);
    }
    return options;
}

static void free_options(cfg_opt_t *options)
{
    for (cfg_opt_t *o = options; o->name; o++)
        mem_free(o->subopts);
    mem_free(options);
}

static void fail_key(struct loader *l, const struct conf_section *section, size_t index,
                     const struct conf_key *key, const char *instead)
{
    struct buf expected = { 0 };

    conf_value_describe(key, &expected);
    conf_scan_fail(&l->scan, conf_scan_place(&l->scan, section, index, key),
                   "%s: expected %.*s%s%s%s", key->name, (int)expected.n, expected.p,
                   instead ? ", not \"" : "; it must be given", instead ? instead : "",
                   instead ? "\"" : "");
    buf_fini(&expected);
}

static void load_key(struct loader *l, cfg_t *cfg, const struct conf_section *section, size_t index,
                     const struct conf_key *key, void *target)
{
    unsigned n = cfg ? cfg_size(cfg, key->name) : 0;
    bool is_given = cfg && conf_scan_has(&l->scan, section, index, key);

    if (!is_given && !key->fallback)
        fail_key(l, section, index, key, NULL);
    if (!is_given)
        conf_value_set_fallback(key, target, l->folder);
    for (unsigned i = 0; is_given && i < n; i++) {
        const char *text = cfg_getnstr(cfg, key->name, i);

        if (conf_value_set(key, target, str_from(text ? text : ""), l->folder) != ERR_OK)
            fail_key(l, section, index, key, text ? text : "");
    }
    if (key->type == CONF_LIST && (key->min != 0 || key->max != 0) && is_given &&
        ((int64_t)n < key->min || (int64_t)n > key->max))
        fail_key(l, section, index, key, n == 0 ? "{}" : "this many");
}

static void load_keys(struct loader *l, cfg_t *cfg, const struct conf_section *section,
                      size_t index, void *base)
{
    for (const struct conf_key *key = section->keys; key->name; key++)
        load_key(l, cfg, section, index, key, at_offset(base, key->offset));
}

static void load_titled(struct loader *l, cfg_t *cfg, const struct conf_section *section)
{
    struct conf_items *items = at_offset(l->conf, section->offset);
    size_t count = cfg_size(cfg, section->name);

    items->items = count > 0 ? mem_alloc(count * section->item_bytes) : NULL;
    items->count = count;
    for (size_t i = 0; i < count; i++) {
        cfg_t *sub = cfg_getnsec(cfg, section->name, (unsigned)i);
        void *item = at_offset(items->items, i * section->item_bytes);
        const char *title = cfg_title(sub);

        if (!title || title[0] == '\0')
            conf_scan_fail(&l->scan, conf_scan_place(&l->scan, section, i, NULL),
                           "%s: expected a title that is not empty", section->name);
        *(char **)item = mem_strdup(title ? title : "");
        load_keys(l, sub, section, i, item);
    }
}

static void load_section(struct loader *l, cfg_t *cfg, const struct conf_section *section)
{
    if (section->is_titled)
        load_titled(l, cfg, section);
    else if (section->name)
        load_keys(l, cfg_size(cfg, section->name) > 0 ? cfg_getsec(cfg, section->name) : NULL,
                  section, 0, at_offset(l->conf, section->offset));
    else
        load_keys(l, cfg, section, 0, at_offset(l->conf, section->offset));
}

static enum err load_values(struct loader *l)
{
    cfg_opt_t *options = make_options(l->spec);
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    int rc;

    ASSERT(cfg != NULL);
    cfg_set_error_function(cfg, on_confuse_error);
    failing_scan = &l->scan;
    rc = cfg_parse_buf(cfg, l->scan.clean.p);
    failing_scan = NULL;
    for (const struct conf_section *section = l->spec->sections;
         rc == CFG_SUCCESS && !section->is_end; section++)
        load_section(l, cfg, section);
    cfg_free(cfg);
    free_options(options);
    return rc == CFG_SUCCESS && !l->scan.has_failed ? ERR_OK : ERR_MALFORMED;
}

/* A path of the folder that stays right when the process changes its working folder. */
static char *absolute_folder(const char *folder)
{
    char *resolved = realpath(folder, NULL);
    char *copy = mem_strdup(resolved ? resolved : folder);

    free(resolved); /* realpath's malloc */
    return copy;
}

enum err conf_load(const struct conf_spec *spec, const char *path, void **out_conf, struct buf *why)
{
    struct loader l = { .spec = spec };
    enum err e = conf_scan(&l.scan, spec, path, why);

    if (e == ERR_OK) {
        l.folder = absolute_folder(l.scan.folder);
        l.conf = mem_alloc(spec->bytes);
        e = load_values(&l);
    }
    conf_scan_fini(&l.scan);
    mem_free(l.folder);
    if (e == ERR_OK)
        *out_conf = l.conf;
    else
        conf_free(spec, l.conf);
    return e;
}

static void free_keys(const struct conf_section *section, void *base)
{
    for (const struct conf_key *key = section->keys; key->name; key++)
        conf_value_free(key, at_offset(base, key->offset));
}

static void free_titled(const struct conf_section *section, struct conf_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        void *item = at_offset(items->items, i * section->item_bytes);

        free_keys(section, item);
        mem_free(*(char **)item);
    }
    mem_free(items->items);
}

void conf_free(const struct conf_spec *spec, void *conf)
{
    if (!conf)
        return;
    for (const struct conf_section *section = spec->sections; !section->is_end; section++) {
        if (section->is_titled)
            free_titled(section, at_offset(conf, section->offset));
        else
            free_keys(section, at_offset(conf, section->offset));
    }
    mem_free(conf);
}

/* Others' secrets stay secret: only the owner may read, or the group when root (or whoever hands
 * secrets out) owns the file. For root itself, who checks a configuration, that is a file of root's
 * for another group. */
static bool is_private(const struct stat *st)
{
    mode_t others = st->st_mode & 077;
    bool is_handed_out = st->st_uid != geteuid() || (st->st_uid == 0 && st->st_gid != 0);

    return others == 0 || (others == 040 && is_handed_out);
}

static enum err refuse_secret(const char *path, const char *what, struct buf *why, enum err e)
{
    buf_printf(why, "%s: %s", path, what);
    return e;
}

enum err conf_read_secret(const char *path, struct buf *out_secret, struct buf *why)
{
    char text[4096];
    struct stat st;
    struct str line;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0 || (n = read(fd, text, sizeof text)) < 0) {
        int error = errno;

        if (fd >= 0)
            close(fd);
        return refuse_secret(path, strerror(error), why, ERR_IO);
    }
    close(fd);
    line = str_of(text, (size_t)n);
    line = str_trim(str_cut(&line, '\n'));
    if (!is_private(&st)) {
        mem_wipe(text, sizeof text);
        return refuse_secret(path, "expected a file that others cannot read (chmod 600)", why,
                             ERR_DENIED);
    }
    if (line.n == 0)
        return refuse_secret(path, "expected a secret in the first line", why, ERR_MALFORMED);
    buf_add(out_secret, line);
    mem_wipe(text, sizeof text);
    return ERR_OK;
}
