/* Configuration files: values, errors that name their place, what a reload cannot change, the reference page, secrets. */
#include "common/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct part {
    int64_t count;
    bool is_on;
};

struct peer {
    char *title;
    char *address;
    int64_t weight;
    char *secret;
};

struct whole {
    char *name;
    char *path;
    int64_t number, wait_ms, bytes;
    bool is_on;
    int color;
    struct conf_list list;
    struct part part;
    struct conf_items peers;
};

static const char *const colors[] = { "red", "green", NULL };

static const struct conf_key top_keys[] = {
    { "name", CONF_TEXT, offsetof(struct whole, name), NULL, 0, 0, NULL, CONF_AT_START, "The name. It must be given." },
    { "path", CONF_PATH, offsetof(struct whole, path), "", 0, 0, NULL, CONF_AT_RELOAD, "A path\\file." },
    { "number", CONF_INT, offsetof(struct whole, number), "5", -10, 10, NULL, CONF_AT_START, "A number." },
    { "wait", CONF_DURATION, offsetof(struct whole, wait_ms), "2s", 100, 86400000, NULL, CONF_AT_RELOAD, "A time." },
    { "bytes", CONF_SIZE, offsetof(struct whole, bytes), "64k", 1, 1 << 30, NULL, CONF_AT_RELOAD, "A size." },
    { "on", CONF_BOOL, offsetof(struct whole, is_on), "no", 0, 0, NULL, CONF_AT_RELOAD, "A switch." },
    { "color", CONF_CHOICE, offsetof(struct whole, color), "green", 0, 0, colors, CONF_AT_RELOAD, "A choice." },
    { "list", CONF_LIST, offsetof(struct whole, list), "{\"x\", \"y\"}", 0, 3, NULL, CONF_AT_START, "A list." },
    { 0 },
};
static const struct conf_key part_keys[] = {
    { "count", CONF_INT, offsetof(struct part, count), "1", 0, 0, NULL, CONF_AT_RELOAD, "How many." },
    { "on", CONF_BOOL, offsetof(struct part, is_on), "yes", 0, 0, NULL, CONF_AT_RELOAD, "A switch of the part." },
    { 0 },
};
static const struct conf_key peer_keys[] = {
    { "address", CONF_TEXT, offsetof(struct peer, address), NULL, 0, 0, NULL, CONF_AT_RELOAD, "Where." },
    { "weight", CONF_INT, offsetof(struct peer, weight), "1", 0, 100, NULL, CONF_AT_START, "How much." },
    { "secret", CONF_PATH, offsetof(struct peer, secret), "", 0, 0, NULL, CONF_AT_RELOAD, "The file of its secret." },
    { 0 },
};
static const struct conf_section sections[] = {
    { .keys = top_keys },
    { .name = "part", .keys = part_keys, .offset = offsetof(struct whole, part) },
    { .name = "peer", .keys = peer_keys, .is_titled = true, .offset = offsetof(struct whole, peers),
      .item_bytes = sizeof(struct peer), .doc = "One other." },
    { .is_end = true },
};
static const struct conf_spec spec = { sizeof(struct whole), sections };

static char folder[] = "/tmp/sallyport-conf-XXXXXX";
static char main_path[64], other_path[64];

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, mode);
}

static struct whole *load_good(const char *text)
{
    struct buf why = { 0 };
    void *conf = NULL;
    enum err e;

    write_file(main_path, text, 0600);
    e = conf_load(&spec, main_path, &conf, &why);
    if (e != ERR_OK)
        print_error("%.*s\n", (int)why.n, why.p);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(why.n, 0);
    buf_fini(&why);
    return conf;
}

static void assert_refused(const char *text, const char *expected)
{
    struct buf why = { 0 };
    void *conf = &why;

    write_file(main_path, text, 0600);
    assert_int_equal(conf_load(&spec, main_path, &conf, &why), ERR_MALFORMED);
    assert_ptr_equal(conf, &why);
    buf_add_char(&why, '\0');
    if (!strstr(why.p, expected))
        print_error("expected: %s\ngot: %s\n", expected, why.p);
    assert_non_null(strstr(why.p, expected));
    assert_int_equal(strncmp(why.p, main_path, strlen(main_path)), 0);
    buf_fini(&why);
}

static int before_all(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(main_path, sizeof main_path, "%s/main.conf", folder);
    snprintf(other_path, sizeof other_path, "%s/other.conf", folder);
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    unlink(main_path);
    unlink(other_path);
    return rmdir(folder);
}

