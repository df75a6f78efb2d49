/* Addresses, networks and names of the report of the boundary. */
#include "common/mem.h"
#include "deploy/ctl/boundary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void addresses_are_read_and_written_alike(void **state)
{
    static const struct {
        const char *text, *again; /* NULL: refused */
    } rows[] = {
        { "192.0.2.1:5222", "192.0.2.1:5222" },
        { "[2001:db8::1]:443", "[2001:db8::1]:443" },
        { "[::ffff:192.0.2.1]:80", "192.0.2.1:80" },
        { "0.0.0.0:0", "0.0.0.0:0" },
        { "*", "" },
        { "", "" },
        { "192.0.2.1", NULL },
        { "192.0.2.1:", NULL },
        { "192.0.2.1:65536", NULL },
        { "192.0.2.1:-1", NULL },
        { "192.0.2.256:1", NULL },
        { ":1", NULL },
        { "host.example:1", NULL },
        { "[]:1", NULL },
    };
    struct arena arena = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct boundary_address a;
        enum err e = boundary_address_parse(str_from(rows[i].text), &a);

        assert_int_equal(e, rows[i].again ? ERR_OK : ERR_MALFORMED);
        if (rows[i].again)
            assert_true(str_is(boundary_address_text(&arena, &a), rows[i].again));
    }
    arena_fini(&arena);
}

static void an_address_is_in_a_network_or_not(void **state)
{
    static const struct {
        const char *networks, *address;
        bool is_in;
    } rows[] = {
        { "any", "192.0.2.1:1", true },
        { "any", "[2001:db8::1]:1", true },
        { "192.0.2.1", "192.0.2.1:1", true },
        { "192.0.2.1", "192.0.2.2:1", false },
        { "10.0.0.0/8", "10.255.255.255:1", true },
        { "10.0.0.0/8", "11.0.0.0:1", false },
        { "192.0.2.128/25", "192.0.2.127:1", false },
        { "192.0.2.128/25", "192.0.2.128:1", true },
        { "0.0.0.0/0", "203.0.113.9:1", true },
        { "0.0.0.0/0", "[2001:db8::1]:1", false },
        { "2001:db8::/33", "[2001:db8:7fff::1]:1", true },
        { "2001:db8::/33", "[2001:db8:8000::1]:1", false },
        { "192.0.2.1 2001:db8::1", "[2001:db8::1]:1", true },
        { "192.0.2.1  198.51.100.0/24 ", "198.51.100.7:1", true },
        { "192.0.2.1", "[::ffff:192.0.2.1]:1", true },
        { "::/0", "192.0.2.1:1", false },
    };
    struct arena arena = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct boundary_networks n;
        struct boundary_address a;

        assert_int_equal(boundary_networks_parse(&arena, str_from(rows[i].networks), &n), ERR_OK);
        assert_int_equal(boundary_address_parse(str_from(rows[i].address), &a), ERR_OK);
        if (boundary_networks_have(&n, &a) != rows[i].is_in)
            fail_msg("%s %s", rows[i].networks, rows[i].address);
    }
    arena_fini(&arena);
}

/* Nothing at all, or what is not understood, must not become "any". */
static void networks_that_are_none_are_refused(void **state)
{
    static const char *const rows[] = { "",           " ",        "all",         "192.0.2.1/33", "192.0.2.1/",
                                        "192.0.2.1/x", "2001:db8::/129", "192.0.2",     "any any",      "::ffff:192.0.2.1/24" };
    struct arena arena = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct boundary_networks n;

        if (boundary_networks_parse(&arena, str_from(rows[i]), &n) != ERR_MALFORMED)
            fail_msg("\"%s\"", rows[i]);
    }
    arena_fini(&arena);
}

static void names_cannot_speak_to_a_terminal(void **state)
{
    static const char name[] = "/run/a b\n\x1b[2J\\\xc3\xa9\0";
    struct arena arena = { 0 };

    (void)state;
    assert_string_equal(boundary_printable(&arena, str_of(name, sizeof name - 1)).p, "/run/a\\x20b\\x0a\\x1b[2J\\x5c\\xc3\\xa9\\x00");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written_alike),
        cmocka_unit_test(an_address_is_in_a_network_or_not),
        cmocka_unit_test(networks_that_are_none_are_refused),
        cmocka_unit_test(names_cannot_speak_to_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
