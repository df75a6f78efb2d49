/* Which searches for people can be asked for, and what they become in a filter (sm/search.h). */
#include "sm/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_field_is_a_word_and_one_attribute_once(void **state)
{
    static const struct {
        const char *items[2];
        bool is_good;
    } rows[] = {
        { { "first=givenName", "last=sn" }, true },
        { { "standard", "city=l" }, true },
        { { "oid=1.2.3", "a=b" }, true },
        { { "first=givenName", "first=cn" }, false },
        { { "standard", "email=mail" }, false },
        { { "first", "last=sn" }, false },
        { { "first=", "last=sn" }, false },
        { { "=cn", "last=sn" }, false },
        { { "first=c*", "last=sn" }, false },
        { { "first=cn)(x=y", "last=sn" }, false },
        { { "fi rst=cn", "last=sn" }, false },
        { { "jid=uid", "last=sn" }, false },
        { { "name=cn", "last=sn" }, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf_list list = { .items = (char **)(uintptr_t)rows[i].items, .count = 2 };
        struct search_map map;
        struct buf why = { 0 };

        assert_int_equal(search_map_read(&list, &map, &why) == ERR_OK, rows[i].is_good);
        assert_int_equal(why.n == 0, rows[i].is_good);
        buf_fini(&why);
    }
}

static void a_term_is_the_beginning_and_no_sign_of_it_means_anything(void **state)
{
    static const struct {
        const char *term, *filter; /* filter NULL: nothing is left */
    } rows[] = {
        { "Cap", "(sn=Cap*)" },
        { "  Cap \t", "(sn=Cap*)" },
        { "Cap*", "(sn=Cap*)" },
        { "Cap***", "(sn=Cap*)" },
        { "Ca", "(sn=Ca)" },
        { "Ca*", "(sn=Ca)" },
        { "*", NULL },
        { "", NULL },
        { "   ", NULL },
        { "*a*b*", "(sn=\\2aa\\2ab*)" },
        { "x)(uid=*", "(sn=x\\29\\28uid\\3d*)" },
        { "\\2a.", "(sn=\\5c2a.*)" },
        { "\xc3\xbc\xc3\xa4\xc3\xb6", "(sn=\\c3\\bc\\c3\\a4\\c3\\b6*)" },
        { "\xc3\xbc\xc3\xa4", "(sn=\\c3\\bc\\c3\\a4)" }, /* two letters */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        assert_int_equal(search_add_term(&out, "sn", str_from(rows[i].term), 3), rows[i].filter != NULL);
        assert_true(str_eq(buf_str(&out), str_from(rows[i].filter ? rows[i].filter : "")));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_a_word_and_one_attribute_once),
        cmocka_unit_test(a_term_is_the_beginning_and_no_sign_of_it_means_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
