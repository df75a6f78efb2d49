/* Data forms (XEP-0004) and Result Set Management (XEP-0059): what is taken, what is malformed, what
 * is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/rsm.h"

static struct xml_parser *parser;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    parser = xml_parser_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    xml_parser_free(parser);
    return 0;
}

static struct xml *parse(const char *text)
{
    struct xml *root;

    assert_int_equal(
        xml_parse(parser, XML_ALONE, &xml_default_limits, str_from(text), &arena, &root), XML_OK);
    return root;
}

#define FORM(inner) "<x xmlns='" NS_DATA_FORMS "' type='submit'>" inner "</x>"
#define FIELD(name, values) "<field var='" name "'>" values "</field>"
#define TYPE FIELD("FORM_TYPE", "<value>t</value>")
#define ONE "<value>1</value>"

static enum err read_form(const char *text, struct form *out_form)
{
    return form_read(parse(text), &arena, out_form);
}

static void a_form_has_its_type_and_fields(void **state)
{
    struct form form;
    struct str value;
    bool is;

    (void)state;
    assert_int_equal(read_form(FORM(TYPE FIELD("a", ONE) FIELD("b", "") FIELD("c", ONE ONE)
                                        "<field type='fixed'><value>read</value></field>"),
                               &form),
                     ERR_OK);
    assert_true(str_is(form.type, "t"));
    assert_int_equal(form.count, 3);
    assert_null(form_get(&form, "d"));
    assert_null(form_get(&form, "FORM_TYPE"));
    assert_int_equal(form_one(form_get(&form, "a"), &value), ERR_OK);
    assert_true(str_is(value, "1"));
    assert_int_equal(form_one(form_get(&form, "b"), &value), ERR_MALFORMED);
    assert_int_equal(form_one(form_get(&form, "c"), &value), ERR_MALFORMED);
    assert_int_equal(form_bool(form_get(&form, "a"), &is), ERR_OK);
    assert_true(is);
}

static void a_boolean_is_one_of_four_words(void **state)
{
    static const struct {
        const char *text;
        enum err e;
        bool is;
    } rows[] = { { "true", ERR_OK, true },   { "1", ERR_OK, true },
                 { "false", ERR_OK, false }, { "0", ERR_OK, false },
                 { "", ERR_MALFORMED, false }, { "TRUE", ERR_MALFORMED, false },
                 { "yes", ERR_MALFORMED, false } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str value = str_from(rows[i].text);
        struct form_field f = { .values = &value, .count = 1 };
        bool is = true;

        assert_int_equal(form_bool(&f, &is), rows[i].e);
        assert_int_equal(is, rows[i].is);
    }
}

static void malformed_forms_are_refused(void **state)
{
    static const char *const rows[] = {
        "<x xmlns='" NS_DATA_FORMS "'/>",
        "<x xmlns='" NS_DATA_FORMS "' type='form'/>",
        FORM("<field><value>1</value></field>"),
        FORM(FIELD("a", ONE) FIELD("a", ONE)),
        FORM(TYPE TYPE),
        FORM(FIELD("FORM_TYPE", ONE ONE)),
    };
    struct form form;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(read_form(rows[i], &form), ERR_MALFORMED);
}

static void there_is_a_limit_of_fields(void **state)
{
    for (int count = FORM_MAX_FIELDS; count <= FORM_MAX_FIELDS + 1; count++) {
        struct buf text = { 0 };
        struct form form;

        buf_printf(&text, "<x xmlns='" NS_DATA_FORMS "' type='submit'>");
        for (int i = 0; i < count; i++)
            buf_printf(&text, "<field var='f%d'/>", i);
        buf_printf(&text, "</x>%c", '\0');
        assert_int_equal(read_form(text.p, &form),
                         count == FORM_MAX_FIELDS ? ERR_OK : ERR_MALFORMED);
        buf_fini(&text);
    }
    (void)state;
}

#define SET(inner) "<q><set xmlns='" NS_RSM "'>" inner "</set></q>"

static void a_page_is_asked_for(void **state)
{
    struct rsm r;

    (void)state;
    assert_int_equal(rsm_read(parse("<q/>"), &arena, &r), ERR_OK);
    assert_false(r.has_max || r.has_index || str_is_set(r.after) || str_is_set(r.before));
    assert_int_equal(rsm_read(parse(SET("<max> 10 </max><after>x</after>")), &arena, &r), ERR_OK);
    assert_true(r.has_max && r.max == 10 && str_is(r.after, "x") && !str_is_set(r.before));
    assert_int_equal(rsm_read(parse(SET("<before/><index>0</index>")), &arena, &r), ERR_OK);
    assert_true(!r.has_max && r.has_index && r.index == 0);
    assert_true(str_is_set(r.before) && r.before.n == 0);
}

static void malformed_pages_are_refused(void **state)
{
    static const char *const rows[] = {
        SET("<max/>"),
        SET("<max>-1</max>"),
        SET("<max>1.5</max>"),
        SET("<max>18446744073709551616</max>"),
        SET("<max>1</max><max>1</max>"),
        SET("<index>x</index>"),
        SET("<after/>"),
        SET("<after>a</after><after>b</after>"),
        SET("<before/><before/>"),
        "<q><set xmlns='" NS_RSM "'/><set xmlns='" NS_RSM "'/></q>",
    };
    struct rsm r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rsm_read(parse(rows[i]), &arena, &r), ERR_MALFORMED);
}

static void what_is_told_is_what_is_known(void **state)
{
    static const struct {
        struct rsm_page page;
        const char *text;
    } rows[] = {
        { { .index = -1, .count = -1 }, "<a><set xmlns='" NS_RSM "'/></a>" },
        { { .index = 0, .count = 7 }, "<a><set xmlns='" NS_RSM "'><count>7</count></set></a>" },
        { { .first = { "f", 1 }, .last = { "<", 1 }, .index = 0, .count = -1 },
          "<a><set xmlns='" NS_RSM "'><first index='0'>f</first><last>&lt;</last></set></a>" },
        { { .first = { "f", 1 }, .last = { "l", 1 }, .index = -1, .count = 2 },
          "<a><set xmlns='" NS_RSM "'><first>f</first><last>l</last><count>2</count></set></a>" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct xml *a = xml_new(&arena, NULL, "a");
        struct buf out = { 0 };

        rsm_write(a, &arena, &rows[i].page);
        xml_write(&out, a, STR_NONE);
        assert_true(str_is(buf_str(&out), rows[i].text));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_has_its_type_and_fields),
        cmocka_unit_test(a_boolean_is_one_of_four_words),
        cmocka_unit_test(malformed_forms_are_refused),
        cmocka_unit_test(there_is_a_limit_of_fields),
        cmocka_unit_test(a_page_is_asked_for),
        cmocka_unit_test(malformed_pages_are_refused),
        cmocka_unit_test(what_is_told_is_what_is_known),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