static void what_is_not_given_has_its_fallback(void **state)
{
    struct whole *c = load_good("name = n\n");

    (void)state;
    assert_string_equal(c->name, "n");
    assert_null(c->path);
    assert_int_equal(c->number, 5);
    assert_int_equal(c->wait_ms, 2000);
    assert_int_equal(c->bytes, 65536);
    assert_false(c->is_on);
    assert_int_equal(c->color, 1);
    assert_int_equal(c->list.count, 2);
    assert_string_equal(c->list.items[1], "y");
    assert_int_equal(c->part.count, 1);
    assert_true(c->part.is_on);
    assert_int_equal(c->peers.count, 0);
    conf_free(&spec, c);
}

static void every_type_is_read(void **state)
{
    struct whole *c = load_good("# a comment\nname = \"two words\" # behind\nnumber=-3\nwait = 1h bytes = 2M on = on color = 'red'\n"
                                "list = { a, \"b c\" # in the list\n , 'd' }\r\npath = x/y\n"
                                "part { count = 9223372036854775807\non = False }\n"
                                "peer \"p 1\" { address = \"*:5222\" }\npeer two { address = unix:/run/x.sock weight = 7 secret = /abs }\n");
    const struct peer *peers = c->peers.items;
    char path[96];

    (void)state;
    snprintf(path, sizeof path, "%s/x/y", folder);
    assert_string_equal(c->name, "two words");
    assert_string_equal(c->path, path);
    assert_int_equal(c->number, -3);
    assert_int_equal(c->wait_ms, 3600000);
    assert_int_equal(c->bytes, 2 << 20);
    assert_true(c->is_on);
    assert_int_equal(c->color, 0);
    assert_int_equal(c->list.count, 3);
    assert_string_equal(c->list.items[1], "b c");
    assert_int_equal(c->part.count, INT64_MAX);
    assert_false(c->part.is_on);
    assert_int_equal(c->peers.count, 2);
    assert_string_equal(peers[0].title, "p 1");
    assert_string_equal(peers[0].address, "*:5222");
    assert_string_equal(peers[1].title, "two");
    assert_string_equal(peers[1].address, "unix:/run/x.sock");
    assert_int_equal(peers[1].weight, 7);
    assert_string_equal(peers[1].secret, "/abs");
    conf_free(&spec, c);
}

static void durations_and_sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t wait_ms, bytes;
    } rows[] = {
        { "wait = 100ms", 100, 65536 },    { "wait = 3", 3000, 65536 },          { "wait = 5m", 300000, 65536 },
        { "wait = 1d", 86400000, 65536 },  { "bytes = 512", 2000, 512 },         { "bytes = 1K", 2000, 1024 },
        { "bytes = 1g", 2000, 1 << 30 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        struct whole *c;

        snprintf(text, sizeof text, "name = n\n%s\n", rows[i].text);
        c = load_good(text);
        assert_int_equal(c->wait_ms, rows[i].wait_ms);
        assert_int_equal(c->bytes, rows[i].bytes);
        conf_free(&spec, c);
    }
}

static void quotes_escapes_and_variables_are_libconfuse_s(void **state)
{
    struct whole *c;

    (void)state;
    setenv("SALLYPORT_TEST_NAME", "from outside", 1);
    c = load_good("name = \"${SALLYPORT_TEST_NAME}\"\nlist = { \"${SALLYPORT_TEST_NONE:-else}\", 'a\"${X}', \"a\\\"\\x41\\101\\\\\" }\n"
                  "path = \"${SALLYPORT_TEST_NONE}\"\n");
    assert_string_equal(c->name, "from outside");
    assert_string_equal(c->list.items[0], "else");
    assert_string_equal(c->list.items[1], "a\"${X}");
    assert_string_equal(c->list.items[2], "a\"AA\\");
    assert_null(c->path);
    conf_free(&spec, c);
    c = load_good("name = ${SALLYPORT_TEST_NAME}\n");
    assert_string_equal(c->name, "from outside");
    conf_free(&spec, c);
}

