/* The tables of elements in proto/LINK.md §7 say what the code writes: no element or attribute less, none more. Run from the top of the tree. */
#include "common/mem.h"
#include "common/table.h"
#include "proto/control.h"
#include "proto/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SID "0123456789abcdef0123456789abcdef"
#define CONN "0123456789abcdef-42"

/* "element attribute", or "element " for itself. */
struct name {
    struct str key;
};

static struct str key_of(const void *item)
{
    return ((const struct name *)item)->key;
}

struct names {
    struct table set;
    struct arena arena;
};

static void add(struct names *names, struct str element, struct str attribute)
{
    struct name *n = arena_new(&names->arena, struct name);

    n->key = arena_printf(&names->arena, "%.*s %.*s", STR_ARG(element), STR_ARG(attribute));
    if (!table_get(&names->set, n->key))
        table_put(&names->set, n);
}

static struct buf file(const char *path)
{
    struct buf b = { 0 };
    FILE *f = fopen(path, "r");
    size_t n;

    assert_non_null(f);
    do {
        buf_reserve(&b, 65536);
        n = fread(b.p + b.n, 1, 65536, f);
        b.n += n;
    } while (n > 0);
    fclose(f);
    return b;
}

/* --- what the code writes ---------------------------------------------------------------------------------------- */

static void collect(struct names *names, const struct xml *x)
{
    if (!str_is(x->ns, NS_LINK))
        return;
    add(names, x->name, STR(""));
    for (const struct xml_attr *a = x->attrs; a; a = a->next)
        add(names, x->name, a->name);
    for (const struct xml *c = x->first; c; c = c->next)
        if (!xml_is_text(c))
            collect(names, c);
}

static void collect_written(struct names *names, struct buf *out)
{
    struct xml_parser *parser = xml_parser_new();
    struct arena arena = { 0 };
    struct xml *x;

    assert_int_equal(xml_parse(parser, XML_ALONE, &control_xml_limits, buf_str(out), &arena, &x), XML_OK);
    collect(names, x);
    arena_fini(&arena);
    xml_parser_free(parser);
    buf_clear(out);
}

static void collect_cluster(struct names *names, struct buf *out)
{
    struct control_peer peer = { STR("x"), STR("0123456789abcdef"), STR("c2s"), true };
    struct control_peers peers = { true, &peer, 1 };
    struct str host_name = STR("x");
    struct control_slots slots = { .owned = { 1 }, .hosts = &host_name, .host_count = 1 };
    struct control_host host = { .name = STR("x") };
    struct control_hosts hosts = { 1, &host, 1 };

    control_write_peers(out, &peers);
    collect_written(names, out);
    control_write_slots(out, &slots);
    collect_written(names, out);
    control_write_hosts(out, &hosts);
    collect_written(names, out);
    control_write_bounce(out, "no-peer");
    collect_written(names, out);
    control_write_metrics(out, STR("x 1\n"));
    collect_written(names, out);
}

static void collect_login(struct names *names, struct buf *out)
{
    static const struct str x = { "x", 1 };
    struct control_open open = { x, x, x, x, true, x, x, x, x, x, x, x, x };
    struct control_adopt adopt = { .account = x, .c2s = x, .conn = STR(CONN), .mechanism = x, .success_data = x, .addr = x, .tls = x,
                                   .cipher = x, .lang = x, .outside = x };

    control_write_open(out, &open);
    collect_written(names, out);
    control_write_restart(out, x, x, x);
    collect_written(names, out);
    control_write_adopt(out, &adopt, x);
    collect_written(names, out);
}

static void collect_channel(struct names *names, struct buf *out)
{
    struct control_end end = { CONTROL_END_ERROR, STREAM_RESET, STR("x") };
    struct control_sync_entry entry = { STR(SID), STR(CONN) };
    struct control_sync sync = { 1, true, &entry, 1 };
    struct channel_gate gate;

    control_write_end(out, &end);
    collect_written(names, out);
    control_write_sync(out, &sync);
    collect_written(names, out);
    channel_gate_init(&gate, 1);
    control_write_synced_begin(out, 1);
    control_write_synced_gate(out, STR(SID), &gate);
    control_write_synced_gone(out, STR(SID));
    control_write_synced_end(out);
    collect_written(names, out);
    channel_gate_fini(&gate);
}

static void collect_frames(struct names *names, struct buf *out)
{
    struct frame frame = { .to = STR("x"), .from = STR("y"), .s = STR(SID), .e = 1, .n = 1, .h = 1, .f = 1, .has_id = true };
    struct frame_ack ack = { STR(SID), 1, 1, 1 };

    frame.id.count = 1;
    frame_write(out, &frame);
    collect_written(names, out);
    frame_acks_begin(out);
    frame_acks_add(out, &ack);
    frame_acks_end(out);
    collect_written(names, out);
}

/* Written by a static function: its format is read. */
static void collect_hello(struct names *names)
{
    struct buf source = file("proto/link_setup.c");
    struct str rest;
    char *at;

    buf_add_char(&source, '\0');
    at = strstr(source.p, "<hello ");
    assert_non_null(at);
    rest = str_of(at + strlen("<hello "), (size_t)(strstr(at, "/>") - at) - strlen("<hello "));
    add(names, STR("hello"), STR(""));
    while (rest.n > 0) {
        struct str attribute = str_cut(&rest, '=');

        if (!str_is(attribute, "xmlns"))
            add(names, STR("hello"), attribute);
        str_cut(&rest, '\'');
        str_cut(&rest, '\'');
        rest = str_trim(rest);
    }
    buf_fini(&source);
}

/* --- what the document says -------------------------------------------------------------------------------------- */

static struct str cell(struct str *line)
{
    struct str text = str_trim(str_cut(line, '|'));

    return text.n >= 2 && text.p[0] == '`' ? str_of(text.p + 1, text.n - 2) : text;
}

static void collect_documented(struct names *names)
{
    struct buf document = file("proto/LINK.md");
    struct str rest = buf_str(&document);
    bool is_table = false;

    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');

        if (str_is(line, "| element | attribute | meaning |"))
            is_table = true;
        else if (!str_starts_with(line, STR("|")))
            is_table = false;
        else if (is_table && str_starts_with(line, STR("| `"))) {
            struct str element, attribute;

            str_cut(&line, '|');
            element = cell(&line);
            attribute = cell(&line);
            add(names, element, attribute);
        }
    }
    buf_fini(&document);
}

static size_t report_missing(const struct names *from, const struct names *in, const char *what)
{
    const struct name *n;
    size_t missing = 0;

    for (size_t at = 0; (n = table_next(&from->set, &at));)
        if (!table_get(&in->set, n->key)) {
            print_error("%s: %.*s\n", what, STR_ARG(n->key));
            missing++;
        }
    return missing;
}

static void document_and_code_have_the_same_elements_and_attributes(void **state)
{
    struct names code = { 0 }, document = { 0 };
    struct buf out = { 0 };

    (void)state;
    table_init(&code.set, key_of);
    table_init(&document.set, key_of);
    collect_cluster(&code, &out);
    collect_login(&code, &out);
    collect_channel(&code, &out);
    collect_frames(&code, &out);
    collect_hello(&code);
    collect_documented(&document);
    assert_true(code.set.count > 50);
    assert_int_equal(report_missing(&code, &document, "not in LINK.md") + report_missing(&document, &code, "not in the code"), 0);
    table_fini(&code.set);
    table_fini(&document.set);
    arena_fini(&code.arena);
    arena_fini(&document.arena);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(document_and_code_have_the_same_elements_and_attributes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
