/* What the tests of proto/control.h share: a parser, and texts as elements. */
#ifndef TESTS_CONTROL_PARTS_H
#define TESTS_CONTROL_PARTS_H

#include "common/mem.h"
#include "proto/control.h"
#include "proto/ns.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SID "0123456789abcdef0123456789abcdef"
#define CONN "0123456789abcdef-42"
#define NS "xmlns='" NS_LINK "'"

struct fixture {
    struct xml_parser *parser;
    struct arena arena;
    struct buf out;
};

static inline int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    f->parser = xml_parser_new();
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    xml_parser_free(f->parser);
    arena_fini(&f->arena);
    buf_fini(&f->out);
    mem_free(f);
    return 0;
}

static inline const struct xml *parse(struct fixture *f, struct str text)
{
    struct xml *x = NULL;

    arena_reset(&f->arena);
    assert_int_equal(xml_parse(f->parser, XML_ALONE, &control_xml_limits, text, &f->arena, &x), XML_OK);
    return x;
}

static inline const struct xml *written(struct fixture *f)
{
    return parse(f, buf_str(&f->out));
}

#define WITH_FIXTURE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