static void an_error_names_file_line_key_and_what_was_expected(void **state)
{
    static const char *const rows[][2] = {
        { "number = 1\n", ":1: name: expected a text; it must be given" },
        { "name = \"\"\n", ":1: name: expected a text, not \"\"" },
        { "name = n\n\nnumber = x\n", ":3: number: expected a whole number, from -10 to 10, not \"x\"" },
        { "name = n number = 11\n", ":1: number: expected a whole number, from -10 to 10, not \"11\"" },
        { "name = n\nnumber = 99999999999999999999\n", ":2: number: expected" },
        { "name = n\nwait = 99ms\n", ":2: wait: expected a duration as 500ms, 2s, 5m, 1h or 7d, from 100ms to 1d, not \"99ms\"" },
        { "name = n\nwait = 2w\n", ":2: wait: expected a duration" },
        { "name = n\nwait = 9223372036854775807d\n", ":2: wait: expected a duration" },
        { "name = n\nbytes = 0\n", ":2: bytes: expected a size as 512, 64k, 16M or 1G, from 1 to 1G" },
        { "name = n\nbytes = -1\n", ":2: bytes: expected a size" },
        { "name = n\non = maybe\n", ":2: on: expected yes or no, not \"maybe\"" },
        { "name = n\ncolor = blue\n", ":2: color: expected one of red, green, not \"blue\"" },
        { "name = n\nlist = {a, b, c, d}\n", ":2: list: expected a list of texts, their number from 0 to 3" },
        { "name = n\nlist = {a, \"\"}\n", ":2: list: expected a list of texts" },
        { "name = n\nnumber = {1}\n", ":2: number: expected one value, not a list" },
        { "name = n\nfoo = 1\n", ":2: foo: unknown key, expected one of: name, path, number, wait" },
        { "name = n\npart { number = 1 }\n", ":2: number: unknown key, expected one of: count, on" },
        { "name = n\nparts { count = 1 }\n", ":2: parts: unknown section, expected one of: name" },
        { "name = n\n\nname = m\n", ":3: name: expected once, it was given at " },
        { "name = n\npart { on = no\non = yes }\n", ":3: on: expected once" },
        { "name = n\nlist = {}\nlist = {}\n", ":3: list: expected once" },
        { "name = n\npart { }\npart { }\n", ":3: part: expected once" },
        { "name = n\npeer a { address = x }\npeer \"a\" { address = y }\n", ":3: peer: expected another title, it was given at " },
        { "name = n\npeer a { address = x }\npeer \"\\x61\" { address = y }\n", "found duplicate title 'a'" },
        { "name = n\npeer { address = x }\n", ":2: peer: expected a title" },
        { "name = n\npeer \"\" { address = x }\n", ":2: peer: expected a title that is not empty" },
        { "name = n\npart x { }\n", ":2: part: expected no title" },
        { "name = n\n\npeer b { weight = 1 }\n", ":3: address: expected a text; it must be given" },
        { "name = n\npart {\ncount = 1\n", ":2: part: expected } at the end of the section that begins here" },
        { "name = n\npeer x { address = y\n", ":2: peer: expected }" },
        { "name = n }\n", ":1: expected a key or a section, not }" },
        { "name n\n", ":1: name: unknown section" },
        { "name =\n", "expected a value, not the end of the file" },
        { "name = n\nlist += {a}\n", ":2: expected =, not +=" },
        { "name = n\nlist = {a b}\n", ":2: expected , or } in the list, not b" },
        { "name = n\nlist = {a,}\n", ":2: list: expected a text behind the last comma" },
        { "name = n\nlist = {a, b\n", "expected , or } in the list, not the end of the file" },
        { "name = \"n\n", ":1: expected a closing \" of the text that begins here" },
        { "name = 'n\n", ":1: expected a closing ' of the text" },
        { "name = \"a\\400\"\n", ":1: expected an escape" },
        { "name = \"a\\8\"\n", ":1: expected an escape" },
        { "name = \"${A\n}\"\n", ":1: expected a variable" },
        { "name = *:5222\n", ":1: expected quotes" },
        { "// name\nname = n\n", ":1: expected # before a comment" },
        { "/* name */\nname = n\n", ":1: expected quotes around a text with this character, or # before a comment" },
        { "part { include(\"x\") }\n", "expected include at the top level only" },
        { "include(\"missing.conf\")\n", ":1: include: " },
        { "include(x)\n", ":1: expected include(\"FILE\"), not x" },
        { "name = \"\xff\"\n", ":1: name: expected a text" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_refused(rows[i][0], rows[i][1]);
}

static void all_errors_are_told_at_once(void **state)
{
    (void)state;
    assert_refused("name = n\nfoo = 1\nname = m\nbar = 2\n", ":4: bar: unknown key");
    assert_refused("number = x\nbytes = y\n", ":2: bytes: expected");
}

/* libconfuse's lexer keeps its state after an error; ours must not let it come to one. */
static void a_good_file_is_read_after_a_bad_one(void **state)
{
    static const char *const bad[] = { "name = \"n\n", "name = 'n", "part {", "name = {", "peer \"a", "list = { \"\\400\" }",
                                     "name = n peer a { address = expected } peer \"\\x61\" { address = x }" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct whole *c;

        assert_refused(bad[i], "");
        c = load_good("name = n\n");
        assert_string_equal(c->name, "n");
        conf_free(&spec, c);
    }
}

static void an_included_file_is_part_of_the_whole(void **state)
{
    struct whole *c;
    char expected[128];

    (void)state;
    write_file(other_path, "number = 3\npeer x { address = y }\n", 0600);
    c = load_good("name = n\ninclude(\"other.conf\")\n");
    assert_int_equal(c->number, 3);
    assert_int_equal(c->peers.count, 1);
    conf_free(&spec, c);
    snprintf(expected, sizeof expected, ":3: number: expected once, it was given at %s:1 already", other_path);
    assert_refused("name = n\ninclude(\"other.conf\")\nnumber = 4\n", expected);
    write_file(other_path, "include(\"other.conf\")\n", 0600);
    write_file(main_path, "name = n\ninclude(\"other.conf\")\n", 0600);
    {
        struct buf why = { 0 };
        void *conf;

        assert_int_equal(conf_load(&spec, main_path, &conf, &why), ERR_MALFORMED);
        assert_non_null(memmem(why.p, why.n, "deep", 4));
        buf_fini(&why);
    }
}

static void what_cannot_be_read_is_an_error_of_its_own(void **state)
{
    struct buf why = { 0 };
    void *conf;

    (void)state;
    assert_int_equal(conf_load(&spec, "/nonexistent/x.conf", &conf, &why), ERR_IO);
    assert_non_null(memmem(why.p, why.n, "/nonexistent/x.conf: cannot be read", 35));
    buf_clear(&why);
    assert_int_equal(conf_load(&spec, folder, &conf, &why), ERR_IO);
    buf_clear(&why);
    assert_int_equal(conf_load(&spec, "/dev/zero", &conf, &why), ERR_IO);
    buf_fini(&why);
}

static void a_reload_names_what_needs_a_restart(void **state)
{
    static const char *const rows[][3] = {
        { "name = n\n", "name = n\nwait = 9 color = red\n", "" },
        { "name = n\n", "name = m number = 6\n", "name, number" },
        { "name = n list = {x, y}\n", "name = n\n", "" },
        { "name = n\n", "name = n list = {x}\n", "list" },
        { "name = n peer a { address = x }\n", "name = n peer a { address = y weight = 2 }\n", "peer \"a\" weight" },
        { "name = n peer a { address = x }\n", "name = n peer b { address = x }\n", "peer \"a\", peer \"b\"" },
        { "name = n\n", "name = n part { count = 2 }\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct whole *a = load_good(rows[i][0]), *b = load_good(rows[i][1]);
        struct buf out = { 0 };

        conf_diff_at_start(&spec, a, b, &out);
        if (!str_is(buf_str(&out), rows[i][2]))
            print_error("%.*s\n", (int)out.n, out.p);
        assert_true(str_is(buf_str(&out), rows[i][2]));
        buf_fini(&out);
        conf_free(&spec, a);
        conf_free(&spec, b);
    }
}

static void the_reference_names_every_key(void **state)
{
    struct buf mdoc = { 0 }, markdown = { 0 };

    (void)state;
    conf_write_reference(&spec, CONF_FORMAT_MDOC, &mdoc);
    conf_write_reference(&spec, CONF_FORMAT_MARKDOWN, &markdown);
    buf_add_char(&mdoc, '\0');
    buf_add_char(&markdown, '\0');
    for (const struct conf_section *s = sections; !s->is_end; s++) {
        for (const struct conf_key *key = s->keys; key->name; key++) {
            char item[64];

            snprintf(item, sizeof item, ".It Ic %s\n", key->name);
            assert_non_null(strstr(mdoc.p, item));
            snprintf(item, sizeof item, "- `%s`: ", key->name);
            assert_non_null(strstr(markdown.p, item));
        }
    }
    assert_non_null(strstr(mdoc.p, "A path\\efile.\n"));
    assert_non_null(strstr(mdoc.p, "from 100ms to 1d; default 2s; taken by reload."));
    assert_non_null(strstr(markdown.p, "## Section `peer \"TITLE\"`\n\nOne other."));
    buf_fini(&mdoc);
    buf_fini(&markdown);
}

static void a_secret_is_the_first_line_of_a_private_file(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        enum err e;
    } rows[] = {
        { "s3cret\nmore\n", 0600, ERR_OK },  { " s3cret \r\n", 0400, ERR_OK },   { "s3cret", 0600, ERR_OK },
        { "s3cret\n", 0640, ERR_DENIED },    { "s3cret\n", 0604, ERR_DENIED },   { "s3cret\n", 0660, ERR_DENIED },
        { "", 0600, ERR_MALFORMED },         { "\ns3cret\n", 0600, ERR_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf secret = { 0 }, why = { 0 };

        write_file(other_path, rows[i].text, rows[i].mode);
        assert_int_equal(conf_read_secret(other_path, &secret, &why), rows[i].e);
        assert_true(str_is(buf_str(&secret), rows[i].e == ERR_OK ? "s3cret" : ""));
        assert_int_equal(why.n > 0, rows[i].e != ERR_OK);
        buf_fini(&secret);
        buf_fini(&why);
    }
}

static void an_error_is_one_short_line_whatever_it_quotes(void **state)
{
    struct buf why = { 0 }, text = { 0 };
    void *conf;

    (void)state;
    buf_add(&text, STR("name = n\n\"a\nb\033[2J"));
    for (int i = 0; i < 1000; i++)
        buf_add_char(&text, 'x');
    buf_add(&text, STR("\" = 1\n"));
    buf_add_char(&text, '\0');
    write_file(main_path, text.p, 0600);
    assert_int_equal(conf_load(&spec, main_path, &conf, &why), ERR_MALFORMED);
    assert_true(why.n < 300);
    assert_true(str_find(buf_str(&why), '\n') == why.n && str_find(buf_str(&why), '\033') == why.n);
    buf_fini(&why);
    buf_fini(&text);
}

static void a_sentence_gets_the_place_that_it_speaks_of(void **state)
{
    static const struct {
        const char *sentence;
        int line;
    } rows[] = {
        { "name: too long", 2 },
        { "number: too large", 4 },
        { "peer \"b\": expected another", 7 },
        { "peer \"b\": weight: too heavy", 9 },
        { "peer \"b\": secret: not there", 7 },
        { "peer \"c\": not there", 1 },
        { "peer \"a\": it is bad: really", 5 },
        { "peer: expected more", 7 },
        { "color: not there", 1 },
        { "", 0 },
        { "Nothing that is known.", 1 },
        { "peer \"b", 7 },
    };

    (void)state;
    write_file(main_path, "# first\nname = n\n\nnumber = 1\npeer a { address = x }\n\npeer b {\n address = y\n weight = 2\n}\n", 0600);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 }, expected = { 0 };

        conf_add_places(&spec, main_path, str_from(rows[i].sentence), &out);
        if (rows[i].line)
            buf_printf(&expected, "%s:%d: %s\n", main_path, rows[i].line, rows[i].sentence);
        print_message("  %s\n", rows[i].sentence);
        assert_true(str_eq(buf_str(&out), buf_str(&expected)));
        buf_fini(&out);
        buf_fini(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_fallback),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(durations_and_sizes_have_units),
        cmocka_unit_test(quotes_escapes_and_variables_are_libconfuse_s),
        cmocka_unit_test(an_error_names_file_line_key_and_what_was_expected),
        cmocka_unit_test(an_error_is_one_short_line_whatever_it_quotes),
        cmocka_unit_test(a_sentence_gets_the_place_that_it_speaks_of),
        cmocka_unit_test(all_errors_are_told_at_once),
        cmocka_unit_test(a_good_file_is_read_after_a_bad_one),
        cmocka_unit_test(an_included_file_is_part_of_the_whole),
        cmocka_unit_test(what_cannot_be_read_is_an_error_of_its_own),
        cmocka_unit_test(a_reload_names_what_needs_a_restart),
        cmocka_unit_test(the_reference_names_every_key),
        cmocka_unit_test(a_secret_is_the_first_line_of_a_private_file),
    };

    return cmocka_run_group_tests(tests, before_all, after_all);
}
