/* Memory that is freed all at once. */
#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_it_gives_is_zeroed_aligned_and_apart(void **state)
{
    struct arena a = { 0 };
    unsigned char *before = NULL;

    (void)state;
    for (size_t n = 1; n < 300; n++) {
        unsigned char *p = arena_alloc(&a, n);

        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xee, n);
        assert_true(!before || *before == 0xee);
        before = p;
    }
    arena_fini(&a);
}

static void a_large_piece_has_room(void **state)
{
    struct arena a = { 0 };
    char *p = arena_alloc(&a, 1 << 20);

    (void)state;
    p[0] = p[(1 << 20) - 1] = 'x';
    assert_true(a.total >= 1 << 20);
    arena_fini(&a);
}

static void a_reset_forgets_and_zeroes_again(void **state)
{
    struct arena a = { 0 };

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char *p = arena_alloc(&a, 100);

            assert_int_equal(p[0], 0);
            assert_int_equal(p[99], 0);
            memset(p, 'x', 100);
        }
        assert_true(a.total >= 10000);
        arena_reset(&a);
        assert_int_equal(a.total, 0);
    }
    arena_fini(&a);
    arena_fini(&a);
}

static void copies_end_in_nul_and_absent_stays_absent(void **state)
{
    struct arena a = { 0 };
    struct str copy = arena_str(&a, str_of("ab!", 2)), text;

    (void)state;
    assert_string_equal(copy.p, "ab");
    assert_false(str_is_set(arena_str(&a, STR_NONE)));
    assert_true(str_is_set(arena_str(&a, STR(""))));
    text = arena_printf(&a, "%s-%d", "x", 12);
    assert_string_equal(text.p, "x-12");
    assert_int_equal(text.n, 4);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_gives_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_large_piece_has_room),
        cmocka_unit_test(a_reset_forgets_and_zeroes_again),
        cmocka_unit_test(copies_end_in_nul_and_absent_stays_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
