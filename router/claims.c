/* What peers say about themselves (claims.h). */
#include "router/claims.h"

#include "common/mem.h"

struct sample {
    struct str name, value; /* in the claim's text */
    bool is_written;
};

struct claim {
    char *peer;
    char *text;
    struct sample *samples;
    size_t count;
};

static struct str claim_key(const void *item)
{
    return str_from(((const struct claim *)item)->peer);
}

void claims_init(struct claims *cs)
{
    table_init(&cs->by_peer, claim_key);
}

static void forget_text(struct claim *c)
{
    mem_free(c->text);
    mem_free(c->samples);
    c->text = NULL;
    c->samples = NULL;
    c->count = 0;
}

static void claim_free(struct claim *c)
{
    forget_text(c);
    mem_free(c->peer);
    mem_free(c);
}

void claims_fini(struct claims *cs)
{
    struct claim *c;

    for (size_t at = 0; (c = table_next(&cs->by_peer, &at));)
        claim_free(c);
    table_fini(&cs->by_peer);
}

void claims_drop(struct claims *cs, struct str peer)
{
    struct claim *c = table_remove(&cs->by_peer, peer);

    if (c)
        claim_free(c);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_made_of(struct str s, const char *characters)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || !strchr(characters, s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_name(struct str s)
{
    return (str_starts_with(s, STR("sallyport_")) || str_starts_with(s, STR("process_"))) &&
           s.n <= CLAIMS_MAX_NAME && is_made_of(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
}

static bool is_value(struct str s)
{
    return s.n <= CLAIMS_MAX_VALUE && is_made_of(s, "0123456789.eE+-");
}

/* A name comes once: a second line would be a doubled sample. */
static bool has_sample(const struct claim *c, struct str name)
{
    for (size_t i = 0; i < c->count; i++)
        if (str_eq(c->samples[i].name, name))
            return true;
    return false;
}

static void read_samples(struct claim *c, struct str text)
{
    while (text.n > 0 && c->count < CLAIMS_MAX_SAMPLES) {
        struct str line = str_cut(&text, '\n'), name = str_cut(&line, ' ');

        if (is_name(name) && is_value(line) && !has_sample(c, name))
            c->samples[c->count++] = (struct sample){ .name = name, .value = line };
    }
}

void claims_take(struct claims *cs, struct str peer, struct str text)
{
    struct claim *c = table_get(&cs->by_peer, peer);

    if (!c) {
        c = mem_new(struct claim);
        c->peer = str_dup(peer);
        table_put(&cs->by_peer, c);
    }
    forget_text(c);
    c->text = str_dup(text);
    c->samples = mem_alloc(CLAIMS_MAX_SAMPLES * sizeof *c->samples);
    read_samples(c, str_of(c->text, text.n));
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_name(struct claims *cs, struct str name, struct buf *out)
{
    struct claim *c;

    for (size_t at = 0; (c = table_next(&cs->by_peer, &at));) {
        for (size_t i = 0; i < c->count; i++) {
            if (!str_eq(c->samples[i].name, name))
                continue;
            c->samples[i].is_written = true;
            buf_printf(out, "%.*s{peer=\"%s\",claim=\"1\"} %.*s\n", STR_ARG(name), c->peer,
                       STR_ARG(c->samples[i].value));
        }
    }
}

static void write_rest(struct claims *cs, struct buf *out)
{
    struct claim *c;

    for (size_t at = 0; (c = table_next(&cs->by_peer, &at));) {
        for (size_t i = 0; i < c->count; i++) {
            struct str name = c->samples[i].name;

            if (c->samples[i].is_written)
                continue;
            buf_printf(out, "# TYPE %.*s %s\n", STR_ARG(name),
                       str_ends_with(name, STR("_total")) ? "counter" : "gauge");
            write_name(cs, name, out);
        }
    }
    for (size_t at = 0; (c = table_next(&cs->by_peer, &at));)
        for (size_t i = 0; i < c->count; i++)
            c->samples[i].is_written = false;
}

void claims_write(void *claims, const char *name, struct buf *out)
{
    if (name)
        write_name(claims, str_from(name), out);
    else
        write_rest(claims, out);
}
